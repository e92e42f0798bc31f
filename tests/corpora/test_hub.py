"""Hub datasets: the real library on a folder in the hub's own layout, and a stand-in for what is asked of the hub."""

import sys
from pathlib import Path

import polars
import pytest

from neuroglot import corpora
from neuroglot.errors import ConfigError, CorpusError, MissingExtraError

datasets = pytest.importorskip("datasets")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """`put(id, {config: {split: columns}})` makes a dataset, found by the library in place of the network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    folders: dict[str, Path] = {}
    asked: list[str | None] = []

    def redirect(name):
        real = getattr(datasets, name)

        def call(path, *args, revision=None, **kwargs):
            asked.append(revision)
            return real(str(folders.get(path, tmp_path / "not-there")), *args, **kwargs)

        monkeypatch.setattr(datasets, name, call)

    for name in ("load_dataset", "get_dataset_config_names", "get_dataset_split_names"):
        redirect(name)

    def put(dataset, configs):
        folder = folders[dataset] = tmp_path / "hub" / dataset.replace("/", "--")
        card = ["---", "configs:"]
        for config, splits in configs.items():
            card += [f"- config_name: {config}", "  data_files:"]
            for split, columns in splits.items():
                (folder / config).mkdir(parents=True, exist_ok=True)
                polars.DataFrame(columns).write_parquet(folder / config / f"{split}-00000-of-00001.parquet")
                card += [f"  - split: {split}", f"    path: {config}/{split}-*"]
        (folder / "README.md").write_text("\n".join([*card, "---", ""]))
        return asked

    return put


def test_a_column_for_each_language(hub):
    asked = hub("me/wide", {"default": {"train": {"id": ["x", "y"], "en": ["one", "two"], "de": ["eins", "zwei"]}}})
    corpus = corpora.load("me/wide", revision="abc")
    assert (corpus.ids, corpus.texts) == (("x", "y"), {"de": ("eins", "zwei"), "en": ("one", "two")})
    assert (corpus.name, corpus.licence) == ("me/wide", "unknown")
    assert set(asked) == {"abc"}


def test_a_column_translation(hub):
    cells = [{"de": "eins", "en": "one"}, {"de": None, "en": "two"}]
    hub("me/wmt", {"de-en": {"test": {"translation": cells}, "train": {"translation": cells[:1]}}})
    corpus = corpora.load("me/wmt:de-en:test", on_missing="drop")
    assert (corpus.texts, corpus.dropped) == ({"de": ("eins",), "en": ("one",)}, 1)
    with pytest.raises(CorpusError, match=r"me/wmt:de-en, row 2: the text in 'de' is empty"):
        corpora.load("me/wmt:de-en:test")
    with pytest.raises(ConfigError, match=r"2 splits: .*Give me/wmt:de-en:SPLIT"):
        corpora.load("me/wmt")


def test_a_config_for_each_language(hub):
    hub("me/many", {"deu_Latn": {"test": {"text": ["eins"]}}, "swh_Latn": {"test": {"text": ["moja"]}}})
    assert corpora.load("me/many", column="text").texts == {"de": ("eins",), "sw": ("moja",)}
    assert corpora.load("me/many", column="text", languages=["sw"]).texts == {"sw": ("moja",)}
    with pytest.raises(ConfigError, match=r"2 configs: deu_Latn, swh_Latn.*--column NAME"):
        corpora.load("me/many")
    with pytest.raises(CorpusError, match=r"me/many:deu_Latn has no column 'sentence'. It has text"):
        corpora.load("me/many", column="sentence")
    with pytest.raises(CorpusError, match=r"no French \(fr\)\. It has de, sw"):
        corpora.load("me/many", column="text", languages=["fr"])


def sums(*answers: int) -> dict[str, list]:
    return {
        "question": [f"Frage {n}" for n in answers],
        "answer": [None] * len(answers),
        "answer_number": list(answers),
    }


@pytest.mark.parametrize("name", ["mgsm", "juletxara/mgsm"])
def test_known_corpus_by_its_name(hub, name):
    hub("juletxara/mgsm", {g: {"train": sums(9), "test": sums(1, 2)} for g in ("de", "en")})
    corpus = corpora.load(name)
    assert corpus.texts == {"de": ("Frage 1", "Frage 2"), "en": ("Frage 1", "Frage 2")}
    assert (corpus.name, corpus.licence) == ("mgsm", "CC BY 4.0")


def test_answers_out_of_step_are_refused(hub):
    hub("juletxara/mgsm", {"de": {"test": sums(1, 2)}, "en": {"test": sums(1, 3)}})
    with pytest.raises(CorpusError, match=r"mgsm:en, row 2 has the answer '3', and juletxara/mgsm:de, row 2 has '2'"):
        corpora.load("mgsm")


def test_configs_that_are_not_languages_are_left_out_of_a_known_corpus_and_ids_align(hub):
    one = {"id": [1, 2], "sentence": ["eins", "zwei"]}
    hub(
        "facebook/flores",
        {
            "deu_Latn": {"devtest": one},
            "eng_Latn": {"devtest": {"id": [2, 1], "sentence": ["two", "one"]}},
            "all": {"devtest": {"id": [1], "sentence_deu_Latn": ["eins"]}},
            "deu_Latn-eng_Latn": {"devtest": {"id": [1], "sentence_deu_Latn": ["eins"]}},
        },
    )
    corpus = corpora.load("flores")
    assert (corpus.ids, corpus.texts) == (("1", "2"), {"de": ("eins", "zwei"), "en": ("one", "two")})


def test_what_the_library_refuses_is_one_message(hub):
    hub("me/wide", {"default": {"train": {"de": ["a"]}}})
    for name in ("me/gone", "me/wide:other", "me/wide:default:test"):
        with pytest.raises(CorpusError) as caught:
            corpora.load(name)
        assert "could not be read from the Hugging Face Hub" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_columns_that_are_no_languages_are_refused(hub):
    hub("me/wide", {"default": {"train": {"de": ["a"], "label": [1]}}})
    with pytest.raises(CorpusError, match="'label' is no language code"):
        corpora.load("me/wide")
    assert corpora.load("me/wide", languages=["de"]).texts == {"de": ("a",)}


def test_without_the_library_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'neuroglot\[hub\]'"):
        corpora.load("mgsm")


def test_a_folder_goes_before_a_known_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mgsm").mkdir()
    (tmp_path / "mgsm" / "mgsm_de.tsv").write_text("a\t1\n")
    assert corpora.load("mgsm").texts == {"de": ("a",)}


def test_a_dataset_that_needs_remote_code_is_refused(hub, tmp_path):
    hub("me/script", {"default": {"train": {"de": ["a"]}}})
    script = tmp_path / "hub" / "me--script" / "me--script.py"
    script.write_text("raise SystemExit('remote code was run')\n")
    with pytest.raises(CorpusError, match="scripts are no longer supported"):
        corpora.load("me/script")
