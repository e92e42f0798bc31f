"""Rows about data: SQL, s-expressions, SPARQL, triples, map queries, and programs over scenes."""

from __future__ import annotations

from random import Random

from neuroglot.corpora.symbols.drawn import SymbolRow

_COUNTRIES = ("Kenya", "Peru", "Nepal", "Ghana", "Chile", "Oman", "Laos", "Malta", "Togo", "Fiji", "Cuba", "Mali")
_TABLES = {
    "river": ("length", "depth"), "city": ("people", "schools"), "lake": ("area", "depth"), "peak": ("height", "year"),
    "road": ("length", "lanes"), "park": ("area", "year"),
}  # fmt: skip


def sql(rng: Random) -> SymbolRow:
    """A question about one table: a filter, a count, an extreme, an order or a group."""
    table = rng.choice([*_TABLES])
    column, other = rng.sample(_TABLES[table], 2)
    number, country = rng.randrange(2, 900), rng.choice(_COUNTRIES)
    plural = f"{table[:-1]}ies" if table.endswith("y") else f"{table}s"
    more, sign = rng.choice((("more than", ">"), ("less than", "<"), ("at least", ">="), ("exactly", "=")))
    sentence, query = rng.choice((
        (f"Which {plural} have {column} {more} {number}?",
         f"SELECT name FROM {table} WHERE {column} {sign} {number}"),
        (f"How many {plural} in {country} have {column} {more} {number}?",
         f"SELECT count(*) FROM {table} WHERE country = '{country}' AND {column} {sign} {number}"),
        (f"What are the {column} and the {other} of {plural} in {country} with {other} {more} {number}?",
         f"SELECT {column}, {other} FROM {table} WHERE country = '{country}' AND {other} {sign} {number}"),
        (f"What is the largest {column} of {plural} with {other} {more} {number}?",
         f"SELECT max({column}) FROM {table} WHERE {other} {sign} {number}"),
        (f"Which countries have {plural} with {column} {more} {number}?",
         f"SELECT DISTINCT country FROM {table} WHERE {column} {sign} {number}"),
        (f"List {plural} with {column} {more} {number} by {other}, the largest first.",
         f"SELECT name FROM {table} WHERE {column} {sign} {number} ORDER BY {other} DESC"),
    ))  # fmt: skip
    schema = f"CREATE TABLE {table} (name TEXT, country TEXT, {column} INTEGER, {other} INTEGER);"
    terms = ((table, plural), ("name", "name"), ("country", "country"), (column, column), (other, other))
    return SymbolRow("Write an SQL query.", sentence, query, terms, schema)


_RELATIONS = {
    "flows_through": ("river", "flow through"), "borders": ("country", "border"), "lies_in": ("city", "lie in"),
    "exports_to": ("country", "export to"), "founded_in": ("city", "were founded in"), "rises_in": ("river", "rise in"),
}  # fmt: skip
PLURAL = {"river": "rivers", "country": "countries", "city": "cities"}


def _conditions(rng: Random) -> tuple[str, list[tuple[str, str]], str]:
    """A class, one to three conditions `(relation, thing)`, and the sentence's phrase."""
    kind = rng.choice([*PLURAL])
    names = [name for name, (of_kind, _) in _RELATIONS.items() if of_kind == kind]
    count = rng.choice((1, 2, 2, 3))
    pairs = list(dict.fromkeys((rng.choice(names), rng.choice(_COUNTRIES)) for _ in range(count)))
    phrase = " and ".join(f"{_RELATIONS[name][1]} {thing}" for name, thing in pairs)
    return kind, pairs, f"{PLURAL[kind]} that {phrase}"


