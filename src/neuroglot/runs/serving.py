"""A small server for run folders: read only, and reached from this machine alone.

It serves the pages and plain files of one folder and nothing else: no listing, no hidden file, no link, no model.
Its content security policy allows no network. It lets a page's own script run, as the server cannot know it; the pages'
policies, which browsers apply as well, name theirs by hash. Readers elsewhere come through a tunnel, such as ssh's.
"""

from __future__ import annotations

import ipaddress
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from neuroglot.errors import ArtifactError

LOOPBACK = "127.0.0.1"
MEDIA_TYPES = {
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


class ReportServer(ThreadingHTTPServer):
    """Serves `folder` on this machine's loopback address; close it after use.

    Raises `ArtifactError` if the port cannot be served.
    """

    daemon_threads = True

    def __init__(self, folder: Path | str, port: int = 0) -> None:
        self.folder = Path(folder).resolve()
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ArtifactError(
                f"The port {port} cannot be served ({error}).", "Expected a free one.", "Name another --port."
            ) from error

    def server_bind(self) -> None:
        """Bind without the library's look-up of the host's full name, which asks the network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who goes away is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/"


def names_this_machine(host: str) -> bool:
    """Whether the header `Host` of a request, with or without a port, is a name of the loopback address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
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
    return path if plain and path.suffix.lower() in MEDIA_TYPES else None


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer
    server_version, sys_version = "neuroglot", ""
    timeout = 30  # seconds; a client that says nothing must not hold a thread

    def do_GET(self) -> None:
        # A page elsewhere must not reach this server by a name that its owner points at this machine (rebinding).
        if not names_this_machine(self.headers.get("Host", "")):
            return self._say(HTTPStatus.MISDIRECTED_REQUEST, "This server does not go by that name.")
        path = file_to_serve(self.server.folder, self.path.partition("?")[0])
        try:
            content = path.read_bytes() if path else None
        except OSError:
            content = None
        if path is None or content is None:
            return self._say(HTTPStatus.NOT_FOUND, "There is no such report.")
        return self._send(HTTPStatus.OK, content, MEDIA_TYPES[path.suffix.lower()])

    do_HEAD = do_GET

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._send(status, f"{text}\n".encode(), MEDIA_TYPES[".txt"])

    def _send(self, status: HTTPStatus, content: bytes, media_type: str) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": media_type, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if getattr(self, "command", None) != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the library refuses by itself, such as another method, with the same headers."""
        self._say(HTTPStatus(code), HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to the command."""
