"""The command line in a folder of its own, with a tiny model and texts; errors are raised, not printed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from neuroglot.cli import app
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    tiny_model("llama").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, saved_model: Path) -> Path:
    """The current folder holds `model` and `texts`, 30 rows in de, sw and zh."""
    monkeypatch.chdir(tmp_path)
    Path("model").symlink_to(saved_model)
    Path("texts").mkdir()
    for language, column in tiny_corpus(30).texts.items():
        Path("texts", f"{language}.txt").write_text("\n".join(column) + "\n")
    return tmp_path


@pytest.fixture
def run(here: Path) -> Callable[..., object]:
    return lambda *words: app(list(words), result_action="return_value", exit_on_error=False)
