"""`neuroglot report`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

REPORT_EXAMPLES = """Examples:

    neuroglot report runs
    neuroglot report runs --serve
    neuroglot report runs --serve --port 8400"""


def report(
    folder: Path,
    /,
    *,
    serve: Annotated[bool, Parameter(negative="")] = False,
    port: int = 8321,
) -> None:
    """List the run folders in a folder side by side, as index.html in it, and serve their pages if asked.

    Parameters
    ----------
    folder:
        A folder that holds run folders, at any of four levels.
    serve:
        Serve the pages on this machine until interrupted.
    port:
        Port to serve on; 0 takes a free one.
    """
    from rich.console import Console

    from neuroglot.runs.index import index_table, write_index

    path, runs = write_index(folder)
    Console().print(index_table(runs).to_rich())
    print(f"\nIndex: {path}")
    if serve:
        _serve(folder, port)


def _serve(folder: Path, port: int) -> None:
    from neuroglot.runs.serving import ReportServer

    with ReportServer(folder, port) as server:
        print(f"Serving {server.url} until interrupted.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("Stopped.")
