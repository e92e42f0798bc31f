"""Translation of a corpus: failures are counted and never pass for texts, and an interrupted job goes on."""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.corpora import Corpus
from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.generation import translation
from neuroglot.generation.backend import Completion
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.local import LocalBackend
from neuroglot.generation.translation import Translated, translate
from neuroglot.models import view
from neuroglot.prompting.translating import translation_prompts, translation_stop
from neuroglot.signature import Signature
from neuroglot.storage import Kept
from tests.inference.oracle import NEW, ending
from tests.tiny import tiny_tokenizer
from tests.tokens.test_language_tokens import nllb_model, nllb_tokenizer

TEXTS = ("eins", "zwei", "drei", "vier", "fünf")
CORPUS = Corpus("numbers", tuple("abcde"), {"de": TEXTS}, "CC0", dropped=2)
SHOWN = Corpus("shown", ("x", "y"), {"de": ("ja", "nein"), "fr": ("oui", "non"), "es": ("sí", "no")})


@dataclass
class Capitals:
    """Writes the last line's text in capitals; fails where `failing` says so, and breaks at the call `breaks`."""

    chat: bool = True
    failing: dict[str, str] = field(default_factory=dict)
    breaks: int = 0
    asked: list = field(default_factory=list)
    stops: set = field(default_factory=set)
    calls: int = 0
    signature: Signature = field(default_factory=lambda: Signature.of(backend="capitals"))

    def complete(self, prompts, decoding: Decoding, stop: Sequence[str] = ()) -> list[Completion]:
        self.calls += 1
        if self.calls == self.breaks:
            raise KeyboardInterrupt
        self.stops.add(tuple(stop))
        self.asked += prompts
        return [self.answer(prompt) for prompt in prompts]

    def answer(self, prompt) -> Completion:
        text = prompt[-1]["content"].split("\n\n")[-1] if self.chat else prompt.split("German: ")[-1].split("\n")[0]
        failure = self.failing.get(text)
        return Completion(None if failure else f" {text.upper()} \n", failure, 3, 2)


def test_rows_with_a_failure_in_any_language_are_left_out_and_counted() -> None:
    found = translate(Capitals(failing={"zwei": "timeout", "vier": "http 500"}), CORPUS, ["fr", "es"])
    assert found.failures() == {g: {"timeout": 1, "http 500": 1} for g in ("fr", "es")}
    corpus = found.to_corpus()
    assert (corpus.ids, corpus.languages) == (("a", "c", "e"), ("de", "fr", "es"))
    assert corpus.texts["fr"] == ("EINS", "DREI", "FÜNF")
    assert (corpus.texts["de"], corpus.name, corpus.licence, corpus.dropped) == (TEXTS[::2], "numbers", "CC0", 4)
    everything = Capitals(failing=dict.fromkeys(TEXTS, "empty"))
    with pytest.raises(CorpusError, match="No row"):
        translate(everything, CORPUS, ["fr"]).to_corpus()


def test_a_conversation_shows_the_demonstrations_in_turns() -> None:
    backend = Capitals()
    translate(backend, CORPUS, ["fr"], demonstrations=SHOWN)
    prompt = backend.asked[1]
    assert [message["role"] for message in prompt] == ["user", "assistant", "user", "assistant", "user"]
    assert [message["content"] for message in prompt[1::2]] == ["oui", "non"]
    assert [message["content"].split("\n\n")[1] for message in prompt[::2]] == ["ja", "nein", "zwei"]
    assert all("from German into French" in message["content"] for message in prompt[::2])
    assert backend.stops == {()}


def test_plain_text_ends_with_the_open_line() -> None:
    backend = Capitals(chat=False)
    found = translate(backend, CORPUS, ["es"], demonstrations=SHOWN)
    instruction, *shown, asked = backend.asked[0].split("\n\n")
    assert "from German into Spanish" in instruction
    assert shown == ["German: ja\nSpanish: sí", "German: nein\nSpanish: no"]
    assert asked == "German: eins\nSpanish:"
    assert backend.stops == {("\n",)}
    assert found.to_corpus().texts["es"] == tuple(text.upper() for text in TEXTS)
    assert translation_stop(["one\ntwo"], "de") == ("\nGerman:",)
    assert translation_stop(["one\n"], "de") == ("\n",)
    assert translation_prompts(["x"], "de", "fr")[0].count("\n\n") == 1


