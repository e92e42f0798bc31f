"""A branched model measured: translations by flow, the best flow of each direction, and its branches' spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neuroglot.activity.translation import collect
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directed import Directed
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError
from neuroglot.experiments.evaluation import evaluate
from neuroglot.experiments.translations import translate_directions
from neuroglot.generation.decoding import Decoding
from neuroglot.layout import Layout
from neuroglot.metrics.alignment import Alignment, alignment
from neuroglot.metrics.branches import BranchSpaces, FlowScores, linear_cka
from neuroglot.metrics.identification import language_forcing
from neuroglot.metrics.metrics import NatsPerToken
from neuroglot.metrics.texts import TEXT_METRICS, TextOptions, Texts, choose_metrics
from neuroglot.metrics.texts.metric import mean_percent
from neuroglot.models.branched import MAIN, BranchedConfig, BranchedFolder, Flow, branches_of, flow_of
from neuroglot.models.branched.flows import Branches, flow_label, possible_flows
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView, view
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.neurons.rules.by_direction import Coverage, select_masks
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import TOKEN_BUDGET, pad
from neuroglot.tokens.language_tokens import require_convention
from neuroglot.tokens.tokenizing import Text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BASE = flow_label(Flow.MIX)
Flows = Mapping[Direction, Sequence[int]]


def located(model: Any) -> ModelView:
    """The view of a selected pair, or of an ensemble, which generates as one and whose neurons are its first pair's."""
    if not hasattr(model, "models"):
        return view(model)
    first = view(model.models[0])
    return ModelView(model, first.family, first.layout, first.points)


def flows_in(config: BranchedConfig, directions: Sequence[Direction], more: Sequence[int] = ()) -> Flows:
    """By direction the main pair, every flow for which there are branches, the one that is taken if none is named, and
    `more`, where there are branches.

    Raises `ConfigError` where the main pair is not there, where one of `more` is possible in no direction, and for a
    direction that is named twice.
    """
    found = {}
    for direction in directions:
        branches_of(config, direction, Flow.MIX)  # refuses a model without its main pair, with which all are compared
        single = possible_flows(config, direction)
        whole = sum(single)
        found[direction] = tuple(
            dict.fromkeys([*single, *(flow for flow in (flow_of(config, direction), *more) if flow & whole == flow)])
        )
    if len(found) < len(directions):
        raise ConfigError(f"Got the directions {', '.join(map(str, directions))}.", "Expected each once.")
    for flow in more:
        if not any(flow in each for each in found.values()):
            raise ConfigError(f"No direction has the branches of flow {flow}.", "Expected one or more.")
    return found


def core_directions(languages: Sequence[str], cores: Sequence[str]) -> tuple[Direction, ...]:
    """Out of each core language into all others, and back, each once; raises `ConfigError` for one that is missing."""
    if missing := [core for core in cores if core not in languages]:
        raise ConfigError(
            f"The core language {missing[0]!r} is not there.", f"Expected some of {', '.join(languages)}."
        )
    pairs = [(core, other) for core in cores for other in languages if other != core]
    return tuple(dict.fromkeys(Direction(*pair) for side in (1, -1) for pair in (each[::side] for each in pairs)))


def sets_of(
    directions: Sequence[Direction], cores: Sequence[str], resources: Mapping[str, Sequence[str]], pivot: str
) -> dict[str, tuple[str, ...]]:
    """Directions out of each core language, into it, and of all cores, as in the release's tables; and out of the pivot
    into languages of each group of `resources`, and back. A set without a direction is left out.
    """
    found: dict[str, list[Direction]] = {}
    for side, word in (("source", "out of"), ("target", "into")):
        for core in cores:
            found[f"{word} {core}"] = [each for each in directions if getattr(each, side) == core]
        if len(cores) > 1:
            found[f"{word} all cores"] = [each for each in directions if getattr(each, side) in cores]
    out_of, into = ([each for each in directions if each.type(pivot) == kind] for kind in ("en2x", "x2en"))
    for name, codes in resources.items():
        found[f"{name}: out of {pivot}"] = [each for each in out_of if each.target in codes]
        found[f"{name}: into {pivot}"] = [each for each in into if each.source in codes]
    return {name: tuple(map(str, several)) for name, several in found.items() if several}


def translate_flows(
    folder: BranchedFolder,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    flows: Flows,
    *,
    decoding: Decoding | None = None,
    token_budget: int = TOKEN_BUDGET,
    device: str | None = None,
    kept: Kept = NOTHING_KEPT,
) -> dict[tuple[Direction, int], tuple[str, ...]]:
    """What each flow makes of every source text, by direction and flow; each set of branches is loaded once.

    Raises as `translate_directions`, and `ConfigError` for a text that does not fit the model.
    """
    config = folder.config
    asked: dict[tuple[Branches, ...], list[tuple[Direction, int]]] = {}
    for direction, several in flows.items():
        for flow in several:
            asked.setdefault(branches_of(config, direction, flow), []).append((direction, flow))
    found: dict[tuple[Direction, int], tuple[str, ...]] = {}
    for pairs, wanted in asked.items():
        name = "--".join(f"{encoder}-{decoder}" for encoder, decoder in pairs)
        model = located(folder.translator(pairs, device=device))
        translated = translate_directions(
            model, tokenizer, corpus, list(dict.fromkeys(direction for direction, _ in wanted)), decoding=decoding,
            token_budget=token_budget, kept=kept.below(name),
        )  # fmt: skip
        if translated.dropped:
            raise ConfigError(
                f"A text of {corpus.name!r} is longer than the model's context.", "Expected shorter ones."
            )
        found |= {(direction, flow): translated.texts[direction] for direction, flow in wanted}
    return found


