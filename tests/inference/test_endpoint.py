"""The endpoint against a server on this machine: what is sent, what is sent again, and what each answer becomes."""

import asyncio
import gzip
import json
import logging
import random
from pathlib import Path

import pytest

from neuroglot.errors import ConfigError, EndpointError, MissingExtraError
from neuroglot.generation.backend import Completion
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.endpoint import Cache, Endpoint, Retrying
from tests.inference.server import Reply, Server, asked, said, serving, shout

pytest.importorskip("httpx")
SECRET = "sk-0123456789-very-secret"
GREEDY = Decoding(max_new_tokens=7)


class Waits(list):
    """Stands for sleeping, and remembers for how long."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def endpoint(server: Server, **options) -> Endpoint:
    options = {"sleep": Waits(), "timeout": 5.0, **options}
    return Endpoint(server.url, "tiny", **options)


def one(reply, **options) -> tuple[Completion, Server, Endpoint]:
    with serving(reply if callable(reply) else lambda body, attempt: reply) as server:
        backend = endpoint(server, **options)
        (completion,) = backend.complete(["hello"], GREEDY)
    return completion, server, backend


def test_a_chat_request_and_its_answer() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello ü"}]
    with serving(shout) as server:
        decoding = Decoding(max_new_tokens=7, temperature=0.5, top_p=0.9, seed=3)
        completions = endpoint(server).complete([messages], decoding, stop=["\n"])
    assert completions == [Completion("HELLO Ü", None, 3, 2)]
    ((path, headers, body),) = server.requests
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers
    assert body == {
        "model": "tiny", "messages": messages, "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "seed": 3,
        "stop": ["\n"],
    }  # fmt: skip


def test_a_plain_request_and_its_answer() -> None:
    with serving(shout) as server:
        backend = endpoint(server, chat=False, length_field="max_completion_tokens")
        assert backend.complete(["hello"], GREEDY) == [Completion("HELLO", None, 3, 2)]
        with pytest.raises(ConfigError, match="Messages"):
            backend.complete([[{"role": "user", "content": "hello"}]], GREEDY)
        with pytest.raises(ConfigError, match="beams"):
            backend.complete(["hello"], Decoding(beams=2))
        with pytest.raises(ConfigError, match="Prompt 2"):
            backend.complete(["hello", " "], GREEDY)
        with pytest.raises(ConfigError, match="as prompts"):
            backend.complete("hello", GREEDY)
    ((path, _, body),) = server.requests
    assert path == "/v1/completions"
    assert body == {"model": "tiny", "prompt": "hello", "max_completion_tokens": 7, "temperature": 0.0, "top_p": 1.0}


def test_results_stand_in_the_order_of_the_prompts_and_requests_are_bounded() -> None:
    prompts = [f"word {place}" for place in range(30)]

    def reply(body, attempt):
        return Reply(said(asked(body).upper()), delay=random.uniform(0.01, 0.05))

    with serving(reply) as server:
        completions = endpoint(server, concurrency=4).complete(prompts, GREEDY)
    assert [completion.text for completion in completions] == [prompt.upper() for prompt in prompts]
    assert 2 <= server.most <= 4


def test_equal_prompts_are_sent_once() -> None:
    with serving(shout) as server:
        completions = endpoint(server).complete(["a", "b", "a"], GREEDY)
    assert [completion.text for completion in completions] == ["A", "B", "A"]
    assert len(server.requests) == 2


MALFORMED = {
    "not JSON": b"<html>",
    "nothing": b"",
    "cut JSON": json.dumps(said("x")).encode()[:-4],
    "not UTF-8": b'{"choices": "\xff"}',
    "nested too deeply": b"[" * 200_000,
    "a list": [said("x")],
    "no choices": {},
    "empty choices": {"choices": []},
    "two choices": {"choices": said("x")["choices"] * 2},
    "choice is text": {"choices": ["x"]},
    "no message": {"choices": [{"finish_reason": "stop"}]},
    "text is a number": said(3),
    "text is null": said(None),
    "no finish": said("x", None),
    "unknown finish": said("x", "tool_calls"),
    "half a surrogate pair": said("\ud800"),
    "count is a text": said("x", usage={"prompt_tokens": "3"}),
    "count is a bool": said("x", usage={"prompt_tokens": True}),
    "count is negative": said("x", usage={"completion_tokens": -1}),
    "usage is a list": said("x", usage=[]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_does_not_follow_the_protocol_is_malformed(name: str) -> None:
    completion, server, _ = one(Reply(MALFORMED[name]))
    assert completion == Completion(None, "malformed", *([3, 2] if name == "unknown finish" else []))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (Reply(said("x", "length")), "truncated"),
        (Reply(said(None, "length")), "truncated"),
        (Reply(said("x", "content_filter")), "filtered"),
        (Reply(said("")), "empty"),
        (Reply(said(" \n")), "empty"),
        (Reply({}, 400), "http 400"),
        (Reply({}, 403), "http 403"),
        (Reply({"error": {"code": "context_length_exceeded"}}, 400), "over_length"),
        (Reply({"error": {"message": "This model's maximum context length is 8 tokens."}}, 400), "over_length"),
        (Reply(b"x" * 5000), "too_large"),
        (Reply(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}), "malformed"),
        (Reply({}, 204), "http 204"),
    ],
)
def test_failures_that_another_request_would_not_mend(reply: Reply, failure: str) -> None:
    completion, server, _ = one(reply, response_limit=4096)
    assert (completion.text, completion.failure) == (None, failure)
    assert len(server.requests) == 1


def test_a_truncated_text_is_kept_on_request() -> None:
    assert one(Reply(said("x", "length")), keep_truncated=True)[0].text == "x"
    assert one(Reply(said("", "length")), keep_truncated=True)[0].failure == "empty"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with serving(shout) as other:
        completion, server, _ = one(Reply({}, status, {"Location": f"{other.url}/chat/completions"}))
    assert completion.failure == f"http {status}"
    assert (len(server.requests), len(other.requests)) == (1, 0)


@pytest.mark.parametrize(
    ("bad", "failure"),
    [(Reply({}, status), f"http {status}") for status in (408, 409, 429, 500, 502, 503)]
    + [(Reply(said("HELLO"), sent=20), "connection"), (Reply(said("HELLO"), delay=0.6), "timeout")],
)
def test_passing_failures_are_tried_again(bad: Reply, failure: str) -> None:
    options = {"timeout": 0.3, "retrying": Retrying(attempts=3, first_wait=2, longest_wait=3)}
    completion, server, backend = one(lambda body, attempt: bad if attempt < 3 else shout(body), **options)
    assert completion.text == "HELLO"
    assert len(server.requests) == 3
    assert 1 <= backend.sleep[0] <= 2
    assert 1.5 <= backend.sleep[1] <= 3  # 4 seconds, but for the longest wait
    completion, server, backend = one(bad, **options)
    assert (completion.text, completion.failure) == (None, failure)
    assert (len(server.requests), len(backend.sleep)) == (3, 2)


def test_a_server_that_drips_is_timed_out_as_a_whole() -> None:
    completion, _, _ = one(Reply(said("HELLO"), pace=0.05), timeout=0.3, retrying=Retrying(attempts=1))
    assert completion.failure == "timeout"


def test_nobody_listens() -> None:
    with serving(shout) as server:
        pass
    backend = endpoint(server, retrying=Retrying(attempts=2))
    assert backend.complete(["hello"], GREEDY) == [Completion(None, "connection")]
    assert len(backend.sleep) == 1


def test_retry_after_is_kept() -> None:
    def reply(body, attempt):
        return Reply({}, 429, {"Retry-After": "7.5"}) if attempt == 1 else shout(body)

    completion, _, backend = one(reply)
    assert completion.text == "HELLO"
    assert backend.sleep == [7.5]
    completion, server, backend = one(Reply({}, 429, {"Retry-After": "86400"}))
    assert completion.failure == "http 429"
    assert (len(server.requests), backend.sleep) == (1, [])


def test_the_key_is_sent_and_stands_nowhere_else(tmp_path: Path, monkeypatch, caplog, capfd) -> None:
    monkeypatch.setenv("OWN_KEY", SECRET)
    caplog.set_level(logging.DEBUG)

    def reply(body, attempt):
        failing = Reply({"error": {"message": f"wrong key {SECRET}"}}, 400)
        return failing if asked(body) == "bad" else shout(body)

    with serving(reply) as server:
        backend = endpoint(server, key_variable="OWN_KEY", cache=Cache(tmp_path))
        completions = backend.complete(["good", "bad"], GREEDY)
    assert [headers["Authorization"] for _, headers, _ in server.requests] == [f"Bearer {SECRET}"] * 2
    assert [completion.failure for completion in completions] == [None, "http 400"]
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert len(caplog.text) > 100
    seen = "".join([*files, caplog.text, repr(backend), str(backend.signature), repr(completions), *capfd.readouterr()])
    assert "very-secret" not in seen


@pytest.mark.parametrize("status", [401, 404])
def test_a_refused_key_or_an_unknown_model_ends_the_job(status: int, monkeypatch) -> None:
    monkeypatch.setenv("OWN_KEY", SECRET)
    refusing = serving(lambda body, attempt: Reply({"error": SECRET}, status))
    with refusing as server, pytest.raises(EndpointError, match=str(status)) as raised:
        endpoint(server, key_variable="OWN_KEY", concurrency=1).complete(["a", "b"], GREEDY)
    assert len(server.requests) == 1
    assert "very-secret" not in "".join(map(repr, (raised.value, raised.value.__cause__, raised.value.__context__)))


@pytest.mark.parametrize("key", ["", "  ", "two words", f"{SECRET}\n{SECRET}", f"{SECRET}ü", f"{SECRET}\x01"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key: str, monkeypatch) -> None:
    monkeypatch.setenv("OWN_KEY", key)
    with serving(shout) as server, pytest.raises(ConfigError, match="OWN_KEY") as raised:
        endpoint(server, key_variable="OWN_KEY").complete(["a"], GREEDY)
    assert "secret" not in str(raised.value)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.openai.com/v1", "ftp://127.0.0.1", "https://", "http://127.0.0.1:99999999/v1", "https://a b/v1"),
        *(
            "http://example.org/v1",
            "http://127.0.0.1.example.org/v1",
            "http://localhost.example.org",
            "http://10.0.0.1",
        ),
        *(f"https://user:{SECRET}@example.org/v1", f"https://example.org/v1?key={SECRET}", f"https://x.org/#{SECRET}"),
        *("http://127.0.0.1@example.org/v1", "http://[::2]/v1", "http://[::1/v1"),
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Endpoint(url, "tiny")
    assert "very-secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["https://api.openai.com/v1", "http://localhost:8000/v1", "http://127.0.0.2/", "http://[::1]:80/v1"]
)
def test_addresses_that_are_taken(url: str) -> None:
    assert Endpoint(url, "tiny").url == url
    assert Endpoint("http://example.org/v1", "tiny", allow_http=True).allow_http


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"timeout": 0}, {"retrying": Retrying(attempts=0)}])
def test_impossible_limits_are_refused(options: dict) -> None:
    with pytest.raises(ConfigError):
        Endpoint("https://example.org", "tiny", **options)


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert one(shout)[0].text == "HELLO"


def test_in_a_notebook_a_loop_is_running_already() -> None:
    async def cell() -> Completion:
        return one(shout)[0]

    assert asyncio.run(cell()).text == "HELLO"


def test_without_httpx_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    with pytest.raises(MissingExtraError, match=r"neuroglot\[endpoint\]"):
        Endpoint("https://example.org/v1", "tiny").complete(["a"], GREEDY)