def test_a_translation_model_reads_the_bare_texts() -> None:
    located, tokenizer = view(nllb_model()), nllb_tokenizer()
    corpus = Corpus("letters", ("a", "b"), {"de": ("ein haus", "zwei")})
    backend = LocalBackend(located, tokenizer, keep_truncated=True)
    found = translate(backend, corpus, ["en", "zh-Hans"], NEW)
    for target in ("en", "zh-Hans"):
        assert list(found.completions[target]) == backend.towards(Direction("de", target)).complete(
            corpus.texts["de"], NEW
        )
    assert found.completions["en"] != found.completions["zh-Hans"]
    assert dict(found.signature.fields)["manner"] == "translation model"
    asked = translate(backend, corpus, ["en"], NEW, prompted=True)
    assert list(asked.completions["en"]) == backend.complete(
        translation_prompts(corpus.texts["de"], "de", "en"), NEW, ("\n",)
    )  # fmt: skip
    assert dict(asked.signature.fields)["manner"] == "text"
    with pytest.raises(ConfigError, match="reads none"):
        translate(backend, corpus, ["en"], NEW, demonstrations=SHOWN)


def test_a_gate_is_open_around_each_direction_and_closed_behind_an_error() -> None:
    asked: list[str] = []

    @contextmanager
    def gate(direction: Direction):  # type: ignore[no-untyped-def]
        asked.append(f"in {direction}")
        try:
            yield
        finally:
            asked.append(f"out {direction}")

    translate(Capitals(), CORPUS, ["fr", "es"], gate=gate)
    assert asked == ["in de-fr", "out de-fr", "in de-es", "out de-es"]
    with pytest.raises(KeyboardInterrupt):
        translate(Capitals(breaks=1), CORPUS, ["fr"], gate=gate)
    assert asked[4:] == ["in de-fr", "out de-fr"]


def test_a_model_of_one_pair_translates_into_one_language() -> None:
    backend = LocalBackend(view(ending("marian")), tiny_tokenizer(), keep_truncated=True)
    corpus = Corpus("words", ("a",), {"de": ("w1 w2",)})
    assert translate(backend, corpus, ["fr"], NEW).is_complete
    with pytest.raises(ConfigError, match="Expected one language"):
        translate(backend, corpus, ["fr", "es"], NEW)


@pytest.mark.parametrize("into", [[], ["de"], ["fr", "fr"], ["fr", "fra"], ["deu_Latn"], "fr", ["klingon!"]])
def test_impossible_targets_are_refused(into) -> None:
    with pytest.raises((ConfigError, CorpusError)):
        translate(Capitals(), CORPUS, into)


def test_the_source_must_be_named_where_there_are_several() -> None:
    with pytest.raises(ConfigError, match="--source"):
        translate(Capitals(), SHOWN, ["ru"])
    assert translate(Capitals(), SHOWN, ["ru"], source="fr").source == "fr"
    with pytest.raises(CorpusError):
        translate(Capitals(), SHOWN, ["ru"], source="sw")
    with pytest.raises(CorpusError):
        translate(Capitals(), CORPUS, ["ru"], demonstrations=SHOWN)


def test_short_translations_are_flagged() -> None:
    texts = tuple("abcdefgh" * 3 for _ in range(5))
    original = Corpus("texts", tuple("abcde"), {"de": texts})
    column = tuple(Completion("字" * length) for length in (6, 8, 3, 7, 8))
    found = Translated(original, {"zh": column, "ja": (None, *column[1:])}, Signature())
    assert found.suspects() == {"zh": ["c"], "ja": ["c"]}  # 9 bytes, and half of the usual 21 or 22.5 is more
    assert len(found.to_corpus() if found.is_complete else "") == 0
    assert Translated(original, {"zh": (None,) * 5}, Signature()).suspects() == {"zh": []}


@pytest.fixture
def small_windows(monkeypatch) -> None:
    monkeypatch.setattr(translation, "WINDOW", 2)


@pytest.mark.usefixtures("small_windows")
def test_an_interrupted_job_goes_on_and_tries_again_what_may_pass(tmp_path: Path) -> None:
    failing, kept = {"eins": "timeout", "vier": "truncated"}, Kept(tmp_path / "state")
    whole = translate(Capitals(failing={"vier": "truncated"}), CORPUS, ["fr", "es"])
    with pytest.raises(KeyboardInterrupt):
        translate(Capitals(failing=failing, breaks=5), CORPUS, ["fr", "es"], kept=kept)
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"fr-000001.jsonl", "fr-000002.jsonl"}
    second = Capitals(failing={"vier": "truncated"})
    found = translate(second, CORPUS, ["fr", "es"], kept=kept)
    assert len(second.asked) == 2 + 5  # in French the texts beside the time-out; in Spanish all
    assert (found.completions, found.signature) == (whole.completions, whole.signature)
    third = Capitals()
    translate(third, CORPUS, ["fr", "es"], kept=kept)
    assert third.asked == []


