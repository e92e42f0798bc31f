"""The server of run folders: what it gives, to whom, and all that it refuses."""

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cyclopts import App
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.cli import reporting
from neuroglot.errors import ArtifactError
from neuroglot.reports import Report
from neuroglot.runs.folder import MARKER
from neuroglot.runs.serving import HEADERS, ReportServer, file_to_serve, names_this_machine
from tests.reports import making


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    (root / "run é" / "neurons").mkdir(parents=True)
    files = {
        "index.html": "index", "run é/report.html": "page", "run é/report.json": "{}", ".secret.html": "no",
        "run é/model.safetensors": "no", "run é/neurons/.hidden.json": "no", "a:b.txt": "colon",
    }  # fmt: skip
    for name, text in files.items():
        (root / name).write_text(text)
    (tmp_path / "outside.html").write_text("no")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "report.html").write_text("no")
    os.symlink(tmp_path / "outside.html", root / "link.html")
    os.symlink(tmp_path / "beside", root / "linked")
    os.symlink(root / "index.html", root / "inside.html")
    return root


@contextmanager
def serving(folder: Path) -> Iterator[ReportServer]:
    with ReportServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server: ReportServer, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return found


def test_pages_are_served_with_headers_that_shut_the_network_out(folder: Path) -> None:
    with serving(folder) as server:
        assert server.url == f"http://127.0.0.1:{server.server_address[1]}/"
        for path, text, kind in (
            ("/", b"index", "text/html"), ("/run%20%C3%A9/report.html", b"page", "text/html"),
            ("/run%20%C3%A9/report.json", b"{}", "application/json"), ("/a:b.txt", b"colon", "text/plain"),
        ):  # fmt: skip
            status, body, headers = ask(server, path)
            assert (status, body) == (200, text)
            assert headers["Content-Type"].startswith(kind)
            assert HEADERS.items() <= headers.items()
            assert "Python" not in headers["Server"]
        status, body, headers = ask(server, "/", "HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", "5")
    assert "connect-src 'none'" in HEADERS["Content-Security-Policy"]
    assert (HEADERS["X-Content-Type-Options"], HEADERS["Referrer-Policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize(
    "path",
    [
        "/../outside.html", "/%2e%2e/outside.html", "/..%2foutside.html", "/run%20%C3%A9/../../outside.html",
        "//etc/passwd", "/%2fetc%2fpasswd", "/..%5coutside.html", "/link.html", "/linked/report.html", "/inside.html",
        "/.secret.html", "/run%20%C3%A9/model.safetensors", "/run%20%C3%A9/neurons/.hidden.json", "/run%20%C3%A9/",
        "/run%20%C3%A9", "/nowhere.html", "/index.html%00.json", "/index.html/", "/" + "a" * 5000 + ".html",
    ],
)  # fmt: skip
def test_what_is_outside_hidden_linked_or_unknown_is_not_there(folder: Path, path: str) -> None:
    with serving(folder) as server:
        status, body, headers = ask(server, path)
    assert (status, body) == ((200, b"index") if path == "/index.html/" else (404, b"There is no such report.\n"))
    assert HEADERS.items() <= headers.items()


@given(st.lists(st.sampled_from(["..", ".", "", "%2e%2e", "%2f", "\\", "linked", "run é", "report.html", "~", "\0"])))
def test_no_address_leads_out_of_the_folder(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    base = tmp_path_factory.getbasetemp().resolve() / "served"
    (base / "run é").mkdir(parents=True, exist_ok=True)
    (base / "run é" / "report.html").write_text("page")
    (base.parent / "report.html").write_text("no")
    if not (base / "linked").is_symlink():
        (base / "linked").symlink_to(base.parent)
    found = file_to_serve(base, "/" + "/".join(parts))
    assert found in (None, base / "run é" / "report.html")


def test_other_methods_are_refused(folder: Path) -> None:
    with serving(folder) as server:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
            status, _, headers = ask(server, "/", method)
            assert status == 501
            assert HEADERS.items() <= headers.items()
        with socket.create_connection(server.server_address[:2], timeout=10) as client:
            client.sendall(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n")
            assert b" 414 " in client.recv(200)


def test_another_name_for_this_machine_is_refused(folder: Path) -> None:
    with serving(folder) as server:
        assert ask(server, "/", Host="evil.example")[0] == 421
        assert ask(server, "/", Host="127.0.0.1.evil.example:80")[0] == 421
        for name in ("localhost", "127.0.0.1:1234", "[::1]:80"):
            assert ask(server, "/", Host=name)[0] == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9:80", True), ("[::1]:8321", True), ("localhost", True), ("0.0.0.0", False),
     ("", False), ("192.168.0.7", False), ("localhost.evil.example", False), ("[", False), ("[::1", False),
     ("a]b", False), ("é", False)],
)  # fmt: skip
def test_names_of_this_machine(host: str, expected: bool) -> None:
    assert names_this_machine(host) is expected


@pytest.mark.parametrize(("target", "host", "status"), [("http://[/x", "localhost", 404), ("/", "[", 421)])
def test_an_address_that_is_none_gets_an_answer(folder: Path, target: str, host: str, status: int) -> None:
    with serving(folder) as server, socket.create_connection(server.server_address[:2], timeout=10) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert f" {status} ".encode() in client.recv(200)


def test_a_port_that_cannot_be_served_is_refused(folder: Path) -> None:
    with serving(folder) as server:
        for port in (server.server_address[1], 99_999):
            with pytest.raises(ArtifactError, match=f"port {port} cannot be served"):
                ReportServer(folder, port)


def test_other_machines_are_not_listened_to(folder: Path) -> None:
    with serving(folder) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_the_command_writes_the_index_and_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    Report(making.loss_matrix(("de", "sw"))).save(run / "report.json")
    (run / MARKER).write_text("{}")
    served = []

    def stop(server: ReportServer) -> None:
        served.append(server.folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(ReportServer, "serve_forever", stop)
    app = App(name="neuroglot")
    app.command(reporting.report)
    app(["report", str(tmp_path)], result_action="return_value")
    assert (tmp_path / "index.html").is_file()
    assert "Serving" not in capsys.readouterr().out
    app(["report", str(tmp_path), "--serve", "--port", "0"], result_action="return_value")
    said = capsys.readouterr().out
    assert "http://127.0.0.1:" in said
    assert served == [tmp_path.resolve()]
