"""A TransNormerLLM beside a Llama of equal parameters and updates: loss, answers, languages' neurons, recall.

    python -m benchmarks.architectures lab --seeds 0 1 2 3 4 --variants llama transnormer hybrid
    python -m benchmarks.architectures lab --seeds 0 1 2 --variants transnormer "no gate" "no decay" "no lrpe" rms
    python -m benchmarks.architectures lab --selectors entropy mean-difference magnitude gradient --sites post_act write
    python -m benchmarks.architectures recall --seeds 0 1 2 3 4 --steps 2500 --variants llama transnormer hybrid

`lab`: every variant is trained on the lab's corpus of each seed by the lab's own recipe and scored on held-out rows:
nats a token, bits a byte, exact answers, and the effect of a language's own neurons (LAPE, selected on half of the
rows) over that of another language's and of random ones. With `--selectors`, these are asked instead: each picks
`--count` neurons a language of the same model, read at each of the `--sites`, and is scored on `--rows` rows. `recall`:
sequences of pairs of tokens, and then all of their first tokens in another order, each of whose second is to be said;
the number of pairs in training grows to the last of `--pairs`. Linear attention is known to fail where there are more
pairs than its state holds. A model that says any of the values that were told and not yet asked for is right in a share
(1 + 1/2 + … + 1/P) / P. Each line is one seed; with `--out` a second call goes on. The last lines are means with 95 % t
intervals over seeds, differences to the first variant on the same seeds, and Holm's p over all of these.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Set
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any, get_args

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, get_linear_schedule_with_warmup

import neuroglot as ng
from benchmarks.seeds import interval, told
from neuroglot.experiments.scoreboard import RANKABLE, compare_selectors, selection_and_held_out
from neuroglot.lab import LabConfig
from neuroglot.lab.training import batches, begin, fit_lab, training_texts
from neuroglot.lab.untrained import new_model
from neuroglot.layout import Site
from neuroglot.models.architectures.transnormer import TransNormerConfig, TransNormerForCausalLM
from neuroglot.storage import write_whole

VARIANTS: dict[str, dict[str, Any] | None] = {  # None: a Llama; else what differs in a TransNormerLLM's config
    "llama": None,
    "transnormer": {},
    "hybrid": {"layer_types": "every second"},
    "no gate": {"use_gate": False},
    "paper decay": {"decay": "paper"},
    "no temperature": {"decay": "none"},
    "no decay": {"decay_layers": []},
    "no lrpe": {"lrpe_layers": []},
    "lrpe everywhere": {"lrpe_layers": "all"},
    "rms": {"norm": "rms"},
    "layer norm": {"norm": "layer"},
    "1+elu": {"attention_activation": "1+elu"},
    "no activation": {"attention_activation": "none"},
    "silu glu": {"glu_activation": "silu"},
}
RECALL_WIDTH, RECALL_LAYERS, RECALL_TOKENS, RECALL_BATCH = 64, 2, 256, 2048


def main() -> None:
    """Run the part that was asked for, and sum it up."""
    parser = argparse.ArgumentParser("benchmarks.architectures", description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["lab", "recall"])
    parser.add_argument("--variants", nargs="+", default=["llama", "transnormer"], choices=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--documents", type=int, default=4000)
    parser.add_argument("--pairs", nargs="+", type=int, default=[4, 8, 16, 32, 64])
    parser.add_argument("--selectors", nargs="+", default=[], choices=RANKABLE)
    parser.add_argument("--sites", nargs="+", default=["post_act"], choices=get_args(Site))
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--pairs", nargs="+", type=int, default=[4, 16])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if _exists(options.out) else []
    done = {(row["variant"], row["seed"]) for row in rows}
    for row in on_lab(options, done) if options.part == "lab" else recalled(options, done):
        rows.append(row)
        print(json.dumps(row), flush=True)
        if options.out:
            write_whole(options.out, "".join(json.dumps(row) + "\n" for row in rows))
    for line in summed_up(rows):
        print(line)


def _exists(path: Path | None) -> bool:
    return path is not None and path.exists()


def on_lab(options: argparse.Namespace, done: Set[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    """One row a seed and variant; all variants of a seed read the same batches."""
    for seed in options.seeds:
        left = [name for name in options.variants if (name, seed) not in done]
        if not left:
            continue
        config = LabConfig(seed=seed, steps=options.steps, documents=options.documents)
        corpus, tokenizer, _ = begin(config)
        texts = training_texts(corpus, tokenizer)
        for name in left:
            model = _lab_model(config, tokenizer, VARIANTS[name])
            losses = fit_lab(model, batches(texts, config, tokenizer), config)
            located = ng.view(model)
            by_selector = _by_selector(located, tokenizer, corpus, options) if options.selectors else None
            scores = by_selector or _scores(located, tokenizer, corpus)
            size = sum(weight.numel() for weight in model.parameters())
            yield {"variant": name, "seed": seed, "parameters": size, "training loss": mean(losses[-100:])} | scores


def _lab_model(config: LabConfig, tokenizer: Any, changes: dict[str, Any] | None) -> PreTrainedModel:
    if changes is None:
        return new_model(config, tokenizer)
    parts = 4 if changes.get("use_gate", True) else 3
    ffn = config.ffn - round((parts - 3) * config.hidden / 3)
    shaped = new_model(replace(config, architecture="transnormer", ffn=ffn), tokenizer).config
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return TransNormerForCausalLM(_changed(shaped, changes))


def _changed(config: Any, changes: dict[str, Any]) -> TransNormerConfig:
    layers = range(config.num_hidden_layers)
    named = {
        "every second": [("linear_attention", "full_attention")[layer % 2] for layer in layers],
        "all": list(layers),
    }
    values = {key: named.get(value, value) if isinstance(value, str) else value for key, value in changes.items()}
    return TransNormerConfig(**(config.to_dict() | values))


def _scores(located: ng.ModelView, tokenizer: Any, corpus: Any) -> dict[str, float]:
    def average(evaluation: Any) -> float:
        return mean(score.value for score in evaluation.scores.values())

    choosing, judging = corpus.held_out.split(0.5)
    answers = [ng.evaluate(located, tokenizer, task, ng.metrics.ExactAnswer()) for task in corpus.held_out_tasks]
    sets = ng.neurons.by_entropy(ng.record(located, tokenizer, choosing), top_share=0.05)
    matrix = ng.ablation_matrix(located, tokenizer, judging, sets, ng.metrics.NatsPerToken(), draws=2)
    found = matrix.headline()
    return {
        "nats a token": average(ng.evaluate(located, tokenizer, corpus.held_out, ng.metrics.NatsPerToken())),
        "bits a byte": average(ng.evaluate(located, tokenizer, corpus.held_out, ng.metrics.BitsPerByte())),
        "answers": mean(map(average, answers)),
        "own neurons off": found.diagonal.value,
        "own over others": found.diagonal_over_off_diagonal.value,
        "own over random": found.diagonal_over_random.value,
    }


def _by_selector(located: ng.ModelView, tokenizer: Any, corpus: Any, options: argparse.Namespace) -> dict[str, float]:
    """Nats a token, and by selector and site the effect of a language's own neurons, over others' and random ones."""
    choosing, judging = selection_and_held_out(corpus.held_out, options.rows, 0)
    nats = ng.evaluate(located, tokenizer, judging, ng.metrics.NatsPerToken()).scores.values()
    scores = {"nats a token": mean(score.value for score in nats)}
    for site in options.sites:
        board = compare_selectors(
            located, tokenizer, choosing, judging, count=options.count, selectors=options.selectors,
            recording=ng.Recording(site=site), draws=2,
        )  # fmt: skip
        for name, (matrix,) in board.matrices.items():
            found = matrix.headline()
            scores |= {
                f"{name} at {site}, own neurons off": found.diagonal.value,
                f"{name} at {site}, own over others": found.diagonal_over_off_diagonal.value,
                f"{name} at {site}, own over random": found.diagonal_over_random.value,
            }
    return scores


def recalled(options: argparse.Namespace, done: Set[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    """The share of right answers on sequences that were never seen, by number of pairs."""
    for seed in options.seeds:
        for name in options.variants:
            if (name, seed) in done:
                continue
            torch.manual_seed(seed)
            model = _recall_model(VARIANTS[name])
            optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)
            schedule = get_linear_schedule_with_warmup(optimizer, options.steps // 25, options.steps)
            generator = torch.Generator().manual_seed(seed)
            for step in range(options.steps):
                known = options.pairs[: 1 + step * len(options.pairs) // options.steps]
                pairs = known[int(torch.randint(len(known), (), generator=generator))]
                ids = _pairs(pairs, max(1, RECALL_BATCH // (4 * pairs)), generator)
                cross_entropy(*_asked(model, ids)).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
            model.eval()
            row = {"variant": name, "seed": seed}
            for pairs in options.pairs:
                with torch.no_grad():
                    logits, values = _asked(model, _pairs(pairs, 128, generator))
                row[f"right of {pairs} pairs"] = float((logits.argmax(-1) == values).float().mean())
            yield row


def _asked(model: PreTrainedModel, ids: Tensor) -> tuple[Tensor, Tensor]:
    """The logits `[N, V]` at the keys that are asked for, in the second half of each row, and the values `[N]` told."""
    half = ids.shape[1] // 2
    logits: Tensor = model(ids, use_cache=False).logits
    return logits[:, half::2].flatten(0, 1), ids[:, half + 1 :: 2].flatten()


def _recall_model(changes: dict[str, Any] | None) -> PreTrainedModel:
    sizes = {"vocab_size": RECALL_TOKENS, "hidden_size": RECALL_WIDTH, "num_hidden_layers": RECALL_LAYERS,
             "num_attention_heads": 4, "pad_token_id": None}  # fmt: skip
    ffn = 4 * RECALL_WIDTH
    if changes is None:
        return LlamaForCausalLM(LlamaConfig(**sizes, intermediate_size=ffn))
    parts = 4 if changes.get("use_gate", True) else 3
    linear = TransNormerConfig(**sizes, intermediate_size=ffn - round((parts - 3) * RECALL_WIDTH / 3))
    return TransNormerForCausalLM(_changed(linear, changes))


def _pairs(pairs: int, rows: int, generator: torch.Generator) -> Tensor:
    """Ids `[B, 4P]`: keys, each followed by its value, and then all of them again in another order."""
    half = RECALL_TOKENS // 2
    keys = torch.rand(rows, half, generator=generator).argsort(dim=1)[:, :pairs]
    told = torch.stack([keys, torch.randint(half, RECALL_TOKENS, (rows, pairs), generator=generator)], dim=2)
    order = torch.rand(rows, pairs, generator=generator).argsort(dim=1)
    again = told.gather(1, order[:, :, None].expand(-1, -1, 2))
    return torch.cat([told, again], dim=1).flatten(1)


def summed_up(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Means over seeds by variant, and differences to the first variant."""
    by_variant: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows:
        by_variant.setdefault(row["variant"], {})[row["seed"]] = row
    compared = {}
    first, base = next(iter(by_variant.items()))
    for name, own in by_variant.items():
        for key in [key for key in next(iter(own.values())) if key not in ("variant", "seed", "parameters")]:
            yield f"{name}, {key}: {interval([row[key] for row in own.values()])}"
            if name != first:
                paired = [row[key] - base[seed][key] for seed, row in own.items() if seed in base]
                yield f"{name} less {first}, {key}: {interval(paired)}"
                compared[f"{name} less {first}, {key}"] = paired
    yield from told(compared)


if __name__ == "__main__":
    main()
