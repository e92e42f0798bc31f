"""Text by pair of languages, whose rows differ from pair to pair: Moses' and OPUS's pairs of files, and Lego-MT's.

`{name}.de-en.de` and `{name}.de-en.en` are one pair. In Lego-MT's release `{split}.en-trg1.en` and
`{split}.en-trg1.trg1` hold all pairs of a core language, and each line of both begins with the tag of its language,
`__de__ `; shards lie in folders `split_1`, `split_2`. Every pair is read both ways.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directed import Directed
from neuroglot.corpora.directions import Direction
from neuroglot.corpora.documents import among, document_names, documents_beside
from neuroglot.corpora.languages import known_code
from neuroglot.corpora.seen import which_have
from neuroglot.corpora.textfiles import COMPRESSED, read_lines
from neuroglot.errors import CorpusError
from neuroglot.signature import short_hash

TAG = re.compile(r"__([A-Za-z][A-Za-z_-]*?)__ (.*)", re.DOTALL)
PAIR_FILE = re.compile(
    r"(?P<stem>.+)\.(?P<first>[A-Za-z][A-Za-z_]*)-(?P<second>[A-Za-z][A-Za-z_]*[0-9]*)\.(?P<side>[^.]+)"
)
PSEUDO = re.compile(r"trg[0-9]*")  # stands for every language that has a tag

TextsByDirection = dict[Direction, Corpus]
_Place = tuple[str, tuple[str, ...]]  # file and line, and the documents of both sides


@dataclass(frozen=True, eq=False)
class TrainingText:
    """What a translation model learns from: rows of each direction, and `texts` by language, of any number.

    `largest` are the rows that say most of what a step costs: all of parallel text, or those of the largest direction.
    """

    name: str
    hash: str
    texts: Mapping[str, Sequence[str]]
    pairs: Mapping[Direction, Corpus]
    largest: Directed

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.texts)

    @property
    def read(self) -> list[Sequence[str]]:
        """The texts of every language that a direction has."""
        codes = dict.fromkeys(code for each in self.pairs for code in (each.source, each.target))
        return [self.texts[code] for code in codes]

    @classmethod
    def of_rows(cls, corpus: Corpus, directions: Sequence[Direction]) -> TrainingText:
        """Parallel rows, read in every direction; raises `CorpusError` for a language that they lack."""
        pairs = {each: corpus.select([each.source, each.target]) for each in directions}
        return cls(corpus.name, corpus.hash, corpus.texts, pairs, Directed(corpus, tuple(directions)))

    @classmethod
    def of_pairs(
        cls, name: str, pairs: Mapping[Direction, Corpus], languages: Sequence[str],
        directions: Sequence[Direction] | None = None,
    ) -> TrainingText:  # fmt: skip
        """The rows of these directions, by default of all between the languages.

        Raises `CorpusError` for a direction and a language without rows.
        """
        wanted = [each for each in pairs if {each.source, each.target} <= {*languages}]
        chosen = wanted if directions is None else list(directions)
        there = {code for each in chosen for code in (each.source, each.target)}
        lacking = [
            *(str(each) for each in chosen if each not in pairs),
            *(code for code in languages if code not in there),
        ]
        if lacking:
            raise CorpusError(
                f"{name} has no text of {lacking[0]}.", f"It has {', '.join(map(str, pairs)) or 'none'}.",
                "Name the languages that are there (--languages), or other directions.",
            )  # fmt: skip
        own = {each: pairs[each] for each in chosen}
        texts = {
            code: tuple(dict.fromkeys(text for rows in own.values() for text in rows.texts.get(code, ())))
            for code in languages
        }
        hashed = short_hash(*(part for each, rows in own.items() for part in (str(each), rows.hash)))
        longest = max(own, key=lambda each: len(own[each]))
        return cls(name, hashed, texts, own, Directed(own[longest], (longest,)))


def without_texts(pairs: Mapping[Direction, Corpus], hashes: Collection[int]) -> tuple[TextsByDirection, int]:
    """The rows of every direction that have none of these texts and are of no document that has one, and how many were
    left out; hashes are those of `text_hashes`. A direction of which nothing is left is left out.
    """
    kept, left_out = {}, 0
    having = {direction: which_have(rows, hashes) for direction, rows in pairs.items()}
    known = {
        name
        for each, seen in having.items()
        if seen.any()
        for name in document_names(pairs[each].take(seen.nonzero()[0]))
    }
    for direction, rows in pairs.items():
        seen = having[direction] | among(rows, known)
        left_out += int(seen.sum())
        if not seen.all():
            kept[direction] = rows if not seen.any() else rows.take((~seen).nonzero()[0])
    return kept, left_out


def pair_files(folder: Path, split: str | None = None) -> dict[tuple[Path, str, str], dict[str, Path]]:
    """The files of each pair, by the language that each is of; only those of a `split`, if it is named."""
    found: dict[tuple[Path, str, str], dict[str, Path]] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = path.name
        for ending in COMPRESSED:
            name = name.removesuffix(ending)
        match = PAIR_FILE.fullmatch(name)
        if match is None or not path.is_file() or match["side"] not in (match["first"], match["second"]):
            continue
        if split in (None, match["stem"]):
            found.setdefault((path.parent / match["stem"], match["first"], match["second"]), {})[match["side"]] = path
    return found


def is_by_pair(source: str | Path) -> bool:
    """Whether a folder holds text by pair of languages."""
    return any(len(sides) == 2 for sides in pair_files(Path(source)).values())


def is_one_pair(source: str | Path) -> bool:
    """Whether a folder's text is that of a single pair, so that its rows are parallel in all of its languages."""
    pairs = pair_files(Path(source))
    return len(pairs) == 1 and not any(PSEUDO.fullmatch(second) for _, _, second in pairs)


