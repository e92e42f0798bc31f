"""Rows about what is said and done: plans, AMR, TOP, SCAN, logic, patterns, geometry, sums and molecules."""

from __future__ import annotations

from random import Random

from neuroglot.corpora.symbols.drawn import SymbolRow, capital

BLOCKS = "abcdefgh"


def plans(rng: Random) -> SymbolRow:
    """The goal of a world of blocks in PDDL."""
    facts: dict[str, str] = {}
    for _ in range(rng.randint(2, 3)):
        first, second = rng.sample(BLOCKS, 2)
        sentence, fact = rng.choice((
            (f"block {first} is on block {second}", f"(on {first} {second})"),
            (f"block {first} is on the table", f"(ontable {first})"),
            (f"nothing is on block {first}", f"(clear {first})"),
        ))  # fmt: skip
        facts[fact] = sentence
    terms = (("on", "on a block"), ("ontable", "on the table"), ("clear", "nothing is on it"))
    told = f"{capital(', and '.join(facts.values()))}."
    return SymbolRow("Write the goal in PDDL.", told, f"(and {' '.join(facts)})", terms)


AGENTS = ("boy", "girl", "dog", "teacher", "doctor", "king", "farmer", "child")
VERBS = {"visits": "visit-01", "sees": "see-01", "helps": "help-01", "finds": "find-01", "paints": "paint-02"}
ADJECTIVES = ("old", "young", "happy", "tall", "quiet", "brave")
WHEN = {"today": "today", "tomorrow": "tomorrow", "yesterday": "yesterday"}


def meanings(rng: Random) -> SymbolRow:
    """Somebody does something to somebody, perhaps wants to, perhaps not, as an AMR graph."""
    agent, theme = rng.sample(AGENTS, 2)
    verb = rng.choice([*VERBS])
    adjective, when = rng.choice(("", *ADJECTIVES)), rng.choice(("", *WHEN))
    subject = f"the {adjective} {agent}" if adjective else f"the {agent}"
    concept = f"(a / {agent} :mod (m / {adjective}))" if adjective else f"(a / {agent})"
    time = f" :time (t / {when})" if when else ""
    ending = f" the {theme}{' ' + when if when else ''}."
    kind = rng.choice(("does", "wants", "not"))
    if kind == "wants":
        sentence = f"{subject} wants to {verb[:-1]}{ending}"
        answer = f"(w / want-01 :ARG0 {concept} :ARG1 (v / {VERBS[verb]} :ARG0 a :ARG1 (b / {theme}){time}))"
    else:
        negation = " :polarity -" if kind == "not" else ""
        sentence = f"{subject} {'does not ' + verb[:-1] if negation else verb}{ending}"
        answer = f"(v / {VERBS[verb]}{negation} :ARG0 {concept} :ARG1 (b / {theme}){time})"
    frames = ((VERBS[verb], verb[:-1]), *((("want-01", "want"),) if kind == "wants" else ()))
    return SymbolRow("Write the AMR.", capital(sentence), answer, frames)


def parses(rng: Random) -> SymbolRow:
    """A wish to an assistant with its intent and slots, as TOP has them."""
    hour, place, person = rng.randint(1, 12), rng.choice(("home", "work", "school", "the gym")), rng.choice(AGENTS)
    time = f"at {hour} {rng.choice(('am', 'pm'))}"
    what = rng.choice(("sum up", "call back", "buy bread", "water plants", "feed the cat", "pay rent"))
    sentence, answer, names = rng.choice((
        (f"Set an alarm {time} for {place}",
         f"[IN:CREATE_ALARM [SL:DATE_TIME {time} ] [SL:ALARM_NAME {place} ] ]",
         ("CREATE_ALARM", "DATE_TIME", "ALARM_NAME")),
        (f"Remind me to {what} {time}",
         f"[IN:CREATE_REMINDER [SL:TODO {what} ] [SL:DATE_TIME {time} ] ]",
         ("CREATE_REMINDER", "TODO", "DATE_TIME")),
        (f"How long to {place} if I leave {time}",
         f"[IN:GET_DURATION [SL:DESTINATION {place} ] [SL:DATE_TIME {time} ] ]",
         ("GET_DURATION", "DESTINATION", "DATE_TIME")),
        (f"Tell the {person} to {what} {time}",
         f"[IN:SEND_MESSAGE [SL:RECIPIENT {person} ] [SL:CONTENT {what} ] [SL:DATE_TIME {time} ] ]",
         ("SEND_MESSAGE", "RECIPIENT", "CONTENT", "DATE_TIME")),
    ))  # fmt: skip
    terms = tuple((name, name.lower().replace("_", " ")) for name in names)
    return SymbolRow("Write the intent and its slots.", sentence, answer, terms)


