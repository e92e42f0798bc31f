"""Pairwise judging: a backend compares two systems' answers, each pair in both orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.languages import known_code, language_name
from neuroglot.errors import ConfigError, EndpointError
from neuroglot.generation.backend import Backend, Completion, Request
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.judging import CRITERIA, Pairing, judge_messages, verdict
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.metrics.identification import UNDECIDED as NOT_TOLD
from neuroglot.metrics.identification import identify
from neuroglot.metrics.judging import ANSWERED_ALIKE, ASKED, BOTH_WRONG, ONE_WRONG, WITHOUT_VERDICT, Judgements
from neuroglot.signature import Signature

UNREADABLE = "no verdict"
_Known = dict[tuple[str, int], tuple[str, float]]  # by language and row: why, and what it is worth


def judge(
    backend: Backend,
    answers: GeneratedTexts,
    baseline: GeneratedTexts,
    *,
    criteria: str = CRITERIA,
    decoding: Decoding | None = None,
    candidates: Sequence[str] = (),
) -> Judgements:
    """Which answers the backend prefers; both systems answered the same prompts, with the same ids and languages.

    Equal texts are a tie. With `candidates` lingua tells the language of each answer among these and the questions'
    own: an answer that is clearly in another one loses, and two are a tie; neither is asked about. All others are
    shown in both orders. Raises `ConfigError` where the systems answered other prompts, and as the backend does.
    """
    baseline = _of_the_same(answers, baseline)
    known = _known(answers, baseline, candidates)
    asked = [
        (language, row)
        for language in answers.languages
        for row in range(len(answers.ids))
        if (language, row) not in known
    ]
    pairs = [(_pairing(answers, baseline, *each), _pairing(baseline, answers, *each, answers)) for each in asked]
    prompts = [_request(backend, pairing, criteria) for pair in pairs for pairing in pair]
    replies = backend.complete(prompts, decoding or Decoding(max_new_tokens=512)) if prompts else []
    _require_a_reply(replies)
    signature = answers.signature | Signature.of(
        baseline=baseline.signature.inline or None, criteria=criteria, judged_among=",".join(candidates) or None,
        judge=backend.signature.inline,
    )  # fmt: skip
    return _judgements(answers, known, dict(zip(asked, zip(replies[::2], replies[1::2]), strict=True)), signature)


def _of_the_same(answers: GeneratedTexts, baseline: GeneratedTexts) -> GeneratedTexts:
    """The baseline in the order of the answers; raises `ConfigError` where it answers other prompts or none."""
    got = ""
    if (set(answers.ids), set(answers.languages)) != (set(baseline.ids), set(baseline.languages)):
        odd = sorted(set(answers.ids) ^ set(baseline.ids))
        got = (
            f"Got {len(answers.ids)} answers in {', '.join(answers.languages)} and {len(baseline.ids)} in "
            f"{', '.join(baseline.languages)}{f'; one side alone has {odd[0]!r}' if odd else ''}."
        )
    else:
        baseline = baseline.in_order_of(answers.ids)
        for language in answers.languages:
            pairs = zip(
                *(side.prompts.get(language, ("",) * len(side.ids)) for side in (answers, baseline)), strict=True
            )
            for row_id, (prompt, other) in zip(answers.ids, pairs, strict=True):
                if prompt != other or is_blank(prompt):
                    told = "differ" if prompt != other else "are empty"
                    got = got or f"The prompts {told}: look at {row_id!r} in {language}."
    if got:
        raise ConfigError(
            got, "Expected answers of both systems to the same prompts, with the same ids.",
            "Generate both from the same corpus.",
        )  # fmt: skip
    return baseline


def _known(answers: GeneratedTexts, baseline: GeneratedTexts, candidates: Sequence[str]) -> _Known:
    """What needs no judge, by language and row."""
    known: _Known = {}
    for language in answers.languages:
        pair = answers.texts[language], baseline.texts[language]
        wrong = [_wrong(column, language, [*answers.languages, *candidates]) if candidates else [] for column in pair]
        for row, (own, other) in enumerate(zip(*pair, strict=True)):
            is_wrong = [bool(column) and column[row] for column in wrong]
            if own.strip() == other.strip():
                known[language, row] = ANSWERED_ALIKE, 0.5
            elif all(is_wrong):
                known[language, row] = BOTH_WRONG, 0.5
            elif any(is_wrong):
                known[language, row] = ONE_WRONG, float(is_wrong[1])
    return known


def _wrong(column: Sequence[str], language: str, candidates: Sequence[str]) -> list[bool]:
    told = identify(column, tuple(dict.fromkeys(candidates)))
    return [code not in (language, NOT_TOLD) for code in told]


def _pairing(
    first: GeneratedTexts, second: GeneratedTexts, language: str, row: int, asked: GeneratedTexts | None = None
) -> Pairing:
    name = language_name(language) if known_code(language) else language
    question = (asked or first).prompts[language][row]
    return Pairing(question, first.texts[language][row], second.texts[language][row], name)


def _request(backend: Backend, pairing: Pairing, criteria: str) -> Request:
    messages = judge_messages(pairing, criteria)
    return messages if backend.chat else str(messages[0]["content"])


def _require_a_reply(replies: Sequence[Completion]) -> None:
    """Raise `EndpointError` if the judge was asked and each of its replies failed; one that is cut off is a reply."""
    if replies and all(reply.failure not in (None, "truncated") for reply in replies):
        counts = Counter(reply.failure for reply in replies)
        raise EndpointError(
            f"The judge gave nothing but failures: {', '.join(f'{kind}: {count}' for kind, count in counts.items())}.",
            "Expected replies with a verdict.",
            "Look at the address and the model, and go on with --resume.",
        )


def _judgements(
    answers: GeneratedTexts,
    known: _Known,
    replies: Mapping[tuple[str, int], tuple[Completion, Completion]],
    signature: Signature,
) -> Judgements:
    rows = range(len(answers.ids))
    decided = {key: (reason, worth, worth) for key, (reason, worth) in known.items()}
    decided |= {key: _decided(*pair) for key, pair in replies.items()}
    failures = {
        language: Counter(
            reply.failure or UNREADABLE
            for (code, _), pair in replies.items()
            for reply in pair
            if code == language and _worth(reply) is None
        )
        for language in answers.languages
    }
    columns = {language: [decided[language, row] for row in rows] for language in answers.languages}
    return Judgements(
        answers.languages,
        answers.ids,
        {language: torch.tensor([first for _, first, _ in column]).double() for language, column in columns.items()},
        {language: torch.tensor([second for *_, second in column]).double() for language, column in columns.items()},
        {language: tuple(reason for reason, *_ in column) for language, column in columns.items()},
        failures,
        signature,
    )


def _decided(shown_first: Completion, shown_second: Completion) -> tuple[str, float, float]:
    """Why, and what the system has of both orders; nothing unless both have a verdict."""
    first, second = _worth(shown_first), _worth(shown_second)
    if first is None or second is None:
        return WITHOUT_VERDICT, torch.nan, torch.nan
    return ASKED, first, 1 - second


def _worth(reply: Completion) -> float | None:
    """What a verdict is worth for the answer that was shown first."""
    return None if reply.text is None else verdict(reply.text)
