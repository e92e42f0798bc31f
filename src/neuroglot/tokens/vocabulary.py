"""More vocabulary for a tokenizer: its byte-pair merges are continued on a corpus.

New merges come behind all others, so that each text is tokenised as before and then merged further: old tokens keep
their ids, and every text comes back as before. Where characters beyond the vocabulary fall back to bytes, the most
frequent ones become tokens first. The vocabulary-sharing study (arXiv 2311.09071) appends pieces of another
SentencePiece model; this is our own way, exact for every tokenizer of byte pairs.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from transformers import AutoTokenizer

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models.shortened import require_unshortened
from neuroglot.models.shortening import BYTE_PIECE, pending_after
from neuroglot.storage import write_whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPACE = "▁"  # how SentencePiece writes a space; words are merged behind it only
LEAST_SEEN = 2  # times that a pair must stand in the corpus to become a token

Word = tuple[int, ...]
Merge = tuple[int, int]


@dataclass(frozen=True)
class Extension:
    """An extended tokenizer, and the old ids that each of its new tokens stands for, in the order of the new ids."""

    tokenizer: PreTrainedTokenizerBase
    old_ids: tuple[tuple[int, ...], ...]


def extend_vocabulary(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], count: int) -> Extension:
    """The tokenizer with at most `count` tokens more, those that byte-pair merging makes of the texts next.

    Fewer if no pair of tokens stands twice within a word. Raises `UnsupportedModelError` for a tokenizer that does not
    merge pairs, `ConfigError` for a count below 1, or if nothing is to be merged.
    """
    if count < 1:
        raise ConfigError(f"{count} new tokens were asked for.", "Expected one or more.")
    stored = json.loads(_backend(tokenizer).to_str())
    require_mergeable(tokenizer, stored)
    texts, model = list(texts), stored["model"]
    names = list(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
    for added in stored["added_tokens"]:  # else those beyond the vocabulary would get other ids behind the new ones
        model["vocab"].setdefault(added["content"], added["id"])
    made: dict[int, tuple[int, ...]] = {}
    for character, old_ids in _characters_in_bytes(tokenizer, texts, names)[:count] if model["byte_fallback"] else ():
        made[len(names)] = old_ids
        model["vocab"][character] = len(names)
        names.append(character)
    words = _words(_with(tokenizer, stored) if made else tokenizer, texts)
    for left, right in merged_pairs(words, names, count - len(made)):
        made[len(names)] = made.get(left, (left,)) + made.get(right, (right,))
        pair = names[left], names[right]
        model["merges"].append(list(pair) if _pairs_are_lists(stored) else " ".join(pair))
        model["vocab"]["".join(pair)] = len(names)
        names.append("".join(pair))
    if not made:
        raise ConfigError(
            "No two tokens stand beside each other twice within the words of the texts.",
            "Expected texts in a language that the tokenizer splits into many tokens.",
        )
    return Extension(_with(tokenizer, stored), tuple(made.values()))


def require_mergeable(tokenizer: PreTrainedTokenizerBase, stored: dict[str, Any] | None = None) -> None:
    """Raise `UnsupportedModelError` for a tokenizer that does not merge pairs of tokens, or merges them otherwise, and
    `ConfigError` for a shortened one.
    """
    require_unshortened(tokenizer)
    stored = json.loads(_backend(tokenizer).to_str()) if stored is None else stored
    model = stored["model"]
    odd = [name for name in ("continuing_subword_prefix", "end_of_word_suffix", "dropout") if model.get(name)]
    if model["type"] != "BPE" or odd:
        kind = f"{model['type']} with {', '.join(odd)}" if odd else model["type"]
        raise UnsupportedModelError(
            f"The tokenizer {type(tokenizer).__name__} is of the kind {kind}.",
            "Expected one of byte-pair merges (BPE), such as those of Llama, Qwen, Gemma and GPT-2.",
        )


def merged_pairs(words: Counter[Word], names: Sequence[str], count: int) -> list[Merge]:
    """The pairs that become tokens, each by the ids of its parts; the first gets the id `len(names)`.

    Always the most frequent pair, of equals that of the lowest ids; one whose name is a token already is left out.
    """
    named, known = list(names), set(names)
    counts = _PairCounts([list(word) for word in words], list(words.values()))
    merges: list[Merge] = []
    while len(merges) < count and (best := counts.most_frequent()) is not None:
        name = named[best[0]] + named[best[1]]
        in_bytes = any(BYTE_PIECE.fullmatch(named[part]) for part in best)  # which are decoded one by one
        if in_bytes or name in known or SPACE in name[1:]:
            counts.leave_out(best)
            continue
        counts.merge(best, len(named))
        merges.append(best)
        named.append(name)
        known.add(name)
    return merges


class _PairCounts:
    """How often two tokens stand beside each other within words, kept while pairs are merged."""

    def __init__(self, words: list[list[int]], weights: list[int]) -> None:
        self.words, self.weights = words, weights
        self.counts: Counter[Merge] = Counter()
        self.places: defaultdict[Merge, set[int]] = defaultdict(set)
        self.left_out: set[Merge] = set()
        for place in range(len(words)):
            self._count(place)

    def most_frequent(self) -> Merge | None:
        best = min(self.counts, key=lambda pair: (-self.counts[pair], pair), default=None)
        return None if best is None or self.counts[best] < LEAST_SEEN else best

    def leave_out(self, pair: Merge) -> None:
        self.left_out.add(pair)
        del self.counts[pair]

    def merge(self, pair: Merge, new: int) -> None:
        for place in self.places.pop(pair):
            for other in pairwise(self.words[place]):
                self.counts[other] -= self.weights[place]  # of those left out too, which `+` drops again
            self.words[place] = list(_merged(self.words[place], pair, new))
            self._count(place)
        self.counts = +self.counts

    def _count(self, place: int) -> None:
        for pair in pairwise(self.words[place]):
            if pair not in self.left_out:
                self.counts[pair] += self.weights[place]
                self.places[pair].add(place)


def _merged(word: Sequence[int], pair: Merge, new: int) -> Iterator[int]:
    index = 0
    while index < len(word):
        if tuple(word[index : index + 2]) == pair:
            yield new
            index += 2
        else:
            yield word[index]
            index += 1


def _words(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> Counter[Word]:
    """How often each word stands in the texts, as ids; words are what the tokenizer never merges across."""
    words: Counter[Word] = Counter()
    for encoding in _backend(tokenizer).encode_batch(list(texts), add_special_tokens=False):
        word: list[int] = []
        last: int | None = None
        for token, number in zip(encoding.ids, encoding.word_ids, strict=True):
            if number != last and word:
                words[tuple(word)] += 1
                word = []
            word.append(token)
            last = number
        words[tuple(word)] += 1
    return words


def _characters_in_bytes(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], names: Sequence[str]
) -> list[tuple[str, Word]]:
    """Characters that fall back to bytes, as ids, the most frequent first."""
    seen: Counter[tuple[str, Word]] = Counter()
    for encoding in _backend(tokenizer).encode_batch(list(texts), add_special_tokens=False):
        ids: Word = ()
        for token in encoding.ids:
            byte = BYTE_PIECE.fullmatch(names[token])
            ids = (*ids, token) if byte else ()
            written = bytes(int(names[part][3:5], 16) for part in ids)
            if ids and pending_after(written) == 0:
                seen[written.decode("utf-8", "replace"), ids] += 1
                ids = ()
    named = [each for each, count in seen.items() if count >= LEAST_SEEN and len(each[0]) == 1 and len(each[1]) > 1]
    return sorted(named, key=lambda each: (-seen[each], each))


def _pairs_are_lists(stored: dict[str, Any]) -> bool:
    merges = stored["model"]["merges"]
    return not merges or isinstance(merges[0], list)  # older files have `left right`


def _backend(tokenizer: PreTrainedTokenizerBase) -> Any:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UnsupportedModelError(
            f"The tokenizer {type(tokenizer).__name__} has no tokenizer.json.",
            "Expected a fast tokenizer.",
            "Load it with AutoTokenizer.from_pretrained(..., use_fast=True), or convert it.",
        )
    return backend


def _with(tokenizer: PreTrainedTokenizerBase, stored: dict[str, Any]) -> PreTrainedTokenizerBase:
    """The tokenizer once more, from this tokenizer.json and its own other files."""
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        write_whole(Path(folder) / "tokenizer.json", json.dumps(stored, ensure_ascii=False))
        made: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return made
