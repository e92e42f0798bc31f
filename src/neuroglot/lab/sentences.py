"""The kinds of sentence in the lab's documents: how the slots of each are drawn, and how a language renders them.

Slots say what a sentence means, independent of language. Each combination of slots belongs by its hash to the training
or to the held-out side, whatever the seed, so that no sentence of one side occurs on the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from zlib import crc32

from neuroglot.lab import cldr
from neuroglot.lab.cldr import LARGEST, number_words
from neuroglot.lab.languages import phrasebook
from neuroglot.lab.phrasebook import SIZES

Slots = tuple
FIRST_DAY, DAYS = date(1950, 1, 1), 30_000  # dates are drawn from 1950 to early 2032
HELD_OUT_ONE_IN = 8
AGO_HOURS = (*range(2, 22), *range(48, 144, 24), 336, 504)  # hours, days and weeks that CLDR rounds to themselves


@dataclass(frozen=True)
class SentenceKind:
    """`draw` gives slots, `values` what fills the template in one language; `share` is its weight in a document.

    `fact` marks sentences that have to occur in training, since no rule gives them: no held-out document has one.
    """

    share: int
    draw: Callable[[Random], Slots]
    values: Callable[[str, Slots], dict[str, str]]
    fact: bool = False


def is_held_out(kind: str, slots: Slots) -> bool:
    """Whether these slots belong to the held-out side: one combination in eight, by a hash that no seed changes."""
    return crc32(repr((kind, slots)).encode()) % HELD_OUT_ONE_IN == 0


def draw_sided(kind: str, draw: Callable[[Random], Slots], rng: Random, held_out: bool) -> Slots:
    """Slots from `draw`, repeated until they belong to the side that is asked for."""
    while True:
        slots = draw(rng)
        if is_held_out(kind, slots) == held_out:
            return slots


def draw_sentence(rng: Random, held_out: bool) -> tuple[str, Slots]:
    """A kind of sentence, drawn by its share, and its slots."""
    kind = rng.choices(list(KINDS), [kind.share for kind in KINDS.values()])[0]
    if KINDS[kind].fact:
        return kind, KINDS[kind].draw(rng)
    return kind, draw_sided(SAME_SPLIT.get(kind, kind), KINDS[kind].draw, rng, held_out)


def render(kind: str, slots: Slots, language: str) -> str:
    """The sentence in one language, its first letter in upper case."""
    book = phrasebook(language)
    if kind == "narrative":
        text = book.narrative(*slots)
    elif kind == "says":
        text = book.says(*slots)
    else:
        text = book.templates[kind].format(**KINDS[kind].values(language, slots))
    return text[0].upper() + text[1:]


def positions(*tables: str) -> Callable[[Random], Slots]:
    """Draws one position in each of these tables of the phrasebook."""
    return lambda rng: tuple(rng.randrange(SIZES[name]) for name in tables)


def draw_day(rng: Random) -> Slots:
    """A date."""
    return (FIRST_DAY + timedelta(days=rng.randrange(DAYS)),)


def draw_number(rng: Random) -> Slots:
    """A number, half of them below 100, where the words are least regular."""
    return (rng.randint(1, 99 if rng.random() < 0.5 else LARGEST),)


def draw_sum(rng: Random) -> Slots:
    """Two small numbers to add."""
    return rng.randint(1, 20), rng.randint(1, 20)


def draw_countries(rng: Random) -> Slots:
    """Three countries."""
    return tuple(rng.sample(cldr.COUNTRIES, 3))


def clauses(language: str, slots: Slots) -> dict[str, str]:
    """Two whole clauses of the phrasebook."""
    book = phrasebook(language)
    return {"first": book.clauses[slots[0]], "second": book.clauses[slots[1]]}


def sum_words(language: str, slots: Slots) -> dict[str, str]:
    """Two numbers and their sum, in words."""
    first, second, total = (number_words(n, language) for n in (*slots, sum(slots)))
    return {"first": first, "second": second, "total": total}


# A number or a date that is held out of one kind of sentence is held out of every other, and of the tasks.
SAME_SPLIT = {"today": "day"}

KINDS: dict[str, SentenceKind] = {
    "narrative": SentenceKind(8, positions("subjects", "predicates", "adverbials"), lambda language, slots: {}),
    "both": SentenceKind(3, lambda rng: tuple(rng.sample(range(SIZES["clauses"]), 2)), clauses),
    "but": SentenceKind(3, lambda rng: tuple(rng.sample(range(SIZES["clauses"]), 2)), clauses),
    "says": SentenceKind(3, positions("subjects", "clauses"), lambda language, slots: {}),
    "located": SentenceKind(
        3,
        positions("things", "places"),
        lambda g, s: {"thing": phrasebook(g).things[s[0]], "place": phrasebook(g).places[s[1]]},
    ),
    "name": SentenceKind(
        1,
        lambda rng: (rng.randrange(SIZES["names"]), rng.randint(5, 90)),
        lambda g, s: {"name": phrasebook(g).names[s[0]], "age": str(s[1])},
    ),
    "today": SentenceKind(1, draw_day, lambda g, s: {"full_date": cldr.day(s[0], "full", g)}),
    "meeting": SentenceKind(
        1,
        lambda rng: (*draw_day(rng), f"{rng.randint(7, 20):02}:{rng.randrange(0, 60, 15):02}"),
        lambda g, s: {"full_date": cldr.day(s[0], "full", g), "time": s[1]},
    ),
    "country": SentenceKind(
        2,
        lambda rng: (rng.choice(cldr.COUNTRIES),),
        lambda g, s: {"country": cldr.country(s[0], g), "currency": cldr.currency(s[0], g)},
        fact=True,
    ),
    "price": SentenceKind(
        1,
        lambda rng: (rng.randint(2, 99), rng.choice(cldr.COUNTRIES)),
        lambda g, s: {"amount": cldr.amount(s[0], s[1], g)},
    ),
    "weather": SentenceKind(
        1,
        lambda rng: (rng.choice(cldr.COUNTRIES), rng.randint(2, 40)),
        lambda g, s: {"country": cldr.country(s[0], g), "celsius": cldr.unit(s[1], "temperature-celsius", g)},
    ),
    "weight": SentenceKind(
        1,
        lambda rng: (rng.randrange(SIZES["things"]), rng.randint(2, 40)),
        lambda g, s: {"thing": phrasebook(g).things[s[0]], "kilograms": cldr.unit(s[1], "mass-kilogram", g)},
    ),
    "ago": SentenceKind(1, lambda rng: (rng.choice(AGO_HOURS),), lambda g, s: {"ago": cldr.ago(s[0], g)}),
    "number": SentenceKind(1, draw_number, lambda g, s: {"digits": str(s[0]), "words": number_words(s[0], g)}),
    "sum": SentenceKind(1, draw_sum, sum_words),
    "list": SentenceKind(
        1, draw_countries, lambda g, s: {"countries": cldr.listing([cldr.country(code, g) for code in s], g)}
    ),
}
