"""`neuroglot generate` and `neuroglot export`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from neuroglot.cli.options import OUTPUT, CorpusOptions, Json, ModelName, ModelOptions, Overwrite

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus
    from neuroglot.generation.decoding import Generation
    from neuroglot.models import ModelView

GENERATE_EXAMPLES = """Examples:

    neuroglot generate lab --prompt "Der Preis ist" --max-new-tokens 20
    neuroglot generate lab --prompts prompts.tsv --ablate de.safetensors --out without-de.jsonl
    neuroglot generate ./my-model --prompts prompts/ --steer to-german.safetensors --json"""

EXPORT_EXAMPLES = """Example:

    neuroglot export ./my-model --ablate de.safetensors --out my-model-without-de"""


def generate(
    model: ModelName,
    /,
    *,
    prompts: str | None = None,
    prompt: str | None = None,
    steer: Path | None = None,
    ablate: Path | None = None,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    top_p: float = 1.0,
    beams: int = 1,
    seed: int = 0,
    texts: CorpusOptions = CorpusOptions(),
    loading: ModelOptions = ModelOptions(),
    out: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    json: Annotated[bool, Parameter(group=OUTPUT, negative="", show_default=False)] = False,
) -> None:
    """Continue prompts, with neurons steered or switched off.

    Parameters
    ----------
    prompts:
        Prompts by language: a folder of line-aligned `xx.txt` files, a TSV, CSV, JSONL or Parquet file with a column a
        language, a known folder, or a data set id of the hub.
    prompt:
        One prompt, instead of a file.
    steer:
        Steering file, as `neuroglot steer` writes it.
    ablate:
        Neuron set file; these neurons are off at all tokens, whatever the steering makes of them.
    max_new_tokens:
        Longest text that is generated, in tokens.
    temperature:
        0 takes the likeliest token; above, tokens are drawn.
    top_p:
        Draw from the likeliest tokens that together have this probability.
    beams:
        Beams to search; needs the temperature 0.
    seed:
        Seed of drawn tokens.
    out:
        JSONL file to write, a line a text, instead of printing.
    json:
        Print JSONL, one object a text, and nothing else, on standard output; with --out, one object that says where
        they are.
    """
    from neuroglot.cli.running import print_json
    from neuroglot.generation.decoding import Decoding
    from neuroglot.storage import write_whole

    decoding = Decoding(max_new_tokens, temperature, top_p, beams, seed)
    read = _prompts(prompts, prompt, texts)
    view, tokenizer = loading.load(model)
    lines = list(_generated(view, tokenizer, read, decoding, steer, ablate))
    if out is not None:
        write_whole(out, "".join(f"{_as_json(line)}\n" for line in lines))
        print_json({"out": str(out), "texts": len(lines)}) if json else print(f"{len(lines):,} texts: {out}")
        return
    for line in lines:
        print(_as_json(line) if json else f"[{line['language']} {line['id']}] {line['prompt']} →{line['generated']}")


@Parameter(name="*")
@dataclass(frozen=True)
class OnProcessor(ModelOptions):
    """Folding needs no forward, and the processor's memory is the larger one."""

    device: str | None = "cpu"
    """Where the model is held meanwhile."""


def export(
    model: ModelName,
    /,
    *,
    ablate: Path,
    out: Path,
    loading: OnProcessor = OnProcessor(),
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Save the model without some neurons, as a checkpoint that plain transformers loads.

    Parameters
    ----------
    ablate:
        Neuron set file: the value vectors of these neurons are zero in the checkpoint.
    out:
        Folder for the checkpoint, its tokenizer and neuroglot.json; must not exist.
    """
    from neuroglot.cli.running import print_json
    from neuroglot.interventions.folding import fold
    from neuroglot.neurons import NeuronSet
    from neuroglot.storage import check_free

    check_free(out, overwrite)
    neurons = NeuronSet.load(ablate)
    view, tokenizer = loading.load(model)
    fold(view, neurons, out, tokenizer, overwrite=overwrite)
    if json:
        print_json({"out": str(out), "neurons": len(neurons), "of": view.layout.neuron_count})
        return
    print(f"{len(neurons):,} of {view.layout.neuron_count:,} neurons folded out: {out}")


def _prompts(prompts: str | None, prompt: str | None, texts: CorpusOptions) -> Corpus:
    from neuroglot import corpora
    from neuroglot.errors import ConfigError

    if (prompts is None) == (prompt is None):
        raise ConfigError("Prompts are needed.", "Expected either --prompts FILE or --prompt TEXT.")
    if prompt is not None:
        return corpora.Corpus("prompt", ("0",), {"und": (prompt,)})
    assert prompts is not None
    return texts.load(prompts)


def _generated(
    view: ModelView,
    tokenizer: object,
    prompts: Corpus,
    decoding: object,
    steer: Path | None,
    ablate: Path | None,
) -> Iterator[dict[str, str]]:
    from contextlib import ExitStack

    from neuroglot.generation.decoding import generate
    from neuroglot.interventions.steering import Steering, steering
    from neuroglot.interventions.switching import ablating
    from neuroglot.neurons import NeuronSet

    steered = None if steer is None else Steering.load(steer, view.layout)
    off = None if ablate is None else NeuronSet.load(ablate)
    with ExitStack() as changes:  # the last has the last word
        if steered is not None:
            changes.enter_context(steering(view, steered))
        if off is not None:
            changes.enter_context(ablating(view, off))
        generation = generate(view, tokenizer, prompts, decoding)  # type: ignore[arg-type]
    yield from _lines(prompts, generation)


def _lines(prompts: Corpus, generation: Generation) -> Iterator[dict[str, str]]:
    signature = str(generation.signature)
    rows = {row_id: row for row, row_id in enumerate(prompts.ids)}
    for language in generation.languages:
        for row_id, text in zip(generation.ids, generation.texts[language], strict=True):
            read = prompts.texts[language][rows[row_id]]
            yield {"id": row_id, "language": language, "prompt": read, "generated": text, "signature": signature}


def _as_json(line: dict[str, str]) -> str:
    import json

    return json.dumps(line, ensure_ascii=False)
