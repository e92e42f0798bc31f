"""LabConfig: the whole recipe of the lab, from the amount of text to the learning rates."""

from dataclasses import dataclass, fields

from neuroglot.errors import ConfigError


@dataclass(frozen=True)
class LabConfig:
    """Recipe of a lab model; the defaults made the shipped one.

    `documents` and `questions` count parallel rows (each occurs in all ten languages; questions are by task). A step
    reads `batch_rows` rows of a few texts each. `minutes` caps the wall time of training on this machine: the number of
    steps is then taken from a timing of the first ones, which makes the weights depend on the machine's speed.
    """

    seed: int = 0
    documents: int = 4000
    questions: int = 800
    held_out_documents: int = 240
    held_out_questions: int = 60
    vocabulary: int = 4096
    hidden: int = 96
    layers: int = 4
    heads: int = 4
    ffn: int = 384
    nonlinearity: str = "silu"  # of the gate
    steps: int = 4000
    batch_rows: int = 16
    row_tokens: int = 64
    matrix_rate: float = 0.03  # Muon, on the weight matrices inside the layers
    other_rate: float = 0.008  # AdamW, on embeddings and norms
    weight_decay: float = 0.1  # of Muon
    warmup_share: float = 0.02
    initial_std: float = 0.06
    answer_weight: float = 4.0  # of a token of an answer in the loss, beside 1 for any other
    minutes: float | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        counts = [field.name for field in fields(self) if field.type is int and field.name != "seed"]
        wrong = [name for name in counts if getattr(self, name) < 1]
        if wrong or self.hidden % (2 * self.heads) or (self.minutes is not None and self.minutes <= 0):
            raise ConfigError(
                f"The lab's recipe has {', '.join(f'{name}={getattr(self, name)}' for name in wrong) or self}.",
                "Counts must be at least 1, minutes above 0, and hidden a multiple of twice the heads.",
            )
