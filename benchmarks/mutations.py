"""Which one-line mistakes in what is handed on (rows, seeds, columns, ends of intervals, identities) the tests notice.

python -m benchmarks.mutations
python -m benchmarks.mutations --only recipes/analyze --workers 2 --out mutations.json

Each mutation replaces a piece of one line in a copy of `src/`, runs the nearest tests against that copy, and puts the
line back. The checkout is only read, so that it is as it was whatever happens, also where this is killed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, NoReturn

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/neuroglot")
SECONDS = 60.0
OPTIONS = ("-rfE", "-n", "0", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
# What all tests import, before they are forked; nothing of these is mutated.
LIBRARIES = (
    "torch", "transformers", "transformers.models.auto.modeling_auto", "scipy.stats", "polars", "pydantic", "cyclopts",
    "accelerate", "peft", "sacrebleu", "plotly.graph_objects", "langcodes", "jinja2", "huggingface_hub",
)  # fmt: skip
State = Literal["killed", "survived", "timed out"]  # the last is no verdict: machines may be slow


@dataclass(frozen=True)
class Mutation:
    """`old`, which stands once in a file of the package, becomes `new`; `tests` are those nearest to it."""

    file: str
    old: str
    new: str
    tests: str


@dataclass(frozen=True)
class Outcome:
    """What the tests said of a mutation, how long they took, and which of them failed."""

    mutation: Mutation
    state: State
    seconds: float
    failed: tuple[str, ...] = ()


def _of(file: str, tests: str, *pairs: tuple[str, str]) -> list[Mutation]:
    return [Mutation(file, old, new, tests) for old, new in pairs]


HANDED = "tests/recipes/test_options_arrive.py tests/recipes/test_handed_on.py"
RUNS = "tests/runs"
ANALYZE = "tests/recipes/test_analyze.py"
ANALYZE += f" --deselect {ANALYZE}::test_the_lab_model_has_language_neurons"
DEACTIVATION = "tests/test_deactivation.py --deselect tests/test_deactivation.py::test_batches_change_nothing"
TUNING = " ".join(
    f"tests/training/test_tuning.py::test_{name}"
    for name in (
        "the_first_loss_is_the_cross_entropy_of_the_first_answers", "another_seed_gives_other_adapters",
        "batches_come_in_the_order_of_the_examples_with_labels_on_answers_only",
        "options_that_make_no_sense_are_refused", "the_trainer_has_every_option_of_the_training",
        "all_rows_are_read_once_where_a_training_is_timed", "adapters_are_as_they_are_asked_for",
        "merged_weights_give_the_logits_of_the_adapters", "the_learning_rate_follows_from_what_is_trained_and_is_told",
        "the_recipe_has_the_same_learning_rate",
    )
)  # fmt: skip
MUTATIONS: tuple[Mutation, ...] = (
    *_of(
        "runs/identity.py", f"{RUNS} tests/models/test_provenance.py",
        ("while block := file.read(_BLOCK):", "if block := file.read(_BLOCK):"),
        ('self.note("versions", versions())', "pass"),
        ("dict(before) != fields:", "set(before) != set(fields):"),
        ("        self.on_note()\n", ""),
    ),
    *_of(
        "runs/running.py", RUNS,
        ("set(identity.stored or {}) - set(identity.noted)", "set(identity.noted) - set(identity.stored or {})"),
        ("for key in {**before, **wanted}", "for key in before"),
        ("identity, folder.path, overwrite)", "identity, folder.path, False)"),
        ("(folder.job or folder.marker) if resume", "(folder.marker or folder.job) if resume"),
        ("if not run.is_worth_keeping:", "if True:"),
    ),
    *_of(
        "runs/folder.py", RUNS,
        ('set(plan["old"]) - set(names)', 'set(plan["old"])'),
        ('"old": before["files"]}', '"old": []}'),
        ("self.files.rglob(", "self.files.glob("),
    ),
    *_of(
        "runs/run.py", f"{RUNS} {HANDED}",
        ("Kept(self.state / name)", "Kept(self.state)"),
        ("resume=True, overwrite=self.overwrite", "resume=True, overwrite=False"),
        ("(self.state, self.files) for path", "(self.state,) for path"),
    ),
    *_of(
        "recipes/analyze.py", f"{HANDED} {ANALYZE}",
        ("corpus.split(self.selection_share, self.seed)", "corpus.split(self.selection_share)"),
        ("rest, _ = rest.split(self.ablation_rows", "_, rest = rest.split(self.ablation_rows"),
        ("draws=self.random_draws, seed=self.seed,", "draws=self.random_draws, seed=0,"),
        ("record_sharing(*model, inputs.selection_rows", "record_sharing(*model, inputs.held_out_rows"),
        ("activity, self.task_top_share)", "activity, self.top_share)"),
        ("filter_quantile=self.filter_quantile, owner_quantile=self.owner_quantile",
         "filter_quantile=self.owner_quantile, owner_quantile=self.filter_quantile"),
    ),
    *_of(
        "recipes/deactivate.py", f"{HANDED} tests/recipes/test_deactivate.py",
        ('"by_generation", "seed")', '"by_generation")'),
        ('("level", "corpus_share", "scope"', '("level", "scope"'),
    ),
    *_of(
        "recipes/attribute.py", f"{HANDED} tests/recipes/test_attribute.py",
        ('"frozen_norm": self.frozen_norm, "contrastive": self.contrastive',
         '"frozen_norm": self.contrastive, "contrastive": self.frozen_norm'),
    ),
    *_of(
        "recipes/compare.py", f"{HANDED} tests/recipes/test_sharing.py",
        ('self._shared(run, inputs, "before"), self._shared(run, inputs, "after")',
         'self._shared(run, inputs, "after"), self._shared(run, inputs, "before")'),
    ),
    *_of(
        "recipes/generate.py", f"{HANDED} tests/recipes/test_steer.py",
        ("prompts.take(rows[row_id] for row_id in generation.ids)", "prompts.take(range(len(generation.ids)))"),
    ),
    *_of(
        "recipes/options.py", f"{HANDED} tests/recipes/test_steer.py",
        ("self.top_p, self.beams, self.seed)", "self.top_p, self.beams)"),
        ("Recording(self.site, self.tokens, self.fires, self.special_tokens)",
         "Recording(self.site, self.tokens, self.fires)"),
    ),
    *_of(
        "recipes/reading.py", f"{HANDED} tests/recipes/test_deactivate.py tests/recipes/test_select.py",
        ('is_whole = options.part == "all" and', 'is_whole = options.part != "all" or'),
        ('rows.split(options.split)[options.part == "rest"]', 'rows.split(0.5)[options.part == "rest"]'),
        ('sifted(data, "drop").head(limit)', 'sifted(data.head(limit), "drop")'),
    ),
    *_of(
        "recipes/pmi.py", f"{HANDED} tests/recipes/test_pmi.py",
        ("others[:number]) for", "others[-number:]) for"),
        ("for row, item in enumerate(inputs.items) if item.id in shared][:limit]",
         "for row, item in enumerate(inputs.items)][:limit]"),
        ("choose_demonstrations(inputs, self.shots, self.seed)", "choose_demonstrations(inputs, self.shots, 0)"),
        ("seed=self.seed, tokenizer=tokenizer", "seed=0, tokenizer=tokenizer"),
        ("repeated(original, len(shown) + 1)", "repeated(original, len(shown))"),
    ),
    *_of(
        "recipes/tune.py", f"{HANDED} tests/training/test_tune_command.py {TUNING}",
        ("plain = pmi_mix(sets, self.direct_share, self.seed)", "plain = pmi_mix(sets, self.direct_share, 0)"),
        ("self.limit or LAB_QUESTIONS, self.seed)", "self.limit or LAB_QUESTIONS, 0)"),
        ("hidden = {main, target} if translates", "hidden = {main} if translates"),
        ('else "merged", seed=self.seed,', 'else "merged", seed=0,'),
        ("weight_decay=self.weight_decay,\n            lora", "\n            lora"),
    ),
    *_of(
        "recipes/specialize_train.py", f"{HANDED} tests/recipes/test_specialize.py",
        ("            seed=self.seed,\n            checkpoint_every", "            checkpoint_every"),
    ),
    *_of(
        "recipes/specialize_compare.py", f"{HANDED} tests/specialization/test_comparison.py",
        ("self.validation_rows, self.test_rows,", "self.test_rows, self.validation_rows,"),
        ("self.learning_rate, self.continued_rate,", "self.continued_rate, self.learning_rate,"),
        ("not self.by_direction", "self.by_direction"),
    ),
    *_of(
        "recipes/specialize_evaluate.py", f"{HANDED} tests/recipes/test_specialize.py",
        ('"masked": with_masks, "plain": without', '"masked": without, "plain": with_masks'),
        ("self.metrics, baseline=plain)", "self.metrics, baseline=masked)"),
    ),
    *_of(
        "recipes/specialize_select.py", f"{HANDED} tests/recipes/test_specialize.py",
        ("pivot=self.pivot, **given)", "**given)"),
    ),
    *_of(
        "recipes/scoreboard.py", f"{HANDED} tests/recipes/test_scoreboard.py",
        ("read_corpus(self, self.corpus[index]", "read_corpus(self, self.corpus[0]"),
        ("recording=self.recording, draws=self.random_draws", "draws=self.random_draws"),
    ),
    *_of(
        "recipes/select.py", f"{HANDED} tests/recipes/test_select.py",
        ("(inputs.selector.needs,), self.recording, kept=run", "(inputs.selector.needs,), kept=run"),
    ),
    *_of(
        "recipes/sharing.py", f"{HANDED} tests/recipes/test_sharing.py",
        ('"last", self.fires[:1], self.special_tokens)', '"last", self.fires[-1:], self.special_tokens)'),
        ("by_threshold[0].save(", "by_threshold[-1].save("),
    ),
    *_of(
        "recipes/identify.py", f"{HANDED} tests/recipes/test_identify.py",
        ("for language in read.languages for row_id in read.ids]",
         "for row_id in read.ids for language in read.languages]"),
    ),
    *_of(
        "experiments/evaluation.py", f"tests/test_evaluation.py {HANDED}",
        ("control_seed(seed, draw, language, rule)),", "control_seed(seed, draw, language)),"),
        ("own = [sets[language] for language in tokenized.languages]", "own = list(sets.values())"),
        ("seen = len(data) if whole else", "seen = 0 if whole else"),
        ('place if random_on == "own" else None', "None"),
        ("dropped=len(data) - len(tokenized.ids))", "dropped=0)"),
    ),
    *_of(
        "experiments/scoreboard.py", f"tests/recipes/test_scoreboard.py {HANDED}",
        ('({"seed": seed} if', '({"seed": 0} if'),
        ("            rule=selector.name,\n", ""),
        ("read=frozenset(text_hashes(corpus))", "read=frozenset()"),
        ('            seed=seed,\n            random_on="own",', '            random_on="own",'),
    ),
    *_of(
        "experiments/deactivation.py", DEACTIVATION,
        ("prompts = self.task.prompts.take(self.questions.rows)", "prompts = self.task.prompts"),
        ("limit - longest_answer(questions), unfit)", "limit, unfit)"),
        ('plan.seed, ["corpus"], name, draw)[0]', 'plan.seed, ["corpus"], name, 0)[0]'),
        ("(total >= enough)[None]", "(total > enough)[None]"),
    ),
    *_of(
        "experiments/deactivation_scoring.py", f"{HANDED} {DEACTIVATION}",
        ("seed_of(seed, row_id, name, draw)", "seed_of(seed, row_id, draw)"),
        ("seed_of(seed, row_id, name, draw)", "seed_of(seed, row_id, name)"),
        ("questions.right[place // len(questions.languages)]", "questions.right[0]"),
    ),
    *_of(
        "experiments/prompts.py", "tests/recipes/test_pmi.py",
        ("(zeros * tokens[:, None]).sum(0) / tokens.sum()", "zeros.mean(0)"),
        ("- (generated - 1)", "- generated"),
    ),
    *_of(
        "experiments/specialization.py", f"{HANDED} tests/specialization/test_comparison.py",
        ("make_corpus(LabConfig(seed,", "make_corpus(LabConfig(0,"),
        ("whole.split(held / len(whole), seed)", "whole.split(held / len(whole))"),
        ('wanted = "x2en" if layer.stack == "encoder" else "en2x"',
         'wanted = "en2x" if layer.stack == "encoder" else "x2en"'),
    ),
    *_of(
        "metrics/intervals.py", "tests/metrics/test_intervals.py",
        ("(units.sum(0) - units) / (len(units) - 1)", "(units.sum(0) - units) / len(units)"),
        ('elif level == "draws":', 'elif level == "models":'),
        ("if level in apart and index else level", "if level in apart else level"),
        ("torch.minimum(low, self.value), torch.maximum(high, self.value)", "low, high"),
        ("(middle - root) / square if harmful else 0.0", "(middle + root) / square if harmful else 0.0"),
    ),
    *_of(
        "metrics/ablation.py", "tests/metrics/test_intervals.py tests/metrics/test_scoreboard.py",
        ("self._of_random(), self.random.shape[0])", "self._of_random())"),
        ("*self.differences(means, languages), *means", "*self.differences(means), *means"),
        ("self.levels(_part(conditions, index), cells.get(name, 1))", "self.levels(_part(conditions, index))"),
        ("self.levels(mean, len(self.languages))", "self.levels(mean)"),
    ),
    *_of(
        "metrics/scoreboard.py", "tests/metrics/test_scoreboard.py tests/recipes/test_scoreboard.py",
        ("len(self.languages) * len(self.models), confidence)", "len(self.languages), confidence)"),
        ("return min(sizes), max(sizes)", "return max(sizes), min(sizes)"),
        ("numbers[..., 4]).p_values()", "numbers[..., 3]).p_values()"),
    ),
    *_of(
        "metrics/deactivation.py", "tests/reports/test_deactivation_section.py",
        ("values[..., (0, 2), :, :]", "values[..., (0, 1), :, :]"),
        ("adjusted[language][index::count]", "adjusted[language][2 * index : 2 * index + 2]"),
        ("chosen.share_differences(languages)", "chosen.share_differences()"),
        ("draws = self.draws if index > len(self.categories) else 1", "draws = self.draws"),
        ("row.map(lambda values: values[..., -1:]), outcome, languages * draws)",
         "row.map(lambda values: values[..., -1:]), outcome, draws)"),
    ),
    *_of(
        "metrics/prompts.py", "tests/recipes/test_pmi.py",
        ("holm(list(raw.values()))", "list(raw.values())"),
        ("self.p_values[role, name])", 'self.p_values["score", name])'),
        ("float(result.prompt_tokens.double().mean()), float(result.generated_tokens.double().mean())",
         "float(result.generated_tokens.double().mean()), float(result.prompt_tokens.double().mean())"),
    ),
    *_of(
        "metrics/paired.py", "tests/metrics/test_paired.py tests/metrics/test_intervals.py",
        ("        signs[0] = 1\n", ""),
        ("middle = len(ordered) // 2 + 1", "middle = max(1, len(ordered) // 2)"),
    ),
    *_of(
        "metrics/translation.py", "tests/metrics/test_translation_comparison.py",
        ("if name != (to or self.base)", "if name != self.base"),
    ),
    *_of(
        "reports/sections/ablation.py", "tests/reports/test_columns_in_place.py tests/reports/test_report.py",
        ('"diagonal_over_random": means.diagonal_over_random',
         '"diagonal_over_random": means.diagonal_over_off_diagonal'),
        ("(codes[s], codes[g], *score_cells", "(codes[g], codes[s], *score_cells"),
        ('"other": means.diagonal_over_off_diagonal, "random": means.diagonal_over_random}',
         '"other": means.diagonal_over_random, "random": means.diagonal_over_off_diagonal}'),
        ("{in_unit(view.headline.random, view.matrix.metric)} for random",
         "{in_unit(view.headline.off_diagonal, view.matrix.metric)} for random"),
    ),
    *_of(
        "reports/sections/deactivation.py", "tests/reports/test_deactivation_section.py",
        ("*score_cells(e.random), *score_cells(e.beyond_random))",
         "*score_cells(e.beyond_random), *score_cells(e.random))"),
        ("(name, code, test.fell, test.rose, test.p)", "(name, code, test.rose, test.fell, test.p)"),
        ("(name, *score_cells(effect.per_thousand), *score_cells(effect.random_per_thousand))",
         "(name, *score_cells(effect.random_per_thousand), *score_cells(effect.per_thousand))"),
        ("number(effect.random.value), number(view.levels[name][-1].value))",
         "number(effect.random.value), number(view.levels[name][0].value))"),
        ("result.mean_sizes[place, depth].item()", "result.mean_sizes[place, 0].item()"),
    ),
    *_of(
        "reports/sections/evaluation.py", "tests/reports/test_columns_in_place.py tests/reports/test_report.py",
        ("rows = zip(activity.languages, activity.tokens.tolist(), rates, silent)",
         "rows = zip(activity.languages, activity.tokens.tolist(), silent, rates)"),
        ('better = "right" if evaluation', 'better = "left" if evaluation'),
        ("{number(means[worst])} ({worst}) and {number(means[best])} ({best})",
         "{number(means[worst])} ({best}) and {number(means[best])} ({worst})"),
    ),
    *_of(
        "reports/sections/scoreboard.py", "tests/reports/test_columns_in_place.py tests/recipes/test_scoreboard.py",
        ("number(one.other.value),\n            number(one.random.value),",
         "number(one.random.value),\n            number(one.other.value),"),
        ("max(matrix.seen for", "min(matrix.seen for"),
    ),
    *_of(
        "training/trainer.py", f"{TUNING} tests/specialization/test_training.py",
        ("        weight_decay=training.weight_decay,\n", ""),
                ("        label_smoothing_factor=training.label_smoothing,\n", ""),
        ("seed=training.seed,", "seed=0,"),
        ("rows[start : start + batch_size]", "rows[:batch_size]"),
    ),
    *_of(
        "training/checkpoints.py",
        "tests/training/test_tuning.py::test_the_newest_checkpoint_is_that_of_most_steps"
        " tests/training/test_tuning.py::test_it_goes_on_from_the_last_whole_checkpoint",
        ("sorted(_all(folder), key=_step, reverse=True)", "sorted(_all(folder), reverse=True)"),
        ("sorted(_all(folder), key=_step)[:-keep]", "sorted(_all(folder))[:-keep]"),
        ('checkpoint.rglob("*")', 'checkpoint.glob("*")'),
    ),
    *_of(
        "training/adapters.py", TUNING,
        ("lora_alpha=lora.alpha,", "lora_alpha=lora.rank,"),
        ("lora_dropout=lora.dropout,", "lora_dropout=0.0,"),
        ("    set_seed(seed)\n", "    set_seed(0)\n"),
    ),
    *_of(
        "models/provenance.py", "tests/models/test_provenance.py",
        ("rows_dropped=dropped)", "rows_dropped=0)"),
        ('getattr(model.config, "_commit_hash", None)', "None"),
    ),
    *_of(
        "models/fingerprints.py", "tests/models/test_fingerprints.py",
        ('("active_adapters", "scaling", "merged")', '("active_adapters", "merged")'),
        ("dot(words >> 32, multipliers)", "dot(words, multipliers)"),
    ),
    *_of(
        "models/finite.py", "tests/models/test_finite.py",
        ("texts[place].row + 1 for", "texts[place].row for"),
        ("broken = broken[real.flatten().cpu()[broken]]", "broken = broken"),
        ("(broken // real.shape[1])", "(broken % real.shape[1])"),
    ),
    *_of(
        "models/loading.py", "tests/models/test_damaged.py tests/models/test_view.py",
        ("load_config(source, name, family, revision=revision)", "load_config(source, name, family)"),
        ("name, revision=revision, dtype=dtype, **spread)", "name, revision=revision, **spread)"),
        ("_whole_model(family, source, name, revision=revision,", "_whole_model(family, source, name,"),
    ),
    *_of(
        "activity/checkpoints.py", "tests/activity/test_checkpoints.py",
        ('files.sort(key=lambda tensors: -len(tensors["done"]))', "pass"),
        ("torch.maximum(total, stored) if is_maximum else total + stored", "total + stored"),
        ("sorted(self.done - self._of_process_0)", "sorted(self.done)"),
    ),
    *_of(
        "activity/passes.py", "tests/activity/test_passes.py tests/activity/test_checkpoints.py",
        ("cache = copy.deepcopy(self._prefix[1])", "cache = self._prefix[1]"),
        ("self.largest = batch.real.numel() // 2", "self.largest = batch.real.numel()"),
    ),
    *_of(
        "activity/recording.py", "tests/activity/test_record.py tests/models/test_provenance.py",
        ("if float(rounded) > threshold:", "if False:"),
        ("thresholds = \",\".join(str(threshold).removesuffix(\".0\") for threshold in self.fires)",
         "thresholds = \",\".join(str(threshold).removesuffix(\".0\") for threshold in self.fires[:1])"),
    ),
    *_of(
        "corpora/shapes.py", "tests/corpora/test_shapes.py",
        ("key = str(list(ids)[place]) if", "key = str(len(column) + 1) if"),
        ("numbers != [str(number) for number in range(len(numbers))]", "not numbers"),
        ("[column.get(key) for key in every]", "list(column.values())"),
    ),
    *_of(
        "corpora/endings.py",
        "tests/corpora/test_shapes.py tests/corpora/test_refusals.py tests/corpora/test_parallel_inputs_adapters.py",
        ("if len(tags) > 1}", "if tags}"),
        ("NO_TEXTS | ALSO_WORDS and", "NO_TEXTS and"),
    ),
    *_of(
        "corpora/languages.py", "tests/corpora/test_languages.py",
        ("if len(of) == 1 and (len(name)", "if (len(name)"),
        ('BESIDE_MACROLANGUAGE = frozenset({"tw"})', "BESIDE_MACROLANGUAGE: frozenset[str] = frozenset()"),
        ("(sorted(found) if wanted is None else wanted)", "sorted(found)"),
    ),
)  # fmt: skip


def main() -> None:
    """Print each outcome as it comes, and the survivors at the end; 1 is the exit status if there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="files whose name contains this")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="the longest that tests of one mutation may take"
    )
    parser.add_argument("--out", type=Path, help="write the outcomes as JSON")
    options = parser.parse_args()
    chosen = [mutation for mutation in MUTATIONS if options.only in mutation.file]
    if misplaced := [mutation for mutation in chosen if not _stands_once(mutation)]:
        sys.exit("\n".join(f"{one.file} does not hold once: {one.old!r}" for one in misplaced))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that processes and copies go too
    outcomes: list[Outcome] = []
    for outcome in run(chosen, options.workers, options.seconds):
        outcomes.append(outcome)
        print(f"{outcome.state:9} {outcome.seconds:5.1f} s  {_described(outcome.mutation)}", flush=True)
        if options.out:
            options.out.write_text(json.dumps([asdict(one) for one in outcomes], indent=1) + "\n", encoding="utf-8")
    noticed = sorted({test for outcome in outcomes for test in outcome.failed})
    if broken := _failing(noticed) if noticed else ():
        sys.exit(f"These tests fail without a mutation too, and say nothing: {', '.join(broken)}.")
    survivors = [outcome.mutation for outcome in outcomes if outcome.state == "survived"]
    killed = sum(outcome.state == "killed" for outcome in outcomes)
    print(f"{len(outcomes)} made, {killed} killed, {len(survivors)} survived")
    print("".join(f"  {_described(mutation)}\n" for mutation in survivors), end="")
    sys.exit(bool(survivors))


