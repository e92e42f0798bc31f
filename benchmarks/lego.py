"""Lego-MT in small beside other ways to spend the same budget, over seeds; goes on where it was stopped.

    python -m benchmarks.lego --out lego-seeds --seeds 5

For each seed a small M2M-100 is trained from nothing on the lab's text without the language `--new`. From there every
arm learns from as many batches (`--batches`): the main pair on all directions together (multilingual), a whole model
for each language on its own directions (language-centric), and branches in stage 1, or 1 and 2: one a language, by
family, by overlap of neurons, by chance. Then the new language comes as a branch with everything else frozen, and what
the other directions give is compared. Scores are chrF++ on rows that nothing was trained or chosen on.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.seeds import interval, told
from neuroglot.activity.translation import collect
from neuroglot.corpora.directions import Direction, directions_of
from neuroglot.experiments.lego import best_flows, flows_in, score_flows, translate_flows
from neuroglot.experiments.lego_training import by_direction, train_main
from neuroglot.experiments.specialization import ComparisonConfig, parts_of
from neuroglot.generation.decoding import Decoding
from neuroglot.lab.translator import TranslatorConfig, new_translator
from neuroglot.models.branched import BranchedConfig, BranchedFolder, create
from neuroglot.models.branched.flows import flow_label
from neuroglot.models.branched.writing import save_config
from neuroglot.models.loading import load_tokenizer
from neuroglot.models.view import view
from neuroglot.neurons.grouping import by_family, by_likeness, each_alone, groups_at_random, likeness_of_neurons
from neuroglot.neurons.rules.by_direction import select_masks
from neuroglot.signature import Signature
from neuroglot.storage import Kept, write_whole
from neuroglot.training.language_centric import Directions
from neuroglot.training.localized import LocalizedConfig, train_localized
from neuroglot.training.pieces import Pieces

Groups = Mapping[str, Sequence[str]]
ARMS = ("start", "multilingual", "language-centric", "lego 1", "lego 1+2", "by family", "by neurons", "by chance")
NEW = ("new branch, others", "new branch, itself")
PIVOT = "en"


def main() -> None:
    """Run what is not there yet, and print a line for each arm and difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--languages", nargs="+", default=["de", "fr", "es", "ru", "hi"])
    parser.add_argument("--new", default="sw", help="a language that is added as a branch")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--held", type=int, default=50, help="rows to choose flows on, and as many to translate")
    parser.add_argument("--first", type=int, default=1000, help="steps of the main pair before")
    parser.add_argument("--batches", type=int, default=600, help="that each arm learns from")
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--rate", type=float, default=1e-3)
    asked = parser.parse_args()
    results = [seed_results(asked, seed) for seed in range(asked.seeds)]
    for line in summary(results):
        print(line)


def seed_results(asked: argparse.Namespace, seed: int) -> dict[str, dict[str, float]]:
    """The scores of every arm, by direction: read if they are there, else computed and written."""
    return {name: Seed(asked, seed).kept(name) for name in (*ARMS, *NEW)}


