"""The exchange of the main pair through files: its policies, its log, its replay, and fifty kills."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.experiments.lego_training import Shared, train_shared
from neuroglot.training.exchange import LOG, TAKEN, Exchange, published
from neuroglot.training.localized import train_localized
from neuroglot.training.pieces import Pieces
from tests.branched.making import folder
from tests.branched.test_localized import _quiet, directions, options, weights  # noqa: F401 (a fixture)


def pair(value: float) -> dict[str, Tensor]:
    return {"embedding/weight": torch.full((3, 2), value), "encoder-main/layers.0.fc1.weight": torch.full((2,), -value)}


def test_nothing_is_taken_where_nothing_is_there_or_wanted(tmp_path: Path) -> None:
    Exchange(tmp_path, "other").publish(0, pair(1))
    assert Exchange(tmp_path, "me", "none").before(0, pair(5)) is None
    assert Exchange(tmp_path / "empty", "me").before(0, pair(5)) is None
    assert Exchange(tmp_path, "other").before(0, pair(5)) is None  # its own is not another's


def test_the_mean_is_of_all_recent_ones_and_ones_own(tmp_path: Path) -> None:
    for name, values in {"a": (1, 2), "b": (6,), "old": (100,)}.items():
        for turn, value in enumerate(values):
            path = Exchange(tmp_path, name).publish(turn, pair(value))
    now = path.stat().st_mtime
    for path in (tmp_path / "old").glob("*"):
        os.utime(path, (now - 3601, now - 3601))
    mean = Exchange(tmp_path, "me", "average", 60, clock=lambda: now).before(0, pair(4))
    assert mean is not None
    assert all(torch.equal(mean[name], weight) for name, weight in pair((2 + 6 + 4) / 3).items())
    whole = Exchange(tmp_path, "late", "average", 61, clock=lambda: now).before(0, pair(4))
    assert whole is not None
    assert torch.equal(whole["embedding/weight"], pair((2 + 6 + 100 + 4) / 4)["embedding/weight"])


def test_one_recent_one_is_drawn_and_every_one_is(tmp_path: Path) -> None:
    for name, value in {"a": 1, "b": 2, "c": 3}.items():
        Exchange(tmp_path, name).publish(0, pair(value))
    me = Exchange(tmp_path, "me", "random-recent")
    drawn = [me.before(turn, pair(9)) for turn in range(40)]
    found = [float(each["embedding/weight"][0, 0]) for each in drawn if each is not None]
    assert set(found) == {1.0, 2.0, 3.0}
    assert [each["by"] for entry in me.log().values() for each in entry] == ["abc"[int(value) - 1] for value in found]


def test_what_the_log_says_is_taken_again_whatever_happened_since(tmp_path: Path) -> None:
    other, me = Exchange(tmp_path, "a"), Exchange(tmp_path, "me")
    other.publish(0, pair(1))
    first = me.before(3, pair(9))
    for turn in (1, 2, 3):
        other.publish(turn, pair(10 + turn))
    assert [path.name for path in published(other.own)] == ["000002.safetensors", "000003.safetensors"]
    again = Exchange(tmp_path, "me").before(3, pair(9))
    assert first is not None
    assert again is not None
    assert torch.equal(first["embedding/weight"], again["embedding/weight"])
    held = me.own / TAKEN / "000003-a.safetensors"
    held.write_bytes((other.own / "000003.safetensors").read_bytes())
    with pytest.raises(ArtifactError, match="not what the log says"):
        me.before(3, pair(9))
    held.unlink()
    with pytest.raises(ArtifactError, match="is not a file"):
        me.before(3, pair(9))


@pytest.mark.parametrize("log", ["{", "[]", '{"x": []}', '{"1": [{}]}', '{"1": [3]}'])
def test_a_damaged_log_is_refused(log: str, tmp_path: Path) -> None:
    me = Exchange(tmp_path, "me")
    me.own.mkdir()
    (me.own / LOG).write_text(log)
    with pytest.raises(ArtifactError, match=r"log of exchanges|what was taken"):
        me.before(1, pair(0))


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for wrong in ({"name": "../x"}, {"policy": "all"}, {"minutes": 0}):
        with pytest.raises(ConfigError, match="Got an exchange"):
            Exchange(**{"folder": tmp_path, "name": "me", **wrong})


def test_a_training_replays_its_log_to_the_last_bit(tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    data, here = directions(start), tmp_path / "exchange"
    other = Exchange(here, "first")
    given = Pieces.of(tmp_path / "none", start, start.config).main_pair()
    moved = {name: weight + 0.1 for name, weight in given.items()}
    other.publish(0, moved)

    def train(work: str, stop: int | None = None) -> Pieces:
        def on_step(turn: Any, step: int, steps: int, loss: float) -> None:
            if turn.number == stop:
                raise KeyboardInterrupt

        config = options(stages=("1",), groups=("embed_tokens",), steps=1, rounds=2)
        exchange = Exchange(here, "second", "average")
        pieces = Pieces.of(tmp_path / work, start, start.config)
        return train_localized(pieces, data, config, device="cpu", exchange=exchange, on_step=on_step)

    whole = train("whole")
    log = Exchange(here, "second").log()
    assert [[each["by"] for each in entry] for entry in log.values()] == [["first"], ["first"]]
    other.publish(1, {name: weight - 9 for name, weight in moved.items()})  # too late for what is in the log
    with pytest.raises(KeyboardInterrupt):
        train("again", stop=1)
    again = train("again")
    assert Exchange(here, "second").log() == log
    expected, got = weights(whole), weights(again)
    for name, weight in expected.items():
        assert torch.equal(weight, got[name]), name
    assert [path.name for path in published(here / "second")] == ["000000.safetensors", "000001.safetensors"]


def test_a_main_pair_that_was_taken_is_the_one_that_is_gone_on_from(tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    pieces = Pieces.of(tmp_path / "work", start, start.config)
    before = weights(pieces)
    pieces.put_main_pair({name: weight + 1 for name, weight in pieces.main_pair().items()}, "taken-000000")
    for name, weight in weights(pieces).items():
        is_shared = name == "shared.weight" or ".main." in name
        assert torch.equal(weight, before[name] + 1 if is_shared else before[name]), name


KILLS = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from neuroglot.training.exchange import Exchange, published
from neuroglot.storage import load_tensors, write_whole

torch.set_num_threads(1)
folder, policy, kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def pair(by, turn):
    return {"embedding/weight": torch.full((200, 50), 100.0 * by + turn), "encoder/a": torch.full((9,), float(turn))}

def work(by):  # as a training does: go on behind the last turn that is known to be done
    done = folder / f"done-{by}"
    turn = int(done.read_text()) + 1 if done.exists() else 0
    exchange = Exchange(folder / "exchange", f"p{by}", policy, seed=by)
    while True:
        exchange.before(turn, pair(by, turn))
        exchange.publish(turn, pair(by, turn))
        write_whole(done, str(turn))
        turn += 1

def turns():
    return sum(int(done.read_text()) + 1 for by in (0, 1) if (done := folder / f"done-{by}").exists())

draw, taken = random.Random(7), 0
for kill in range(kills):
    children, wanted = {}, turns() + draw.randint(1, 5)
    for by in (0, 1):
        child = os.fork()
        if not child:
            try:
                work(by)
            finally:
                os._exit(3)
        children[by] = child
    while turns() < wanted:
        time.sleep(0.001)
    time.sleep(draw.uniform(0, 0.01))  # somewhere within the next turn
    for child in children.values():
        os.kill(child, signal.SIGKILL)
    for child in children.values():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    for by in (0, 1):
        done = folder / f"done-{by}"
        if not done.exists():
            continue
        last = int(done.read_text())
        files = published(folder / "exchange" / f"p{by}")
        assert int(files[-1].stem) >= last  # nothing that was done is lost
        for file in files:
            tensors, header = load_tensors(file, "published main pair")
            expected = pair(by, header["turn"])
            assert all(torch.equal(tensors[name], value) for name, value in expected.items()), file
        exchange = Exchange(folder / "exchange", f"p{by}", policy, seed=by)
        log = exchange.log()
        assert sorted(map(int, log)) == list(range(len(log)))
        for turn, entries in list(log.items())[-3:]:
            for entry in entries:
                tensors, _ = load_tensors(exchange.own / "taken" / entry["file"], "published main pair")
                who = int(entry["by"][1:])
                assert torch.equal(tensors["embedding/weight"], pair(who, entry["turn"])["embedding/weight"])
                taken += 1
print(turns(), taken)
"""


