"""What `scaling` reads, and refuses, of a table of points."""

from pathlib import Path

import pytest

from neuroglot.errors import ConfigError, CorpusError
from neuroglot.recipes.scaling import Scaling, read_points

HEAD = "language\tsize\tquality\n"
POINTS = "de\t100\t10\nde\t200\t15\nde\t400\t22\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "points.tsv"
    path.write_text(text)
    return path


def test_points_are_read_by_language_whatever_else_the_table_holds(tmp_path: Path) -> None:
    path = written(tmp_path, "seed\tquality\tlanguage\tsize\n1\t10\tde\t100\n1\t5.5\tfr\t1e3\n2\t11\tde\t200\n")
    assert read_points(path) == {"de": [(100.0, 10.0), (200.0, 11.0)], "fr": [(1000.0, 5.5)]}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "has columns and no row"),
        ("de\tinf\t40\n", "two finite numbers"),
        ("de\t100\tnan\n", "two finite numbers"),
        ("de\t1,000\t10\n", "two numbers"),
        (" \t100\t10\n", "of no language"),
    ],
)
def test_what_is_no_point_is_refused(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        read_points(written(tmp_path, HEAD + rows))


@pytest.mark.parametrize(
    ("rows", "said"), [("fr\t100\t3\n", "Language 'fr': Got 1 sizes"), ("fr\t0\t3\n", "Language 'fr': .* the size 0")]
)
def test_what_cannot_be_fitted_is_refused_by_its_language(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Scaling(points=written(tmp_path, HEAD + POINTS + rows)).run(None)
