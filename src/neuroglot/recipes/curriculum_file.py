"""The file of a curriculum: which data with which wording, and the stages that mix them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen

from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.headers import STRICT, Names, from_json

_Count = Annotated[int, Ge(1)]
_Weight = Annotated[float, Gt(0)]
_Share = Annotated[float, Ge(0), Lt(1)]
_Rest = Annotated[float, Ge(0)]


@dataclass(frozen=True)
class StatedWording:
    """A wording of one's own: prompts, of which row k takes number k mod their count, or a file of `instructions`, one
    a line, in Alpaca's form with an `input`.
    """

    __pydantic_config__ = STRICT

    answer: str
    prompts: tuple[str, ...] = ()
    instructions: str | None = None
    input: str = "{source}"


@dataclass(frozen=True)
class StatedData:
    """Rows of records (`rows`), or lines of two files (`source` and `target`); `{language}` in a path stands for each
    of `languages`. `rows` may also be `symbols`, `symbols-renamed` or `lab`, which are generated.

    `fields` says what the file calls a field. So many rows are held out, the same numbers in every language, or all;
    of the others so many are a `selection`, on which learning rates are chosen.
    """

    __pydantic_config__ = STRICT

    languages: Annotated[Names, MinLen(1)]
    template: str | StatedWording
    rows: str | None = None
    source: str | None = None
    target: str | None = None
    source_language: str = "{language}"
    target_language: str = "{language}"
    language_names: Literal["plain", "published"] = "plain"
    fields: dict[str, str] = field(default_factory=dict)
    held_out: Annotated[int, Ge(0)] | Literal["all"] = 0
    selection: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True)
class StatedStage:
    """What a stage mixes, in `counts` of examples or by `weights` of so many `examples` or `tokens`, the share of them
    that is replayed from earlier stages, and what is trained, how. One of `learning_rates` is chosen on the selection
    rows of its data.
    """

    __pydantic_config__ = STRICT

    name: str
    counts: dict[str, _Count] = field(default_factory=dict)
    weights: dict[str, _Weight] = field(default_factory=dict)
    examples: _Count | None = None
    tokens: _Count | None = None
    replay: _Share = 0.0
    train: Literal["all", "adapters", "qlora", "neurons"] | Annotated[tuple[str, ...], MinLen(1)] = "all"
    freeze: tuple[str, ...] = ()
    neurons: str | None = None
    random_neurons: bool = False
    lora_rank: _Count = 8
    lora_alpha: _Weight = 16.0
    objective: Literal["answers", "text"] = "answers"
    chat: bool = False
    end: Literal["eos", "newline", "none"] = "eos"
    max_tokens: _Count = 1024
    pack: bool = False
    learning_rate: _Weight | None = None
    learning_rates: tuple[_Weight, ...] = ()
    schedule: Literal["linear", "cosine", "constant", "inverse_sqrt"] = "linear"
    warmup: Annotated[float, Ge(0), Le(1)] = 0.0
    weight_decay: _Rest = 0.0
    label_smoothing: _Share = 0.0
    log_choices: bool = False
    batch_size: _Count = 8
    accumulation: _Count = 1


@dataclass(frozen=True)
class StatedAsking:
    """How the held-out rows of a data set are asked before, between and behind the stages: the model answers in its own
    words, which are scored by `metrics` of `neuroglot score`. Without `stop` an answer ends as those of the last
    stage do.
    """

    __pydantic_config__ = STRICT

    metrics: Annotated[Names, MinLen(1)]
    max_new_tokens: _Count = 256
    stop: tuple[str, ...] | None = None


@dataclass(frozen=True)
class CurriculumFile:
    """Data sets by name, stages in their order, and which held-out rows are `asked`."""

    __pydantic_config__ = STRICT

    data: Mapping[str, StatedData]
    stages: Annotated[tuple[StatedStage, ...], MinLen(1)]
    asked: Mapping[str, StatedAsking] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> CurriculumFile:
        """The curriculum in a YAML file; raises `ConfigError` that names what does not fit."""
        from neuroglot.corpora.textfiles import read_yaml

        try:
            stored = json.loads(json.dumps(read_yaml(path), default=str))
            read = from_json(stored, cls, str(path))
        except (CorpusError, ArtifactError) as error:
            raise ConfigError(error.got, error.expected, error.next_step) from error
        read.check()
        return read

    def check(self) -> None:
        """Raise `ConfigError` for parts that contradict each other."""
        names = [stage.name for stage in self.stages]
        _require(len({*names}) == len(names), f"The stages are called {', '.join(names)}.", "Expected each once.")
        for name in names:
            plain = name.replace("-", "").replace("_", "").isalnum() and name != "before"
            _require(plain, f"A stage is called {name!r}.", "Expected letters, digits, - and _, and not 'before'.")
        for name, data in self.data.items():
            lines = data.source is not None and data.target is not None and data.rows is None
            records = data.rows is not None and data.source is None and data.target is None
            _require(lines or records, f"The data {name!r} name no files, or too many.",
                     "Expected rows, or source and target.")  # fmt: skip
        for name in self.asked:
            is_there = name in self.data and self.data[name].held_out != 0
            _require(is_there, f"{name!r} is asked.", "Expected data with held-out rows (held_out: 100).")
        for number, stage in enumerate(self.stages):
            self._check_stage(stage, is_first=number == 0)

    def _check_rates(self, stage: StatedStage) -> None:
        named, rates = f"The stage {stage.name!r}", stage.learning_rates
        _require(not rates or stage.learning_rate is None, f"{named} has a learning rate, and several.",
                 "Expected learning_rate or learning_rates.")  # fmt: skip
        told = {f"{rate:g}" for rate in rates}  # as pages and folders call them
        _require(len(told) == len(rates) != 1, f"{named} has the learning rates {', '.join(map(str, rates))}.",
                 "Expected two or more to choose from, each once, that differ within six digits.")  # fmt: skip
        chosen_on = sum(self.data[name].selection for name in stage.counts | stage.weights)
        _require(not rates or chosen_on > 0, f"{named} chooses its learning rate on no rows.",
                 "Expected selection rows of its data (selection: 50), which nothing else uses.")  # fmt: skip

    def _check_stage(self, stage: StatedStage, is_first: bool) -> None:
        named = f"The stage {stage.name!r}"
        _require(bool(stage.counts) != bool(stage.weights), f"{named} has counts and weights, or neither.",
                 "Expected one of them.")  # fmt: skip
        unknown = [name for name in (stage.counts | stage.weights) if name not in self.data]
        _require(not unknown, f"{named} mixes {', '.join(unknown)}.", f"The data are {', '.join(self.data)}.")
        self._check_rates(stage)
        lengths = sum(part is not None for part in (stage.examples, stage.tokens))
        _require(lengths == bool(stage.weights), f"{named} has {lengths} lengths.",
                 "Expected examples or tokens beside weights, and none beside counts.")  # fmt: skip
        _require(not (is_first and stage.replay), f"{named} replays, and is the first.", "Expected an earlier stage.")
        _require((stage.train == "neurons") == (stage.neurons is not None),
                 f"{named} trains {stage.train} with neurons: {stage.neurons}.",
                 "Expected the file of a neuron set beside train: neurons, and there only.")  # fmt: skip
        _require(stage.neurons is not None or not stage.random_neurons, f"{named} has random neurons, like no others.",
                 "Expected neurons beside them.")  # fmt: skip


def _require(holds: bool, got: str, expected: str) -> None:
    if not holds:
        raise ConfigError(got, expected)
