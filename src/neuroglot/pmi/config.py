"""PmiConfig: an experiment as one YAML file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from neuroglot.corpora.yamlfiles import read_yaml
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.generation import Decoding
from neuroglot.prompting import Setting, direct, filler, pivot, pmi, repeated, shuffled

Control = Literal["pivot", "repeated", "shuffled", "filler"]
TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


@dataclass(frozen=True)
class PmiConfig:
    """Models, inputs and settings; every field can stand in the YAML.

    * `data`: the lab's `task` (`lab`), a task's folder, parallel text (with a `target`), or a data set of the paper's
      folder (`released` names it, such as `GSM8K`).
    * `originals`: languages of the question; results are means over them. `languages`: those shown beside, in this
      order; an original is left out of its own.
    * `parallel`: how many are shown; 0 is the direct prompt, to which all is compared. `controls` are of the largest
      number; `pivot` shows the first language instead of the original.
    * `metric`: a name of `neuroglot score`. `stop`: where an answer ends, beside the model's own end.
    * `forced`: count once more with the reference as the output, so that all settings are read on the same tokens.
      `segments`: count on the tokens of each language of the prompt.
    """

    models: tuple[str, ...]
    data: str
    originals: tuple[str, ...]
    languages: tuple[str, ...]
    task: str | None = None
    released: str | None = None
    target: str | None = None
    parallel: tuple[int, ...] = (0, 1, 3, 6)
    controls: tuple[Control, ...] = ("pivot", "repeated", "shuffled", "filler")
    metric: str = "exact-match"
    stop: str = "\n"
    rows: int = 200
    shots: int = 0
    template: str | None = None
    instruction: str | None = None
    reveal_source: bool = False
    chat: bool = False
    forced: bool = True
    segments: bool = True
    max_new_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0
    top_share: float = 0.2
    device: str | None = None
    dtype: str = "auto"

    def __post_init__(self) -> None:
        for name in ("models", "originals", "languages", "parallel", "controls"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str | int) else tuple(value))
        most = len([language for language in self.languages if language not in self.originals[:1]])
        unknown = set(self.controls) - set(get_args(Control)) or len({*self.languages}) < len(self.languages)
        if not self.models or not self.originals or 0 not in self.parallel or unknown or self.rows < 1:
            raise ConfigError(
                f"Got models {self.models}, originals {self.originals}, parallel {self.parallel}, controls "
                f"{self.controls}, {self.rows} rows.",
                f"Expected one or more of each, 0 among `parallel`, each language once, and controls of "
                f"{', '.join(get_args(Control))}.",
            )
        if max(self.parallel) > most or min(self.parallel) < 0:
            raise ConfigError(
                f"{max(self.parallel)} languages were to be shown of {', '.join(self.languages)}.",
                f"Expected 0 to {most}, because an original is not shown beside itself.",
            )

    @property
    def decoding(self) -> Decoding:
        return Decoding(self.max_new_tokens, self.temperature, seed=self.seed)

    def settings(self, original: str) -> dict[str, Setting]:
        """The settings by name, `direct` first, then growing k, then the controls of the largest k."""
        others = [language for language in self.languages if language != original]
        counts = sorted(set(self.parallel) - {0})
        found = {"direct": direct(original)} | {f"pmi-{k}": pmi(original, others[:k]) for k in counts}
        if not counts:
            return found
        shown = others[: counts[-1]]
        controls = {
            "pivot": lambda: pivot(shown[0]),
            "repeated": lambda: repeated(original, len(shown) + 1),
            "shuffled": lambda: shuffled(original, shown),
            "filler": lambda: filler(original, shown),
        }
        return found | {name: controls[name]() for name in self.controls}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def load(cls, path: Path | str) -> PmiConfig:
        """The experiment in a YAML file; raises `ConfigError` on anything that is not one."""
        try:
            stored = read_yaml(Path(path))
        except CorpusError as error:
            raise ConfigError(error.got, error.expected, error.next_step) from error
        known = {one.name: str(one.type) for one in fields(cls)}
        if not isinstance(stored, dict) or (unknown := set(stored) - set(known)):
            found = "no mapping" if not isinstance(stored, dict) else f"the key {sorted(map(str, unknown))[0]!r}"
            raise ConfigError(f"{path} has {found[:80]}.", f"Expected keys of {', '.join(sorted(known))}.")
        for name, value in stored.items():
            _check_type(name, known[name], value)
        try:
            return cls(**stored)
        except TypeError as error:
            raise ConfigError(
                f"{path} is not an experiment: {error}.", "Expected models, data, originals, languages."
            ) from error


def _check_type(name: str, annotation: str, value: object) -> None:
    """Raise `ConfigError` where a value, or one of a list, is not of the type that the field says."""
    listed = annotation.startswith("tuple")
    kind = annotation.removeprefix("tuple[").removesuffix(", ...]").removesuffix(" | None").replace("Control", "str")
    allowed = TYPES[kind] + ((type(None),) if annotation.endswith("None") else ())
    for one in value if listed and isinstance(value, list) else [value]:
        if type(one) not in allowed:
            many = " or a list of them" if listed else ""
            raise ConfigError(f"{name} is {str(one)[:80]!r}.", f"Expected {kind}{many}.")