def _terms(kind: str, pairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    names = dict.fromkeys(name for name, _ in pairs)
    return ((kind, PLURAL[kind]), *((name, _RELATIONS[name][1]) for name in names))


def s_expressions(rng: Random) -> SymbolRow:
    """Things of a class with some relations, or how many there are, as GrailQA writes them."""
    kind, pairs, phrase = _conditions(rng)
    joined = [f"(JOIN {name} {thing})" for name, thing in pairs]
    inner = f"(AND {kind} {joined[0]})" if len(joined) == 1 else f"(AND {kind} (AND {' '.join(joined)}))"
    counts = rng.random() < 0.4
    answer = f"(COUNT {inner})" if counts else inner
    sentence = f"How many {phrase} are there?" if counts else f"Which are the {phrase}?"
    return SymbolRow("Write an s-expression.", sentence, answer, _terms(kind, pairs))


def sparql(rng: Random) -> SymbolRow:
    """The same questions in SPARQL."""
    kind, pairs, phrase = _conditions(rng)
    counts = rng.random() < 0.4
    shown = "(COUNT(?x) AS ?n)" if counts else "?x"
    triples = " . ".join([f"?x a :{kind}", *(f"?x :{name} :{thing}" for name, thing in pairs)])
    sentence = f"How many {phrase} are there?" if counts else f"Which are the {phrase}?"
    answer = f"SELECT {shown} WHERE {{ {triples} }}"
    return SymbolRow("Write a SPARQL query.", sentence, answer, _terms(kind, pairs))


_FACTS = {
    "capital": "{} is the capital of {}", "sister_city": "{} is a sister city of {}", "founder": "{} founded {}",
    "neighbour": "{} is a neighbour of {}", "painter": "{} painted {}", "author": "{} wrote about {}",
}  # fmt: skip
PEOPLE = ("Amina", "Bruno", "Chidi", "Dalia", "Emre", "Farid", "Greta", "Hana", "Ivo", "Juma", "Kofi", "Lena")


def triples(rng: Random) -> SymbolRow:
    """One to three facts in sentences."""
    facts = dict.fromkeys((rng.choice(PEOPLE), rng.choice([*_FACTS]), rng.choice(_COUNTRIES))
                          for _ in range(rng.randint(1, 3)))  # fmt: skip
    terms = tuple((name, _FACTS[name].format("A", "B")) for name in dict.fromkeys(name for _, name, _ in facts))
    sentence = ". ".join(_FACTS[name].format(first, second) for first, name, second in facts) + "."
    answer = ", ".join(f"({first}, {name}, {second})" for first, name, second in facts)
    return SymbolRow("Write the facts as triples.", sentence, answer, terms)


PLACES = {"schools": "amenity school", "cafes": "amenity cafe", "banks": "amenity bank", "hotels": "tourism hotel",
          "museums": "tourism museum", "bakeries": "shop bakery", "florists": "shop florist"}  # fmt: skip
_ASKED = {"How many": "count", "Where are": "latlong", "What are the names of": "findkey('name')"}
CITIES = ("Paris", "Lima", "Oslo", "Accra", "Quito", "Delhi", "Cairo", "Tunis", "Hanoi", "Bonn", "Turin", "Leeds")


def map_queries(rng: Random) -> SymbolRow:
    """Places of a kind in a city, as NLmaps asks for them."""
    plural, asked = rng.choice([*PLACES]), rng.choice([*_ASKED])
    city, street = rng.choice(CITIES), rng.choice(CITIES)
    key, value = PLACES[plural].split()
    wheelchair = rng.random() < 0.5
    phrase = f"{plural} for wheelchairs" if wheelchair else plural
    more = ",keyval('wheelchair','yes')" if wheelchair else ""
    sentence = f"{asked} {phrase} {'are there ' if asked == 'How many' else ''}in {city} near {street} street?"
    answer = (f"query(area(keyval('name','{city}')),nwr(keyval('{key}','{value}'){more},keyval('street','{street}')),"
              f"qtype({_ASKED[asked]}))")  # fmt: skip
    keys = ((key, "kind of place"), ("wheelchair", "for wheelchairs"), ("street", "near a street"))
    return SymbolRow("Write a map query.", sentence, answer, keys)


COLOURS = ("red", "blue", "green", "grey", "brown", "purple", "cyan", "yellow")
SHAPES = ("cube", "sphere", "cylinder")
_STEPS = (
    ("scene", "all things"), ("filter_size", "of a size"), ("filter_color", "of a color"),
    ("filter_shape", "of a shape"), ("filter_material", "of a material"),
    ("count", "how many"), ("greater_than", "whether more"),
)  # fmt: skip
_SIZES, MATERIALS = ("large", "small"), ("metal", "rubber")


def scenes(rng: Random) -> SymbolRow:
    """How many there are, or whether there are more of one kind than of another, as CLEVR's programs say."""
    phrases, programs = zip(*(_things(rng) for _ in range(2)))
    if rng.random() < 0.5:
        sentence, answer = f"How many {phrases[0]} are there?", f"count({programs[0]})"
    else:
        sentence = f"Are there more {phrases[0]} than {phrases[1]}?"
        answer = f"greater_than(count({programs[0]}), count({programs[1]}))"
    return SymbolRow("Write a program.", sentence, answer, _STEPS)


def _things(rng: Random) -> tuple[str, str]:
    words, program = [], "scene()"
    for step, values in (("size", _SIZES), ("color", COLOURS), ("material", MATERIALS)):
        if rng.random() < 0.5:
            words.append(rng.choice(values))
            program = f"filter_{step}({program}, {words[-1]})"
    words.append(rng.choice(SHAPES))
    return " ".join(words) + "s", f"filter_shape({program}, {words[-1]})"
