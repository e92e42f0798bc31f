"""From counts to masks, scores and a small model on the command line, and scores against sacrebleu itself."""

import json
from pathlib import Path

import pytest

from neuroglot.activity.activity import Activity
from neuroglot.activity.translation import collect
from neuroglot.cli import app
from neuroglot.errors import ArtifactError, ConfigError, CorpusError, LayoutMismatchError
from neuroglot.experiments.translations import score_translations, translate_directions
from neuroglot.generation.decoding import Decoding
from neuroglot.interventions.compacting import load_compacted
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.neurons.rules.by_direction import Coverage, select_masks
from neuroglot.recipes import SpecializeCollect, SpecializeEvaluate, SpecializeTrain
from neuroglot.reports.wording import number
from tests.specialization.making import located, random_masks, texts, translation_tokenizer

MODEL = ("model", "--device", "cpu")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    located("m2m_100").model.save_pretrained("model")
    translation_tokenizer().save_pretrained("model")
    Path("texts").mkdir()
    for language, column in texts().texts.items():
        Path(f"texts/{language}.txt").write_text("\n".join(column) + "\n")

    def command(*words: str) -> str:
        capsys.readouterr()
        app(["specialize", *words], result_action="return_value", exit_on_error=False)
        return capsys.readouterr().out

    return command


def rows(printed: str, key: str) -> list[list]:
    """The rows of a table of a report that was printed as JSON."""
    (section,) = json.loads(printed)["report"]["sections"]
    (table,) = (table for table in section["tables"] if table["key"] == key)
    return table["rows"]


def test_from_texts_to_a_small_model(run) -> None:  # type: ignore[no-untyped-def]
    printed = run("collect", *MODEL, "--corpus", "texts", "--out", "counts", "--json")
    assert [row[0] for row in rows(printed, "activity-by-language")] == ["en-de", "en-fr", "de-en", "fr-en"]
    expected = collect(located("m2m_100"), translation_tokenizer(), texts(), ["en-de", "en-fr", "de-en", "fr-en"])
    activity = Activity.load("counts/activity.safetensors")
    assert activity.fired.equal(expected.fired)
    with pytest.raises(ArtifactError, match="holds a finished run"):
        run("collect", *MODEL, "--corpus", "texts", "--out", "counts")
    said = run(
        "select", "counts", "--coverage", "70", "--x2en-dec", "30", "--zero-shot", "de-fr", "--out", "masks", "--json"
    )
    masks = DirectionMasks.load("masks/masks.safetensors")
    assert masks.kept[:4].equal(select_masks(activity, Coverage(70, 70, 70, 30)).kept)
    assert str(masks.directions[-1]) == "de-fr"
    kept = {name: count for name, count, _ in rows(said, "masks")}
    assert kept == {str(direction): len(masks[direction]) for direction in masks.directions}
    assert len(kept) == 5
    sizes = dict(zip(map(str, masks.directions), masks.sizes()[:, -1].tolist(), strict=True))
    assert sizes["de-en"] < sizes["en-de"]
    scored = rows(
        run("evaluate", *MODEL, "--masks", "masks", "--corpus", "texts", "--directions", "en-de", "de-fr",
            "--max-new-tokens", "5", "--beams", "2", "--metrics", "chrf++", "--same-rows", "allow", "--json"),
        "scores-of-texts",
    )  # fmt: skip
    assert [row[:2] for row in scored] == [["en-de", "chrF2++"], ["de-fr", "chrF2++"]]
    assert all(row[12] == 5 and row[6] is not None for row in scored)
    said = run("compact", *MODEL, "--masks", "masks/masks.safetensors", "--direction", "en-de", "--out", "small")
    assert "one forward" in said
    small = load_compacted("small")
    assert small.widths == tuple(masks["en-de"].counts_by_layer())
    report = json.loads(Path("small/report.json").read_text())
    assert f"→ {small.parameters:,}," in report["sections"][0]["sentence"]


