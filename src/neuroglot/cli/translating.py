"""`neuroglot translate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from neuroglot.cli.options import TEXTS, CorpusName, Flag, Json, Limit, ModelOptions, Several
from neuroglot.cli.refusing import require_rows

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus
    from neuroglot.generation.backend import Backend
    from neuroglot.generation.decoding import Decoding
    from neuroglot.generation.translation import Translated

TRANSLATE_EXAMPLES = """Examples:

    neuroglot translate --corpus texts.tsv --source de --into es fr --model facebook/nllb-200-distilled-600M --out run
    neuroglot translate --corpus texts/ --source de --into es ru --endpoint https://api.openai.com/v1 \\
        --endpoint-model gpt-4o-mini --key-variable OPENAI_API_KEY --out run
    neuroglot translate --corpus texts/ --source de --into es --out run \\
        --endpoint http://127.0.0.1:8000/v1 --endpoint-model my-model"""


@Parameter(name="*", group=Group("Endpoint", sort_key=12))
@dataclass(frozen=True)
class EndpointOptions:
    """A server to ask instead of a model."""

    endpoint: str | None = None
    """Instead of --model: address of a server with the OpenAI protocol, up to `/v1`."""

    endpoint_model: str | None = None
    """What the endpoint calls the model."""

    key_variable: str | None = None
    """Name of the environment variable that holds the endpoint's key; none is sent by default."""

    completions: Annotated[bool, Flag] = False
    """Ask for completions of plain text, instead of chat."""

    concurrency: int = 8
    """Requests at once."""

    timeout: float = 120.0
    """Seconds until a request is given up; it is sent again."""

    def open(self, cache: Path, keep_truncated: bool) -> Backend:
        """The endpoint, its answers kept in the folder `cache`."""
        from neuroglot.generation.endpoint import Cache, Endpoint

        assert self.endpoint is not None
        assert self.endpoint_model is not None
        return Endpoint(
            self.endpoint, self.endpoint_model, self.key_variable, chat=not self.completions,
            keep_truncated=keep_truncated, concurrency=self.concurrency, timeout=self.timeout, cache=Cache(cache),
        )  # fmt: skip


@Parameter(name="*", group=Group("Decoding", sort_key=13))
@dataclass(frozen=True)
class DecodingOptions:
    """How translations are generated."""

    max_new_tokens: int = 512
    """Longest translation, in tokens."""

    keep_truncated: Annotated[bool, Flag] = False
    """Keep translations that reached --max-new-tokens; they are failures by default."""

    temperature: float = 0.0
    """0 takes the likeliest token; above, tokens are drawn."""

    top_p: float = 1.0
    """Draw from the likeliest tokens that together have this probability."""

    beams: int = 1
    """Beams to search; needs the temperature 0, and --model."""

    seed: int = 0
    """Seed of drawn tokens."""

    def decoding(self) -> Decoding:
        from neuroglot.generation.decoding import Decoding

        return Decoding(self.max_new_tokens, self.temperature, self.top_p, self.beams, self.seed)


def translate(
    *,
    corpus: CorpusName,
    into: Annotated[tuple[str, ...], Several],
    out: Path,
    model: str | None = None,
    source: Annotated[str | None, Parameter(group=TEXTS)] = None,
    column: Annotated[str | None, Parameter(group=TEXTS)] = None,
    limit: Limit = None,
    demonstrations: str | None = None,
    prompted: Annotated[bool, Flag] = False,
    loading: ModelOptions = ModelOptions(),
    remote: EndpointOptions = EndpointOptions(),
    generating: DecodingOptions = DecodingOptions(),
    resume: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Translate a corpus into other languages; rows with a failure in any of them are counted and left out.

    Parameters
    ----------
    into:
        Languages to translate into, by code.
    out:
        Run folder for corpus.jsonl, which all commands read, and translations.jsonl; must not exist, unless --resume.
    model:
        `lab`, a folder in the hub's layout, or a model id of the hub: a translation model, or any that is asked.
    source:
        Language to translate from; the corpus's only one by default.
    column:
        The column that holds the text, where a corpus has several.
    demonstrations:
        Parallel corpus whose rows are shown as examples.
    prompted:
        Ask a translation model in a prompt too.
    resume:
        Go on with the job in the run folder, and try failures once more.
    """
    from neuroglot import corpora
    from neuroglot.generation.translation import translate
    from neuroglot.storage import check_free

    decoding = generating.decoding()
    if not resume:
        check_free(out)
    texts = _texts(corpus, source, column, limit)
    examples = None if demonstrations is None else corpora.load(demonstrations)
    backend = _backend(model, loading, remote, generating.keep_truncated, out)
    try:
        found = translate(
            backend, texts, into, decoding, source=source, demonstrations=examples, prompted=prompted, folder=out,
            resume=resume,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with --resume --out {out}.") from None
    _finish(found, out, json)


def _texts(corpus: str, source: str | None, column: str | None, limit: int | None) -> Corpus:
    from neuroglot import corpora

    require_rows(limit)
    return corpora.load(corpus, languages=None if source is None else [source], column=column).head(limit)


def _backend(
    model: str | None, loading: ModelOptions, remote: EndpointOptions, keep_truncated: bool, out: Path
) -> Backend:
    from neuroglot.errors import ConfigError
    from neuroglot.generation.local import LocalBackend
    from neuroglot.generation.translation import ANSWERS

    given = (model is not None, remote.endpoint is not None, remote.endpoint_model is not None)
    if given == (False, True, True):
        return remote.open(out / ANSWERS, keep_truncated)
    if given != (True, False, False):
        raise ConfigError("A translator is needed.", "Expected either --model, or --endpoint with --endpoint-model.")
    view, tokenizer = loading.load(str(model))
    return LocalBackend(view, tokenizer, keep_truncated=keep_truncated)


def _finish(found: Translated, out: Path, json: bool) -> None:
    """Write the corpus, and say what is not in it."""
    import json as json_format

    from neuroglot.cli.running import print_json
    from neuroglot.storage import write_whole

    suspects = {language: len(rows) for language, rows in found.suspects().items()}
    failures = {language: dict(counts.most_common()) for language, counts in found.failures().items()}
    if not json:
        for language, counts in failures.items():
            listed = ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"
            print(f"{language}: failures: {listed}; {suspects[language]:,} perhaps cut.")
    corpus = found.to_corpus()
    columns = zip(*corpus.texts.values())
    lines = [{"id": row_id, **dict(zip(corpus.languages, texts))} for row_id, texts in zip(corpus.ids, columns)]
    path = out / "corpus.jsonl"
    write_whole(path, "".join(json_format.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    left_out = len(found.original) - len(corpus)
    if json:
        said = {"rows": len(corpus), "left_out": left_out, "failures": failures, "perhaps_cut": suspects}
        print_json({"out": str(out), **said})
        return
    print(f"{len(corpus):,} rows in {len(corpus.languages)} languages, {left_out:,} left out: {path}")