@pytest.mark.usefixtures("small_windows")
def test_translations_are_kept_meanwhile(tmp_path: Path) -> None:
    held = []

    class Watching(Capitals):
        def complete(self, *given):
            held.append(len(list(tmp_path.rglob("*.jsonl"))))
            return super().complete(*given)

    translate(Watching(), CORPUS, ["fr"], kept=Kept(tmp_path / "state"))
    assert held == [0, 1, 2]


@pytest.mark.usefixtures("small_windows")
def test_a_damaged_window_is_translated_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "state")
    whole = translate(Capitals(), CORPUS, ["fr"], kept=kept)
    (tmp_path / "state" / "fr-000001.jsonl").write_text("{")
    again = Capitals()
    assert translate(again, CORPUS, ["fr"], kept=kept).completions == whole.completions
    assert len(again.asked) == 2


def test_nothing_is_left_of_a_job_that_never_began(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        translate(Capitals(breaks=1), CORPUS, ["fr"], kept=Kept(tmp_path / "state"))
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"corpus": CORPUS.take([0, 1])}, "corpus_hash"),
        ({"into": ["fr", "es"]}, "into"),
        ({"decoding": Decoding(8)}, "max_new_tokens"),
        ({"demonstrations": SHOWN}, "demonstrations"),
        ({"backend": Capitals(chat=False)}, "manner"),
        ({"backend": Capitals(signature=Signature.of(backend="other"))}, "backend"),
    ],
)
def test_another_job_is_not_taken_up(change: dict, named: str, tmp_path: Path) -> None:
    job = {"backend": Capitals(), "corpus": CORPUS, "into": ["fr"], "kept": Kept(tmp_path / "state")}
    translate(**job)
    (path,) = (tmp_path / "state").iterdir()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=named):
        translate(**{**job, **change})
    assert path.read_bytes() == before


TEXT = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: not is_blank(text))
COMPLETION = st.builds(Completion, TEXT, st.none(), st.none() | st.integers(0, 9)) | st.sampled_from(
    [Completion(None, "timeout"), Completion(None, "http 503", 1, 2), None]
)


@given(st.lists(st.tuples(TEXT, COMPLETION, COMPLETION), min_size=1, max_size=6))
def test_saved_translations_are_read_back(tmp_path_factory, rows) -> None:
    path = tmp_path_factory.mktemp("saved") / "translations.jsonl"
    texts, french, spanish = zip(*rows)
    original = Corpus("any", tuple(map(str, range(len(rows)))), {"de": texts}, "CC0", 3)
    found = Translated(original, {"fr": french, "es": spanish}, Signature.of(a=1, b="x", c=None))
    found.save(path)
    read = Translated.load(path)
    assert (read.original, read.completions, read.signature) == (found.original, found.completions, found.signature)
    good = [row for row, (_, a, b) in enumerate(rows) if a and b and a.text and b.text]
    if good:
        corpus = read.to_corpus()
        assert corpus.ids == tuple(map(str, good))
        assert corpus.texts["fr"] == tuple(french[row].text.strip() for row in good)
        assert corpus.dropped == 3 + len(rows) - len(good)


DAMAGES = {
    "empty": lambda lines: [],
    "no header": lambda lines: lines[1:],
    "cut": lambda lines: [*lines[:-1], lines[-1][:-2]],
    "a list": lambda lines: [lines[0], "[]"],
    "no rows": lambda lines: lines[:1],
    "another kind": lambda lines: [lines[0].replace("translations", "others"), *lines[1:]],
    "another format": lambda lines: [lines[0].replace('"format": "1"', '"format": "9"'), *lines[1:]],
    "unknown failure": lambda lines: [lines[0], lines[1].replace('"text": " ', '"failure": "odd", "x": "')],
    "a language less": lambda lines: [lines[0], lines[1].replace('"fr"', '"ru"'), *lines[2:]],
    "an id twice": lambda lines: [*lines, lines[-1]],
    "no object": lambda lines: ["3", *lines[1:]],
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    path = translate(Capitals(), CORPUS, ["fr"]).save(tmp_path / "translations.jsonl")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(DAMAGES[name](lines)) + "\n")
    with pytest.raises(ArtifactError, match="translations"):
        Translated.load(path)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "x", tmp_path / "y", tmp_path):
        with pytest.raises(ArtifactError):
            Translated.load(path)


def test_shapes_are_checked() -> None:
    for completions in ({"fr": ()}, {"de": (None,) * 5}):
        with pytest.raises(ConfigError, match="shape"):
            Translated(CORPUS, completions, Signature())
    with pytest.raises(ConfigError, match="shape"):
        Translated(SHOWN, {"ru": (None, None)}, Signature())
