"""Results of every kind from small random tensors with fixed seeds; no model."""

from collections.abc import Sequence

import torch

from neuroglot.activity.activity import Activity
from neuroglot.activity.recording import Recording
from neuroglot.activity.sharing import Sharing
from neuroglot.activity.text_means import TextMeans
from neuroglot.corpora.corpus import Corpus
from neuroglot.layout import Layout
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.metrics import Evaluation, ExactAnswer, NatsPerToken
from neuroglot.metrics.top_texts import TopTexts, top_texts
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.signature import Signature

TEN = ("en", "de", "fr", "es", "ru", "zh", "ja", "ar", "hi", "sw")
THIRTY = (*TEN, *"it,pt,nl,pl,cs,uk,tr,fa,he,ur,bn,ta,te,th,vi,id,ms,ko,fi,zh-Hant".split(","))  # noqa: SIM905
SIGNATURE = Signature.of(
    model="lab", revision=None, weights="1f2e3d4c5b6a", dtype="float32", device="cpu", corpus="lab held-out",
    corpus_hash="9b74c9897bac", rows=60, rows_dropped=0, neuroglot="0.1.0", torch="2.13.0", transformers="5.23.0",
)  # fmt: skip


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def layout_of(layers: int = 4, width: int = 24) -> Layout:
    return Layout((("decoder", (width,) * layers),))


def loss_matrix(
    languages: Sequence[str] = TEN, own: float = 0.08, other: float = 0.01, control: float = 0.018, rows: int = 60,
    noise: float = 0.3, corpus: str = "lab held-out",
) -> AblationMatrix:  # fmt: skip
    """A matrix whose mean effects in nats per token are about `own`, `other` and `control`."""
    size, tokens, draws = len(languages), 20, 5
    strength = 0.4 + 1.2 * torch.rand(size, generator=random(1))
    effect = torch.full((size, size), other) * 2 * torch.rand(size, size, generator=random(2))
    effect[torch.eye(size, dtype=torch.bool)] = own * strength
    loss = 2 + torch.randn(rows, size, generator=random(3)).double() * 0.2

    def counts(shift: torch.Tensor, seed: int) -> torch.Tensor:
        shift = shift.double()[..., None, :].expand(*shift.shape[:-1], rows, size)
        spread = 1 + noise * torch.randn(shift.shape, generator=random(seed)).double()
        nll = (loss + shift * spread) * tokens
        return torch.stack([nll, torch.full_like(nll, tokens), torch.full_like(nll, 70)], dim=-1)

    chance = control * 2 * torch.rand(draws, size, size, generator=random(4))
    baseline = counts(torch.zeros(size), 0)
    return AblationMatrix(
        corpus, tuple(languages), tuple(range(0, 3 * size, 3)), NatsPerToken(), baseline, counts(effect, 5),
        counts(chance, 6), SIGNATURE | Signature.of(unit="nats per token", neurons="rule=entropy,top_share=0.1"),
    )  # fmt: skip


def accuracy_matrix(languages: Sequence[str] = TEN, task: str = "dates", rows: int = 60) -> AblationMatrix:
    size = len(languages)

    def counts(*shape: int, right: torch.Tensor | float, seed: int) -> torch.Tensor:
        hit = (torch.rand(*shape, rows, size, generator=random(seed)) < right).double()
        return torch.stack([hit, torch.ones_like(hit)], dim=-1)

    right = torch.full((size, 1, size), 0.93)
    right[torch.arange(size), 0, torch.arange(size)] = 0.55
    return AblationMatrix(
        task, tuple(languages), (30,) * size, ExactAnswer(), counts(right=0.95, seed=7),
        counts(size, right=right, seed=8), counts(5, size, right=0.9, seed=9), SIGNATURE | Signature.of(corpus=task),
    )  # fmt: skip


def sharing(languages: Sequence[str] = TEN, layers: int = 4, width: int = 24, rows: int = 60) -> Sharing:
    size, layout = len(languages), layout_of(layers, width)
    easy = torch.rand(rows, 1, layers * width, generator=random(10))
    active = torch.rand(rows, size, layers * width, generator=random(11)) < easy
    count = active.sum(1)
    histogram = torch.stack([(count == number).sum(0) for number in range(size + 1)])
    by_row = torch.stack(
        [(count.view(rows, layers, width) == number).sum(2) for number in range(size + 1)], dim=2
    )  # fmt: skip
    counts = histogram, active.sum(0), by_row.int(), layout.sum_by_layer(active.long()).transpose(1, 2).int()
    return Sharing(layout, tuple(languages), Recording.sharing_matters(), *counts, SIGNATURE)


def neuron_sets(
    languages: Sequence[str] = TEN, layers: int = 4, width: int = 24, empty: int = 1
) -> dict[str, NeuronSet]:
    """Random sets that prefer late layers; the last `empty` languages have none."""
    layout = layout_of(layers, width)
    chance = torch.linspace(0.02, 0.3, layers).repeat_interleave(width)
    sets = {}
    for place, language in enumerate(languages):
        members = torch.rand(layout.neuron_count, generator=random(20 + place)) < chance
        members &= place < len(languages) - empty
        sets[language] = NeuronSet(layout, members, SIGNATURE | Signature.of(rule="entropy", language=language))
    return sets


def activity(
    languages: Sequence[str] = TEN, layers: int = 4, width: int = 24, fires: tuple[float, ...] = (0.0,)
) -> Activity:
    layout, size = layout_of(layers, width), len(languages)
    tokens = torch.randint(900, 1500, (size,), generator=random(12))
    share = torch.rand(len(fires), size, layout.neuron_count, generator=random(13)) * 0.6
    share[..., ::11] = 0
    fired = (share * tokens[None, :, None]).long()
    reached = tokens[:, None].expand(-1, len(layout.network_widths))
    return Activity(layout, tuple(languages), Recording(fires=fires), fired, tokens, reached, SIGNATURE)


def corpus(languages: Sequence[str] = TEN, rows: int = 12, text: str = "text") -> Corpus:
    ids = tuple(f"r{row}" for row in range(rows))
    return Corpus("lab", ids, {code: tuple(f"{text} {code} {row}" for row in range(rows)) for code in languages})


def text_means(languages: Sequence[str] = TEN, layers: int = 4, width: int = 24, rows: int = 12) -> TextMeans:
    layout = layout_of(layers, width)
    fired = torch.rand(rows, len(languages), layout.neuron_count, generator=random(30))
    return TextMeans(layout, tuple(languages), {"fired": fired}, SIGNATURE)


def texts(languages: Sequence[str] = TEN, layers: int = 4, width: int = 24, text: str = "text") -> TopTexts:
    sets = neuron_sets(languages, layers, width)
    return top_texts(text_means(languages, layers, width), corpus(languages, text=text), sets)


def evaluation(languages: Sequence[str] = TEN) -> Evaluation:
    matrix = loss_matrix(languages)
    return Evaluation("flores", tuple(languages), NatsPerToken(), matrix.baseline, SIGNATURE)


def everything(languages: Sequence[str] = TEN, layers: int = 4, width: int = 24) -> list:
    sets = neuron_sets(languages, layers, width)
    return [
        activity(languages, layers, width), sharing(languages, layers, width), sets, sets[languages[0]],
        loss_matrix(languages), accuracy_matrix(languages), evaluation(languages),
    ]  # fmt: skip
