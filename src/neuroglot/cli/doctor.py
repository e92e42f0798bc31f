"""`neuroglot doctor`: whether this machine can do the work, and what is missing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from neuroglot.cli.commands import Json

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DOCTOR_EXAMPLES = """Examples:

    neuroglot doctor
    neuroglot doctor --json
    neuroglot doctor --clean"""

LEAST_DISK = 2**30  # below which a download or a run folder soon fails
STYLES = {"ok": "green", "missing": "yellow", "broken": "red"}


@dataclass(frozen=True)
class Check:
    """What was looked at and found: `ok`, `missing` where it is optional, or `broken`."""

    name: str
    found: str
    state: Literal["ok", "missing", "broken"] = "ok"


def doctor(*, clean: bool = False, json: Json = False) -> None:
    """Check Python, libraries, extras, devices, memory, disk and the hub's cache, and run the lab model once.

    The exit code is 0 when neuroglot can be used, and 1 when not. What is missing but optional is only named.

    Args:
        clean: first remove the copies of large texts and the converted GGUF files that were kept; they are made again
            when the texts or files are read.
    """
    from neuroglot.cli.printing import print_json

    if clean:
        from neuroglot.corpora.storing import remove_copies
        from neuroglot.models.gguf import remove_conversions

        remove_copies()
        remove_conversions()
    checks = [check for look in LOOKS for check in _looked(look)]
    usable = all(check.state != "broken" for check in checks)
    if json:
        print_json({"usable": usable, "checks": [asdict(check) for check in checks]})
    else:
        _print_table(checks, usable)
    sys.exit(0 if usable else 1)


def _looked(look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from look()
    except Exception as error:  # whatever is wrong is the finding
        yield Check(look.__name__.strip("_"), f"{type(error).__name__}: {error}", "broken")


def _python() -> Iterator[Check]:
    import platform
    from importlib.metadata import metadata

    from packaging.specifiers import SpecifierSet

    needed, found = metadata("neuroglot")["Requires-Python"], platform.python_version()
    yield Check("python", f"{found}, needs {needed}", "ok" if found in SpecifierSet(needed) else "broken")


def _libraries() -> Iterator[Check]:
    for needed in _requirements(""):
        found, is_met = _installed(needed)
        yield Check(needed.name, f"{found}, needs {needed.specifier}", "ok" if is_met else "broken")


def _extras() -> Iterator[Check]:
    from importlib.metadata import metadata

    always = {needed.name for needed in _requirements("")}
    for extra in sorted(set(metadata("neuroglot").get_all("Provides-Extra") or ()) - {"dev"}):
        wanted = [needed for needed in _requirements(extra) if needed.name not in always | {"neuroglot"}]
        lacking = [f"{needed.name}{needed.specifier}" for needed in wanted if not _installed(needed)[1]]
        said = f"lacks {', '.join(lacking)}: pip install 'neuroglot[{extra}]'" if lacking else "installed"
        yield Check(f"extra {extra}", said, "missing" if lacking else "ok")


def _devices() -> Iterator[Check]:
    import torch

    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        yield Check(f"cuda:{index}", f"{torch.cuda.get_device_name(index)}, {_size(free)} of {_size(total)} free")
    if not torch.cuda.is_available():
        yield Check("cuda", "none; models run on the CPU", "missing")
    yield Check("cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads")


def _memory() -> Iterator[Check]:
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES", "SC_AVPHYS_PAGES")
    if set(names) <= set(getattr(os, "sysconf_names", ())):  # not on every system
        page, total, free = map(os.sysconf, names)
        yield Check("memory", f"{_size(page * total)}, {_size(page * free)} unused")


def _disk() -> Iterator[Check]:
    import shutil

    free = shutil.disk_usage(".").free
    yield Check("disk", f"{_size(free)} free in {Path.cwd()}", "ok" if free >= LEAST_DISK else "broken")


def _hub() -> Iterator[Check]:
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE

    folder = Path(HF_HUB_CACHE)
    there = next(one for one in (folder, *folder.parents) if one.exists())
    writable = os.access(there, os.W_OK)
    said = f"{folder} is {'' if writable else 'not '}writable"
    yield Check("hub cache", said, "ok" if writable else "missing")
    state: Literal["ok", "missing"] = "missing" if HF_HUB_OFFLINE else "ok"
    yield Check("hub", "offline: HF_HUB_OFFLINE is set" if HF_HUB_OFFLINE else "online, if there is a network", state)


def _copies() -> Iterator[Check]:
    from neuroglot.corpora.storing import copies

    yield _kept("copies of texts", "of large files", copies)


def _conversions() -> Iterator[Check]:
    from neuroglot.models.gguf import conversions

    yield _kept("GGUF files", "converted", conversions)


def _kept(name: str, what: str, look: Callable[[], tuple[Path, list[Path]]]) -> Check:
    """What neuroglot keeps in the hub's cache of assets, or why it cannot."""
    from neuroglot.errors import ArtifactError

    try:
        cache, folders = look()
    except ArtifactError as error:
        return Check(name, str(error), "missing")
    size = sum(map(_size_of, folders))
    removable = "; neuroglot doctor --clean removes them" if folders else ""
    return Check(name, f"{len(folders)} {what}, {_size(size)} in {cache}{removable}")


def _size_of(folder: Path) -> int:
    """The bytes of the files in a folder, which another process may be removing."""
    size = 0
    with suppress(OSError):
        for file in folder.iterdir():
            size += file.lstat().st_size
    return size


def _lab() -> Iterator[Check]:
    from time import perf_counter

    import torch

    from neuroglot import models

    start = perf_counter()
    view, tokenizer = models.load("lab")
    with torch.inference_mode():
        ids = tokenizer("Der Preis ist", return_tensors="pt").input_ids.to(view.model.device)
        is_finite = bool(view.model(input_ids=ids).logits.isfinite().all())
    said = f"read a text on {view.model.device.type} in {perf_counter() - start:.1f} s, loading included"
    yield Check("lab model", said if is_finite else "gives no finite numbers", "ok" if is_finite else "broken")


LOOKS: tuple[Callable[[], Iterator[Check]], ...] = (
    _python, _libraries, _extras, _devices, _memory, _disk, _hub, _copies, _conversions, _lab,
)  # fmt: skip


def _requirements(extra: str) -> list[Requirement]:
    """What neuroglot needs with an extra, or with none."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    needed = map(Requirement, requires("neuroglot") or ())
    return [one for one in needed if one.marker is None or one.marker.evaluate({"extra": extra})]


def _installed(needed: Requirement) -> tuple[str, bool]:
    """The installed version, and whether it is one that is needed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return "not installed", False
    return found, needed.specifier.contains(found, prereleases=True)


def _size(size: float) -> str:
    from rich.filesize import decimal

    return decimal(int(size))


def _print_table(checks: list[Check], usable: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "", "found", box=None, header_style="bold")
    for check in checks:
        table.add_row(check.name, Text(check.state, STYLES[check.state]), Text(check.found))
    Console().print(table)
    print("\nneuroglot can be used." if usable else "\nneuroglot cannot be used: see what is broken above.")
