"""Examples for tuning: one prompt with its answer for each item, in a setting that is drawn, as in PMI's mix."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from random import Random

from neuroglot.corpora.blank import is_blank
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.prompting.building import PromptSet
from neuroglot.prompting.prompt import Prompt

DIRECT_SHARE = 1 / 8
Sets = dict[str, dict[str, PromptSet]]  # by main column, then by setting


@dataclass(frozen=True)
class Example:
    """The model reads `prompt + completion` and learns the completion.

    The completion begins with the space that `Prompt.with_answer` puts in front of an answer, where it puts one.
    `is_chat` where the prompt is in a chat template.
    """

    prompt: str
    completion: str
    setting: str
    id: str
    is_chat: bool = False

    @classmethod
    def of(cls, prompt: Prompt, answer: str, setting: str, row_id: str) -> Example:
        """A prompt whose answer is open, and the answer."""
        completion = prompt.with_answer(answer).text[len(prompt.text) :]
        return cls(prompt.text, completion, setting, row_id, prompt.is_chat)

    @property
    def answer(self) -> str:
        """The completion without the space between prompt and answer."""
        has_gap = self.prompt and not self.prompt[-1].isspace()
        return self.completion.removeprefix(" ") if has_gap else self.completion


def pmi_mix(
    prompt_sets: Sequence[PromptSet], shares: float | Mapping[str, float] = DIRECT_SHARE, seed: int = 0
) -> tuple[Example, ...]:
    """One example for each item, in a setting drawn by `shares`; the order is shuffled.

    `shares` gives the probability of each setting by name, or, as a number, that of `direct`, the only other setting
    having the rest: 1/8 and 7/8 in Mu et al. 2024, who found that more direct examples overfit. Where the sets have
    several originals (`setting.main`), one is drawn uniformly for each item; all of them need every setting and the
    same ids. The answer is the first reference.

    What is drawn, and the order, depend on `seed` and the item's id only: not on the order of items or sets, nor on
    Python's hash seed (the reference iterates a set of strings, so that each run has other data). Raises `ConfigError`
    on shares that do not fit the sets, `CorpusError` on items without an answer or ids that differ.
    """
    sets = _by_original(prompt_sets)
    weights = _weights(sets, shares)
    by_id = {main: {name: _examples(part) for name, part in of.items()} for main, of in sets.items()}
    ids = _common_ids(by_id)
    drawn = []
    for row_id in sorted(ids, key=lambda row_id: (Random(f"{seed}/order/{row_id}").random(), row_id)):
        main = Random(f"{seed}/original/{row_id}").choice(sorted(sets))
        (name,) = Random(f"{seed}/setting/{row_id}").choices(list(weights), list(weights.values()))
        drawn.append(by_id[main][name][row_id])
    return tuple(drawn)


def examples_hash(examples: Sequence[Example]) -> str:
    """SHA-256 of all examples in their order, the first 16 hex digits."""
    text = json.dumps([astuple(example) for example in examples], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _by_original(prompt_sets: Sequence[PromptSet]) -> Sets:
    sets: Sets = {}
    for part in prompt_sets:
        main, name = part.setting.main, part.setting.name
        if name in sets.setdefault(main, {}):
            raise ConfigError(f"There are two sets of prompts {name!r} of the original {main!r}.", "Expected one.")
        sets[main][name] = part
    if len({frozenset(of) for of in sets.values()}) != 1:
        found = "; ".join(f"{main}: {', '.join(sorted(of))}" for main, of in sets.items())
        raise ConfigError(
            f"The sets of prompts have these settings by original: {found or 'none'}.",
            "Expected the same ones for each original.",
            "Show each original beside equally many languages.",
        )
    return sets


def _weights(sets: Sets, shares: float | Mapping[str, float]) -> dict[str, float]:
    """The share of each setting, in the order of their names."""
    names = sorted(next(iter(sets.values())))
    others = [name for name in names if name != "direct"]
    if not isinstance(shares, Mapping):
        shares = {"direct": shares} | ({others[0]: 1 - shares} if len(others) == 1 else {})
    values = list(shares.values())
    if sorted(shares) != names or not all(0 <= share <= 1 for share in values) or not math.isclose(sum(values), 1):
        raise ConfigError(
            f"The settings {', '.join(names)} got the shares {dict(shares)}.",
            "Expected a share from 0 to 1 for each, 1 in sum; one number for `direct` and one other setting.",
        )
    return {name: shares[name] for name in names}


def _examples(part: PromptSet) -> dict[str, Example]:
    wordless = [row_id for row_id, right in zip(part.ids, part.references) if not right or is_blank(right[0])]
    if wordless:
        raise CorpusError(f"{len(wordless)} items have no answer, {wordless[0]!r} among them.", "Expected one each.")
    rows = zip(part.ids, part.prompts, part.references, strict=True)
    return {row_id: Example.of(prompt, right[0], part.setting.name, row_id) for row_id, prompt, right in rows}


def _common_ids(by_id: Mapping[str, Mapping[str, Mapping[str, Example]]]) -> tuple[str, ...]:
    found: list[set[str]] = [set(rows) for of in by_id.values() for rows in of.values()]
    if any(ids != found[0] for ids in found):
        odd = min(found[0].union(*found) - found[0].intersection(*found))
        raise CorpusError(f"The sets of prompts differ in their ids: {odd!r} is not in all.", "Expected the same.")
    return tuple(found[0])
