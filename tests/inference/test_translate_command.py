"""`neuroglot translate`: a corpus that other commands read, by an endpoint or a local model; resumed, or refused."""

import json
from pathlib import Path

import pytest
from cyclopts import App

from neuroglot import corpora
from neuroglot.cli.translating import TRANSLATE_EXAMPLES, translate
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.generation.translation import Translated
from tests.inference.oracle import ending
from tests.inference.server import Reply, Server, asked, said, serving
from tests.tiny import tiny_tokenizer

pytest.importorskip("httpx")
SECRET = "sk-0123456789-very-secret"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    Path("texts").mkdir()
    Path("texts", "de.txt").write_text("eins\nzwei\ndrei\n")
    Path("texts", "sw.txt").write_text("moja\nmbili\ntatu\n")
    app = App()
    app.command(translate, help_epilogue=TRANSLATE_EXAMPLES)
    return lambda *words: app(["translate", *words], result_action="return_value", exit_on_error=False)


def words(server: Server, *more: str) -> tuple[str, ...]:
    given = ("--corpus", "texts", "--source", "de", "--into", "es", "fr", "--out", "run", "--endpoint", server.url)
    return (*given, "--endpoint-model", "tiny", *more)


def half_failing(body, attempt) -> Reply:
    text = asked(body).split("\n\n")[-1]
    language = "fr" if "into French" in asked(body) else "es"
    return Reply({}, 400) if (text, language, attempt) == ("zwei", "fr", 1) else Reply(said(f"{text} ({language})"))


def test_an_endpoint_translates_and_a_resumed_job_asks_for_failures_only(run, monkeypatch, capsys) -> None:
    monkeypatch.setenv("OWN_KEY", SECRET)
    with serving(half_failing) as server:
        run(*words(server, "--key-variable", "OWN_KEY"))
        out = capsys.readouterr().out
        assert "fr: failures: 1 http 400;" in out
        assert "es: failures: none;" in out
        assert "2 rows in 3 languages, 1 left out" in out
        assert corpora.load("run/corpus.jsonl").texts["fr"] == ("eins (fr)", "drei (fr)")
        with pytest.raises(ArtifactError, match="exists"):
            run(*words(server))
        assert len(server.requests) == 6
        run(*words(server, "--key-variable", "OWN_KEY", "--resume"))
        assert len(server.requests) == 7
    corpus = corpora.load("run/corpus.jsonl")
    assert corpus.ids == ("1", "2", "3")
    assert corpus.texts["es"] == ("eins (es)", "zwei (es)", "drei (es)")
    assert corpus.languages == ("de", "es", "fr")
    files = [path for path in Path("run").rglob("*") if path.is_file()]
    assert len(files) == 2 + 6
    assert not any("secret" in path.read_text() for path in files)


def test_answers_outlive_translations_that_were_not_saved(run) -> None:
    with serving(half_failing) as server:
        run(*words(server))
        Path("run/translations.jsonl").unlink()
        with pytest.raises(ArtifactError, match="exists"):  # a folder that holds what another program wrote
            run(*words(server, "--resume"))
        Path("run/corpus.jsonl").unlink()
        run(*words(server, "--resume"))
        assert len(server.requests) == 7


def test_the_counts_as_json(run, capsys) -> None:
    with serving(half_failing) as server:
        run(*words(server, "--json"))
    failures = {"es": {}, "fr": {"http 400": 1}}
    counts = {"rows": 2, "left_out": 1, "failures": failures, "perhaps_cut": {"es": 0, "fr": 0}}
    assert json.loads(capsys.readouterr().out) == {"out": "run", **counts}


def test_a_local_model_translates(run, capsys) -> None:
    ending("llama").save_pretrained("model")
    tiny_tokenizer().save_pretrained("model")
    given = ("--corpus", "texts", "--source", "sw", "--into", "es", "--model", "model", "--device", "cpu")
    run(*given, "--out", "run", "--max-new-tokens", "8", "--keep-truncated", "--limit", "2")
    found = Translated.load("run/translations.jsonl")
    assert (len(found.original), found.source) == (2, "sw")
    fields = dict(found.signature.fields)
    assert (fields["backend"], fields["manner"], fields["max_new_tokens"]) == ("transformers", "text", 8)
    lines = [json.loads(line) for line in Path("run/corpus.jsonl").read_text().splitlines()]
    assert [set(line) for line in lines] == [{"id", "sw", "es"}] * len(lines)
    assert "es: failures:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("--model", "lab", "--endpoint", "http://127.0.0.1:1/v1", "--endpoint-model", "x"),
        ("--endpoint", "http://127.0.0.1:1/v1"),
        ("--endpoint-model", "x", "--model", "lab"),
        ("--endpoint", "http://example.org/v1", "--endpoint-model", "x"),
        ("--endpoint", "http://127.0.0.1:1/v1", "--endpoint-model", "x", "--concurrency", "0"),
        ("--endpoint", "http://127.0.0.1:1/v1", "--endpoint-model", "x", "--beams", "2"),
        ("--endpoint", "http://127.0.0.1:1/v1", "--endpoint-model", "x", "--key-variable", "NO_SUCH_KEY"),
        ("--model", "lab", "--limit", "0"),
    ],
)
def test_bad_options_are_refused_and_leave_nothing(run, given: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        run("--corpus", "texts", "--source", "de", "--into", "es", "--out", "run", *given)
    assert not Path("run").exists()


def test_several_languages_need_a_source_and_a_corpus_of_failures_is_none(run) -> None:
    with serving(lambda body, attempt: Reply({}, 400)) as server:
        with pytest.raises(ConfigError, match="--source"):
            run(*(word for word in words(server) if word not in ("--source", "de")))
        with pytest.raises(CorpusError, match="http 400"):
            run(*words(server))
    assert not Path("run/corpus.jsonl").exists()
    assert Path("run/translations.jsonl").exists()
