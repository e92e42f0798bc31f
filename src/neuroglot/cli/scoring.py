"""`neuroglot score`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from neuroglot.cli.options import Json, Several

if TYPE_CHECKING:
    from neuroglot.corpora.generate_log import GenerateLog
    from neuroglot.metrics.texts import Texts

SCORE_EXAMPLES = """Examples:

    neuroglot score --hypothesis sys.txt --reference ref.txt --metric bleu --metric chrf++
    neuroglot score --hypothesis new.txt --baseline old.txt --reference ref.txt --metric bleu ter
    neuroglot score --log generate-test.txt --language en --metric bleu --json
    neuroglot score --hypothesis answers.txt --reference mgsm.txt --metric numeric --language sw"""


def score(
    *,
    metric: Annotated[tuple[str, ...], Several],
    hypothesis: Path | None = None,
    log: Path | None = None,
    reference: Annotated[tuple[Path, ...], Several] = (),
    source: Path | None = None,
    baseline: Path | None = None,
    language: Annotated[str | None, Parameter(name=["--language", "--target-language"])] = None,
    source_language: str | None = None,
    tokenize: str | None = None,
    normalization: Literal["squad", "mlqa"] = "squad",
    comet_model: str | None = None,
    json: Json = False,
) -> None:
    """Score texts against references, line by line, with intervals; and against a baseline, with a paired test.

    Parameters
    ----------
    metric:
        bleu, spbleu, chrf, chrf++, ter, rouge-1, rouge-2, rouge-l, sari, accuracy, exact-match, f1, numeric or comet;
        several are allowed.
    hypothesis:
        The system's texts, one a line; or a log of fairseq-generate, which is recognised.
    log:
        The same, but refused where it is no log.
    reference:
        References, one a line; several files are several wordings. Those of the log by default.
    source:
        Sources, one a line, for sari and comet. Those of the log by default.
    baseline:
        Another system's texts on the same lines, or its log.
    language:
        Language of hypotheses and references; needed for a log, numeric, `--tokenize auto` and `--normalization mlqa`.
    source_language:
        Language of a log's sources, where a metric reads them.
    tokenize:
        For bleu and sari: a tokenizer of sacrebleu (13a by default), or `auto`, what it recommends for the language.
    normalization:
        For exact-match and f1: of answers, as `squad` or as `mlqa` in the language.
    comet_model:
        For comet: name or checkpoint file of the model.
    """
    from neuroglot.cli.running import print_json
    from neuroglot.metrics.texts import TextOptions, score_texts
    from neuroglot.metrics.texts.metric import COMET_MODEL

    options = TextOptions(language, tokenize, normalization, comet_model or COMET_MODEL)
    texts = _texts(hypothesis, log, reference, source, language, source_language)
    other = None if baseline is None else _system(baseline, language)[0]
    scores = score_texts(texts, metric, options, other)
    if json:
        print_json({"scores": [one.to_json() for one in scores]})
    else:
        print("\n".join(map(str, scores)))


def _texts(
    hypothesis: Path | None,
    log: Path | None,
    reference: tuple[Path, ...],
    source: Path | None,
    language: str | None,
    source_language: str | None,
) -> Texts:
    """The texts of the files; what is not given comes from the log, where the system's file is one."""
    from neuroglot.corpora.generate_log import detokenized
    from neuroglot.corpora.textfiles import read_lines
    from neuroglot.errors import ConfigError
    from neuroglot.metrics.texts import Texts

    if (hypothesis is None) == (log is None):
        raise ConfigError("The texts to score are missing or there twice.", "Expected either --hypothesis or --log.")
    path = hypothesis or log
    assert path is not None
    hypotheses, found = _system(path, language, must_be=log is not None)
    references = tuple(tuple(read_lines(file)) for file in reference)
    sources = None if source is None else tuple(read_lines(source))
    if found is not None and not references and found.references is not None:
        references = (detokenized(found.references, _known(path, language)),)
    if found is not None and sources is None and source_language is not None:
        sources = detokenized(found.sources, source_language)
    if not references:
        raise ConfigError(
            "There is no reference.", "Expected --reference FILE, or a log with lines T-0, T-1 and so on."
        )
    return Texts(hypotheses, references, sources)


def _system(path: Path, language: str | None, must_be: bool = False) -> tuple[tuple[str, ...], GenerateLog | None]:
    """A system's texts, from plain lines or from a log, and the log; refused where it is none but must be."""
    from neuroglot.corpora.generate_log import detokenized, is_generate_log, read_generate_log
    from neuroglot.corpora.textfiles import read_lines

    lines = read_lines(path)
    if not must_be and not is_generate_log(lines):
        return tuple(lines), None
    found = read_generate_log(path, lines)
    return detokenized(found.hypotheses, _known(path, language)), found


def _known(path: Path, language: str | None) -> str:
    from neuroglot.errors import ConfigError

    if language is None:
        raise ConfigError(
            f"{path} is a generate log, which is detokenized by the rules of its language.", "Expected --language xx."
        )
    return language