def read_pairs(folder: Path | str, split: str | None = None) -> TextsByDirection:
    """The rows of every pair in a folder, both ways, each once, in the order of files and lines.

    Blank rows are left out and counted. Raises `CorpusError` where one side of a pair is missing, sides have other
    numbers of lines, a line of the release lacks its tag, the core language is not what the file's name says, a
    language is unknown, or nothing is there.
    """
    folder = Path(folder)
    rows: dict[Direction, dict[tuple[str, str], _Place]] = {}
    left_out: Counter[Direction] = Counter()
    for (stem, first, second), sides in pair_files(folder, split).items():
        if len(sides) < 2:
            raise CorpusError(
                f"{stem}.{first}-{second} has the side {', '.join(sides)} only.", "Expected a file of each language."
            )
        stem = stem.with_name(f"{stem.name}.{first}-{second}")
        for place, source, target, texts in _lines(stem, sides[first], sides[second], first, second):
            for direction, pair in ((Direction(source, target), texts), (Direction(target, source), texts[::-1])):
                if any(map(is_blank, pair)):
                    left_out[direction] += 1
                else:
                    rows.setdefault(direction, {}).setdefault(pair, place)
    if not rows:
        raise CorpusError(
            f"{folder} holds no text by pair{f' of the split {split!r}' if split else ''}.",
            "Expected files such as train.de-en.de and train.de-en.en, or train.en-trg1.en and train.en-trg1.trg1.",
        )
    return {direction: _corpus(folder, direction, pairs, left_out[direction]) for direction, pairs in rows.items()}


def _corpus(folder: Path, direction: Direction, pairs: Mapping[tuple[str, str], _Place], dropped: int) -> Corpus:
    sources, targets = zip(*pairs, strict=True)
    texts = {direction.source: sources, direction.target: targets}
    ids, documents = zip(*pairs.values(), strict=True)
    known = (named or (row_id, row_id) for row_id, named in pairs.values())  # a row of none is one by itself
    columns = tuple(zip(*known, strict=True)) if any(documents) else ()
    return Corpus(f"{folder.name} {direction}", ids, texts, dropped=dropped, documents=columns)


def _lines(
    stem: Path, first: Path, second: Path, code: str, other: str
) -> Iterator[tuple[_Place, str, str, tuple[str, str]]]:
    """Place, both languages, and both texts of every line."""
    columns = [read_lines(first), read_lines(second)]
    if len(columns[0]) != len(columns[1]):
        raise CorpusError(
            f"{first.name} has {len(columns[0])} lines and {second.name} {len(columns[1])}.", "Expected as many."
        )
    documents = documents_beside(stem, len(columns[0]))
    tagged = bool(PSEUDO.fullmatch(other))
    known = None if tagged else (_known(code, first), _known(other, second))
    for number, pair in enumerate(zip(*columns, strict=True), 1):
        line = f"{first.parent.name}/{first.name}:{number}"
        place = line, tuple(column[number - 1] for column in documents)
        if known is not None:
            yield place, *known, pair
            continue
        (source, text), (target, answer) = (_untagged(line, path, number) for line, path in zip(pair, (first, second)))
        if source != _known(code, first):
            raise CorpusError(f"{line} begins with the tag of {source!r}.", f"Expected {code!r} in every line.")
        yield place, source, target, (text, answer)


def _untagged(line: str, path: Path, number: int) -> tuple[str, str]:
    match = TAG.fullmatch(line)
    if match is None:
        raise CorpusError(
            f"{path}:{number} reads {line[:40]!r}.", "Expected the tag of its language first, such as '__de__ '."
        )
    return _known(match[1], path), match[2]


def _known(tag: str, path: Path) -> str:
    code = known_code(tag)
    if code is None:
        raise CorpusError(f"{path} names the language {tag!r}, which is unknown.", "Expected a code such as 'de'.")
    return code