def score_flows(
    translations: Mapping[tuple[Direction, int], Sequence[str]],
    corpus: Corpus,
    pivot: str,
    metric: str,
    signature: Signature,
    config: BranchedConfig,
    sets: Mapping[str, Sequence[str]] | None = None,
) -> FlowScores:
    """The metric's counts of translations by flow and direction, against the corpus's own texts."""
    definition = TEXT_METRICS[metric]
    targets = dict.fromkeys(direction.target for direction, _ in translations)
    built = {code: choose_metrics([metric], TextOptions(language=code))[metric] for code in targets}
    counted = {
        (direction, flow): built[direction.target].counts(
            Texts(tuple(column), (tuple(corpus.texts[direction.target]),), tuple(corpus.texts[direction.source]))
        )
        for (direction, flow), column in translations.items()
    }
    first = next(iter(built.values()))  # values are made of counts in one way
    return FlowScores(
        definition.name, definition.unit, first.value, *_by_flow(counted, pivot), BASE, signature, definition.ends,
        _chosen(translations, config), sets or {}, definition.higher_is_better, first.right_or_wrong,
    )  # fmt: skip


def off_target(
    translations: Mapping[tuple[Direction, int], Sequence[str]],
    candidates: Sequence[str],
    pivot: str,
    signature: Signature,
    config: BranchedConfig,
    sets: Mapping[str, Sequence[str]] | None = None,
) -> FlowScores:
    """Which percentage of translations is not in the target language, by flow and direction, as `language_forcing`
    identifies them among the `candidates`; what is undecided, such as an empty text, is not in it.

    Raises as `language_forcing`.
    """
    counted, signed = {}, signature
    for (direction, flow), column in translations.items():
        forcing = language_forcing(
            {direction.target: column}, [str(row) for row in range(len(column))], candidates=candidates,
            signature=signature,
        )  # fmt: skip
        wrong = 1 - forcing.counts
        counted[direction, flow], signed = torch.cat([wrong, torch.ones_like(wrong)], dim=1), forcing.signature
    return FlowScores(
        "off-target", "percent of translations", mean_percent, *_by_flow(counted, pivot), BASE, signed, (0.0, 100.0),
        _chosen(translations, config), sets or {}, False, True, "off-target", "Translations in another language",
    )  # fmt: skip


def _by_flow(
    counted: Mapping[tuple[Direction, int], Tensor], pivot: str
) -> tuple[dict[str, str], dict[str, dict[str, Tensor]]]:
    """The kind of each direction, and counts by flow and direction, the main pair's first, ensembles last."""
    counts: dict[str, dict[str, Tensor]] = {}
    for (direction, flow), rows in counted.items():
        counts.setdefault(flow_label(flow), {})[str(direction)] = rows
    ordered = {label: counts[label] for label in sorted(counts, key=lambda label: (label != BASE, label.count("+")))}
    return {str(each): each.type(pivot) for each, _ in counted}, ordered


def _chosen(translations: Mapping[tuple[Direction, int], Sequence[str]], config: BranchedConfig) -> dict[str, str]:
    return {str(each): flow_label(flow_of(config, each)) for each, _ in translations}


def best_flows(
    folder: BranchedFolder, tokenizer: PreTrainedTokenizerBase, corpus: Corpus, flows: Flows, device: str | None = None
) -> dict[str, int]:
    """By direction the single flow with the lowest loss on these rows, which are to be no test rows."""
    losses: dict[Direction, dict[int, float]] = {direction: {} for direction in flows}
    asked: dict[Branches, list[tuple[Direction, int]]] = {}
    for direction, several in flows.items():
        for flow in several:
            branches = branches_of(folder.config, direction, flow)
            if len(branches) == 1:
                asked.setdefault(branches[0], []).append((direction, flow))
    for pair, wanted in asked.items():
        model = located(folder.translator([pair], device=device))
        read = Directed(corpus, tuple(dict.fromkeys(direction for direction, _ in wanted)))
        scores = evaluate(model, tokenizer, read, NatsPerToken(), same_rows="allow").scores
        for direction, flow in wanted:
            losses[direction][flow] = scores[str(direction)].value
    return {str(direction): min(each, key=lambda flow: (each[flow], flow)) for direction, each in losses.items()}


def can_compare_spaces(corpus: Corpus, pivot: str) -> bool:
    """Whether `spaces` can be measured on these rows: of the pivot and one language more, and more than one row."""
    return pivot in corpus.languages and len(corpus) > 1 and len(corpus.languages) > 1


