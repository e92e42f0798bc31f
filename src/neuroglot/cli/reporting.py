"""`neuroglot report`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

REPORT_EXAMPLES = """Examples:

    neuroglot report runs
    neuroglot report runs --serve
    neuroglot report runs --serve --host 0.0.0.0 --port 8321"""


def report(
    folder: Path,
    /,
    *,
    serve: Annotated[bool, Parameter(negative="")] = False,
    host: str = "127.0.0.1",
    port: int = 8321,
    token: Annotated[str | None, Parameter(env_var="NEUROGLOT_TOKEN")] = None,
) -> None:
    """List the run folders in a folder side by side, as index.html in it, and serve their pages if asked.

    Parameters
    ----------
    folder:
        A folder that holds run folders, at any of four levels.
    serve:
        Serve the pages until interrupted.
    host:
        Where to serve; beyond this machine only with a token, unencrypted.
    port:
        Port to serve on; 0 takes a free one.
    token:
        What a reader must bring, 16 characters or more; made and printed where others can reach the host.
    """
    from rich.console import Console

    from neuroglot.runs.index import index_table, write_index

    path, runs = write_index(folder)
    Console().print(index_table(runs).to_rich())
    print(f"\nIndex: {path}")
    if serve:
        _serve(folder, host, port, token)


def _serve(folder: Path, host: str, port: int, token: str | None) -> None:
    from neuroglot.runs.serving import ReportServer, is_loopback

    with ReportServer(folder, host, port, token) as server:
        if not is_loopback(host):
            print("Others can reach this host, and HTTP is not encrypted: whoever reads the traffic reads the token.")
        print(f"Serving {server.url} until interrupted.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("Stopped.")
