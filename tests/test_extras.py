"""Optional packages: a missing one is named with the command that installs it, and a broken one with its fault."""

import pytest

from neuroglot import extras
from neuroglot.errors import MissingExtraError


def test_a_module_that_is_there_is_returned() -> None:
    assert extras.require("json.decoder", extra="training").JSONDecoder.__name__ == "JSONDecoder"


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(MissingExtraError) as raised:
        extras.require("not_here.trainer", extra="training", note="Recording works without it.")
    assert str(raised.value) == (
        "The package 'not_here' is not installed. Recording works without it. Run: pip install 'neuroglot[training]'"
    )
    with pytest.raises(MissingExtraError, match="pip install 'sentencepiece'"):
        extras.require("no_such_package", package="sentencepiece")


def test_a_package_that_lacks_one_of_its_own_is_not_called_missing(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_installed.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match="'half_installed' cannot be imported: No module named 'no_such"):
        extras.require("half_installed", extra="lab")
