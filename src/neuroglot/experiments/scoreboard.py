"""The scoreboard as a recipe: every selector picks as many neurons a language, and all are switched off."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording, Statistic
from neuroglot.activity.text_means import Quantity, record_text_means
from neuroglot.attribution.gradients import gradient_times_activation
from neuroglot.corpora.directed import Parallel
from neuroglot.corpora.seen import SameRows, sorted_hashes
from neuroglot.errors import ConfigError
from neuroglot.experiments.evaluation import ablation_matrix
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.metrics import Metric, NatsPerToken
from neuroglot.metrics.scoreboard import Scoreboard
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.rules.table import SELECTORS, Evidence, Needs, Selector, selector_named
from neuroglot.signature import Signature, merged, short_hash
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.asked import asked_tokens, require_askable
from neuroglot.tokens.reading import read_as

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


_STATISTICS: tuple[Statistic, ...] = ("moments", "magnitude", "histogram")
TEXT_MEANS: dict[Needs, Quantity] = {"responses": "activation", "importance": "magnitude"}


def gather(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Parallel,
    needs: Collection[Needs],
    recording: Recording | None = None,
    *,
    kept: Kept = NOTHING_KEPT,
) -> Evidence:
    """Record what selectors need of a corpus: one pass for counts and statistics, one for texts, one for gradients.

    PLND's importance of a neuron for a text is Σ_t |up_proj(x_t)|, and there gates do not enter; ours is the mean of
    |a_t| at the recording's site, which ranks neurons of a text alike for ungated networks. Raises as the recorders do.
    """
    recording = recording or Recording()
    statistics = tuple(name for name in _STATISTICS if name in needs)
    found: dict[str, Any] = {}
    if statistics or "counts" in needs:
        found["activity"] = record(
            view, tokenizer, corpus, replace(recording, statistics=statistics), kept=kept.below("counts")
        )
    if wanted := {name: quantity for name, quantity in TEXT_MEANS.items() if name in needs}:
        plain = replace(recording, statistics=())
        means = record_text_means(
            view, tokenizer, corpus, plain, quantities=list(wanted.values()), kept=kept.below("means")
        )
        found |= {name: means.values[quantity] for name, quantity in wanted.items()}
        found["signature"] = means.signature
    if "gradients" in needs:
        found["gradients"] = gradient_times_activation(view, tokenizer, corpus, kept=kept.below("gradients"))
        found.setdefault("signature", _of_gradients(view, tokenizer, corpus))
    signature = found.pop("signature", None) or found["activity"].signature
    return Evidence(view.layout, corpus.languages, signature, read=torch.from_numpy(sorted_hashes(corpus)), **found)


def needed_by(selectors: Sequence[Any]) -> tuple[Needs, ...]:
    """What several selectors need, each once."""
    return tuple(dict.fromkeys(selector.needs for selector in selectors))


def _of_gradients(view: ModelView, tokenizer: PreTrainedTokenizerBase, corpus: Parallel) -> Signature:
    read = asked_tokens(view, tokenizer, corpus).tokens
    return made_with(view, tokenizer, corpus, rows=len(read.ids), dropped=len(read.dropped)) | read_as(corpus)


# What a selector is told beside the number of neurons: rules that do not say by themselves which of many come first.
RANKING_OPTIONS: dict[str, dict[str, Any]] = {"gradient": {"contrast": "margin"}, "percentile": {"within": "layer"}}
RANKABLE = tuple(name for name, selector in SELECTORS.items() if "count" in selector.options)


def compare_selectors(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    selection_rows: Parallel,
    held_out_rows: Parallel,
    *,
    count: int,
    selectors: Sequence[str] = RANKABLE,
    metric: Metric | None = None,
    recording: Recording | None = None,
    draws: int = 5,
    seed: int = 0,
    same_rows: SameRows = "refuse",
    kept: Kept = NOTHING_KEPT,
) -> Scoreboard:
    """Let every selector pick `count` neurons for each language on some rows, and switch them off on others.

    A selector with fewer candidates for a language picks fewer, and its sizes say so; one that refuses is left out with
    the reason. Every set stands beside `draws` random sets with as many neurons in each layer. Raises `ConfigError` for
    names that are no selectors of a given number of neurons, where all refuse, and as `ablation_matrix` does.
    """
    chosen = [_rankable(name) for name in selectors]
    require_askable(view, tokenizer, held_out_rows)
    evidence = gather(view, tokenizer, selection_rows, needed_by(chosen), recording, kept=kept.below("evidence"))
    matrices: dict[str, tuple[AblationMatrix]] = {}
    refused: dict[str, str] = {}
    for selector in chosen:
        try:
            sets = _sets(selector, evidence, count, seed)
        except ConfigError as error:
            refused[selector.name] = str(error)
            continue
        matrix = ablation_matrix(
            view,
            tokenizer,
            held_out_rows,
            sets,
            metric or NatsPerToken(),
            draws=draws,
            seed=seed,
            random_on="own",
            rule=selector.name,
            same_rows=same_rows,
            kept=kept.below(selector.name),
        )
        matrices[selector.name] = (matrix,)
    if not matrices:
        raise ConfigError("Every selector refused.", "Expected one that can be scored.", "; ".join(refused.values()))
    first = next(iter(matrices.values()))[0]
    which = short_hash(*(str(matrix.signature["sets"]) for (matrix,) in matrices.values()))
    signature = first.signature.without("neurons") | Signature.of(sets=which)
    return Scoreboard((str(signature["model"]),), count, matrices, refused, signature)


def over_models(scoreboards: Sequence[Scoreboard]) -> Scoreboard:
    """One scoreboard of several models, such as those of several seeds; selectors that one refused are left out.

    Raises `ConfigError` where numbers of neurons, metrics or languages differ, or no selector is in all.
    """
    first, *others = scoreboards
    for other in others:
        same = (other.count, other.metric, other.languages) == (first.count, first.metric, first.languages)
        if not same:
            raise ConfigError(
                f"Scoreboards of {first.count} and {other.count} neurons, {first.metric.unit} and {other.metric.unit}, "
                f"{', '.join(first.languages)} and {', '.join(other.languages)} were to be merged.",
                "Expected the same in all.",
            )
    refused = {name: reason for board in scoreboards for name, reason in board.refused.items()}
    shared = [name for name in first.matrices if all(name in board.matrices for board in scoreboards)]
    matrices = {name: [matrix for board in scoreboards for matrix in board.matrices[name]] for name in shared}
    models = tuple(model for board in scoreboards for model in board.models)
    signature = merged([board.signature for board in scoreboards])
    return replace(first, models=models, matrices=matrices, refused=refused, signature=signature)


def selection_and_held_out(corpus: Parallel, rows: int, seed: int) -> tuple[Parallel, Parallel]:
    """Half of the rows to select on, and at most `rows` of the others to score, disjoint."""
    if rows < 1:
        raise ConfigError(f"Got {rows} rows to score.", "Expected one or more.")
    selection_rows, others = corpus.split(0.5, seed)
    return selection_rows, others.head(rows)


def _rankable(name: str) -> Selector:
    selector = selector_named(name)
    if selector.name not in RANKABLE:  # its paper's name is one too
        raise ConfigError(f"The selector {name!r} takes no number of neurons.", f"Expected {', '.join(RANKABLE)}.")
    return selector


def _sets(selector: Selector, evidence: Evidence, count: int, seed: int) -> dict[str, NeuronSet]:
    options = RANKING_OPTIONS.get(selector.name, {}) | ({"seed": seed} if "seed" in selector.options else {})
    return selector.sets(evidence, count=count, equal="at most", **options)