def run(mutations: list[Mutation], workers: int = 1, seconds: float = SECONDS) -> Iterator[Outcome]:
    """Outcomes as they come; so many mutations at a time, each in a copy of `src/` of its own."""
    for name in LIBRARIES:
        with suppress(ImportError):
            import_module(name)
    with tempfile.TemporaryDirectory(prefix="neuroglot-mutations-") as temporary, ExitStack() as children:
        free = [Path(shutil.copytree(ROOT / "src", Path(temporary) / str(number) / "src")) for number in range(workers)]
        waiting, running = list(reversed(mutations)), dict[Path, tuple[Mutation, Tests]]()
        while waiting or running:
            while waiting and free:
                mutation, copy = waiting.pop(), free.pop()
                _write(copy, mutation)
                tests = Tests(["-x", *mutation.tests.split()], copy, copy.parent / "said", seconds)
                children.callback(tests.kill)
                running[copy] = mutation, tests
            time.sleep(0.05)
            for copy, (mutation, tests) in list(running.items()):
                if tests.is_done:
                    del running[copy]
                    free.append(copy)
                    shutil.copy2(ROOT / PACKAGE / mutation.file, copy / PACKAGE.name / mutation.file)  # with its time
                    state: State = "timed out" if tests.status is None else "killed" if tests.status else "survived"
                    yield Outcome(mutation, state, tests.spent, tests.failed)


