"""An example of every recipe, as its file holds it, and the folder of small inputs that the examples read."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.activity.translation import collect
from neuroglot.corpora.clips import GlossVocabulary, MadeClips, make_clips
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.interventions import set_to
from neuroglot.interventions.steering import Steering
from neuroglot.models import view
from neuroglot.models.architectures.tscm import TSCMConfig
from neuroglot.models.branched import create
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.rules.by_direction import select_masks
from neuroglot.recipes.sign_options import TINY
from neuroglot.signature import Signature
from neuroglot.training.recognition import new_recogniser
from tests.families import tiny_model
from tests.models.sga.making import tiny_writer
from tests.specialization import making
from tests.tiny import tiny_corpus, tiny_tokenizer

ON_TEXTS = {"model": "model", "corpus": "texts", "device": "cpu"}
ON_TASK = {"model": "lab", "corpus": "lab", "task": "currency", "languages": ["en", "de"], "limit": 4, "device": "cpu"}
ON_MASKS = {"model": "translator", "masks": "masks", "device": "cpu"}
ON_CLIPS = {"corpus": ["made"], "clips": 2, "device": "cpu"}
FEW = {"random_draws": 1, "ablation_rows": 4}
LACKING = {"sign evaluate": "jiwer"}  # recipes that need a package which may not be there
LACKING = {command: package for command, package in LACKING.items() if find_spec(package) is None}

EXAMPLES: dict[str, dict[str, Any]] = {
    "ablate": {**ON_TEXTS, "neurons": "sets", "limit": 6, "random_draws": 1},
    "align": {**ON_TEXTS, "limit": 8},
    "analyze": {**ON_TEXTS, **FEW, "top_share": 0.2, "filter_quantile": 0.5, "owner_quantile": 0.5},
    "answers": {"generated": "answered", "task": "sums", "baseline": "answered", "languages": ["de", "en"]},
    "attribute": ON_TASK,
    "compare": {"before": "model", "after": "model", "corpus": "texts", "limit": 8, "device": "cpu"},
    "curriculum": {"model": "model", "stages": "stages.yaml", "device": "cpu", "checkpoint_every": 2},
    "deactivate": {**ON_TASK, "random_draws": 1},
    "demo": {},
    "export": {"model": "model", "ablate": "sets/de.safetensors"},
    "extend": {"model": "lab", "corpus": "lab", "limit": 20, "count": 5},
    "fertility": {"tokenizer": "model", "corpus": "texts", "limit": 8},
    "generate": {**ON_TEXTS, "limit": 5, "max_new_tokens": 5, "temperature": 0.9, "steer": "steering", "seed": 4},
    "identify": {"generated": "written", "candidates": ["en", "de"]},
    "judge": {"generated": "judged", "baseline": "judged-before", "model": "lab", "device": "cpu", "max_new_tokens": 4},
    "lab train": {
        "steps": 6, "batch_size": 4, "documents": 30, "questions": 6, "held_out_documents": 8, "held_out_questions": 4,
        "vocabulary": 600, "hidden": 16, "layers": 2, "heads": 2, "ffn": 32, "checkpoint_every": 2,
    },
    "lego evaluate": {
        "model": "branches", "corpus": "pairs", "limit": 3, "beams": 1, "max_new_tokens": 3, "ensembles": [5],
        "directions": ["en-de"],
        "metric": "chrf", "device": "cpu",
    },
    "lego group": {"by": "neurons", "masks": "masks", "count": 1},
    "lego train": {
        "corpus": "pairs", "languages": ["en", "de", "fr"], "validation_rows": 2, "test_rows": 1, "rounds": 1,
        "train_groups": ["de"], "steps": 2, "first_steps": 4, "batch_size": 4, "max_new_tokens": 3, "hidden": 16,
        "layers": 1, "heads": 2, "ffn": 24, "vocabulary": 300, "checkpoint_every": 2, "metric": "chrf", "seed": 3,
        "device": "cpu",
    },
    "lego translate": {
        "model": "branches", "corpus": "pairs", "source": "de", "into": ["en", "fr"], "flow": 6, "limit": 3,
        "max_new_tokens": 4, "keep_truncated": True, "device": "cpu",
    },
    "lint": {"corpus": "texts", "against": ["pairs"], "limit": 9, "drop": ["untranslated", "too long"]},
    "pmi": {
        "models": ["lab"], "corpus": "lab", "task": "iso_date", "originals": ["de"], "languages": ["en", "fr"],
        "parallel": [0, 1], "controls": ["repeated"], "limit": 3, "max_new_tokens": 5, "device": "cpu",
    },
    "probe": {
        **ON_TASK, "limit": 8, "rules": ["mbr-match", "majority"], "beam_sizes": [2], "samples": 2, "max_new_tokens": 4,
        "metric": "chrf",
    },
    "quadrants": {
        **ON_TEXTS, "pivot": "de", "steps": 4, "batch_size": 2, "checkpoint_every": 2, "repeats": 2, "held_out": 0.4,
        "learning_rate": 1e-2, "chrf": 3, "max_new_tokens": 4,
    },
    "record": {**ON_TEXTS, "statistics": ["moments"], "limit": 8},
    "scaling": {"points": "points.tsv", "budget": 5000},
    "scoreboard": {
        **{name: value for name, value in ON_TEXTS.items() if name != "model"}, **FEW, "models": ["model"],
        "selectors": ["random", "magnitude"], "count": 4,
    },
    "score": {
        "hypotheses": "texts/de.txt", "baseline": "texts/sw.txt", "references": ["texts/zh.txt"],
        "metrics": ["chrf", "accuracy"], "limit": 9,
    },
    "shorten": {"model": "lab", "corpus": "lab", "limit": 20},
    "select": {**ON_TEXTS, "selector": "random", "count": 4, "seed": 1},
    "sga neurons": {
        "model": "writer", "corpus": "pairs", "random_draws": 1, "top_share": 0.3, "filter_quantile": 0.5,
        "owner_quantile": 0.5, "denoising_passes": 1, "device": "cpu",
    },
    "sga teach": {
        "encoder": "reader", "layout": "headlines", "train": "articles", "test": "articles", "limit": 5, "steps": 4,
        "batch_size": 4, "prompt_length": 3, "canvas_length": 40, "checkpoint_every": 2, "metrics": ["chrf"],
        "learning_rate": 1e-2, "same_rows": "allow", "device": "cpu",
    },
    "sga train": {
        "corpus": "pairs", "languages": ["en", "de", "fr"], "test_rows": 1, "encoder_steps": 3, "steps": 4,
        "batch_size": 4, "baselines": ["autoregressive", "prefix tuning"], "hidden": 16, "layers": 1, "heads": 2,
        "ffn": 24, "vocabulary": 300, "prompt_length": 3, "canvas_factor": 12.0, "max_new_tokens": 3,
        "checkpoint_every": 2, "device": "cpu",
    },
    "sga translate": {
        "model": "writer", "corpus": "pairs", "source": "de", "into": ["en", "fr"], "beams": 3, "n_best": 2,
        "denoising_passes": 1, "device": "cpu",
    },
    "sharing": {**ON_TEXTS, "corpus": ["texts"], "limit": 8, "new_tokens": 2},
    "sign channels": {"model": "recogniser", **ON_CLIPS, "draws": 1, "rule": "entropy"},
    "sign distil": {"teacher": "recogniser", **ON_CLIPS, "steps": 4, "batch_size": 2, "checkpoint_every": 2},
    "sign evaluate": {
        "model": "recogniser", **ON_CLIPS, "baseline": "recogniser", "metrics": ["wer", "wer-of-sentences"],
    },
    "sign recognise": {"clip": "made:test-3", "model": "recogniser", "device": "cpu"},
    "sign train": {**ON_CLIPS, "steps": 4, "batch_size": 2, "checkpoint_every": 2, "shift_frames": 5},
    "specialize collect": {"model": "translator", "corpus": "pairs", "device": "cpu"},
    "specialize compare": {
        "corpus": "pairs", "languages": ["en", "de", "fr"], "validation_rows": 2, "test_rows": 1, "seeds": [0, 1],
        "steps": 4, "continued_steps": 3, "batch_size": 4, "coverage": 70, "max_new_tokens": 3, "hidden": 16,
        "layers": 1, "heads": 2, "ffn": 24, "vocabulary": 300, "checkpoint_every": 2, "device": "cpu",
    },
    "specialize compact": {**ON_MASKS, "direction": "en-de", "semantics": "weight row"},
    "specialize evaluate": {
        **ON_MASKS, "corpus": "pairs", "beams": 2, "max_new_tokens": 4, "directions": ["de-en"], "same_rows": "allow",
    },
    "specialize select": {"activity": "counts", "coverage": 70, "zero_shot": ["de-fr"]},
    "specialize train": {
        **ON_MASKS, "corpus": "pairs", "steps": 6, "batch_size": 4, "directions": ["en-de", "de-en"],
        "checkpoint_every": 2,
    },
    "stages": {"files": ["first.yaml", "second.yaml"]},
    "steer": {"operator": "multiply", "neurons": "sets/de.safetensors", "value": 1.5, "scope": "generated"},
    "tune": {
        **ON_TASK, "originals": ["de"], "end": "newline", "steps": 6, "batch_size": 2, "lora_rank": 2,
        "lora_dropout": 0.1, "checkpoint_every": 2, "limit": 12, "export": ["openai"],
        "log_choices": True,
    },
    "translate": {
        "model": "model", "corpus": "texts", "source": "de", "into": ["en", "fr"], "limit": 5, "max_new_tokens": 4,
        "keep_truncated": True, "device": "cpu",
    },
}  # fmt: skip

# Two stages on parallel texts and on records, the first one whole weights, the second the deltas of neurons.
STAGES: dict[str, Any] = {
    "data": {
        "pairs": {
            "languages": ["de"], "source": "texts/{language}.txt", "target": "texts/sw.txt", "target_language": "sw",
            "template": {"prompts": ["{source}"], "answer": " {target}"}, "held_out": 3,
        },
        "answers": {
            "languages": ["zh"], "source": "texts/{language}.txt", "target": "texts/de.txt", "held_out": 3,
            "template": {"prompts": ["{source}"], "answer": " {target}"},
        },
    },
    "stages": [
        {"name": "first", "counts": {"pairs": 12}, "batch_size": 3, "learning_rate": 1e-2},
        {
            "name": "second", "weights": {"answers": 1}, "examples": 15, "replay": 0.2, "batch_size": 3,
            "train": "neurons", "neurons": "sets/de.safetensors", "learning_rate": 1e-2,
        },
    ],
}  # fmt: skip


def write_inputs(folder: Path, model_type: str = "llama") -> None:
    """All that the examples read, below `folder`, which is to be the current one."""
    located, tokenizer, corpus = view(tiny_model(model_type)), tiny_tokenizer(), tiny_corpus(24)
    translator = making.located("m2m_100")
    made = TSCMConfig(**TINY)
    new_recogniser(made, GlossVocabulary.of(make_clips(MadeClips())), 0).save_pretrained(folder / "recogniser")
    for name, model, its in (("model", located.model, tokenizer), ("translator", translator.model, _words())):
        model.save_pretrained(folder / name)
        its.save_pretrained(folder / name)
    writer, its_tokenizer = tiny_writer(making.texts(6))
    for name, model in (("writer", writer), ("reader", writer.backbone)):
        model.save_pretrained(folder / name)
        its_tokenizer.save_pretrained(folder / name)
    (folder / "articles").mkdir()
    lines = [{"text": text, "title": text[:9]} for text in making.texts(6).texts["de"]]
    (folder / "articles" / "de.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    create(translator.model, {"west": ["de"], "south": ["fr"]}, folder / "branches")
    _words().save_pretrained(folder / "branches")
    for name, texts in (("texts", corpus), ("pairs", making.texts(6))):
        (folder / name).mkdir()
        for language, column in texts.texts.items():
            (folder / name / f"{language}.txt").write_text("\n".join(column) + "\n")
    for place, language in enumerate(corpus.languages):
        neurons = NeuronSet.of(located.layout, {("decoder", 1): [place, place + 5]})
        neurons.save(folder / "sets" / f"{language}.safetensors")
    Steering((set_to(neurons, 0.3),)).save(folder / "steering" / "steering.safetensors")
    counts = collect(translator, _words(), making.texts(6), ["en-de", "de-en", "en-fr", "fr-en"])
    counts.save(folder / "counts" / "activity.safetensors")
    select_masks(counts, 80).save(folder / "masks" / "masks.safetensors")
    record(located, tokenizer, corpus, Recording(statistics=("moments",))).save(folder / "activity.safetensors")
    texts = {"de": ("Der Hund schläft im Garten.",), "en": ("The dog sleeps in the garden.",)}
    GeneratedTexts(("0",), texts, {}, Signature()).save(folder / "written" / "generated.jsonl")
    (folder / "sums").mkdir()
    for language in ("de", "en"):
        (folder / "sums" / f"mgsm_{language}.tsv").write_text("w1 w2\t3\nw4\t5\n")
    numbers = {"de": ("Das sind 3.", "Vier."), "en": ("It is 3.", "The answer is 5.")}
    GeneratedTexts(("1", "2"), numbers, {}, Signature()).save(folder / "answered" / "generated.jsonl")
    asked = {"de": ("Wie viele?", "Wer?"), "en": ("How many?", "Who?")}
    GeneratedTexts(("1", "2"), numbers, asked, Signature()).save(folder / "judged" / "generated.jsonl")
    before = {"de": ("Das sind 4.", "Vier."), "en": ("It is 4.", "Five.")}
    GeneratedTexts(("1", "2"), before, asked, Signature()).save(folder / "judged-before" / "generated.jsonl")
    points = [
        f"{g}\t{size}\t{100 - part * size**-0.2}" for g, part in (("de", 99), ("sw", 80)) for size in (9, 99, 999)
    ]
    (folder / "points.tsv").write_text("\n".join(["language\tsize\tquality", *points]) + "\n")
    (folder / "stages.yaml").write_text(json.dumps(STAGES))
    (folder / "first.yaml").write_text("recipe: select\nmodel: model\ncorpus: texts\nselector: random\ncount: 3\n")
    (folder / "second.yaml").write_text("recipe: steer\noperator: set\nneurons: sets/de.safetensors\nvalue: 0.0\n")


def stand_in(workshop: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder that shows what the workshop holds."""
    monkeypatch.chdir(folder)
    for path in workshop.iterdir():
        Path(path.name).symlink_to(path)


def _words() -> Any:
    return making.translation_tokenizer()
