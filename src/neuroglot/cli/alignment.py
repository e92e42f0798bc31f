"""`neuroglot align`."""

from typing import TYPE_CHECKING, Any, Literal

from neuroglot.cli.options import (
    CorpusName,
    CorpusOptions,
    Json,
    Limit,
    ModelName,
    ModelOptions,
    RecordingOptions,
)
from neuroglot.cli.refusing import require_rows

if TYPE_CHECKING:
    from neuroglot.metrics.alignment import Alignment

ALIGN_EXAMPLES = """Examples:

    neuroglot align lab --corpus lab --limit 100
    neuroglot align ./my-model --corpus flores.tsv --languages en de sw --limit 100 --state magnitude --json"""

ROOM = 10_000  # columns: no cell is cut, whatever the terminal


def align(
    model: ModelName,
    /,
    *,
    corpus: CorpusName,
    state: Literal["fired", "magnitude"] = "fired",
    texts: CorpusOptions = CorpusOptions(),
    limit: Limit = None,
    loading: ModelOptions = ModelOptions(),
    reading: RecordingOptions = RecordingOptions(),
    json: Json = False,
) -> None:
    """Measure how well languages are aligned: the share of sentences and translations that find each other (NeuronXA).

    Scores fall as rows are added, because each sentence is looked for among all: compare equal numbers of rows. The
    paper has 100.

    Parameters
    ----------
    state:
        What a sentence is told by: whether neurons `fired`, or the `magnitude` of their activations.
    """
    from neuroglot.activity.text_means import record_text_means
    from neuroglot.cli.running import print_json
    from neuroglot.metrics.alignment import alignment, require_comparable
    from neuroglot.signature import Signature

    require_rows(limit)
    parallel = texts.load(corpus)
    parallel = parallel if limit is None else parallel.take(range(min(limit, len(parallel))))
    require_comparable(len(parallel), len(parallel.languages))
    view, tokenizer = loading.load(model)
    means = record_text_means(view, tokenizer, parallel, reading.recording, quantities=[state], weights="position")
    signature = means.signature | Signature.of(state=state)
    found = alignment(means.layout, means.languages, means.values[state], signature)
    if json:
        print_json(_as_json(found))
        return
    _print(found)


def _as_json(found: "Alignment") -> dict[str, Any]:
    by_layer = found.by_layer.T.tolist()
    return {
        "languages": list(found.languages),
        "layers": [[layer.stack, layer.index] for layer in found.layout.layers],
        "pairs": [
            {"languages": list(pair), **score.to_json(), "by_layer": shares}
            for (pair, score), shares in zip(found.scores.items(), by_layer, strict=True)
        ],
        "mean": found.mean.to_json(),
        "signature": found.signature.to_json(),
    }


def _print(found: "Alignment") -> None:
    from rich.console import Console

    from neuroglot.reports.tables import Column, Table

    first, *others = found.languages
    cells = {pair: f"{score.value:.2f}\n[{score.low:.2f}, {score.high:.2f}]" for pair, score in found.scores.items()}
    rows = [[a, *(cells.get((a, b), "") for b in others)] for a in (first, *others[:-1])]
    table = Table.of("alignment", "Share of rows aligned", [Column(""), *map(Column, others)], rows)
    Console(width=ROOM).print(table.to_rich())
    print(f"\nMean over pairs: {found.mean}\n{found.signature}")
