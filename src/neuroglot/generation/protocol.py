"""The OpenAI protocol as data: the body of a request, and what an answer says; whatever else it holds is malformed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from neuroglot.errors import ConfigError
from neuroglot.generation.backend import Request
from neuroglot.generation.decoding import Decoding

PATHS = {True: "chat/completions", False: "completions"}  # by whether prompts are messages
OVER_LENGTH = ("context_length_exceeded", "maximum context length", "maximum model length")


@dataclass(frozen=True)
class Answer:
    """What the server generated and why it stopped, not yet judged."""

    text: str
    finish: str
    prompt_tokens: int | None = None
    generated_tokens: int | None = None


def body_of(
    prompt: Request, model: str, chat: bool, decoding: Decoding, stop: Sequence[str], length_field: str
) -> dict[str, Any]:
    """The JSON body of a request; a plain text becomes one message of the user where `chat`.

    Raises `ConfigError` for messages without `chat`, and for beams, which the protocol does not have.
    """
    if decoding.beams > 1:
        raise ConfigError(f"{decoding.beams} beams were asked of an endpoint.", "Its protocol has no beams.")
    if not chat and not isinstance(prompt, str):
        raise ConfigError("Messages were given to /completions.", "It takes plain texts.", "Set chat=True.")
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else [dict(part) for part in prompt]
    body: dict[str, Any] = {"model": model, **({"messages": messages} if chat else {"prompt": prompt})}
    body |= {length_field: decoding.max_new_tokens, "temperature": decoding.temperature, "top_p": decoding.top_p}
    if decoding.temperature > 0:
        body["seed"] = decoding.seed
    return body | ({"stop": list(stop)} if stop else {})


def key_of(url: str, body: Mapping[str, Any]) -> str:
    """SHA-256 of everything that can change the answer; no secret enters."""
    content = json.dumps([url, body], ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def parse(content: bytes, chat: bool) -> Answer | None:
    """The answer in the body of a response, or None where it does not follow the protocol."""
    found = _json(content)
    choices = found.get("choices") if isinstance(found, dict) else None
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        return None
    held = choices[0].get("message") if chat else choices[0]
    text = held.get("content" if chat else "text") if isinstance(held, dict) else None
    finish = choices[0].get("finish_reason")
    if text is None and finish in ("length", "content_filter"):  # some servers send no text then
        text = ""
    usage = {} if found.get("usage") is None else found["usage"]
    counts = [usage.get(f"{name}_tokens") for name in ("prompt", "completion")] if isinstance(usage, dict) else [""]
    return answer_of([text, finish, *counts])


def answer_of(values: object) -> Answer | None:
    """An answer of values that may be anything."""
    match values:
        case [str(text), str(finish), (int() | None) as read, (int() | None) as written] if _is_unicode(text + finish):
            return Answer(text, finish, read, written) if _are_counts(read, written) else None
    return None


def says_over_length(content: bytes) -> bool:
    """Whether the body of an error says that the prompt does not fit the context."""
    found = _json(content)
    error = found.get("error", found) if isinstance(found, dict) else None
    told = [error.get(name) for name in ("code", "message")] if isinstance(error, dict) else [error]
    return any(isinstance(text, str) and any(sign in text for sign in OVER_LENGTH) for text in told)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _are_counts(*values: int | None) -> bool:
    return all(value is None or (not isinstance(value, bool) and value >= 0) for value in values)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold and a file cannot
        return False
    return True


def check_address(url: str, allow_http: bool = False) -> None:
    """Raise `ConfigError` unless the address is https, or http to this machine, and holds no secret.

    User names, passwords and queries in an address end up in logs.
    """
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        sound = False
    if not sound or parts.scheme not in ("http", "https"):
        raise ConfigError("The endpoint's address is none.", "Expected for example https://api.openai.com/v1.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(
            f"The address of {parts.hostname} holds a user, a password, a query or a fragment.",
            "Expected an address that may be written into logs.",
            "Give the key by the name of an environment variable.",
        )
    if parts.scheme == "http" and not (allow_http or is_loopback(url)):
        raise ConfigError(
            f"{url} is not encrypted.",
            "Expected https, or http to this machine.",
            "Where prompts and key may be read on the way, set allow_http=True.",
        )


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def secret(variable: str | None) -> str | None:
    """The key in an environment variable; raises `ConfigError`, which never shows it, where it cannot be sent."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"The environment variable {variable!r} holds {'no key that can be sent' if key else 'nothing'}.",
            "Expected the endpoint's key.",
            "Set the variable, or name another one; a local server may need none.",
        )
    return key
