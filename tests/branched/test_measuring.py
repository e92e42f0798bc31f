"""Scores by flow, the choice of a flow, and the nearness of branches, beside plain loops."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError
from neuroglot.experiments.lego import (
    BASE,
    _overlap,
    best_flows,
    flows_in,
    located,
    score_flows,
    spaces,
    translate_flows,
)
from neuroglot.generation.decoding import Decoding
from neuroglot.layout import Layout
from neuroglot.metrics.branches import FlowScores, linear_cka
from neuroglot.metrics.texts import TextOptions, Texts, score_texts
from neuroglot.models.branched import MAIN, BranchedFolder, BranchedSeq2Seq
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.reports import Report
from neuroglot.signature import Signature
from tests.branched.making import GROUPS, moved, translator
from tests.specialization.making import texts, translation_tokenizer

DIRECTIONS = [Direction.parse(name) for name in ("de-en", "en-fr", "de-fr")]


@pytest.fixture
def branches(tmp_path: Path) -> BranchedFolder:
    moved(BranchedSeq2Seq.from_model(translator(), GROUPS)).save_pretrained(tmp_path / "branches")
    translation_tokenizer().save_pretrained(tmp_path / "branches")
    return BranchedFolder(tmp_path / "branches")


def test_flows_are_those_that_have_branches(branches: BranchedFolder) -> None:
    flows = flows_in(branches.config, DIRECTIONS, [3, 6])
    assert {str(direction): each for direction, each in flows.items()} == {
        "de-en": (2, 4, 6), "en-fr": (1, 4), "de-fr": (1, 2, 4, 8, 3, 6),
    }  # fmt: skip
    with pytest.raises(ConfigError, match="branches of flow 9"):
        flows_in(branches.config, DIRECTIONS[:2], [9])


def test_each_flow_translates_as_its_pair_does_alone(branches: BranchedFolder) -> None:
    from neuroglot.experiments.translations import translate_directions

    tokenizer, corpus, decoding = translation_tokenizer(), texts(4), Decoding(5)
    flows = flows_in(branches.config, DIRECTIONS)
    found = translate_flows(branches, tokenizer, corpus, flows, decoding=decoding)
    pairs = {1: (MAIN, "embed_tokens"), 2: ("train", MAIN), 4: (MAIN, MAIN), 8: ("train", "embed_tokens")}
    assert set(found) == {(direction, flow) for direction, several in flows.items() for flow in several}
    for (direction, flow), column in found.items():
        pair = located(branches.select(*pairs[flow]))
        alone = translate_directions(pair, tokenizer, corpus, [direction], decoding=decoding)
        assert column == alone.texts[direction]
    assert len({column for (direction, _), column in found.items() if str(direction) == "de-fr"}) > 1


def test_the_flow_with_the_lowest_loss_is_chosen(branches: BranchedFolder) -> None:
    tokenizer, corpus = translation_tokenizer(), texts(4)
    chosen = best_flows(branches, tokenizer, corpus, flows_in(branches.config, DIRECTIONS))
    pairs = {1: (MAIN, "embed_tokens"), 2: ("train", MAIN), 4: (MAIN, MAIN), 8: ("train", "embed_tokens")}
    for direction, flows in flows_in(branches.config, DIRECTIONS).items():
        losses = {flow: plain_loss(branches.select(*pairs[flow]), corpus, direction) for flow in flows}
        assert chosen[str(direction)] == min(losses, key=lambda flow: losses[flow])


@torch.no_grad()
def plain_loss(model: torch.nn.Module, corpus, direction: Direction) -> float:  # type: ignore[no-untyped-def]
    """Nats a token of the translation and its end, the language token being given."""
    tokenizer, total, count = translation_tokenizer(), 0.0, 0
    ids = lambda code, text: [  # noqa: E731
        tokenizer.convert_tokens_to_ids(f"__{code}__"), *tokenizer(text, add_special_tokens=False)["input_ids"], 2,
    ]  # fmt: skip
    for source, target in zip(corpus.texts[direction.source], corpus.texts[direction.target], strict=True):
        answer = torch.tensor(ids(direction.target, target))
        begun = torch.cat([torch.tensor([model.config.decoder_start_token_id]), answer[:-1]])[None]
        logs = model(input_ids=torch.tensor([ids(direction.source, source)]), decoder_input_ids=begun).logits[0]
        each = -logs.log_softmax(-1).gather(1, answer[:, None])[1:]
        total, count = total + float(each.sum()), count + len(each)
    return total / count


def test_scores_by_flow_are_those_of_the_texts() -> None:
    corpus = texts(6)
    config = BranchedSeq2Seq.from_model(translator(), GROUPS).config
    found = {
        (direction, flow): tuple(
            text[: len(text) - row * flow] for row, text in enumerate(corpus.texts[direction.target])
        )
        for direction, flow in [(DIRECTIONS[0], 4), (DIRECTIONS[0], 2), (DIRECTIONS[1], 4), (DIRECTIONS[2], 4)]
    }
    scores = score_flows(found, corpus, "en", "chrf", Signature.of(x=1), config)
    assert list(scores.counts) == [BASE, "Enc-Flow"]
    assert scores.kinds == {"de-en": "x2en", "en-fr": "en2x", "de-fr": "zero-shot"}
    alone = Texts(found[DIRECTIONS[0], 2], (corpus.texts["en"],))
    (expected,) = score_texts(alone, ["chrf"], TextOptions(language="en"), baseline=found[DIRECTIONS[0], 4])
    assert scores.scores("x2en")["Enc-Flow"] == expected.score
    assert expected.baseline is not None
    assert scores.differences("x2en")["Enc-Flow"] == expected.baseline.difference
    swapped = {(DIRECTIONS[0], flow): found[DIRECTIONS[0], 6 - flow] for flow in (2, 4)}
    worse = score_flows(swapped, corpus, "en", "chrf", Signature.of(x=1), config).differences("x2en")["Enc-Flow"]
    better = expected.baseline.difference
    assert worse.low < worse.value < 0
    assert (worse.low, worse.high) == pytest.approx((-better.high, -better.low))
    assert scores.by_direction("Enc-Flow") == {"de-en": expected.score}
    assert scores.chosen == {"de-en": "Enc-Flow", "en-fr": "Dec-Flow", "de-fr": "Dec-Flow"}
    assert "Quality by flow" in Report([scores], title="x").to_html()
    with pytest.raises(ConfigError, match="Expected the same rows"):
        FlowScores("a", "b", lambda x: x, {"de-en": "x2en"}, {"Enc-Flow": {}}, BASE, Signature())


def plain_cka(a: Tensor, b: Tensor) -> float:
    """By centred Gram matrices: HSIC(K, L) / √(HSIC(K, K) HSIC(L, L))."""
    rows = len(a)
    centre = torch.eye(rows, dtype=torch.float64) - 1 / rows
    k, m = (centre @ (x.double() @ x.double().T) @ centre for x in (a, b))
    return float((k * m).sum() / ((k * k).sum() * (m * m).sum()).sqrt())


@pytest.mark.parametrize("seed", range(4))
def test_cka_is_that_of_gram_matrices_and_blind_to_rotation_and_scale(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(9, 5, generator=generator), torch.randn(9, 3, generator=generator)
    assert linear_cka(a, b) == pytest.approx(plain_cka(a, b), rel=1e-6)
    rotation, _ = torch.linalg.qr(torch.randn(5, 5, generator=generator))
    assert linear_cka(a, 3 * a @ rotation + 7) == pytest.approx(1, rel=1e-5)
    assert linear_cka(a, b) == pytest.approx(linear_cka(b, a))
    assert 0 <= linear_cka(a, b) <= 1


def test_states_that_cannot_be_compared() -> None:
    assert linear_cka(torch.ones(3, 2), torch.randn(3, 2)) != linear_cka(torch.ones(3, 2), torch.randn(3, 2))  # NaN
    with pytest.raises(ConfigError, match="the same rows"):
        linear_cka(torch.ones(3, 2), torch.ones(4, 2))


def test_spaces_are_read_by_each_languages_own_encoder(branches: BranchedFolder) -> None:
    tokenizer, corpus = translation_tokenizer(), texts(6)
    found, aligned = spaces(branches, tokenizer, corpus, "en")
    states = {}
    for code, encoder in {"en": MAIN, "de": "train", "fr": "embed_tokens"}.items():
        model, rows = branches.select(encoder, MAIN), []
        for text in corpus.texts[code]:
            ids = [
                tokenizer.convert_tokens_to_ids(f"__{code}__"),
                *tokenizer(text, add_special_tokens=False)["input_ids"],
                2,
            ]
            with torch.no_grad():
                rows.append(model.model.encoder(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(0))
        states[code] = torch.stack(rows)
    for code in ("de", "fr"):
        assert found.cka[code] == pytest.approx(plain_cka(states[code], states["en"]), rel=1e-3)
        cosines = (
            torch.nn.functional.normalize(states["en"], dim=1) @ torch.nn.functional.normalize(states[code], dim=1).T
        )
        best = [
            bool(cosines[row, row] > torch.cat([cosines[row, :row], cosines[row, row + 1 :]]).max()
                 and cosines[row, row] > torch.cat([cosines[:row, row], cosines[row + 1 :, row]]).max())
            for row in range(6)
        ]  # fmt: skip
        assert aligned.scores["en", code].value == pytest.approx(sum(best) / 6)
    assert found.cka["de"] != pytest.approx(found.main_cka["de"], rel=1e-3)
    assert found.layers == ("encoder 0", "encoder 1", "decoder 0", "decoder 1", "decoder 2")
    assert not torch.equal(found.overlap, found.main_overlap)
    assert "Nearness of the branches" in Report([found, aligned], title="x").to_html()
    with pytest.raises(ConfigError, match="and one more"):
        spaces(branches, tokenizer, corpus.select(["en"]), "en")


def test_overlap_is_of_encoders_that_read_and_decoders_that_write_the_languages() -> None:
    layout = Layout((("encoder", (6,)), ("decoder", (4,))))
    named = {"de-en": [0, 1, 2, 6], "fr-en": [1, 2, 3, 9], "en-de": [0, 6, 7], "en-fr": [5, 7, 8, 9]}
    kept = torch.zeros(4, 10, dtype=torch.bool)
    for row, neurons in enumerate(named.values()):
        kept[row, neurons] = True
    masks = DirectionMasks(layout, tuple(map(Direction.parse, named)), kept)
    assert _overlap(masks, "en").tolist() == pytest.approx([2 / 4, 1 / 4])
    alone = DirectionMasks(layout, masks.directions[::2], kept[::2])
    assert _overlap(alone, "en").isnan().all()
