"""A small server for run folders: read only, on this machine unless asked, behind a token where others can reach it.

It serves the pages and plain files of one folder and nothing else: no listing, no hidden file, no link, no model.
Its content security policy allows no network. It lets a page's own script run, as the server cannot know it; the pages'
policies, which browsers apply as well, name theirs by hash. HTTP is not encrypted: beyond one machine, use a tunnel.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from neuroglot.errors import ArtifactError, ConfigError

TYPES = {
    ".html": "text/html; charset=utf-8", ".json": "application/json; charset=utf-8",
    ".txt": "text/plain; charset=utf-8", ".csv": "text/csv; charset=utf-8", ".png": "image/png",
    ".svg": "image/svg+xml",
}  # fmt: skip
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}  # fmt: skip
COOKIE = "neuroglot-token"
SHORTEST_TOKEN = 16


class ReportServer(ThreadingHTTPServer):
    """Serves `folder`; `token` is what a request must bring, None for no token; close it after use."""

    daemon_threads = True

    def __init__(self, folder: Path | str, host: str = "127.0.0.1", port: int = 0, token: str | None = None) -> None:
        self.folder, self.host, self.token = Path(folder).resolve(), host, checked_token(host, token)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ArtifactError(
                f"{host}:{port} cannot be served ({error}).", "", "Name another --port or --host."
            ) from error

    def server_bind(self) -> None:
        """Without the library's look-up of the host's full name, which asks the network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who goes away is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The address to open, with the token where there is one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = f"?token={quote(self.token, safe='')}" if self.token else ""
        return f"http://{host}:{self.server_address[1]}/{query}"


def checked_token(host: str, token: str | None) -> str | None:
    """The token that a server on `host` asks for; one is made where others can reach it and none was given.

    Raises `ConfigError` on a token that is short, or that a header could not carry.
    """
    if token is None:
        return None if is_loopback(host) else secrets.token_urlsafe(32)
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable():
        raise ConfigError(
            f"A token of {len(token)} characters was given.",
            f"Expected at least {SHORTEST_TOKEN} printable ASCII characters.",
            "Leave --token out to have one made.",
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def file_to_serve(folder: Path, address: str) -> Path | None:
    """The file that an address stands for: a plain file of a known type in `folder`, not hidden, no link on the way."""
    parts = [unquote(part) for part in address.strip("/").split("/")] if address.strip("/") else ["index.html"]
    if any(not part or part.startswith(".") or any(sign in part for sign in "/\\\0") for part in parts):
        return None
    path = folder.joinpath(*parts)
    try:
        plain = path.is_file() and path.is_relative_to(folder) and path.resolve(strict=True) == path
    except (OSError, ValueError, RuntimeError):
        return None
    return path if plain and path.suffix.lower() in TYPES else None


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer
    server_version, sys_version = "neuroglot", ""
    timeout = 30  # seconds; a client that says nothing must not hold a thread

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        address = urlsplit(self.path)
        if not self._host_is_ours():
            return self._say(HTTPStatus.MISDIRECTED_REQUEST, "This server does not go by that name.")
        if self.server.token is not None:
            given = parse_qs(address.query).get("token", [""])[0]
            if given and _same(given, self.server.token):
                return self._remember(address.path)
            if not self._is_allowed(self.server.token):
                return self._say(HTTPStatus.UNAUTHORIZED, "Open the address with the token that the server printed.")
        path = file_to_serve(self.server.folder, address.path)
        try:
            content = path.read_bytes() if path else None
        except OSError:
            content = None
        if path is None or content is None:
            return self._say(HTTPStatus.NOT_FOUND, "There is no such report.")
        return self._send(HTTPStatus.OK, content, TYPES[path.suffix.lower()], body)

    def _host_is_ours(self) -> bool:
        """A page elsewhere must not reach a server on this machine by a name that its owner points here."""
        name = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        return not is_loopback(self.server.host) or is_loopback(name)

    def _is_allowed(self, token: str) -> bool:
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return _same(bearer, token) or _same(_cookie(self.headers.get("Cookie", "")), token)

    def _remember(self, address: str) -> None:
        """Keep the token in a cookie, so that it stays out of addresses, and of what a reader may copy."""
        cookie = f"{COOKIE}={quote(str(self.server.token), safe='')}; HttpOnly; SameSite=Strict; Path=/"
        location = "/" + address.lstrip("/\\")
        self._send(HTTPStatus.SEE_OTHER, b"", TYPES[".txt"], True, {"Location": location, "Set-Cookie": cookie})

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._send(status, f"{text}\n".encode(), TYPES[".txt"], getattr(self, "command", None) != "HEAD")

    def _send(
        self, status: HTTPStatus, content: bytes, kind: str, body: bool, more: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        described = {"Content-Type": kind, "Content-Length": str(len(content))}
        for name, value in {**HEADERS, **described, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses by itself, such as another method, with the same headers."""
        self._say(HTTPStatus(code), HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: addresses may hold the token."""


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return unquote(found.value) if found else ""
