"""LabConfig: the whole recipe of the lab, from the amount of text to the learning rates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from transformers import PreTrainedTokenizerFast

from neuroglot.errors import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ARCHITECTURES = ("llama", "transnormer")


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
    nonlinearity: str = "silu"  # of a Llama's gate; a TransNormerLLM has none
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
    architecture: str = "llama"  # or transnormer

    def __post_init__(self) -> None:
        counts = [field.name for field in fields(self) if field.type is int and field.name != "seed"]
        wrong = [name for name in counts if getattr(self, name) < 1]
        if self.architecture not in ARCHITECTURES:
            raise ConfigError(
                f"The lab's recipe asks for the architecture {self.architecture!r}.",
                f"Expected {' or '.join(ARCHITECTURES)}.",
            )
        if wrong or self.hidden % (2 * self.heads) or (self.minutes is not None and self.minutes <= 0):
            raise ConfigError(
                f"The lab's recipe has {', '.join(f'{name}={getattr(self, name)}' for name in wrong) or self}.",
                "Counts must be at least 1, minutes above 0, and hidden a multiple of twice the heads.",
            )


BOS, PAD = "<s>", "<pad>"
# Words with their combining marks (Hindi needs them inside a word), single digits, punctuation, white space. A prompt
# ends in a colon and an answer begins with a space, a letter or a digit, so no token spans the two.
PIECES = r" ?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s"


def train_bpe(texts: Iterable[str], vocabulary: int, special_tokens: Sequence[str]) -> "Tokenizer":
    """A byte-level BPE over `PIECES` of at most `vocabulary` tokens, learnt from `texts`; special tokens come first."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PIECES), "isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(special_tokens), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most `vocabulary` tokens, learnt from `texts`."""
    from tokenizers import processors

    tokenizer = train_bpe(texts, vocabulary, [BOS, PAD])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BOS, pad_token=PAD, padding_side="right")
