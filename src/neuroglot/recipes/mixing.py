"""From the file of a curriculum to stages: rows become examples, examples texts, and texts exact mixtures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from neuroglot.errors import ConfigError, CorpusError
from neuroglot.recipes.curriculum_file import CurriculumFile, StatedData, StatedStage, StatedWording
from neuroglot.recipes.generated_rows import generated_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora.instruction_rows import InstructionRow
    from neuroglot.experiments.curriculum import Stage
    from neuroglot.neurons import NeuronSet
    from neuroglot.prompting.examples import Example
    from neuroglot.prompting.wordings import InstructionWording
    from neuroglot.tokens.tokenizing import Text
    from neuroglot.training.types import TuningConfig

EMPTY_ROW, ALSO_HELD_OUT, ALSO_SELECTION = "an answer is empty", "also held out", "also in the selection"
Learnable = list[tuple["Example", "Text"]]


@dataclass(frozen=True, eq=False)
class MixedData:
    """One data set's examples by language, to learn from, held out, and to choose learning rates on; `dropped` counts
    rows by language and reason.
    """

    training: Mapping[str, tuple[Example, ...]]
    held_out: Mapping[str, tuple[Example, ...]]
    selection: Mapping[str, tuple[Example, ...]]
    dropped: Counter[tuple[str, str]]


def read_data(file: CurriculumFile, folder: Path, seed: int) -> dict[str, MixedData]:
    """All data sets; raises `CorpusError` and `ConfigError` for missing files, fields of templates, and leakage."""
    mixed = {name: _read(name, data, folder, seed) for name, data in file.data.items()}
    prompts = {name: _prompts(data.held_out) for name, data in mixed.items()}
    for tested in (name for name, data in file.data.items() if data.held_out == "all"):
        for name, data in mixed.items():
            _refuse_leaks(name, [*data.training.values(), *data.selection.values()], tested, prompts[tested])
    held_out = set().union(*prompts.values())
    apart = {name: _without(data, held_out, ALSO_HELD_OUT) for name, data in mixed.items()}
    selection = set().union(*(_prompts(data.selection) for data in apart.values()))
    return {name: replace(_without(data, selection, ALSO_SELECTION), selection=data.selection)
            for name, data in apart.items()}  # fmt: skip


def _prompts(parts: Mapping[str, Sequence[Example]]) -> set[str]:
    return {example.prompt for examples in parts.values() for example in examples}


def _refuse_leaks(name: str, parts: Sequence[Sequence[Example]], tested: str, prompts: set[str]) -> None:
    leaked = [example for part in parts for example in part if example.prompt in prompts]
    if leaked:
        raise ConfigError(
            f"{len(leaked)} rows of {name!r} are rows of the test set {tested!r}, {leaked[0].id!r} among them.",
            "Expected none: what is tested must not be trained on.",
            "Remove them from the training data.",
        )


def _without(data: MixedData, prompts: set[str], reason: str) -> MixedData:
    """Without rows to learn from or to choose on that have one of these prompts, which are counted."""
    training, selection = (
        {language: tuple(example for example in examples if example.prompt not in prompts)
         for language, examples in part.items()}
        for part in (data.training, data.selection)
    )  # fmt: skip
    counted = Counter({
        (language, reason): len(examples) - len(training[language]) for language, examples in data.training.items()
    })  # fmt: skip
    return replace(data, training=training, selection=selection, dropped=data.dropped + counted)


def _read(name: str, data: StatedData, folder: Path, seed: int) -> MixedData:
    from neuroglot.corpora.blank import is_blank
    from neuroglot.prompting.examples import Example
    from neuroglot.signature import seed_of

    rows = _rows(name, data, folder)
    wording = _wording(name, data.template, folder)
    shared = [set.intersection(*(set(row.fields) for row in part)) for part in rows.values()]
    wording.require(sorted(set.intersection(*shared)), repr(name))
    longest = 1 + max(row.number for part in rows.values() for row in part)
    held_out = _drawn(f"held out of {name!r}", data.held_out, range(longest), seed_of(seed, name))
    rest = [number for number in range(longest) if number not in held_out]
    selection = _drawn(f"the selection of {name!r}", data.selection, rest, seed_of(seed, name, "selection"))
    sides: list[dict[str, tuple[Example, ...]]] = [{}, {}, {}]  # to learn from, held out, to choose on
    dropped: Counter[tuple[str, str]] = Counter()
    for language, part in rows.items():
        parts: tuple[list[Example], ...] = ([], [], [])
        for row in part:
            side = 1 if row.number in held_out else 2 if row.number in selection else 0
            prompt, answer = wording.filled(row.fields, 0 if side else row.number)
            if not is_blank(answer):
                parts[side].append(Example(prompt, answer, name, f"{name}/{row.id}"))
            else:
                dropped[language, EMPTY_ROW] += 1
        for side, examples in enumerate(parts):
            if examples or not side:
                sides[side][language] = tuple(examples)
    training, apart, chosen_on = sides
    return MixedData(training, apart, chosen_on, dropped)


def _drawn(what: str, asked: int | str, numbers: Sequence[int], seed: int) -> set[int]:
    from random import Random

    if isinstance(asked, int) and asked > len(numbers):
        raise CorpusError(f"{asked} rows are to be {what}.", f"Expected at most {len(numbers)}, which are left.")
    return set(numbers) if isinstance(asked, str) else set(Random(seed).sample(numbers, asked))


def _rows(name: str, data: StatedData, folder: Path) -> dict[str, list[InstructionRow]]:
    """The rows by language, with the names of their languages as fields."""
    from neuroglot.corpora.instruction_rows import IN_PATH, language_files, read_line_pairs, read_records
    from neuroglot.prompting.wordings import language_fields

    named = f"The data {name!r}"
    rows = generated_rows(data) or {}
    if not rows and data.rows is not None:
        files = language_files(folder, data.rows, data.languages, named)
        rows = {language: read_records(path, language, data.fields) for language, path in files.items()}
    elif data.source is not None and data.target is not None:
        both = f"{data.source}{data.target}"
        one_of = data.source if IN_PATH in data.source or IN_PATH not in both else data.target
        language_files(folder, one_of, data.languages, named)
        for language in data.languages:
            source, target = (folder / part.replace(IN_PATH, language) for part in (data.source, data.target))
            for path in (source, target):
                language_files(path.parent, path.name, (language,), named)
            rows[language] = read_line_pairs(source, target, language)
    for language, part in rows.items():
        source_language, target_language = (
            end.replace(IN_PATH, language) for end in (data.source_language, data.target_language)
        )
        names = language_fields(source_language, target_language, data.language_names)
        rows[language] = [replace(row, fields={**names, **row.fields}) for row in part]
    return rows


def _wording(name: str, template: str | StatedWording, folder: Path) -> InstructionWording:
    from neuroglot.corpora.blank import is_blank
    from neuroglot.corpora.textfiles import read_lines
    from neuroglot.prompting.wordings import INSTRUCTION_WORDINGS, InstructionWording, with_instructions

    if isinstance(template, str):
        if template not in INSTRUCTION_WORDINGS:
            raise ConfigError(
                f"The data {name!r} have the template {template!r}.",
                f"Expected one of {', '.join(INSTRUCTION_WORDINGS)}, or prompts and an answer.",
            )
        return INSTRUCTION_WORDINGS[template]
    if bool(template.prompts) == (template.instructions is not None):
        raise ConfigError(
            f"The template of {name!r} has prompts and instructions, or neither.", "Expected one of them."
        )
    if template.instructions is None:
        return InstructionWording(template.prompts, template.answer)
    lines = [line for line in read_lines(folder / template.instructions) if not is_blank(line)]
    return with_instructions(lines, template.input, template.answer)


@dataclass(frozen=True, eq=False)
class Encoder:
    """What turns examples into texts: the tokenizer, and how a stage ends, cuts off and words them."""

    tokenizer: PreTrainedTokenizerBase
    longest: int

    def texts(self, stage: StatedStage, given: Sequence[Example]) -> tuple[Learnable, Mapping[str, int]]:
        """The examples that can be learned, with their texts, and how many others there are by reason."""
        from neuroglot.tokens.examples import examples

        given = self.worded(stage, given)
        most = min(stage.max_tokens, self.longest)
        encoded = examples(self.tokenizer, given, end=stage.end, unfit="drop", max_tokens=most)
        texts = encoded.texts if stage.objective == "answers" else tuple(map(_learned_whole, encoded.texts))
        return [(given[row], text) for row, text in zip(encoded.kept, texts, strict=True)], encoded.dropped

    def worded(self, stage: StatedStage, given: Sequence[Example]) -> Sequence[Example]:
        """The examples with their prompts in the model's chat template, if the stage chats."""
        from neuroglot.prompting.chat import written_by_template

        if not stage.chat:
            return given
        turns = ([{"role": "user", "content": example.prompt}] for example in given)
        written = [written_by_template(self.tokenizer, turn) for turn in turns]
        return [replace(example, prompt=text, is_chat=True) for example, text in zip(given, written, strict=True)]

    def grouped(
        self, stage: StatedStage, parts: Mapping[str, Mapping[str, Sequence[Example]]]
    ) -> dict[str, tuple[Text, ...]]:
        """The texts that can be learned by data set and language, as a stage reads them."""
        groups = {
            f"{name}, {language}": tuple(text for _, text in self.texts(stage, examples)[0])
            for name, part in parts.items() for language, examples in part.items()
        }  # fmt: skip
        return {group: texts for group, texts in groups.items() if texts}


