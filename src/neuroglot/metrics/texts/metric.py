"""What a text metric is: texts are reduced to counts by row, and summed counts to a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.languages import language_code
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.signature import Signature

COMET_MODEL = "Unbabel/wmt22-comet-da"


@dataclass(frozen=True)
class Texts:
    """R outputs of a system, the references that each has, and the sources where there are any.

    `references`: one or several wordings, each of all R rows. An output may be empty. Raises `CorpusError` where the
    numbers of rows differ, where there are none, and where a wording is blank in every row.
    """

    hypotheses: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    sources: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        sides = {"the hypothesis": self.hypotheses}
        sides |= {f"reference {number}": texts for number, texts in enumerate(self.references, 1)}
        sides |= {} if self.sources is None else {"the source": self.sources}
        rows = {name: len(texts) for name, texts in sides.items()}
        if len(rows) < 2 or set(rows.values()) != {len(self.hypotheses)} or not self.hypotheses:
            raise CorpusError(
                f"Rows differ or lack: {', '.join(f'{name} has {count}' for name, count in rows.items())}.",
                "Expected as many in each, at least one, and at least one reference.",
                "Line n of every side must belong together; look for lines that were lost or split.",
            )
        for name, texts in sides.items():
            if name != "the hypothesis" and all(map(is_blank, texts)):
                raise CorpusError(f"In {name} all {len(texts)} rows are blank.", "Expected text.")

    def of_row(self, row: int) -> tuple[str, ...]:
        """The references of one row."""
        return tuple(texts[row] for texts in self.references)


@dataclass(frozen=True)
class TextOptions:
    """What can be chosen about text metrics; each metric's entry in the table says what it reads.

    * `language`: of hypotheses and references, any code.
    * `tokenize`: a tokenizer of sacrebleu by name, or `auto`, the one that sacrebleu recommends for the language;
      `13a` where None.
    * `normalization`: `squad` (English articles, ASCII punctuation) or `mlqa` (of the language).
    * `comet_model`: name or folder of a COMET model.
    * `form`: the formal language of the answers (`neuroglot.forms`), where the language is not one itself;
      `databases`: the folder of the databases that prompts of SQL name; `execute`: run programs that solve sums.
    """

    language: str | None = None
    tokenize: str | None = None
    normalization: Literal["squad", "mlqa"] = "squad"
    comet_model: str = COMET_MODEL
    form: str | None = None
    databases: Path | None = None
    execute: bool = False

    def needed_language(self, purpose: str) -> str:
        """The language without script or region; raises `ConfigError` where none was given."""
        if self.language is None:
            raise ConfigError(f"{purpose} depends on the language.", "None was given.", "Give it: --language xx.")
        return language_code(self.language).partition("-")[0]


@dataclass(frozen=True)
class TextMetric:
    """A metric with all options chosen.

    `counts`: of each row, `[R, C]`, float64. `value`: the number from summed counts, `[..., C]` → `[...]`.
    `signature`: every option that can change the number. `verbose`: what else the summed counts `[C]` say.
    `right_or_wrong`: whether `counts[:, 0]` is 1 or 0, so that two systems can be compared by McNemar's test.
    `read`: what a text gives as its answer, if that means the same in every language, or None where it gives none.
    """

    counts: Callable[[Texts], Tensor]
    value: Callable[[Tensor], Tensor]
    signature: Callable[[Texts], Signature]
    verbose: Callable[[Tensor], str] = lambda summed: ""
    right_or_wrong: bool = False
    read: Callable[[str], object | None] | None = None


def mean_percent(counts: Tensor) -> Tensor:
    """The first count over the last, which is the number of rows, in percent: `[..., C]` → `[...]`."""
    return 100 * counts[..., 0] / counts[..., -1]