def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path), "average", "50"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    turns, taken = map(int, done.stdout.split())
    assert turns >= 50
    assert taken > 10  # they did exchange
    left = list(tmp_path.rglob("*~"))
    assert len(left) <= 12, left  # of the last kill; the others were removed by those who came later


def test_several_processes_share_the_groups_and_are_gathered(tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    config, data = options(stages=("1",), steps=1), directions(start)
    shared = Shared(2, "average")
    pieces = train_shared(tmp_path / "work", start, start.config, data, config, shared, device="cpu")
    assert [(stage, group) for stage, group, _ in pieces.losses] == [("1", "train"), ("1", "embed_tokens")]
    got, mine = weights(pieces), {}
    for place, group in enumerate(("train", "embed_tokens")):
        mine[group] = weights(Pieces.stored(tmp_path / "work" / "0-1" / f"p{place}", start.config))
        for name in (name for name in got if f".of-{group}." in name):
            assert torch.equal(got[name], mine[group][name])
    shared_ones = [name for name in got if name == "shared.weight" or ".main." in name]
    for name in shared_ones:
        torch.testing.assert_close(got[name], (mine["train"][name] + mine["embed_tokens"][name]) / 2)
    again = train_shared(tmp_path / "work", start, start.config, data, config, shared, device="cpu")
    assert again.files == pieces.files  # what is done is not done again