def _learned_whole(text: Text) -> Text:
    return replace(text, scored=(False, *(True,) * (len(text.scored) - 1)))


def mixed_stages(
    file: CurriculumFile, data: Mapping[str, MixedData], encoder: Encoder, neurons: Mapping[str, NeuronSet], seed: int,
    shared: TuningConfig,
) -> tuple[tuple[Stage, ...], Counter[str]]:  # fmt: skip
    """The stages with their examples drawn, and what each left out of its data, by data set, language and reason."""
    from neuroglot.experiments.curriculum import Stage
    from neuroglot.signature import seed_of
    from neuroglot.tokens.mixtures import drawn_exactly

    stages, earlier = [], Counter[str]()
    dropped = Counter({
        f"{name} in {language}: {reason}": count
        for name, part in data.items() for (language, reason), count in part.dropped.items()
    })  # fmt: skip
    for stated in file.stages:
        names = tuple(dict.fromkeys([*stated.counts, *stated.weights, *(earlier if stated.replay else ())]))
        pools: dict[str, list[tuple[str, Example, Text]]] = {}
        for name in names:
            pools[name] = []
            for language, examples in data[name].training.items():
                learnable, unfit = encoder.texts(stated, examples)
                pools[name] += [(language, example, text) for example, text in learnable]
                dropped += Counter({f"{stated.name}, {name} in {language}: {why}": n for why, n in unfit.items()})
        new = _new(stated, {name: [text for *_, text in pool] for name, pool in pools.items()})
        counts = new + replayed(stated, new, earlier)
        order = drawn_exactly([len(pools[name]) for name in names], [counts[name] for name in names],
                              seed_of(seed, stated.name))  # fmt: skip
        chosen = [(names[part], *pools[names[part]][index]) for part, index in order]
        config = tuning_of(stated, shared, len(chosen), neurons.get(stated.name))
        counted = Counter((name, language) for name, language, *_ in chosen)
        examples_drawn, texts = (tuple(row[column] for row in chosen) for column in (2, 3))
        selection = encoder.grouped(stated, {name: data[name].selection for name in names})
        stages.append(
            Stage(stated.name, config, examples_drawn, texts, counted, stated.learning_rates, selection)  # type: ignore[arg-type]
        )
        earlier += new
    return tuple(stages), dropped


