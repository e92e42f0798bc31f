"""Writes small folders in the layout of the paper's data, with texts of our own."""

from pathlib import Path

NAMES = {"cs": "Czech", "de": "German", "es": "Spanish", "fr": "French", "ru": "Russian", "zh": "Chinese"}


def request(text: str, language: str) -> str:
    heading = rf"Translate this into 1. {NAMES[language]}:\n"
    return rf"{heading}An example: 1. of two.\n1. Ein Beispiel.\n{heading}{text}\n1."


def write(root: Path, files: dict[str, list[str]]) -> Path:
    """Each file with its lines; an empty list is a file of no bytes."""
    for name, lines in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return root


def translation(folder: str, sources: list[str], results: list[str], language: str) -> dict[str, list[str]]:
    """`prompt.txt` and `result.txt` of one translation."""
    return {
        f"{folder}/prompt.txt": [request(text, language) for text in sources],
        f"{folder}/result.txt": results,
    }


def sentences(language: str, rows: int, word: str = "word") -> list[str]:
    """Sentences of about 60 characters, another one in each row and language."""
    return [f"{language} {word} {row}, and then some more of what a sentence says there" for row in range(1, rows + 1)]


def rte(rows: int = 6) -> dict[str, list[str]]:
    """A whole RTE folder without a fault: premise and hypothesis in English, German, Spanish and French."""
    files = {"RTE/test_set/RTE.valid.label.txt": ["entailment", "not_entailment"] * (rows // 2)}
    for field in ("premise", "hypothesis"):
        sources = sentences("en", rows, field)
        files[f"RTE/test_set/RTE.valid.{field}.txt"] = sources
        for code in ("de", "es", "fr"):
            folder = f"RTE/chatgpt_translation_test/RTE.valid.{field}.txt-{code}"
            files |= translation(folder, sources, sentences(code, rows, field), code)
    return files
