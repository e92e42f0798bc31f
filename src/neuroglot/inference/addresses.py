"""Which addresses may be asked, and where the key comes from."""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

from neuroglot.errors import ConfigError


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
        raise ConfigError("The endpoint's address is none.", "Expected is, for example, https://api.openai.com/v1.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(
            f"The address of {parts.hostname} holds a user, a password, a query or a fragment.",
            "Expected is an address that may be written into logs.",
            "Give the key by the name of an environment variable.",
        )
    if parts.scheme == "http" and not (allow_http or is_loopback(url)):
        raise ConfigError(
            f"{url} is not encrypted.",
            "Expected is https, or http to this machine.",
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
            "Expected is the endpoint's key.",
            "Set the variable, or name another one; a local server may need none.",
        )
    return key
