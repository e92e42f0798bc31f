"""Numbers and findings in words: what came out, never what one hoped."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neuroglot.corpora.directions import as_direction
from neuroglot.corpora.languages import known_code, language_name
from neuroglot.errors import NeuroglotError
from neuroglot.showing import noun_of
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from neuroglot.activity.recording import Recording
    from neuroglot.layout import Layout
    from neuroglot.metrics.ablation import Headline
    from neuroglot.metrics.intervals import Score
    from neuroglot.metrics.metrics import Valued


def filterable(results: Iterable[Any]) -> dict[str, list[tuple[str, str]]]:
    """`languages` as (code, label) and `layers` as (short name, label), each once, as the results name them."""
    codes: list[str] = []
    layers: dict[str, str] = {}
    for result in results:
        codes += result if isinstance(result, Mapping) else ()
        for one in _singles(result):
            codes += getattr(one, "languages", ())
            if layout := getattr(one, "layout", None):
                labels = layer_labels(layout)
                layers |= dict(zip(labels.full, labels.short))
    return {
        "languages": [(code, language_label(code)) for code in dict.fromkeys(codes)],
        "layers": [(short, label) for label, short in layers.items()],
    }


def _singles(result: Any) -> Iterable[Any]:
    """Neuron sets by language and results that are shown together, one by one."""
    if isinstance(result, Mapping):
        return result.values()
    return result if isinstance(result, tuple) else (result,)


SITES = {
    "post_act": "the output of the nonlinearity, before any gate product,",
    "write": "the input of the down projection",
}
TOKENS = {
    "all": "all tokens",
    "last": "the last token of each text",
    "prompt": "the tokens of the prompt",
    "generated": "the generated tokens",
}


@dataclass(frozen=True)
class Labels:
    """Names along an axis: `full` where there is room and on hover, `short` where there is not."""

    full: tuple[str, ...]
    short: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.full)


def language_label(code: str) -> str:
    """English name and code: `German (de)`, or of a direction `English → German (en-de)`; an unknown code as it is.

    Languages of a corpus have canonical codes, so that `en-de` is a direction and `en-DE` the English of Germany.
    """
    try:
        if known_code(code) == code:
            return f"{language_name(code)} ({code})"
        direction = as_direction(code)
        return f"{language_name(direction.source)} → {language_name(direction.target)} ({code})"
    except NeuroglotError:
        return f"{language_name(code)} ({code})" if known_code(code) else code


def language_labels(codes: Sequence[str]) -> Labels:
    """Names for an axis of languages; the short ones are the codes."""
    return Labels(tuple(map(language_label, codes)), tuple(codes))


def layer_labels(layout: Layout) -> Labels:
    """Layers counted from 0; the stack is named where there are several."""
    several = len(layout.stacks) > 1
    full = (f"{layer.stack} layer {layer.index}" if several else f"layer {layer.index}" for layer in layout.layers)
    short = (f"{layer.stack[:3]} {layer.index}" if several else str(layer.index) for layer in layout.layers)
    return Labels(tuple(full), tuple(short))


def definition_of_fires(recording: Recording) -> str:
    """What "fires" means here, in one line."""
    above = " or ".join(f"{threshold:g}" for threshold in recording.fires)
    special = "counted" if recording.special_tokens else "not counted"
    return (
        f"A neuron fires on a token where {SITES[recording.site]} is greater than {above}. "
        f"Read on {TOKENS[recording.tokens]}; special tokens are {special}, padding never."
    )


def common_signature(signatures: Iterable[Signature]) -> Signature:
    """The fields on which all agree, in the order of the first."""
    first, *others = signatures
    shared = set(first.fields).intersection(*(other.fields for other in others))
    return Signature(tuple(field for field in first.fields if field in shared))


# Fields of signatures whose keys do not say by themselves what they are.
FIELD_NAMES = {
    "config": "hash of the model's config",
    "weights": "hash of the weights",
    "tokenizer": "hash of the tokenizer",
    "chat_template": "hash of the chat template",
    "corpus_hash": "hash of the corpus",
    "rows_dropped": "rows left out",
    "interventions": "interventions in force",
    "generation": "the model's own options of generation",
    "prompts": "hash of the prompts",
    "neurons": "neurons selected by",
    "selected_on": "neurons selected on",
    "sets": "hash of the neuron sets",
    "python": "Python",
}


def field_name(key: str) -> str:
    """What a field of a signature is called on a page."""
    return FIELD_NAMES.get(key, key.replace("_", " "))


# By the word with which an open intervention begins in a signature.
CHANGES = {
    "switched": "neurons off",
    "steering": "neurons steered",
    "gating": "neurons gated",
}


def with_changes(name: str, signature: Signature) -> str:
    """A name, and what interventions did while its numbers were made: `Loss on lab, neurons off`."""
    if not (interventions := signature.get("interventions")):
        return name
    words = (text.partition(" ")[0] for text in str(interventions).split("; then "))
    changes = dict.fromkeys(CHANGES.get(word, "activations changed") for word in words)
    return f"{name}, {joined(list(changes))}"


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The names, of which a second one of a kind gets `(2)`."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(numbered)


CONDITION_LABELS = {
    "on": "all neurons on",
    "own": "its own neurons off",
    "other": "another language's off (mean)",
    "random": "as many random ones off (mean)",
}
HARMFUL = ("own", "other", "random")  # conditions that switch something off
SEEN = {  # by field of a signature: what rows have seen that they are to judge
    "trained_on": ("the model was trained on", "it does better"),
    "same_rows": ("the neurons were selected on", "they look better"),
}
UNDEFINED = "–"
NO_INTERVAL = "(no interval)"
OTHER, RANDOM = "another {}'s neurons", "as many random neurons"


def number(value: float | None) -> str:
    """Three significant digits without an exponent where that is readable: `0.0230`, `1,234`, `−0.500`."""
    if value is None or math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "unbounded" if value > 0 else "−unbounded"
    if isinstance(value, int) or abs(value) >= 999.5:  # which rounds to 1,000
        text = f"{value:,.0f}"
    else:
        text = f"{value:#.3g}".rstrip(".") if value else "0"
    return text.replace("-", "−")


def number_range(values: Sequence[float]) -> str:
    """From the smallest to the largest: `0.0230 to 0.500`; one number where they read alike."""
    ends = number(min(values)), number(max(values))
    return " to ".join(dict.fromkeys(ends))


def percent(value: float) -> str:
    """A share as a percentage: `12.3%`."""
    return f"{100 * value:.1f}%".replace("-", "−") if math.isfinite(value) else UNDEFINED


def multiple(value: float) -> str:
    """A ratio to be read aloud: `7.9`, `23`, `unbounded`."""
    if not math.isfinite(value):
        return number(value)
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"


def bracketed(score: Score, write: Callable[[float], str] = number) -> str:
    """The interval of a score: `[0.02, 0.03]`, or that it has none."""
    if not score.has_interval:
        return NO_INTERVAL
    return f"[{write(score.low)}, {write(score.high)}]"


def joined(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def left_out(dropped: Mapping[str, int], codes: Sequence[str] = ()) -> tuple[str, ...]:
    """The remark that says how many rows were dropped and why; none if there are none."""
    reasons = [f"{plural(count, 'row')} ({reason})" for reason, count in dropped.items()]
    return (f"Left out in all {noun_of(codes)}s: {joined(reasons)}.",) if reasons else ()


def repeated_rows(count: int) -> tuple[str, ...]:
    """The remark that rows share texts; none if they do not."""
    text = f"{plural(count, 'row')} with a text of an earlier row: counted with it as one, as no new evidence."
    return (text,) if count else ()


def seen_rows(signature: Signature) -> str:
    """What goes before the headline where neurons were selected, or a model trained, on rows that judge them."""
    said = ""
    for key, (happened, why) in SEEN.items():
        if count := signature.get(key):
            rows = plural(count, "row") if isinstance(count, int) else f"rows ({count})"  # of several results
            said += f"Not a proof: {happened} {rows} of these, where {why} than elsewhere. "
    return said


def plural(count: int, noun: str) -> str:
    """`1 neuron`, `1,234 neurons`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def harm_sentence(headline: Headline, metric: Valued, data: str, codes: Sequence[str]) -> str:
    """What switching off a language's own neurons does to it, and how that compares with the two controls.

    The comparison is made only where harm was done: a ratio to no harm at all says nothing.
    """
    own, noun = headline.diagonal, noun_of(codes)
    over = f"one {noun}" if len(codes) == 1 else f"the {len(codes)} {noun}s"
    finding = f"Switching off a {noun}'s own neurons {_effect(own, metric)}, on average over {over} of {data}"
    if not own.low > 0:
        return f"{finding}{_without_harm(headline, metric, noun)}."
    compared = [
        _comparison(headline.diagonal_over_off_diagonal, headline.off_diagonal, OTHER.format(noun), metric),
        _comparison(headline.diagonal_over_random, headline.random, RANDOM, metric),
    ]
    compared = [part for part in compared if part]
    return f"{finding}: {', and '.join(compared)}." if compared else f"{finding}."


