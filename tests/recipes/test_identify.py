"""`neuroglot identify` on files as `generate` writes them."""

import json
from pathlib import Path

import pytest

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.recipes import Identify
from neuroglot.signature import Signature

TEXTS = {
    "de": ["Der Garten ist heute sehr schön und grün.", "Meine Schwester liest am Abend ein Buch."],
    "en": ["The garden is very beautiful and green today.", "Meine Schwester trinkt gerne Kaffee am Morgen."],
}
SIGNATURE = Signature.of(model="m", seed=3)


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    prompts = dict.fromkeys(TEXTS, ("p", "q"))
    return GeneratedTexts(("0", "1"), TEXTS, prompts, SIGNATURE).save(tmp_path / "gen" / "generated.jsonl")


def table(report) -> list[list]:
    (section,) = report.to_json()["sections"]
    return section["tables"][0]["rows"]


def test_shares_are_by_language_of_the_prompt(run, generated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("identify", str(generated.parent), "--candidates", "de", "en", "fr", "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed["out"] is None
    (section,) = printed["report"]["sections"]
    ((de, share, *_), (en, half, low, high, *found)) = section["tables"][0]["rows"]
    assert (de, share, en, half) == ("de", 1.0, "en", 0.5)
    assert (low, high) == pytest.approx((0.09453, 0.90547), abs=1e-4)  # Wilson's
    assert found == [1, 1, 0, 0]  # taken for de, en, fr, and none
    assert {"model": "m", "seed": 3, "identified_among": "de,en,fr"}.items() <= section["signature"].items()
    run("identify", str(generated), "--candidates", "de", "en", "fr")
    assert "\nen: 0.5 [0.0945, 0.905] of 2 texts in it (found: de 1, en 1)\n" in capsys.readouterr().out


def test_a_target_may_be_another_language(generated: Path) -> None:
    (row,) = table(Identify(generated=generated, candidates=("de", "en"), target="de").run())
    assert row[:2] == ["de", 0.75]
    (row,) = table(Identify(generated=generated, candidates=("de", "en"), target="de", limit=1).run())
    assert row[:2] == ["de", 0.5]


def test_candidates_that_do_not_fit_are_refused(run, generated: Path) -> None:
    for words, message in (
        (("--candidates", "de", "fr"), "Look at en"), (("--candidates", "en"), "Expected"),
        (("--candidates", "de", "en", "--min-distance", "1"), "min_distance"),
        (("--candidates", "de", "en", "--limit", "0"), "limit"), ((), "lacks candidates"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            run("identify", str(generated), *words)
    with pytest.raises(ArtifactError, match="holds no generated.jsonl"):
        run("identify", str(generated.parent.parent), "--candidates", "de", "en")


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[1]", "no json", "3", '"language id generated"', '{"id": "0", "language": "de"}',
        '{"id":"0","language":"de","generated":"x"}\n[]',
        '{"id":"0","language":"de","generated":"x"}\n{"id":"0","language":"de","generated":"y"}',
        '{"id":"0","language":"de","generated":"x","signature":{"a":[]}}',
        '{"id":"0","language":"de","generated":null}', '{"id":"0","language":"de","generated":["x"]}',
        '{"id":"0","language":null,"generated":"x"}', '{"id":null,"language":"de","generated":"x"}',
        '{"id":true,"language":"de","generated":"x"}', '{"id":"0","language":"de","generated":"x","prompt":null}',
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    for name in ("bad.jsonl", "absent.jsonl"):
        with pytest.raises(ArtifactError):
            GeneratedTexts.load(tmp_path / name)


def test_languages_must_have_the_same_rows(tmp_path: Path) -> None:
    rows = [{"id": "0", "language": "de", "generated": "a"}, {"id": "1", "language": "en", "generated": "b"}]
    (tmp_path / "uneven.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(ArtifactError, match="other ids"):
        GeneratedTexts.load(tmp_path / "uneven.jsonl")


def test_generated_texts_are_read_back(generated: Path) -> None:
    read = GeneratedTexts.load(generated)
    assert ({g: list(column) for g, column in read.texts.items()}, read.ids) == (TEXTS, ("0", "1"))
    assert (read.prompts["de"], read.signature) == (("p", "q"), SIGNATURE)
    assert read.save(generated.with_name("again.jsonl")).read_bytes() == generated.read_bytes()
    mixed = generated.read_text() + generated.read_text().replace('"0"', '"2"').replace('"1"', '"3"').replace(
        "3}", "4}"
    )
    generated.write_text(mixed)
    assert GeneratedTexts.load(generated).signature == Signature()  # of two jobs
