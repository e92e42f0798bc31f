"""Which decision rule wins over several seeds: run folders of `neuroglot probe` of models of different seeds, together.

`python -m benchmarks.probes seed0 seed1 …`, of the same task and options. Rows and seeds are levels of each interval;
all differences to the tuned temperature, of languages and of the mean, hold at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from neuroglot.corpora import Task
from neuroglot.errors import ConfigError
from neuroglot.experiments.ruled_texts import rule_probe, write_all
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.metrics.intervals import Estimate, Score, confidence_of_each, over, stacked
from neuroglot.metrics.probing import RuleProbe
from neuroglot.recipes.probe import Probe
from neuroglot.runs.files import load_recipe
from neuroglot.runs.identity import Identity
from neuroglot.signature import Signature


def probed(folder: Path) -> RuleProbe:
    """What the rules of a run wrote, read from its folder."""
    recipe = load_recipe(folder, {"probe": Probe})
    if not isinstance(recipe, Probe):
        raise ConfigError(f"{folder} is no run of `neuroglot probe`.", "Expected its run folder.")
    _, held_out = recipe._parts(Identity(), recipe.family_of(recipe.model))
    if not isinstance(held_out, Task):
        raise ConfigError(f"{folder} translates.", "Expected a task.")
    options = recipe._probing(held_out)

    def stored(name: str, _: object) -> GeneratedTexts:
        return GeneratedTexts.load(folder / "texts" / f"{name}.jsonl")

    return rule_probe(held_out, write_all({}, held_out, options, {}, Signature(), stored), options, Signature())


def differences(probes: list[RuleProbe], rule: str, of_mean: bool, claims: int) -> list[Score]:
    """Quality less the control's, over seeds: by language, or on the mean."""
    control = probes[0].control
    each: list[Estimate] = [probe.values(rule) - probe.values(control) for probe in probes]
    cells = len(probes[0].languages) if of_mean else 1
    if of_mean:
        each = [part.map(lambda values: values.mean(-1, keepdim=True)) for part in each]
    return over(stacked(each), "seeds").share_differences(cells, 100, confidence_of_each(claims))


def main() -> None:
    """Print a line a rule: the mean over seeds and languages, its difference, and the languages that are told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    probes = [probed(folder) for folder in parser.parse_args().runs]
    first = probes[0]
    for rule in first.counts:
        quality = sum(probe.mean(rule).value for probe in probes) / len(probes)
        if rule == first.control:
            print(f"{rule:<18}{quality:6.1f}  the control")
            continue
        (mean,) = differences(probes, rule, True, first.claims)
        by_language = dict(zip(first.languages, differences(probes, rule, False, first.claims), strict=True))
        better = [language for language, score in by_language.items() if score.low > 0]
        worse = [language for language, score in by_language.items() if score.high < 0]
        told = f"better in {' '.join(better) or 'none'}, worse in {' '.join(worse) or 'none'}"
        print(f"{rule:<18}{quality:6.1f}{mean.value:8.2f} [{mean.low:.2f}, {mean.high:.2f}]  {told}")


if __name__ == "__main__":
    main()