def test_masks_are_not_judged_on_the_rows_that_they_were_counted_on(run) -> None:  # type: ignore[no-untyped-def]
    """Nor on a part of them."""
    directions = ("--directions", "en-de", "de-en")
    german = Path("texts/de.txt").read_text().splitlines()
    Path("texts/de.txt").write_text("\n".join([f"{german[0]} never", *german[1:]]) + "\n")  # a word that is unknown
    run("collect", *MODEL, "--corpus", "texts", *directions, "--out", "counts")
    run("select", "counts", "--out", "masks")
    judged = ("evaluate", *MODEL, "--masks", "masks", "--corpus", "texts", *directions, "--beams", "1",
              "--max-new-tokens", "3", "--metrics", "chrf++", "--json")  # fmt: skip
    with pytest.raises(CorpusError, match="5 of the 5 rows of .* the neurons were selected on"):
        run(*judged)
    (section,) = json.loads(run(*judged, "--same-rows", "allow"))["report"]["sections"]
    share = 1 / (len(" ".join(german).split()) + 1)
    assert f"unknown_tokens=de:{share:.3f}" in str(section["signature"]) or (
        dict(section["signature"]).get("unknown_tokens") == f"de:{share:.3f}"
    )
    (table,) = section["tables"]
    of_masks, without = (sum(row[index] for row in table["rows"]) / 2 for index in (3, 6))
    assert (
        f"is {number(of_masks)}, on the mean over 2 directions; that without masks is {number(without)}, and "
        in (section["sentence"])
    )
    assert section["sentence"].startswith("Not a proof: the neurons were selected on 5 rows of these")
    assert " of 2 differences are told from none (Holm)." in section["sentence"]
    with pytest.raises(CorpusError, match="4 of the 4 rows of"):
        run(*judged, "--limit", "4")


def test_neuron_sets_are_no_masks(run) -> None:  # type: ignore[no-untyped-def]
    Path("sets").mkdir()
    random_masks(located("m2m_100").layout)["en-de"].save("sets/de.safetensors")
    with pytest.raises(ArtifactError, match="but neuron sets.*specialize select"):
        run("evaluate", *MODEL, "--masks", "sets", "--corpus", "texts")


