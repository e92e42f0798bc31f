"""Every command on the lab model, small: what it wrote and printed, as numbers that can be compared.

Signatures are left out: they say how a result was made, and change with every version and with what they tell.

`python -m tests.golden.commands` writes `tests/golden/outputs.json.gz` anew; a change of it is a change of results, and
`docs/decisions.md` says why each was made.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STORED = Path(__file__).with_name("outputs.json.gz")
DIGITS = 5  # of each number: other processors round the last ones differently
# Versions, times of a run and places on the disk differ between machines and say nothing about the result.
LEFT_OUT = {"signature", "neurons_signature", "base", "versions"}  # provenance, which changes with every version
LEFT_OUT |= {"neuroglot", "torch", "transformers", "python", "seconds", "out", "file", "bytes", "local_files_only"}
LEFT_OUT |= {"sha256"}  # of files whose headers name versions
LEFT_OUT |= {"embedding"}  # a hash of trained weights, whose last digits other processors round differently
SIGNATURE = re.compile(r"[a-z_]+:[^|]*(\|[a-z_]+:[^|]*)+")  # `model:lab|rows:12` as text

FEW = ["--languages", "en", "de", "sw", "--limit", "12"]
THREE = ["--languages", "en", "de", "sw"]
TASK = ["--corpus", "lab", "--task", "currency", *FEW]

# Name, and arguments; {tmp} holds what earlier commands wrote, {tmp}/<name> is what a command writes itself.
COMMANDS: dict[str, list[str]] = {
    "analyze": ["analyze", "lab", "--corpus", "{tmp}/texts.tsv", "--ablation-rows", "4", "--random-draws", "2"],
    "record": ["record", "lab", "--corpus", "{tmp}/texts.tsv", "--statistics", "moments", "histogram"],
    "sharing": ["sharing", "lab", "--corpus", "{tmp}/texts.tsv", "--limit", "8", "--new-tokens", "2"],
    "compare": ["compare", "lab", "lab", "--corpus", "{tmp}/texts.tsv", "--limit", "8"],
    "select-entropy": ["select", "lab", "--corpus", "{tmp}/texts.tsv", "--selector", "entropy"],
    "select-gradient": ["select", "lab", "--corpus", "{tmp}/texts.tsv", "--selector", "gradient", "--count", "9"],
    "select-random": ["select", "lab", "--corpus", "{tmp}/texts.tsv", "--selector", "random", "--count", "9"],
    "ablate": [
        "ablate", "lab", "--corpus", "{tmp}/others.tsv", "--neurons", "{tmp}/select-entropy", "--limit", "8",
        "--random-draws", "2",
    ],
    "ablate-task": [
        "ablate", "lab", *TASK, "--neurons", "{tmp}/select-entropy", "--random-draws", "1",
    ],
    "scoreboard": [
        "scoreboard", "lab", "--corpus", "{tmp}/texts.tsv", "--count", "9", "--selectors", "entropy", "random",
        "gradient", "--ablation-rows", "4", "--random-draws", "2",
    ],
    "align": ["align", "lab", "--corpus", "{tmp}/texts.tsv", "--limit", "12", "--json"],
    "fertility": ["fertility", "lab", "--corpus", "{tmp}/texts.tsv", "--json"],
    "attribute": ["attribute", "lab", *TASK],
    "deactivate": ["deactivate", "lab", *TASK, "--random-draws", "2"],
    "steer": [
        "steer", "add", "--neurons", "{tmp}/select-entropy/de.safetensors", "--activity",
        "{tmp}/record/activity.safetensors", "--language", "de", "--json",
    ],
    "generate": [
        "generate", "lab", "--corpus", "{tmp}/prompts.tsv", "--max-new-tokens", "6", "--steer", "{tmp}/steer",
        "--json",
    ],
    "generate-rule": [
        "generate", "lab", "--corpus", "{tmp}/prompts.tsv", "--max-new-tokens", "6", "--rule", "mbr-chrf", "--samples",
        "4", "--json",
    ],
    "probe": [
        "probe", "lab", "--corpus", "lab", "--task", "counting", "--languages", "en", "sw", "--limit", "12",
        "--samples", "2", "--beam-sizes", "2", "--max-new-tokens", "8", "--rules", "epsilon", "mbr-chrf",
    ],
    "sga-train": [
        "sga", "train", "--corpus", "{tmp}/texts.tsv", "--languages", "en", "de", "--test-rows", "3", "--encoder-steps",
        "4", "--steps", "4", "--batch-size", "4", "--baselines", "autoregressive", "--hidden", "16", "--layers", "1",
        "--heads", "2", "--ffn", "24", "--vocabulary", "300", "--prompt-length", "3", "--canvas-factor", "6",
        "--max-new-tokens", "4", "--denoising-passes", "1",
    ],
    "sga-translate": [
        "sga", "translate", "{tmp}/sga-train", "--corpus", "{tmp}/prompts.tsv", "--source", "en", "--into", "de",
        "--denoising-passes", "1",
    ],
    "sga-neurons": [
        "sga", "neurons", "{tmp}/sga-train", "--corpus", "{tmp}/prompts.tsv", "--languages", "en", "de", "--top-share",
        "0.3", "--filter-quantile", "0.5", "--owner-quantile", "0.5", "--random-draws", "1", "--denoising-passes", "1",
    ],
    "sga-teach": [
        "sga", "teach", "{tmp}/reader", "--layout", "headlines", "--train", "{tmp}/articles", "--test",
        "{tmp}/articles", "--steps", "3", "--batch-size", "4", "--prompt-length", "3", "--metrics", "rouge-l", "meteor",
        "--same-rows", "allow",
    ],
    "sign-train": ["sign", "train", "made", "--clips", "2", "--steps", "3", "--batch-size", "2"],
    "sign-distil": [
        "sign", "distil", "{tmp}/sign-train", "--corpus", "made", "--clips", "2", "--steps", "3", "--batch-size", "2",
    ],
    "sign-evaluate": [
        "sign", "evaluate", "{tmp}/sign-distil", "--corpus", "made", "--clips", "2", "--baseline", "{tmp}/sign-train",
        "--metrics", "wer", "wer-sclite", "wer-of-sentences",
    ],
    "sign-recognise": ["sign", "recognise", "made:test-3", "--model", "{tmp}/sign-train"],
    "sign-channels": ["sign", "channels", "{tmp}/sign-train", "--corpus", "made", "--clips", "2", "--draws", "1"],
    "export": ["export", "lab", "--ablate", "{tmp}/select-entropy/de.safetensors", "--json"],
    "translate": [
        "translate", "--model", "lab", "--corpus", "{tmp}/prompts.tsv", "--source", "de", "--into", "en",
        "--max-new-tokens", "8", "--keep-truncated", "--json",
    ],
    "pmi": ["pmi", "--config", "{tmp}/experiment.yaml"],
    "tune": [
        "tune", "lab", "--corpus", "lab", "--task", "currency", "--originals", "de", "--languages", "en", "--end",
        "newline", "--steps", "3", "--limit", "12", "--json",
    ],
    "specialize-collect": [
        "specialize", "collect", "{tmp}/translator", "--corpus", "{tmp}/prompts.tsv", "--json",
    ],
    "specialize-select": ["specialize", "select", "{tmp}/specialize-collect", "--json"],
    "specialize-evaluate": [
        "specialize", "evaluate", "{tmp}/translator", "--masks", "{tmp}/specialize-select", "--corpus",
        "{tmp}/prompts.tsv",
        "--beams", "1", "--max-new-tokens", "6", "--same-rows", "allow", "--json",
    ],
    "specialize-compact": [
        "specialize", "compact", "{tmp}/translator", "--masks", "{tmp}/specialize-select", "--direction", "en-de",
        "--json",
    ],
    "specialize-train": [
        "specialize", "train", "{tmp}/translator", "--masks", "{tmp}/specialize-select", "--corpus",
        "{tmp}/prompts.tsv",
        "--steps", "2", "--batch-size", "4",
    ],
    "lego-group": [
        "lego", "group", "--by", "tokens", "--model", "{tmp}/translator", "--languages", "en", "de", "sw", "--count",
        "2",
    ],
    "lego-train": [
        "lego", "train", "--model", "{tmp}/translator", "--corpus", "{tmp}/texts.tsv", "--languages", "en", "de", "sw",
        "--rounds", "1", "--steps", "1", "--batch-size", "4", "--validation-rows", "4", "--test-rows", "2",
        "--max-new-tokens", "4", "--metric", "chrf++", "--ensembles", "5", "6",
    ],
    "lego-evaluate": [
        "lego", "evaluate", "{tmp}/lego-train", "--corpus", "{tmp}/prompts.tsv", "--cores", "en", "de", "--resources",
        "{tmp}/lego-group", "--candidates", "en", "de", "sw", "--beams", "1", "--max-new-tokens", "4", "--metric",
        "chrf++", "--json",
    ],
    "lego-translate": [
        "lego", "translate", "{tmp}/lego-train", "--corpus", "{tmp}/prompts.tsv", "--source", "de", "--into", "sw",
        "--flow", "12", "--max-new-tokens", "4", "--keep-truncated", "--json",
    ],
    "score": [
        "score", "--hypotheses", "{tmp}/hypotheses.txt", "--baseline", "{tmp}/baseline.txt", "--references",
        "{tmp}/references.txt", "--metrics", "bleu", "chrf++", "--json",
    ],
    "identify": ["identify", "{tmp}/generated.jsonl", "--candidates", "en", "de", "--json"],
}  # fmt: skip
TRAINED_HERE = (
    "sga-",
    "sign-",
    "lego-",
)  # and what they name are hashes of weights, of which no processor has another's bits
WITHOUT_OUT = {
    "lego-evaluate",
    "align",
    "fertility",
    "generate",
    "generate-rule",
    "specialize-evaluate",
    "score",
    "identify",
}


def write_inputs(folder: Path) -> None:
    """Small files of the lab's held-out texts, and an experiment."""
    from neuroglot import corpora
    from neuroglot.lab.encoder import EncoderConfig, new_encoder
    from neuroglot.lab.translator import TranslatorConfig, new_translator

    texts = corpora.load("lab", languages=["en", "de", "sw"])
    for name, rows in {"texts": range(24), "others": range(30, 44), "prompts": range(50, 56)}.items():
        part = texts.take(rows)
        rows_of = zip(*part.texts.values())
        lines = ["\t".join(("id", *part.languages))]
        lines += ["\t".join((row_id, *row)) for row_id, row in zip(part.ids, rows_of, strict=True)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    translator, tokenizer = new_translator(texts, TranslatorConfig(32, 2, 2, 64, 600), seed=0)
    translator.save_pretrained(folder / "translator")
    tokenizer.save_pretrained(folder / "translator")
    reader, its_tokenizer = new_encoder(texts, EncoderConfig(16, 1, 2, 24, 300, 120), seed=0)
    reader.save_pretrained(folder / "reader")
    its_tokenizer.save_pretrained(folder / "reader")
    (folder / "articles").mkdir()
    articles = [{"text": text, "title": text[:12]} for text in texts.texts["en"][60:70]]
    (folder / "articles" / "en.jsonl").write_text("".join(json.dumps(article) + "\n" for article in articles))
    (folder / "experiment.yaml").write_text(
        "models: [lab]\ncorpus: lab\ntask: currency\noriginals: [de]\nlanguages: [en, fr]\nparallel: [0, 1]\nlimit: 6\n"
        "controls: [repeated]\nmax_new_tokens: 6\n"
    )
    (folder / "references.txt").write_text("a small house stands here\nthe price is ten\nwe go home now\n")
    (folder / "hypotheses.txt").write_text("a small house stood here\nthe price is nine\nwe go home\n")
    (folder / "baseline.txt").write_text("one house stands\nprice ten\nwe went home now\n")
    generated = [("de", "0", "Das Haus ist sehr alt und groß."), ("en", "0", "The house is very old and large.")]
    lines = [json.dumps({"language": code, "id": row, "generated": text}) for code, row, text in generated]
    (folder / "generated.jsonl").write_text("\n".join(lines) + "\n")


def outputs(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each command gives, one after another, because later ones read what earlier ones wrote."""
    from neuroglot.cli import app

    write_inputs(folder)
    for name, template in COMMANDS.items():
        arguments = [part.format(tmp=folder) for part in template]
        if name not in WITHOUT_OUT:
            arguments += ["--out", str(folder / name)]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            try:
                app(arguments)
            except SystemExit as stop:
                if stop.code:
                    raise RuntimeError(printed.getvalue()) from stop
        described = _described(folder / name, printed.getvalue() if "--json" in arguments else "", str(folder))
        yield name, _without_hashes(described) if name.startswith(TRAINED_HERE) else described


def _described(place: Path, printed: str, folder: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if printed:
        found["printed"] = _parsed(printed)
    for path in sorted(place.rglob("*")) if place.is_dir() else [place] if place.is_file() else []:
        name = str(path.relative_to(place)) if place.is_dir() else "file"
        if path.suffix in (".json", ".jsonl"):
            found[name] = _parsed(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors" or name == "file":
            found[name] = _tensors(path)
    return json.loads(json.dumps(_rounded(found)).replace(folder, "{tmp}"))


def _without_hashes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_hashes(part) for key, part in value.items() if key not in ("weights", "branches")}
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def _tensors(path: Path) -> dict[str, list[Any]]:
    """Shape, sum and a sum in which every place has another weight, by tensor."""
    import torch
    from safetensors.torch import load_file

    described = {}
    for name, tensor in load_file(path).items():
        values = tensor.double().flatten().nan_to_num(-1)
        weights = torch.linspace(1, 2, len(values), dtype=torch.float64)
        described[name] = [list(tensor.shape), float(values.sum()), float((values * weights).sum())]
    return described


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items() if key not in LEFT_OUT}
    if isinstance(value, list):
        return [_rounded(part) for part in value if not (isinstance(part, list) and "ms" in part)]
    if isinstance(value, str) and SIGNATURE.fullmatch(value):
        return "a signature"
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)
    return value


def stored() -> dict[str, Any]:
    return json.loads(gzip.decompress(STORED.read_bytes()))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        text = json.dumps(dict(outputs(Path(temporary))), ensure_ascii=False, indent=0)
    STORED.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{STORED}: {len(text):,} characters, {STORED.stat().st_size:,} bytes")  # noqa: T201