def in_unit(score: Score, metric: Valued) -> str:
    """A score with unit and interval; shares as percentage points."""
    scale, unit = (100.0, "percentage points") if metric.unit == "share right" else (1.0, metric.unit)
    return f"{number(scale * score.value)} {unit} {bracketed(score, lambda end: number(scale * end))}"


def _effect(own: Score, metric: Valued) -> str:
    """The verb and the amount; an interval that holds 0 is no effect, whatever its middle."""
    worse, better = ("lowers", "raises") if metric.higher_is_better else ("raises", "lowers")
    if math.isnan(own.value):
        return f"has an effect on its {metric.name} that is not defined"
    if own.low > 0:
        return f"{worse} its {metric.name} by {in_unit(own, metric)}"
    if own.high < 0:
        gain = replace(own, value=-own.value, low=-own.high, high=-own.low)
        return f"does the opposite of harm, it {better} its {metric.name} by {in_unit(gain, metric)}"
    return f"has no effect on its {metric.name} that can be told from zero: {in_unit(own, metric)}"


def _without_harm(headline: Headline, metric: Valued, noun: str) -> str:
    """The controls beside an effect that is absent or negative: amounts, no ratios."""
    controls = ((OTHER.format(noun), headline.off_diagonal), (RANDOM, headline.random))
    amounts = [f"{in_unit(score, metric)} with {name} off" for name, score in controls if not math.isnan(score.value)]
    return f" (effect {joined(amounts)})" if amounts else ""


def _comparison(ratio: Score, reference: Score, name: str, metric: Valued) -> str:
    """One clause on how many times the reference's effect was reached; empty where there is no reference."""
    if math.isnan(reference.value) or math.isnan(ratio.value):
        return ""
    if math.isinf(ratio.value):
        return f"{name} do no such harm when switched off ({in_unit(reference, metric)})"
    times = f"{multiple(ratio.value)} times {bracketed(ratio, multiple)} the effect of {name}"
    if ratio.low > 1:
        return times
    if ratio.high < 1:
        return f"only {times}, which is less"
    return f"{times}, an interval that includes 1"