class Seed:
    """One seed's text and start; arms are computed when they are asked for."""

    def __init__(self, asked: argparse.Namespace, seed: int) -> None:
        self.asked, self.seed, self.folder = asked, seed, asked.out / f"seed-{seed}"
        self.languages = tuple(asked.languages)
        config = ComparisonConfig(
            languages=(PIVOT, *self.languages, asked.new), rows=asked.rows, validation_rows=asked.held,
            test_rows=asked.held,
        )  # fmt: skip
        self.train, self.validation, self.test = parts_of(config, seed)
        self.directions = directions_of((PIVOT, *self.languages), PIVOT)

    def kept(self, name: str) -> dict[str, float]:
        """The scores of one arm."""
        path = self.folder / f"{name.replace(' ', '-').replace(',', '')}.json"
        stated = {key: value for key, value in vars(self.asked).items() if key not in ("out", "seeds")}
        if path.is_file():
            stored: dict[str, Any] = json.loads(path.read_text())
            if stored["stated"] != stated:
                raise SystemExit(f"{path} was made with {stored['stated']}. Expected {stated}; name another --out.")
            return dict(stored["scores"])
        scores = self.computed(name)
        write_whole(path, json.dumps({"stated": stated, "scores": scores}, indent=1) + "\n")
        return scores

    def computed(self, name: str) -> dict[str, float]:
        """Train and score one arm."""
        languages = each_alone(self.languages)
        ways: dict[str, Callable[[], dict[str, float]]] = {
            "start": lambda: self.scored(self.start()),
            "multilingual": self.multilingual,
            "language-centric": self.language_centric,
            "lego 1": lambda: self.scored(self.lego(name, languages, ("1",))),
            "lego 1+2": lambda: self.scored(self.lego(name, languages, ("1", "2"))),
            "by family": lambda: self.scored(self.lego(name, by_family(self.languages), ("1", "2"))),
            "by neurons": lambda: self.scored(self.lego(name, self.by_neurons(), ("1", "2"))),
            "by chance": lambda: self.scored(
                self.lego(name, groups_at_random(self.by_neurons(), self.seed), ("1", "2"))
            ),
            "new branch, others": lambda: self.scored(self.with_new()),
            "new branch, itself": lambda: self.scored(self.with_new(), directions_of((PIVOT, self.asked.new), PIVOT)),
        }
        return ways[name]()

    def start(self) -> BranchedFolder:
        """The main pair, trained from nothing, with a group for each language that equals it."""
        path = self.folder / "start"
        if not (path / "done").is_file():
            model, tokenizer = new_translator(self.train, TranslatorConfig(), self.seed)
            self.fit_main(model, tokenizer, self.directions, self.asked.first, 3e-3, "start")
            create(model, each_alone(self.languages), path)  # type: ignore[arg-type]
            tokenizer.save_pretrained(path)
            (path / "done").touch()
        return BranchedFolder(path)

    def fit_main(
        self, model: Any, tokenizer: Any, directions: Sequence[Direction], steps: int, rate: float, name: str
    ) -> None:
        """Train a whole model on some directions together."""
        encoded = Directions.encode(view(model), tokenizer, by_direction(self.train, tuple(directions)))
        train_main(
            model, encoded, steps=steps, learning_rate=rate, batch_size=self.asked.batch_size, temperature=5.0,
            seed=self.seed, checkpoint_every=200, kept=Kept(self.folder / "training" / name), device="cpu",
            on_step=lambda *_: None,
        )  # fmt: skip

    def multilingual(self) -> dict[str, float]:
        """The main pair on all directions."""
        model, tokenizer = self.start().select(), load_tokenizer(str(self.start().path.absolute()))
        self.fit_main(model, tokenizer, self.directions, self.asked.batches, self.asked.rate, "multilingual")
        return self.whole(model, tokenizer, self.directions, "multilingual")

    def language_centric(self) -> dict[str, float]:
        """A whole model for each language, on its own directions, with its share of the budget."""
        found: dict[str, float] = {}
        for code in self.languages:
            model, tokenizer = self.start().select(), load_tokenizer(str(self.start().path.absolute()))
            own, name = directions_of((PIVOT, code), PIVOT), f"centric-{code}"
            steps = max(1, self.asked.batches // len(self.languages))
            self.fit_main(model, tokenizer, own, steps, self.asked.rate, name)
            found |= self.whole(model, tokenizer, own, name)
        return {str(each): found[str(each)] for each in self.directions}

    def whole(self, model: Any, tokenizer: Any, directions: Sequence[Direction], name: str) -> dict[str, float]:
        """The scores of an ordinary model."""
        path = self.folder / "whole" / name
        shutil.rmtree(path, ignore_errors=True)
        create(model, {}, path)
        tokenizer.save_pretrained(path)
        return self.scored(BranchedFolder(path), directions)

    def lego(self, name: str, groups: Groups, stages: tuple[str, ...]) -> BranchedFolder:
        """Branches from the start, with the budget dealt evenly to groups and rounds: two batches a step in stage 1."""
        start = self.start()
        config = self.config_of(start, groups)
        batches = sum({"1": 2, "2": 1}[stage] for stage in stages) * len(groups) * 2
        steps = max(1, round(self.asked.batches / batches))
        return self.localized(name, start, config, stages, tuple(groups), steps, self.directions)

    def localized(
        self, name: str, start: BranchedFolder, config: BranchedConfig, stages: tuple[str, ...],
        groups: tuple[str, ...], steps: int, directions: Sequence[Direction],
    ) -> BranchedFolder:  # fmt: skip
        """A localized training of two rounds, whose flows are chosen on the validation rows."""
        out, tokenizer = self.folder / "branches" / name.replace(" ", "-"), load_tokenizer(str(start.path.absolute()))
        encoded = Directions.encode(view(start.select()), tokenizer, by_direction(self.train, tuple(directions)))
        training = LocalizedConfig(
            steps=steps, learning_rate=self.asked.rate, stages=stages, rounds=2, groups=groups,
            batch_size=self.asked.batch_size, seed=self.seed,
        )  # fmt: skip
        pieces = Pieces.of(self.folder / "pieces" / name.replace(" ", "-"), start, config)
        train_localized(pieces, encoded, training, device="cpu")
        folder = pieces.export(out, start, Signature())
        tokenizer.save_pretrained(out)
        chosen = folder.config
        chosen.flows = best_flows(folder, tokenizer, self.validation, flows_in(chosen, directions), "cpu")
        save_config(chosen, out, start.generation_config)
        return BranchedFolder(out)

    def config_of(self, start: BranchedFolder, groups: Groups) -> BranchedConfig:
        """The start's config with these groups, all of which begin as the main pair."""
        changed = {"groups": {name: list(codes) for name, codes in groups.items()}, "encoders": None, "decoders": None}
        return BranchedConfig.from_dict(start.config.to_dict() | changed | {"flows": {}})

    def by_neurons(self) -> Groups:
        """As many groups as families, by overlap of the start's translation neurons on the validation rows."""
        start = self.start()
        tokenizer = load_tokenizer(str(start.path.absolute()))
        masks = select_masks(collect(view(start.select()), tokenizer, self.validation, self.directions), 70)
        likeness = likeness_of_neurons(masks, self.languages, PIVOT)
        return by_likeness(likeness, self.languages, len(by_family(self.languages)))

    def with_new(self) -> BranchedFolder:
        """The new language as a branch of its own, beside the branches of `lego 1+2`, which are frozen."""
        name = "new"
        done = self.folder / "branches" / name
        known = (BranchedFolder(done).config.flows or {}) if (done / "config.json").is_file() else {}
        if set(map(str, self.directions)) < set(known):  # those of the new language alone are chosen first
            return BranchedFolder(done)
        self.kept("lego 1+2")
        start = BranchedFolder(self.folder / "branches" / "lego-1+2")
        groups = {**start.config.members, self.asked.new: [self.asked.new]}
        config = self.config_of(start, groups)
        steps = max(1, self.asked.batches // (2 * 2 * len(self.languages)))
        own = directions_of((PIVOT, self.asked.new), PIVOT)
        folder = self.localized(name, start, config, ("branches",), (self.asked.new,), steps, own)
        both = folder.config
        both.flows = {**start.config.flows, **both.flows}  # type: ignore[dict-item]
        save_config(both, folder.path, start.generation_config)
        return folder

    def scored(self, folder: BranchedFolder, directions: Sequence[Direction] | None = None) -> dict[str, float]:
        """chrF++ by direction, by the flow that was chosen, or by the main pair."""
        config, directions = folder.config, directions or self.directions
        flows = {each: ((config.flows or {}).get(str(each), 4),) for each in directions}
        tokenizer = load_tokenizer(str(folder.path.absolute()))
        found = translate_flows(folder, tokenizer, self.test, flows, decoding=Decoding(64), device="cpu")
        scores = {}
        for direction, (flow,) in flows.items():
            as_main = {(direction, 4): found[direction, flow]}
            counted = score_flows(as_main, self.test, PIVOT, "chrf++", Signature(), copy.deepcopy(config))
            scores[str(direction)] = counted.by_direction(flow_label(4))[str(direction)].value
        return scores


def summary(results: Sequence[Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Means over seeds of each arm, and paired differences to multilingual training; of the new branch to before."""
    lines, compared = [], {}
    for side, wanted in {"out of the pivot": True, "into the pivot": False}.items():
        means = {name: np.array([mean_of(seed[name], wanted) for seed in results]) for name in (*ARMS, *NEW)}
        for name, values in means.items():
            lines.append(f"{side}, {name}: {interval(values.tolist())}")
        for name in ARMS:
            if name != "multilingual":
                compared[f"{side}: {name} less multilingual"] = means[name] - means["multilingual"]
        for first, second in (("by neurons", "by chance"), ("by neurons", "by family"), ("lego 1+2", "lego 1")):
            compared[f"{side}: {first} less {second}"] = means[first] - means[second]
        forgotten = means["new branch, others"] - means["lego 1+2"]
        lines.append(f"{side}, others with the new branch less without: {interval(forgotten.tolist())}")
    lines += [f"{name}: {interval(values.tolist())}" for name, values in compared.items()]
    return lines + told(compared)


def mean_of(scores: Mapping[str, float], out_of: bool) -> float:
    """The mean over directions out of the pivot, or into it."""
    return float(np.mean([value for name, value in scores.items() if name.startswith(f"{PIVOT}-") == out_of]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