_STEPS = {"walk": "I_WALK", "run": "I_RUN", "jump": "I_JUMP", "look": "I_LOOK"}
TURNS = {"left": "I_TURN_LEFT", "right": "I_TURN_RIGHT"}
TIMES = {"": 1, " twice": 2, " thrice": 3}


def commands(rng: Random) -> SymbolRow:
    """A command of SCAN (Lake and Baroni 2018, appendix) and its actions."""
    (first, done), (second, then) = (_phrase(rng) for _ in range(2))
    joined = rng.choice(("", " and ", " after "))
    if not joined:
        command, actions = first, done
    elif joined == " and ":
        command, actions = f"{first} and {second}", [*done, *then]
    else:
        command, actions = f"{first} after {second}", [*then, *done]
    terms = (
        *((name, word) for word, name in _STEPS.items()),
        *((name, f"turn {word}") for word, name in TURNS.items()),
    )
    return SymbolRow("Write the actions.", command, " ".join(actions), terms)


def _phrase(rng: Random) -> tuple[str, list[str]]:
    verb, side, times = rng.choice(("turn", *_STEPS)), rng.choice([*TURNS]), rng.choice([*TIMES])
    manner = rng.choice(("", "opposite ", "around "))
    step = [] if verb == "turn" else [_STEPS[verb]]
    turn = [TURNS[side]]
    if verb != "turn" and rng.random() < 0.25:
        return f"{verb}{times}", step * TIMES[times]
    actions = {"": turn + step, "opposite ": turn * 2 + step, "around ": (turn + step) * 4}[manner]
    return f"{verb} {manner}{side}{times}", actions * TIMES[times]


_CLASSES = {"dog": "Dog", "bird": "Bird", "king": "King", "child": "Child", "farmer": "Farmer", "doctor": "Doctor"}
QUALITIES = {"happy": "Happy", "old": "Old", "rich": "Rich", "tall": "Tall", "calm": "Calm", "brave": "Brave"}


def formulas(rng: Random) -> SymbolRow:
    """A sentence about all, some or no things of a class, in first-order logic."""
    noun = rng.choice([*_CLASSES])
    qualities = rng.sample([*QUALITIES], 3)
    first, second, third = (QUALITIES[word] for word in qualities)
    word, other, last = qualities
    of = f"{_CLASSES[noun]}(x)"
    sentence, answer = rng.choice((
        (f"Every {noun} that is {word} is {other}.", f"∀x ({of} ∧ {first}(x) → {second}(x))"),
        (f"No {noun} that is {word} is {other}.", f"∀x ({of} ∧ {first}(x) → ¬{second}(x))"),
        (f"Some {noun} is {word} and {other}.", f"∃x ({of} ∧ {first}(x) ∧ {second}(x))"),
        (f"Every {noun} is {word} or {other}.", f"∀x ({of} → {first}(x) ∨ {second}(x))"),
        (f"Every {noun} is either {word} or {other}, but not both.", f"∀x ({of} → {first}(x) ⊕ {second}(x))"),
        (f"A {noun} is {word} if and only if it is {other} and {last}.",
         f"∀x ({of} → ({first}(x) ↔ {second}(x) ∧ {third}(x)))"),
        (f"Some {noun} is {word} but not {other}, and {last}.",
         f"∃x ({of} ∧ {first}(x) ∧ ¬{second}(x) ∧ {third}(x))"),
    ))  # fmt: skip
    terms = ((_CLASSES[noun], noun), (first, word), (second, other), (third, last))
    return SymbolRow("Write the sentence in first-order logic.", sentence, answer, terms)


_PIECES = {"a digit": "[0-9]", "a capital letter": "[A-Z]", "a small letter": "[a-z]", "a vowel": "[aeiou]"}
_WORDS = ("dog", "cat", "sun", "tree", "fish", "moon", "ring", "lamp")


