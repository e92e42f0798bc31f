"""A server on this machine that speaks the OpenAI protocol, and everything that can go wrong with one."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    content: Any = None  # bytes as they are, anything else as JSON
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    sent: int | None = None  # so many bytes, then the connection ends
    pace: float = 0.0  # seconds before each byte


@dataclass
class Server:
    """`reply(body, attempt)` answers; `attempt` counts requests with this body from 1."""

    reply: Callable[[dict[str, Any], int], Reply]
    url: str = ""
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Reply:
        with self.lock:
            self.requests.append((path, headers, body))
            attempt = sum(body == other for _, _, other in self.requests)
            self.now += 1
            self.most = max(self.most, self.now)
        reply = self.reply(body, attempt)
        time.sleep(reply.delay)
        with self.lock:
            self.now -= 1
        return reply


@contextmanager
def serving(reply: Callable[[dict[str, Any], int], Reply]) -> Iterator[Server]:
    server = Server(reply)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answered = server.answer(self.path, dict(self.headers), body)
            content = answered.content
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            try:
                self.send_response(answered.status)
                for name, value in {"Content-Length": str(len(content)), **answered.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                for place in range(len(content) if answered.pace else 0):
                    time.sleep(answered.pace)
                    self.wfile.write(content[place : place + 1])
                self.wfile.write(b"" if answered.pace else content[: answered.sent])
                self.close_connection = answered.sent is not None
            except OSError:  # the client has gone
                self.close_connection = True

        do_GET = do_POST

        def log_message(self, *_: object) -> None: ...

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server.url = f"http://127.0.0.1:{listening.server_address[1]}/v1"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def asked(body: dict[str, Any]) -> str:
    """What the last message, or the prompt, says."""
    return body["messages"][-1]["content"] if "messages" in body else body["prompt"]


def said(text: Any, finish: Any = "stop", chat: bool = True, **other: Any) -> dict[str, Any]:
    """A response as the protocol has it."""
    choice = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "x", "choices": [{"index": 0, "finish_reason": finish, **choice}], "usage": usage, **other}


def shout(body: dict[str, Any], attempt: int = 1) -> Reply:
    """A model that writes capitals."""
    return Reply(said(asked(body).upper(), chat="messages" in body))