class Tests:
    """Tests against a copy of `src/`, in a process of their own that has the libraries already."""

    def __init__(self, arguments: list[str], source: Path, said: Path, seconds: float = math.inf) -> None:
        self.said, self.seconds, self.started = said, seconds, time.monotonic()
        self.status: int | None = None  # pytest's; None where it ran for too long
        self.spent = 0.0
        self.process = os.fork()
        if self.process == 0:
            _pytest([*OPTIONS, *arguments], source, said)

    @property
    def is_done(self) -> bool:
        """Whether they have ended, or were made to after the longest that they may take."""
        self.spent = time.monotonic() - self.started
        ended, status = os.waitpid(self.process, os.WNOHANG)
        if ended:
            self.process, self.status = 0, os.waitstatus_to_exitcode(status)
            if self.status not in (0, 1, 2) or (self.status == 2 and not self.failed):
                raise RuntimeError(f"pytest ended with {self.status}:\n{self.said.read_text(encoding='utf-8')}")
        elif self.spent > self.seconds:
            self.kill()
        return not self.process

    def kill(self) -> None:
        """End them and what they started, if they have not ended."""
        if self.process:
            with suppress(ProcessLookupError):  # it has no group yet
                os.killpg(self.process, signal.SIGKILL)
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            self.process = 0

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the tests that failed."""
        lines = self.said.read_text(encoding="utf-8", errors="replace").splitlines()
        marked = [line.split(" ", 1)[1] for line in lines if line.startswith(("FAILED ", "ERROR "))]
        return tuple(line.split(" - ")[0] for line in marked)


def _pytest(arguments: list[str], source: Path, said: Path) -> NoReturn:
    """What a new process does: `source` stands before the installed package, also for processes of the tests."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(ROOT)
    os.environ |= {"PYTHONPATH": str(source), "COLUMNS": "1000"}
    sys.path[:] = [str(source), str(ROOT), *(path for path in sys.path if path not in ("", str(ROOT / "src")))]
    sys.dont_write_bytecode = True
    status = 70
    try:
        import pytest

        status = int(pytest.main(arguments))
    except BaseException:  # nothing may return into the process that was forked
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _write(copy: Path, mutation: Mutation) -> None:
    text = (ROOT / PACKAGE / mutation.file).read_text(encoding="utf-8")
    (copy / PACKAGE.name / mutation.file).write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")


def _failing(tests: list[str]) -> tuple[str, ...]:
    """Those of some tests that fail as the checkout is."""
    with tempfile.TemporaryDirectory() as temporary:
        plain = Tests(tests, ROOT / "src", Path(temporary) / "said")
        while not plain.is_done:
            time.sleep(0.05)
        return plain.failed


def _stands_once(mutation: Mutation) -> bool:
    return (ROOT / PACKAGE / mutation.file).read_text(encoding="utf-8").count(mutation.old) == 1


def _described(mutation: Mutation) -> str:
    return f"{mutation.file}: {' '.join(mutation.old.split())} → {' '.join(mutation.new.split()) or '(nothing)'}"


if __name__ == "__main__":
    main()