def test_what_is_priced_is_what_is_read(run, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("neuroglot.runs.price.ENOUGH_SECONDS", 0.0)
    price = SpecializeCollect(model="model", corpus="texts", directions=("en-de", "fr-en"), device="cpu").estimate()
    words = {language: sum(len(text.split()) for text in column) for language, column in texts().texts.items()}
    tags_and_ends = 4 * 2 * len(texts())  # two to a text, on both sides, in two directions
    assert price.lines[0].tokens == 2 * words["en"] + words["de"] + words["fr"] + tags_and_ends
    random_masks(located("m2m_100").layout).save("masks.safetensors")
    price = SpecializeEvaluate(
        model="model", corpus="texts", masks=Path("masks.safetensors"), directions=("en-de",), beams=1, max_new_tokens=7
    ).estimate()
    assert [line.tokens for line in price.lines] == [7 * len(texts())] * 2


def test_translations_are_kept_beside_their_references(run) -> None:  # type: ignore[no-untyped-def]
    view, corpus = located("m2m_100"), texts()
    masks = random_masks(view.layout)
    masks.save("masks.safetensors")
    report = SpecializeEvaluate(
        model="model", corpus="texts", masks=Path("masks.safetensors"), beams=1, max_new_tokens=5, limit=3,
        directions=("de-en", "en-fr"), device="cpu",
    ).run("out")  # fmt: skip
    lines = [json.loads(line) for line in Path("out/translations.jsonl").read_text().splitlines()]
    assert len(lines) == 2 * 3
    for name, used in (("masked", masks), ("plain", None)):
        expected = translate_directions(
            view, translation_tokenizer(), corpus.head(3), ["de-en", "en-fr"], used, decoding=Decoding(5)
        )
        by_direction = {str(direction): list(column) for direction, column in expected.texts.items()}
        for direction, column in by_direction.items():
            assert [line[name] for line in lines if line["direction"] == direction] == column
    assert lines[0]["source"] == corpus.texts["de"][0]
    assert lines[0]["reference"] == corpus.texts["en"][0]
    table = next(table for table in report.sections[0].all_tables() if table.key == "scores-of-texts")
    masked, plain = (
        translate_directions(
            view, translation_tokenizer(), corpus.head(3), ["de-en", "en-fr"], used, decoding=Decoding(5)
        )
        for used in (masks, None)
    )
    scores = score_translations(masked, corpus, ("bleu", "chrf++"), baseline=plain)
    compared = [score.baseline for of_direction in scores.values() for score in of_direction]
    assert any(one.difference.value for one in compared if one is not None)
    names = [column.name for column in table.columns]
    found = [dict(zip(names, row, strict=True)) for row in table.rows]
    assert [row["difference"] for row in found] == pytest.approx(
        [one.difference.value for one in compared if one is not None], abs=1e-4
    )
    (section,) = report.sections
    fields = dict(section.signature.fields)
    assert (fields["masks"], fields["rows"], fields["beams"]) == (masks.hash, 3, 1)


def test_the_hash_of_masks_changes_with_any_neuron_or_direction() -> None:
    view = located("m2m_100")
    masks = random_masks(view.layout)
    kept = masks.kept.clone()
    kept[2, 7] = ~kept[2, 7]
    other = DirectionMasks(view.layout, masks.directions[::-1], masks.kept)
    hashes = {masks.hash, DirectionMasks(view.layout, masks.directions, kept).hash, other.hash}
    assert len(hashes) == 3
    assert DirectionMasks(view.layout, masks.directions, masks.kept.clone()).hash in hashes


def test_bad_input_leaves_nothing(run) -> None:  # type: ignore[no-untyped-def]
    view = located("m2m_100")
    random_masks(view.layout).save("masks.safetensors")
    random_masks(located("llama").layout).save("llama.safetensors")
    on_texts = ("--corpus", "texts", "--masks")
    for words, error, message in (
        (("collect", *MODEL, "--corpus", "texts", "--directions", "nowhere"), ConfigError, "no direction"),
        (("collect", *MODEL, "--corpus", "texts", "--pivot", "it"), ConfigError, "'it' and one or more others"),
        (("collect", *MODEL, "--corpus", "texts", "--token-budget", "0"), ConfigError, "token_budget"),
        (("select", "texts"), ArtifactError, "holds no activity.safetensors"),
        (("select", "masks.safetensors"), ArtifactError, "Expected 'activity'"),
        (("select", "masks.safetensors", "--coverage", "101"), ConfigError, "coverage"),
        (("evaluate", *MODEL, *on_texts, "texts"), ArtifactError, "holds no masks.safetensors"),
        (("evaluate", *MODEL, *on_texts, "masks.safetensors", "--directions", "de-fr"), ConfigError, "no mask"),
        (("evaluate", *MODEL, *on_texts, "masks.safetensors", "--metrics", "blue"), ConfigError, "'blue'"),
        (("evaluate", *MODEL, *on_texts, "masks.safetensors", "--beams", "0"), ConfigError, "beams"),
        (("evaluate", *MODEL, *on_texts, "llama.safetensors"), LayoutMismatchError, "same model"),
        (("compact", *MODEL, "--masks", "masks.safetensors", "--direction", "de-fr"), ConfigError, "no mask of de-fr"),
        (("compact", *MODEL, "--masks", "masks.safetensors"), ConfigError, "lacks direction"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            run(*words, "--out", "run")
        assert not Path("run").exists()


def longer_than_the_context(*long: int) -> dict[str, list[str]]:
    """The fixture's texts, written again with so many words in these rows that no context of 64 tokens holds them."""
    columns = {language: list(column) for language, column in texts().texts.items()}
    for language, column in columns.items():
        for row in long:
            column[row] = " ".join(["w3"] * 70)
        Path(f"texts/{language}.txt").write_text("\n".join(column) + "\n")
    return columns


def test_translations_stand_beside_the_texts_of_their_own_rows_where_others_were_too_long(run) -> None:  # type: ignore[no-untyped-def]
    columns = longer_than_the_context(0, 2)
    random_masks(located("m2m_100").layout).save("masks.safetensors")
    report = SpecializeEvaluate(
        model="model", corpus="texts", masks=Path("masks.safetensors"), beams=1, max_new_tokens=3,
        directions=("de-en",), device="cpu",
    ).run("out")  # fmt: skip
    lines = [json.loads(line) for line in Path("out/translations.jsonl").read_text().splitlines()]
    kept = (1, 3, 4)
    assert [line["id"] for line in lines] == [str(row + 1) for row in kept]
    assert [line["source"] for line in lines] == [columns["de"][row] for row in kept]
    assert [line["reference"] for line in lines] == [columns["en"][row] for row in kept]
    fields = dict(report.sections[0].signature.fields)
    assert (fields["rows"], fields["rows_dropped"]) == (3, 2)


def test_a_training_tells_how_many_rows_were_too_long(run) -> None:  # type: ignore[no-untyped-def]
    longer_than_the_context(0, 2)
    random_masks(located("m2m_100").layout).save("masks.safetensors")
    report = SpecializeTrain(
        model="model", corpus="texts", masks=Path("masks.safetensors"), directions=("de-en",), steps=1, batch_size=2,
        device="cpu",
    ).run("out")  # fmt: skip
    (section,) = report.sections
    fields = dict(section.signature.fields)
    assert (fields["rows"], fields["rows_dropped"]) == (3, 2)
    assert section.remarks == ("2 examples left out: too many tokens.",)
