"""Answers on disk: asked once, asked again where the file is damaged, kept when a job is interrupted."""

import asyncio
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from neuroglot.errors import ArtifactError
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.endpoint import Cache, Endpoint
from neuroglot.generation.protocol import Answer, key_of
from tests.inference.server import Reply, asked, said, serving, shout

pytest.importorskip("httpx")
GREEDY = Decoding(max_new_tokens=7)
PROMPTS = [f"word {place}" for place in range(6)]


async def no_wait(seconds: float) -> None: ...


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_an_answer_is_asked_for_once(tmp_path: Path) -> None:
    with serving(shout) as server:
        backend = Endpoint(server.url, "tiny", cache=Cache(tmp_path))
        first = backend.complete(PROMPTS, GREEDY)
        assert backend.complete(PROMPTS[::-1], GREEDY) == first[::-1]
        assert len(server.requests) == len(files(tmp_path)) == 6
    assert backend.complete(PROMPTS, GREEDY) == first  # nobody listens now
    assert all("word" not in path.read_text() for path in files(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        lambda b: (replace(b, model="other"), "a", GREEDY, ()),
        lambda b: (replace(b, chat=False), "a", GREEDY, ()),
        lambda b: (replace(b, length_field="max_completion_tokens"), "a", GREEDY, ()),
        lambda b: (b, "b", GREEDY, ()),
        lambda b: (b, "a", replace(GREEDY, max_new_tokens=8), ()),
        lambda b: (b, "a", replace(GREEDY, temperature=1.0), ()),
        lambda b: (b, "a", GREEDY, ("\n",)),
    ],
)
def test_another_request_is_another_entry(change, tmp_path: Path) -> None:
    with serving(shout) as server:
        backend = Endpoint(server.url, "tiny", cache=Cache(tmp_path))
        backend.complete(["a"], GREEDY)
        other, prompt, decoding, stop = change(backend)
        other.complete([prompt], decoding, stop)
        assert len(server.requests) == 2


def test_a_slash_behind_the_address_is_none(tmp_path: Path) -> None:
    with serving(shout) as server:
        for url in (server.url, f"{server.url}/"):
            Endpoint(url, "tiny", cache=Cache(tmp_path)).complete(["a"], GREEDY)
    assert [path for path, _, _ in server.requests] == ["/v1/chat/completions"]


def test_the_seed_counts_where_tokens_are_drawn() -> None:
    drawn = Decoding(temperature=1.0, seed=1)
    with serving(shout) as server:
        backend = Endpoint(server.url, "tiny")
        for decoding in (drawn, replace(drawn, seed=2), GREEDY):
            backend.complete(["a"], decoding)
    assert [body.get("seed") for _, _, body in server.requests] == [1, 2, None]


DAMAGES = {
    "empty": lambda text: "",
    "cut": lambda text: text[:-3],
    "another text": lambda text: text.replace("HELLO", "HELLA"),
    "another finish": lambda text: text.replace("stop", "step"),
    "another format": lambda text: text.replace("answer-1", "answer-0"),
    "nothing of the kind": lambda text: json.dumps({"text": "HELLO"}),
    "null": lambda text: "null",
    "nested too deeply": lambda text: "[" * 200_000,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_entry_is_asked_for_again_and_mended(name: str, tmp_path: Path) -> None:
    with serving(shout) as server:
        backend = Endpoint(server.url, "tiny", cache=Cache(tmp_path))
        backend.complete(["hello"], GREEDY)
        (path,) = files(tmp_path)
        sound = path.read_text()
        path.write_text(DAMAGES[name](sound))
        assert path.read_text() != sound
        assert backend.complete(["hello"], GREEDY)[0].text == "HELLO"
        assert len(server.requests) == 2
        assert path.read_text() == sound


def test_an_entry_under_another_name_is_not_taken(tmp_path: Path) -> None:
    cache, keys = Cache(tmp_path), [key_of("url", {"prompt": text}) for text in "ab"]
    cache.put(keys[0], Answer("A", "stop"))
    path = files(tmp_path)[0]
    other = tmp_path / keys[1][:2] / f"{keys[1]}.json"
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(path.read_bytes())
    assert cache.get(keys[0]) == Answer("A", "stop")
    assert cache.get(keys[1]) is None


def test_many_writers_leave_whole_entries_only(tmp_path: Path) -> None:
    cache, key = Cache(tmp_path), key_of("url", {})
    answers = [Answer(letter * 10_000, "stop") for letter in "abcdefgh"]

    def write_and_read(answer: Answer) -> bool:
        cache.put(key, answer)
        return cache.get(key) in answers

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(write_and_read, answers * 5))
    assert len(files(tmp_path)) == 1


def test_failures_are_asked_for_again_and_judgements_are_not_kept(tmp_path: Path) -> None:
    def reply(body, attempt):
        if asked(body) == "fails":
            return Reply({}, 500) if attempt == 1 else shout(body)
        return Reply(said("cut", "length"))

    with serving(reply) as server:
        backend = Endpoint(server.url, "tiny", cache=Cache(tmp_path), sleep=no_wait)
        once = replace(backend, retrying=replace(backend.retrying, attempts=1))
        assert [each.failure for each in once.complete(["fails", "long"], GREEDY)] == ["http 500", "truncated"]
        kept = replace(once, keep_truncated=True)
        assert [each.text for each in kept.complete(["fails", "long"], GREEDY)] == ["FAILS", "cut"]
        assert len(server.requests) == 3


def test_an_interrupted_job_goes_on_where_it_was(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    def reply(body, attempt):
        return Reply({}, 500) if asked(body) == PROMPTS[3] and attempt == 1 else shout(body)

    async def interrupt(seconds: float) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # workers of pytest ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with serving(reply) as server:
        backend = Endpoint(server.url, "tiny", cache=Cache(tmp_path), concurrency=1, sleep=interrupt)
        with pytest.raises(KeyboardInterrupt):
            backend.complete(PROMPTS, GREEDY)
        assert len(files(tmp_path)) == 3
        assert [each.text for each in backend.complete(PROMPTS, GREEDY)] == [text.upper() for text in PROMPTS]
    assert [asked(body) for _, _, body in server.requests] == [*PROMPTS[:4], *PROMPTS[3:]]


def test_a_cache_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with serving(shout) as server, pytest.raises(ArtifactError, match="cannot be written"):
        Endpoint(server.url, "tiny", cache=Cache(tmp_path / "file")).complete(["a"], GREEDY)