def _new(stage: StatedStage, texts: Mapping[str, Sequence[Text]]) -> Counter[str]:
    """How many examples of each data set the stage mixes, without those that are replayed."""
    from neuroglot.tokens.mixtures import apportioned

    if stage.counts:
        return Counter(stage.counts)
    wordless = [name for name in stage.weights if not texts[name]]
    if wordless:
        raise CorpusError(f"The stage {stage.name!r} has nothing to learn from {wordless[0]!r}.", "Expected examples.")
    if stage.examples is not None:
        total = stage.examples - round(stage.replay * stage.examples)
    else:
        lengths = {name: sum(len(text.token_ids) for text in texts[name]) / len(texts[name]) for name in stage.weights}
        mean = sum(stage.weights[name] * lengths[name] for name in stage.weights) / sum(stage.weights.values())
        total = max(1, math.ceil((1 - stage.replay) * (stage.tokens or 0) / mean))
    return Counter(dict(zip(stage.weights, apportioned(total, list(stage.weights.values())), strict=True)))


def replayed(stage: StatedStage, new: Counter[str], earlier: Counter[str]) -> Counter[str]:
    """How many examples of each data set come again from earlier stages, in proportion to what these learned."""
    from neuroglot.tokens.mixtures import apportioned

    total = round(sum(new.values()) * stage.replay / (1 - stage.replay))
    return Counter(dict(zip(earlier, apportioned(total, list(earlier.values())), strict=True))) if total else Counter()


def tuning_of(stage: StatedStage, shared: TuningConfig, examples: int, neurons: NeuronSet | None) -> TuningConfig:
    """How a stage of so many examples is tuned: every example once, the last step with fewer."""
    from neuroglot.training.types import Lora

    steps = max(1, math.ceil(math.ceil(examples / stage.batch_size) / stage.accumulation))
    return replace(
        shared, steps=steps, learning_rate=stage.learning_rate, batch_size=stage.batch_size,
        accumulation=stage.accumulation, schedule=stage.schedule, warmup=math.ceil(stage.warmup * steps),
        weight_decay=stage.weight_decay, label_smoothing=stage.label_smoothing,
        lora=Lora(stage.lora_rank, stage.lora_alpha) if stage.train in ("adapters", "qlora") else None,
        four_bits=stage.train == "qlora",
        neurons=neurons, modules=None if isinstance(stage.train, str) else stage.train, frozen=stage.freeze,
        end=stage.end, max_tokens=stage.max_tokens, unfit="drop", pack=stage.pack, log_choices=stage.log_choices,
    )  # fmt: skip