def spaces(
    folder: BranchedFolder,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    pivot: str,
    *,
    coverage: int = 70,
    device: str | None = None,
    name: str | None = None,
) -> tuple[BranchSpaces, Alignment]:
    """How near the branches' spaces are: retrieval and CKA of sentences, and the overlap of their neurons.

    A sentence's state is the mean over its tokens of the encoder's last layer. `name`: the model's, else that of its
    folder. Raises `ConfigError` for fewer than two languages.
    """
    config = folder.config
    others = [code for code in corpus.languages if code != pivot]
    if pivot not in corpus.languages or not others:
        raise ConfigError(f"The rows are in {', '.join(corpus.languages)}.", f"Expected {pivot!r} and one more.")
    encoders = {code: _own(config, "encoder", code) for code in others} | {pivot: MAIN}
    states = {
        code: _states(folder, tokenizer, corpus, code, (encoders[code], MAIN), pivot, device) for code in encoders
    }
    by_main = {code: _states(folder, tokenizer, corpus, code, (MAIN, MAIN), pivot, device) for code in others}
    own = _masks(folder, tokenizer, corpus, others, pivot, coverage, False, device)
    main = _masks(folder, tokenizer, corpus, others, pivot, coverage, True, device)
    signature = made_with(None, tokenizer, corpus) | Signature.of(
        model=name or folder.path.name, embedding=config.embedding, pivot=pivot, coverage=coverage
    )
    named = (pivot, *others)
    stacked = torch.stack([states[code] for code in named], dim=1)
    width = stacked.shape[-1]
    aligned = alignment(Layout((("encoder", (width,)),)), named, stacked, signature | Signature.of(state="last layer"))
    layers = tuple(f"{layer.stack} {layer.index}" for layer in own.layout.layers)
    found = BranchSpaces(
        pivot, {code: linear_cka(states[code], states[pivot]) for code in others},
        {code: linear_cka(by_main[code], states[pivot]) for code in others}, layers, _overlap(own, pivot),
        _overlap(main, pivot), len(corpus), signature,
    )  # fmt: skip
    return found, aligned


def _own(config: BranchedConfig, side: Any, language: str) -> str:
    group = config.group_of(language)
    return group if group is not None and group in config.branches(side) else MAIN


def _states(
    folder: BranchedFolder, tokenizer: PreTrainedTokenizerBase, corpus: Corpus, language: str, pair: Branches,
    pivot: str, device: str | None,
) -> Tensor:  # fmt: skip
    """Mean states of the last encoder layer: `[R, D]`."""
    model = located(folder.translator([pair], device=device))
    other = pivot if language != pivot else next(code for code in corpus.languages if code != pivot)
    ids = require_convention(model, tokenizer).sources(Direction(language, other), corpus.texts[language])
    found = []
    encoder: Any = model.model.get_encoder()
    with model.evaluating():
        for start in range(0, len(ids), 32):
            batch = pad([Text.of(row) for row in ids[start : start + 32]]).to(model.model.device)
            states = encoder(input_ids=batch.token_ids, attention_mask=batch.real.long()).last_hidden_state
            weights = batch.real[..., None].to(states.dtype)
            found.append(((states * weights).sum(1) / weights.sum(1)).float().cpu())
    return torch.cat(found)


def _masks(
    folder: BranchedFolder, tokenizer: PreTrainedTokenizerBase, corpus: Corpus, others: Sequence[str], pivot: str,
    coverage: int, by_main: bool, device: str | None,
) -> DirectionMasks:  # fmt: skip
    """The neurons of each direction into and out of the pivot, with its own branch, or with the main pair."""
    config, masks = folder.config, []
    directions = [Direction(code, pivot) for code in others] + [Direction(pivot, code) for code in others]
    for direction in directions:
        pair = (MAIN, MAIN)
        if not by_main:
            source = MAIN if direction.source == pivot else _own(config, "encoder", direction.source)
            target = MAIN if direction.target == pivot else _own(config, "decoder", direction.target)
            pair = (source, target)
        model = located(folder.translator([pair], device=device))
        percents = Coverage(coverage, coverage, coverage, coverage, pivot)
        masks.append(select_masks(collect(model, tokenizer, corpus, [direction]), percents))
    return DirectionMasks(masks[0].layout, tuple(directions), torch.cat([each.kept for each in masks]))


def _overlap(masks: DirectionMasks, pivot: str) -> Tensor:
    """Mean over pairs of directions, of x→pivot in encoders and of pivot→x in decoders: `[L]`; NaN of one language."""
    means = []
    for layer, of_layer in zip(masks.layout.layers, masks.overlap(), strict=True):
        wanted = "x2en" if layer.stack == "encoder" else "en2x"
        places = torch.tensor([n for n, each in enumerate(masks.directions) if each.type(pivot) == wanted])
        square = of_layer[places][:, places]
        means.append(square[~torch.eye(len(places), dtype=torch.bool)].mean())
    return torch.stack(means)
