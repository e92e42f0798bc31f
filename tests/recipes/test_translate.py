"""`neuroglot translate`: a corpus that other commands read, by an endpoint or a local model; resumed, or refused."""

import json
from pathlib import Path

import pytest

from neuroglot import corpora
from neuroglot.cli import app
from neuroglot.errors import ArtifactError, ConfigError, CorpusError, EndpointError
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
    return lambda *words: app(["translate", *words], result_action="return_value", exit_on_error=False)


def words(server: Server, *more: str) -> tuple[str, ...]:
    given = ("--corpus", "texts", "--source", "de", "--into", "es", "fr", "--out", "run", "--endpoint", server.url)
    return (*given, "--endpoint-model", "tiny", *more)


def half_failing(body, attempt) -> Reply:
    text = asked(body).split("\n\n")[-1]
    language = "fr" if "into French" in asked(body) else "es"
    return Reply({}, 400) if (text, language, attempt) == ("zwei", "fr", 1) else Reply(said(f"{text} ({language})"))


def test_an_endpoint_translates_and_kept_answers_are_not_asked_for_again(run, monkeypatch, capsys) -> None:
    monkeypatch.setenv("OWN_KEY", SECRET)
    given = ("--key-variable", "OWN_KEY", "--answers", "answers")
    with serving(half_failing) as server:
        run(*words(server, *given))
        out = capsys.readouterr().out
        assert "fr: failures: 1 http 400;" in out
        assert "es: failures: none;" in out
        assert "2 rows of texts from German (de) into Spanish (es) and French (fr), 1 left out." in " ".join(
            out.split()
        )
        assert corpora.load("run/corpus.jsonl").texts["fr"] == ("eins (fr)", "drei (fr)")
        with pytest.raises(ArtifactError, match="holds a finished run"):
            run(*words(server, *given))
        run(*words(server, *given, "--resume"))  # is finished
        assert len(server.requests) == 6
        run(*words(server, *given, "--overwrite"))
        assert len(server.requests) == 7
    corpus = corpora.load("run/corpus.jsonl")
    assert corpus.ids == ("1", "2", "3")
    assert corpus.texts["es"] == ("eins (es)", "zwei (es)", "drei (es)")
    assert corpus.languages == ("de", "es", "fr")
    files = [path for folder in ("run", "answers") for path in Path(folder).rglob("*") if path.is_file()]
    assert sorted(path.name for path in files if path.parent.name == "run") == [
        "corpus.jsonl", "neuroglot-run.json", "recipe.json", "report.html", "report.json", "translations.jsonl",
    ]  # fmt: skip
    assert len(files) == 6 + 6
    assert not any("very-secret" in path.read_text() for path in files)


def test_other_commands_read_the_run_folder_as_a_corpus(run) -> None:
    with serving(half_failing) as server:
        run(*words(server))
        given = ("--corpus", "run", "--source", "fr", "--into", "ru", "--limit", "1", "--out", "again")
        run(*given, "--endpoint", server.url, "--endpoint-model", "tiny")
        assert asked(server.requests[-1][2]).endswith("eins (fr)")
    assert corpora.load("again/corpus.jsonl").languages == ("fr", "ru")


def test_a_job_that_broke_goes_on_and_asks_only_for_what_failed(run) -> None:
    def refusing(body, attempt) -> Reply:  # the job ends at the last text
        return (
            Reply({}, 404) if asked(body).endswith("drei") and "into French" in asked(body) else half_failing(body, 2)
        )

    with serving(refusing) as server:
        with pytest.raises(EndpointError, match="404"):
            run(*words(server, "--concurrency", "1"))
        assert [path.name for path in Path("run").iterdir()] == [".unfinished"]
        first = len(server.requests)
        server.reply = half_failing
        run(*words(server, "--concurrency", "1", "--resume"))
        assert (first, len(server.requests)) == (6, 7)
    assert corpora.load("run/corpus.jsonl").texts["fr"] == ("eins (fr)", "zwei (fr)", "drei (fr)")


def test_the_counts_as_json(run, capsys) -> None:
    with serving(half_failing) as server:
        run(*words(server, "--json"))
    printed = json.loads(capsys.readouterr().out)
    (section,) = printed["report"]["sections"]
    (table,) = section["tables"]
    assert table["columns"] == ["language", "translated", "perhaps cut", "failed: http 400"]
    assert (printed["out"], table["rows"]) == ("run", [["es", 3, 0, 0], ["fr", 2, 0, 1]])


def test_a_dry_run_asks_nothing(run, capsys) -> None:
    with serving(half_failing) as server:
        run(*words(server, "--dry-run", "--json"))
        assert server.requests == []
    price = json.loads(capsys.readouterr().out)
    assert "would be asked 6 times" in price["notes"][0]
    assert not Path("run").exists()


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
        with pytest.raises(EndpointError, match="http 400.*--resume"):
            run(*words(server))
        asked_for = len(server.requests)
        server.reply = half_failing
        run(*words(server, "--resume"))
        assert len(server.requests) == 2 * asked_for
    assert Path("run/corpus.jsonl").exists()


@pytest.mark.parametrize(("reply", "error"), [(Reply({}, 400), EndpointError), (Reply(said("")), CorpusError)])
def test_where_no_row_is_whole_it_is_said_whether_asking_again_may_help(run, reply: Reply, error) -> None:
    """One language is translated, the other fails in a way that passes, or in one that does not."""

    def half(body, _) -> Reply:
        return Reply(said("mots")) if "into French" in asked(body) else reply

    with serving(half) as server, pytest.raises(error) as raised:
        run(*words(server))
    assert ("--resume" in str(raised.value)) == (error is EndpointError)