def patterns(rng: Random) -> SymbolRow:
    """What a line holds, begins or ends with, as a regular expression in the notation of NL-RX."""
    pieces = [*_PIECES.items(), *((f"the word {word}", word) for word in _WORDS)]
    (first, one), (second, other) = rng.sample(pieces, 2)
    least = rng.randint(2, 6)
    counted, unit = rng.choice([*_PIECES.items()])
    sentence, answer = rng.choice((
        (f"Lines with {first} before {second}.", f".*{one}.*{other}.*"),
        (f"Lines that begin with {first} and end with {second}.", f"{one}.*{other}"),
        (f"Lines with {first} or {second}, at least {least} times.", f"(.*({one}|{other})){{{least},}}.*"),
        (f"Lines with {first} but not {second}.", f".*{one}.*&~(.*{other}.*)"),
        (f"Lines of {first} and then {least} or more of {counted}.", f"{one}{unit}{{{least},}}"),
    ))  # fmt: skip
    return SymbolRow("Write a regular expression for whole lines.", sentence, answer)


PREDICATES = (
    ("Parallel", "parallel"), ("Perpendicular", "perpendicular"), ("Equals", "is as much as"), ("LengthOf", "length"),
    ("MeasureOf", "degrees"), ("Line", "a line"), ("Angle", "an angle"),
)  # fmt: skip


def diagrams(rng: Random) -> SymbolRow:
    """What a text says of a diagram, as predicates of Geometry3K."""
    a, b, c, d = rng.sample("ABCDEFGHJK", 4)
    number = rng.randint(2, 170)
    said = {
        f"{a}{b} is parallel to {c}{d}": f"Parallel(Line({a}, {b}), Line({c}, {d}))",
        f"{a}{b} is perpendicular to {c}{d}": f"Perpendicular(Line({a}, {b}), Line({c}, {d}))",
        f"the length of {a}{b} is {number}": f"Equals(LengthOf(Line({a}, {b})), {number})",
        f"the angle {a}{b}{c} is {number} degrees": f"Equals(MeasureOf(Angle({a}, {b}, {c})), {number})",
        f"{a}{b} is as long as {c}{d}": f"Equals(LengthOf(Line({a}, {b})), LengthOf(Line({c}, {d})))",
    }
    sentences = rng.sample([*said], 2)
    told = f"{capital(' and '.join(sentences))}."
    return SymbolRow("Write the predicates.", told, "; ".join(said[sentence] for sentence in sentences), PREDICATES)


def sums(rng: Random) -> SymbolRow:
    """A sum in words, as a line of Python."""
    name, thing = rng.choice(("Amina", "Bruno", "Chidi", "Dalia")), rng.choice(("apples", "books", "coins", "pens"))
    a, b, c = (rng.randint(2, 40) for _ in range(3))
    sentence, answer = rng.choice((
        (f"{name} has {a} {thing} and buys {b} boxes of {c}. How many {thing} are there?", f"answer = {a} + {b} * {c}"),
        (f"{name} has {a + b} {thing} and gives away {b}. How many {thing} are left?", f"answer = {a + b} - {b}"),
        (f"{a} friends with {b} {thing} each share them among {c}. How many has each?", f"answer = {a} * {b} / {c}"),
        (f"{name} buys {a} and then {b} bags of {c} {thing}. How many is that?", f"answer = ({a} + {b}) * {c}"),
    ))  # fmt: skip
    return SymbolRow("Write a line of Python that sets answer.", sentence, answer)


_GROUPS = {"hydroxyl": "O", "amino": "N", "chloro": "Cl", "bromo": "Br", "fluoro": "F", "thiol": "S", "methyl": "C"}


def molecules(rng: Random) -> SymbolRow:
    """A chain of carbon atoms with groups on some of them, in SMILES."""
    size = rng.randint(4, 12)
    atoms = sorted(rng.sample(range(2, size), rng.randint(1, 2)))
    groups = [rng.choice([*_GROUPS]) for _ in atoms]
    told = " and ".join(f"a {group} group on atom {atom}" for group, atom in zip(groups, atoms))
    chain = ["C"] * size
    for group, atom in zip(groups, atoms):
        chain[atom - 1] = f"C({_GROUPS[group]})"
    return SymbolRow("Write the molecule in SMILES.", f"A chain of {size} carbon atoms with {told}.", "".join(chain))
