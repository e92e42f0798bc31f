"""Localized training: what changes and what does not, beside a plain loop, and exact resumption."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.models.branched import MAIN, BranchedFolder, BranchedSeq2Seq, Flow
from neuroglot.models.branched.flows import single_flows
from neuroglot.models.view import view
from neuroglot.signature import Signature, seed_of
from neuroglot.training.language_centric import Directions, branches_of_flow, rows_of_turn
from neuroglot.training.localized import STAGES, LocalizedConfig, LocalStage, train_localized
from neuroglot.training.pieces import Pieces
from tests.branched.making import GROUPS, folder, without_chance
from tests.specialization.making import texts, translation_tokenizer

DIRECTIONS = ("en-de", "de-en", "en-fr", "fr-en")
PARTS = {"embedding"} | {f"{side}-{name}" for side in ("encoder", "decoder") for name in (MAIN, *GROUPS)}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    for name in ("accelerate", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)


def directions(start: BranchedFolder, named: Iterable[str] = DIRECTIONS) -> Directions:
    corpus = texts(6)
    chosen = [Direction.parse(name) for name in named]
    parts = {each: corpus.select([each.source, each.target]) for each in chosen}
    return Directions.encode(view(start.select()), translation_tokenizer(), parts)


def options(**given: Any) -> LocalizedConfig:
    return LocalizedConfig(**{"steps": 2, "batch_size": 3, "learning_rate": 1e-2, "seed": 5, **given})


def trained(path: Path, start: BranchedFolder, config: LocalizedConfig, **how: Any) -> Pieces:
    return train_localized(Pieces.of(path, start, start.config), directions(start), config, device="cpu", **how)


def weights(pieces: Pieces) -> dict[str, Tensor]:
    """Every parameter by part and name."""
    names = [MAIN, *(pieces.config.groups or {})]
    return {
        name: weight.detach().clone() for name, weight in pieces.load(names, names).state_dict().items()
        if not name.endswith(".embed_tokens.weight")
    }  # fmt: skip


def part_of_weight(name: str) -> str:
    if name == "shared.weight":
        return "embedding"
    stacks, key, _ = name.split(".", 2)
    return f"{stacks[:-1]}-{key.removeprefix('of-')}"


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    assert set(before) == set(after)
    return {part_of_weight(name) for name in before if not torch.equal(before[name], after[name])}


def test_what_each_stage_declares() -> None:
    assert STAGES["1"].trains("g") == {"embedding", "encoder-main", "decoder-main", "encoder-g"}
    assert STAGES["2"].trains("g") == {"decoder-g"}
    assert STAGES["2"].needs("g") == ([MAIN], ["g"])
    assert STAGES["branches"].trains("g") == {"encoder-g", "decoder-g"}
    assert (STAGES["1"].flows, STAGES["2"].flows) == (6, 1)  # as the released branch_type
    assert LocalStage(7).trains("g") == {"embedding", "encoder-main", "decoder-main", "encoder-g", "decoder-g"}


@pytest.mark.parametrize("stage", STAGES)
def test_exactly_what_a_stage_declares_changes(stage: str, tmp_path: Path) -> None:
    start = without_chance(folder(tmp_path / "start"))
    before = weights(Pieces.of(tmp_path / "none", start, start.config))
    pieces = trained(tmp_path / "work", start, options(stages=(stage,), groups=("train",), steps=4))
    declared = STAGES[stage].trains("train")
    assert changed(before, weights(pieces)) == declared
    assert declared < PARTS
    after = weights(pieces)
    still = [name for name in after if part_of_weight(name) in declared and torch.equal(before[name], after[name])]
    assert all("k_proj.bias" in name for name in still), still  # softmax does not see what is added to all keys


@pytest.mark.parametrize("flow", [1, 2, 4, 7])
def test_exactly_what_a_flow_reads_and_writes_changes(flow: int, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(STAGES, "flow", LocalStage(flow))
    start = folder(tmp_path / "start")
    before = weights(Pieces.of(tmp_path / "none", start, start.config))
    pieces = trained(tmp_path / "work", start, options(stages=("flow",), groups=("embed_tokens",)))
    sides = [branches_of_flow(each, "embed_tokens") for each in single_flows(flow)]
    expected = {"embedding"} | {f"encoder-{e}" for e, _ in sides} | {f"decoder-{d}" for _, d in sides}
    assert changed(before, weights(pieces)) == expected == LocalStage(flow).trains("embed_tokens")


def plain_loop(start: BranchedFolder, config: LocalizedConfig, stages: dict[str, LocalStage]) -> dict[str, Tensor]:
    """All turns by a loop from the formulas, all branches in memory, AdamW and clipping by hand."""
    model: Any = start.load().train()
    data = directions(start)
    known: dict[str, tuple[Tensor, Tensor, int]] = {}
    seeds = [seed_of(config.seed, turn.number) for turn in config.turns(start.config)]
    for turn in config.turns(start.config):
        stage = stages[turn.stage]
        rows = rows_of_turn(
            data, start.config, turn.group, stage.flows, config.steps, config.batch_size, config.temperature,
            seeds[turn.number],
        )  # fmt: skip
        flows = len(single_flows(stage.flows))
        for step in range(config.steps):
            mine = rows[step * flows * config.batch_size :][: flows * config.batch_size]
            tokens = sum(len(pair.target_ids) for pair, _, _ in mine)
            model.zero_grad()
            for pair, flow, group in mine:
                encoder, decoder = branches_of_flow(flow, group)
                target = torch.tensor(pair.target_ids)
                begun = torch.cat([torch.tensor([start.config.base.decoder_start_token_id]), target[:-1]])
                logs = model(
                    input_ids=torch.tensor([pair.token_ids]), decoder_input_ids=begun[None], encoder=encoder,
                    decoder=decoder,
                ).logits[0].log_softmax(-1)  # fmt: skip
                own = -logs.gather(1, target[:, None]).sum()
                ((0.9 * own - 0.1 * logs.mean(1).sum()) / tokens).backward()
            done, rise = turn.first + step, max(1, turn.total // 10)
            rate = config.learning_rate * (done / rise if done < rise else (rise / done) ** 0.5)
            grads = {
                name: parameter.grad for name, parameter in model.named_parameters()
                if parameter.grad is not None and part_of_weight(name) in stage.trains(turn.group)
            }  # fmt: skip
            norm = torch.stack([grad.norm() for grad in grads.values()]).norm()
            for name, grad in grads.items():
                grad, parameter = grad / max(1.0, float(norm)), model.get_parameter(name)
                mean, square, count = known.get(name, (torch.zeros_like(parameter), torch.zeros_like(parameter), 0))
                mean, square = 0.9 * mean + 0.1 * grad, 0.98 * square + 0.02 * grad**2
                count += 1
                known[name] = (mean, square, count)
                with torch.no_grad():
                    parameter -= rate * (mean / (1 - 0.9**count)) / ((square / (1 - 0.98**count)).sqrt() + 1e-8)
    return {name: weight for name, weight in model.state_dict().items() if not name.endswith(".embed_tokens.weight")}


@pytest.mark.parametrize(("stages", "steps"), [(("1", "2"), 3), (("2",), 10)])  # of the second the rate rises twice
def test_turns_are_a_plain_loop_with_moments_and_rates_of_their_own(
    stages: tuple[str, ...], steps: int, tmp_path: Path
) -> None:
    start = without_chance(folder(tmp_path / "start"))
    config = options(stages=stages, rounds=1, steps=steps, learning_rate=3e-3)
    pieces = trained(tmp_path / "work", start, config)
    expected = plain_loop(start, config, dict(STAGES))
    got = weights(pieces)
    assert changed(expected, got) <= PARTS
    for name, weight in expected.items():
        if "k_proj.bias" not in name:  # a gradient of nothing but rounding, which AdamW scales up
            torch.testing.assert_close(got[name], weight, rtol=2e-3, atol=2e-5, msg=name)


@pytest.mark.parametrize("at", [(1, 2)])
def test_a_training_that_was_stopped_ends_with_the_same_bytes(at: tuple[int, int], tmp_path: Path) -> None:
    start = folder(tmp_path / "start")  # with dropout and layers skipped by chance
    config = options(steps=3, checkpoint_every=1)
    whole = trained(tmp_path / "whole", start, config)

    def stop(turn: Any, step: int, steps: int, loss: float) -> None:
        if (turn.number, step) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "stopped", start, config, on_step=stop)
    again = trained(tmp_path / "stopped", start, config)
    assert again.losses == whole.losses
    assert [stage for stage, _, _ in again.losses] == ["1", "1", "2", "2"]
    for name, pieces in {"whole": whole, "stopped": again}.items():
        pieces.export(tmp_path / "out" / name, start, Signature.of(rule="x"))
        left = {path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*.safetensors")}
        used = {Path(path) for path in (*pieces.files.values(), *pieces.moments.values())}
        assert {tmp_path / name / path for path in left} <= used  # nothing else is left on the disk
    for path in (tmp_path / "out" / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "out" / "stopped" / path.name).read_bytes(), path.name


def test_what_is_exported_is_a_folder_of_one_embedding(tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    pieces = trained(tmp_path / "work", start, options())
    written = pieces.export(tmp_path / "out", start, Signature())
    whole = written.load()
    assert isinstance(BranchedSeq2Seq.from_pretrained(tmp_path / "out"), BranchedSeq2Seq)
    for name, weight in weights(pieces).items():
        assert torch.equal(whole.state_dict()[name], weight)
    assert written.config.embedding != start.config.embedding


def test_a_new_group_begins_as_the_main_pair_and_nothing_else_moves(tmp_path: Path) -> None:
    start = folder(tmp_path / "start", {"train": ["de"]})
    config = start.config
    config.groups = {"train": ["de"], "new": ["fr"]}
    config.encoders, config.decoders = [[MAIN, "train", "new"]] * 2
    beginning = Pieces.of(tmp_path / "none", start, config)
    before = weights(beginning)
    assert torch.equal(before["encoders.of-new.layers.0.fc1.weight"], before["encoders.main.layers.0.fc1.weight"])
    pieces = train_localized(
        Pieces.of(tmp_path / "work", start, config), directions(start), options(stages=("branches",), groups=("new",)),
        device="cpu",
    )  # fmt: skip
    assert changed(before, weights(pieces)) == {"encoder-new", "decoder-new"}


def test_rows_are_of_the_groups_directions_and_carry_the_tags(tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    data, tokenizer = directions(start), translation_tokenizer()
    rows = rows_of_turn(data, start.config, "train", 7, 4, 3, 5.0, 1)
    in_order = (Flow.MIX, Flow.DEC, Flow.ENC)  # as the released code accumulates them
    assert [flow for _, flow, _ in rows] == [flow for _ in range(4) for flow in in_order for _ in range(3)]
    tag = {language: tokenizer.convert_tokens_to_ids(f"__{language}__") for language in ("en", "de", "fr")}
    for pair, flow, _ in rows:
        assert flow != Flow.ENC or pair.token_ids[0] == tag["de"]
        assert flow != Flow.DEC or pair.target_ids[0] == tag["de"]
        assert {pair.token_ids[0], pair.target_ids[0]} <= set(tag.values())
        assert pair.token_ids[-1] == pair.target_ids[-1] == tokenizer.eos_token_id
    assert {pair.target_ids[0] for pair, flow, _ in rows if flow == Flow.MIX} == set(tag.values())


def test_flows_and_groups_draw_rows_of_their_own(tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    data = directions(start)
    rows = rows_of_turn(data, start.config, "train", 7, 8, 3, 5.0, 1)
    german = [
        [ids(pair) for pair, flow, _ in rows if flow == of]
        for of, ids in ((Flow.ENC, lambda pair: pair.token_ids), (Flow.DEC, lambda pair: pair.target_ids))
    ]
    assert {*map(tuple, german[0])} == {*map(tuple, german[1])}  # the same sentences, read and written
    assert german[0] != german[1]
    mixed = [rows_of_turn(data, start.config, group, 4, 8, 3, 5.0, 1) for group in ("train", "embed_tokens", "train")]
    pairs = [[pair for pair, _, _ in of_group] for of_group in mixed]
    assert pairs[0] != pairs[1]
    assert pairs[0] == pairs[2]


def test_directions_are_drawn_by_temperature(tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    corpus = texts(60)
    parts = {Direction("de", "en"): corpus.select(["de", "en"]), Direction("fr", "en"): texts(6).select(["fr", "en"])}
    data = Directions.encode(view(start.select()), translation_tokenizer(), parts)
    for temperature in (1.0, 5.0):
        rows = rows_of_turn(data, start.config, "train", 4, 100, 10, temperature, 1)
        found = np.mean(
            [pair.token_ids[0] == translation_tokenizer().convert_tokens_to_ids("__de__") for pair, _, _ in rows]
        )
        sizes = np.array([len(data.pairs[direction]) for direction in data.pairs], dtype=float) ** (1 / temperature)
        assert abs(found - sizes[0] / sizes.sum()) < 4 * (0.25 / 1000) ** 0.5


def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    with pytest.raises(ConfigError, match="Enc-Flow of 'train' has nothing"):
        train_localized(
            Pieces.of(tmp_path / "work", start, start.config), directions(start, ["en-fr", "fr-en"]),
            options(groups=("train",)),
        )  # fmt: skip
    for wrong in ({"stages": ()}, {"stages": ("3",)}, {"rounds": 0}):
        with pytest.raises(ConfigError, match="Got the stages"):
            options(**wrong)
    for groups in (("none",), (), ("train", "train")):
        with pytest.raises(ConfigError, match="were to be trained"):
            options(groups=groups).turns(start.config)
    with pytest.raises(ConfigError, match="No direction"):
        Directions.encode(view(start.select()), translation_tokenizer(), {})
    (tmp_path / "work").mkdir(exist_ok=True)
    (tmp_path / "work" / "state.json").write_text('{"done": 1}')
    with pytest.raises(ArtifactError, match="damaged"):
        Pieces.of(tmp_path / "work", start, start.config)


def test_every_group_has_its_turn_in_each_round_in_drawn_order(tmp_path: Path) -> None:
    start = folder(tmp_path / "start", {name: [language] for name, language in zip("abc", ("de", "fr", "en"))})
    turns = options(rounds=6).turns(start.config)
    rounds: Callable[[str], list[tuple[str, ...]]] = lambda stage: list(  # noqa: E731
        zip(*[iter([turn.group for turn in turns if turn.stage == stage])] * 3, strict=True)
    )
    for stage in ("1", "2"):
        assert all(sorted(order) == ["a", "b", "c"] for order in rounds(stage))
        assert len(set(rounds(stage))) > 1
    assert [turn.number for turn in turns] == list(range(36))
    assert [turn.first for turn in turns[:18]] == [2 * place for place in range(18)]
    assert {turn.total for turn in turns} == {36}
