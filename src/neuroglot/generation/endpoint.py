"""Completions by a server that speaks the OpenAI protocol: many requests at once, sent again where that can help."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from neuroglot import extras
from neuroglot.errors import ConfigError, EndpointError
from neuroglot.generation.backend import Completion, Request, check_prompts, judged, refuse_rule
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.protocol import (
    PATHS,
    Answer,
    answer_of,
    body_of,
    check_address,
    is_loopback,
    key_of,
    parse,
    says_over_length,
    secret,
)
from neuroglot.generation.stopping import check_stop
from neuroglot.models.provenance import made_with
from neuroglot.progress import advancing
from neuroglot.signature import Signature
from neuroglot.storage import parse_json, write_whole

if TYPE_CHECKING:
    import httpx


RETRIED = frozenset((408, 409, 429, *range(500, 600)))


@dataclass(frozen=True)
class Retrying:
    """Up to `attempts` requests; between them `first_wait` seconds, doubled each time, at most `longest_wait`.

    Each wait is shortened at random by up to half, so that requests that failed together do not return together. A
    server's Retry-After is kept instead, and a longer one than `longest_wait` ends the attempts.
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def wait(self, attempt: int, retry_after: str | None) -> float | None:
        """Seconds to wait after this attempt, counted from 1; None to give up."""
        if attempt >= self.attempts:
            return None
        told = seconds_told(retry_after)
        if told is not None:
            return told if told <= self.longest_wait else None
        return min(self.longest_wait, self.first_wait * 2 ** (attempt - 1)) * random.uniform(0.5, 1)


def seconds_told(retry_after: str | None) -> float | None:
    """Seconds in a Retry-After header, which is a number or a date (RFC 9110, 10.2.3); None for anything else."""
    try:
        told = float(retry_after or "")
    except ValueError:
        try:
            date = parsedate_to_datetime(retry_after or "")
        except (ValueError, OverflowError):
            return None
        told = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return max(0.0, told) if math.isfinite(told) else None


_FORMAT = "neuroglot-answer-1"


@dataclass(frozen=True)
class Cache:
    """Answers by the hash of their request; neither prompts nor keys are kept. `folder` None keeps nothing."""

    folder: Path | None = None

    def get(self, key: str) -> Answer | None:
        """The answer to a request, or None where there is none or its file is damaged."""
        try:
            entry = parse_json(self._path(key).read_bytes()) if self.folder and self._path(key).is_file() else None
        except (OSError, ValueError):
            return None
        match entry:
            case [found, answer, check] if found == _FORMAT and check == _check(key, answer):
                return answer_of(answer)
        return None

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer; raises `ArtifactError` where the folder cannot be written."""
        if self.folder:
            values = list(astuple(answer))
            write_whole(self._path(key), json.dumps([_FORMAT, values, _check(key, values)], ensure_ascii=False))

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / f"{key}.json"


def _check(key: str, values: object) -> str:
    return hashlib.sha256(json.dumps([key, values]).encode()).hexdigest()


_Result = TypeVar("_Result")
Body = Mapping[str, Any]
Outcome = Answer | str  # a string is the name of a failure
ENDS_THE_JOB = {401: "The endpoint refuses the key", 404: "The endpoint has no such address or model"}


@dataclass(frozen=True)
class Endpoint:
    """A model behind `url`, for example https://api.openai.com/v1, or a local server's http://127.0.0.1:8000/v1.

    The key is read from the environment variable `key_variable` at each call and stands nowhere else. `timeout` is in
    seconds and for a whole request; `response_limit` in bytes. Equal requests are sent once, and never again with a
    `cache`; its answers count whatever made them, so that sampling anew needs another seed. `allow_http` sends prompts
    and key unencrypted beyond this machine. Raises `ConfigError` for an address that is not allowed.
    """

    url: str
    model: str
    key_variable: str | None = None
    chat: bool = True
    keep_truncated: bool = False
    concurrency: int = 8
    timeout: float = 120.0
    retrying: Retrying = field(default_factory=Retrying)
    cache: Cache = field(default_factory=Cache)
    response_limit: int = 8 * 2**20
    length_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    allow_http: bool = False
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)

    def __post_init__(self) -> None:
        check_address(self.url, self.allow_http)
        if self.concurrency < 1 or not self.timeout > 0 or self.response_limit < 1 or self.retrying.attempts < 1:
            raise ConfigError(
                f"Got {self.concurrency} requests at once, {self.timeout} seconds, {self.response_limit} bytes, "
                f"{self.retrying.attempts} attempts.",
                "Expected one or more of each.",
            )

    @property
    def signature(self) -> Signature:
        own = Signature.of(backend="endpoint", model=self.model, url=self.url, chat=self.chat)
        return own | Signature.of(keep_truncated=self.keep_truncated) | made_with()

    def complete(self, prompts: Sequence[Request], decoding: Decoding, stop: Sequence[str] = ()) -> list[Completion]:
        """One completion a prompt, in order; see `Backend`.

        Sent again are requests that time out, lose the connection or get the status 408, 409, 429 or 5xx. The answers
        so far are in the cache whatever ends the call. Raises `ConfigError` if the key is missing, and
        `EndpointError` if it is refused.
        """
        check_prompts(prompts)
        check_stop(stop)
        refuse_rule(decoding, "an endpoint")
        bodies = [body_of(prompt, self.model, self.chat, decoding, stop, self.length_field) for prompt in prompts]
        keys = [key_of(self._address, body) for body in bodies]
        outcomes: dict[str, Outcome] = {}
        for key in dict.fromkeys(keys):
            answer = self.cache.get(key)
            if answer is not None:
                outcomes[key] = answer
        missing = {key: body for key, body in zip(keys, bodies) if key not in outcomes}
        if missing:
            outcomes |= _run(self._ask(missing))
        return [self._completion(outcomes[key]) for key in keys]

    @property
    def _address(self) -> str:
        return f"{self.url.rstrip('/')}/{PATHS[self.chat]}"

    def _completion(self, outcome: Outcome) -> Completion:
        if isinstance(outcome, str):
            return Completion(None, outcome)
        counts = outcome.prompt_tokens, outcome.generated_tokens
        return judged(outcome.text, outcome.finish, *counts, self.keep_truncated)

    async def _ask(self, bodies: Mapping[str, Body]) -> dict[str, Outcome]:
        """The outcome of every request; workers take the next one as soon as they are free."""
        outcomes: dict[str, Outcome] = {}
        waiting = iter(bodies.items())
        with advancing("requesting", len(bodies)) as advance:
            async with self._client() as client:
                try:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(min(self.concurrency, len(bodies))):
                            group.create_task(self._work(client, waiting, outcomes, advance))
                except BaseExceptionGroup as errors:
                    raise errors.exceptions[0] from None
        return outcomes

    def _client(self) -> httpx.AsyncClient:
        httpx = extras.require("httpx", extra="endpoint")
        key = secret(self.key_variable)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        headers |= {} if key is None else {"Authorization": f"Bearer {key}"}
        limits = httpx.Limits(max_connections=self.concurrency)
        surroundings = not is_loopback(self.url)  # a proxy has no way to this machine, and no business there
        return httpx.AsyncClient(
            headers=headers, limits=limits, timeout=None, trust_env=surroundings, follow_redirects=False
        )

    async def _work(
        self,
        client: httpx.AsyncClient,
        waiting: Iterator[tuple[str, Body]],
        outcomes: dict[str, Outcome],
        advance: Callable[[int], None],
    ) -> None:
        for key, body in waiting:
            outcome = outcomes[key] = await self._outcome(client, body)
            if isinstance(outcome, Answer):
                self.cache.put(key, outcome)
            advance(1)

    async def _outcome(self, client: httpx.AsyncClient, body: Body) -> Outcome:
        attempt = 0
        while True:
            attempt += 1
            outcome, retry_after, again = await self._attempt(client, body)
            wait = self.retrying.wait(attempt, retry_after) if again else None
            if wait is None:
                return outcome
            await self.sleep(wait)

    async def _attempt(self, client: httpx.AsyncClient, body: Body) -> tuple[Outcome, str | None, bool]:
        """What one request gave, the header Retry-After, and whether another may give something else."""
        import httpx

        try:
            async with asyncio.timeout(self.timeout):
                async with client.stream("POST", self._address, content=json.dumps(body)) as response:
                    content = await self._content(response)
        except (TimeoutError, httpx.TimeoutException):
            return "timeout", None, True
        except httpx.TransportError:
            return "connection", None, True
        status = response.status_code
        if status in ENDS_THE_JOB:
            raise EndpointError(
                f"{ENDS_THE_JOB[status]} ({status} at {self._address}, model {self.model!r}).",
                "Expected the address up to /v1, a model of that endpoint, and the name of the variable with its key.",
            )
        if status != 200:
            over_length = status in (400, 413) and content is not None and says_over_length(content)
            failure = "over_length" if over_length else f"http {status}"
            return failure, response.headers.get("retry-after"), status in RETRIED
        if content is None:
            return "too_large", None, False
        return parse(content, self.chat) or "malformed", None, False

    async def _content(self, response: httpx.Response) -> bytes | None:
        """The body as it was sent, not unpacked, or None as soon as it is too large."""
        content = bytearray()
        async for part in response.aiter_raw():
            content += part
            if len(content) > self.response_limit:
                return None
        return bytes(content)


def _run(job: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of a coroutine, in a notebook too, where a loop is running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(job)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, job).result()
