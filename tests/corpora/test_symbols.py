"""The table of Symbol-LLM's tasks, the generators, and Symbol-evol."""

import re
import string
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuroglot import corpora
from neuroglot.corpora.symbols import (
    GENERATORS,
    SYMBOL_TASKS,
    drawn_renaming,
    renamed,
    restored,
    symbol_corpus,
    symbol_rows,
    symbol_source,
    symbol_task,
)
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.forms import FORMS, verdicts


def test_the_table_has_34_tasks_in_12_domains_with_known_forms() -> None:
    assert len(SYMBOL_TASKS) == len({task.name for task in SYMBOL_TASKS}) == 34
    domains = Counter(task.domain for task in SYMBOL_TASKS)
    assert len(domains) == 12
    assert sorted(domains.values()) == sorted([4, 3, 3, 3, 2, 3, 1, 5, 3, 3, 3, 1])
    assert {form for task in SYMBOL_TASKS for form in task.forms} == set(FORMS)
    assert {task.published for task in SYMBOL_TASKS} == {"BLEU", "exact match", "F1", "Smatch", "logical equivalence"}


def test_every_domain_has_a_generator() -> None:
    without = {task.domain for task in SYMBOL_TASKS} - {
        task.domain for task in SYMBOL_TASKS if set(task.forms) & set(GENERATORS)
    }
    assert without == set()
    assert set(GENERATORS) <= set(FORMS)


@pytest.mark.parametrize("form", GENERATORS)
def test_generated_answers_are_of_their_form_and_on_one_side(form: str) -> None:
    if FORMS[form].package:
        pytest.importorskip(FORMS[form].package)
    held_out, training = symbol_rows(form, 60), symbol_rows(form, 200, held_out=False)
    answers = [row.answer for row in held_out + training]
    assert len(set(answers)) == 260
    assert not any("\n" in answer or answer != answer.strip() for answer in answers)
    changed = symbol_rows(form, 60, renames=True)
    rows = [(row.answer, row.answer, {"prompt": row.prompt}) for row in (*held_out, *changed)]
    assert {told.word for told in verdicts(form, rows)} == {"equal"}
    others = [(after[0], before[1], before[2]) for before, after in pairwise(rows[:60])]
    told = Counter(verdict.word for verdict in verdicts(form, others))
    assert told["equal"] <= 6  # other answers mean other things, with few exceptions
    assert told["invalid"] <= (59 if form == "x-sql" else 0)  # of a table that is not there


@pytest.mark.parametrize("form", GENERATORS)
def test_rows_are_the_same_for_a_seed_and_others_for_another(form: str) -> None:
    assert symbol_rows(form, 20) == symbol_rows(form, 40)[:20]
    assert symbol_rows(form, 20) != symbol_rows(form, 20, seed=1)
    assert not {row.answer for row in symbol_rows(form, 40)} & {row.answer for row in symbol_rows(form, 40, 5, False)}


def test_numbers_in_maths_are_right() -> None:
    for row in symbol_rows("x-maths", 100):
        a, b, c = (int(number) for number in re.findall(r"\d+", row.input + " 1")[:3])
        solved = {"boxes of": a + b * c, "gives away": a - b, "friends with": a * b / c, "and then": (a + b) * c}
        (value,) = [result for words, result in solved.items() if words in row.input]
        assert eval_sum(row.answer) == value, row


def eval_sum(answer: str) -> float:
    """What `answer = ...` of numbers, signs and brackets gives, by the shunting of two stacks."""
    tokens, values, signs = re.findall(r"\d+|[()+*/-]", answer.partition("=")[2]), [], []
    rank = {"+": 1, "-": 1, "*": 2, "/": 2}

    def reduce() -> None:
        second, first, sign = values.pop(), values.pop(), signs.pop()
        values.append({"+": first + second, "-": first - second, "*": first * second, "/": first / second}[sign])

    for token in tokens:
        if token.isdigit():
            values.append(float(token))
        elif token == "(":
            signs.append(token)
        elif token == ")":
            while signs[-1] != "(":
                reduce()
            signs.pop()
        else:
            while signs and rank.get(signs[-1], 0) >= rank[token]:
                reduce()
            signs.append(token)
    while signs:
        reduce()
    return values[0]


@pytest.mark.parametrize(
    ("command", "actions"),
    [
        ("jump", "I_JUMP"), ("walk left twice", "I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK"),
        ("run opposite right", "I_TURN_RIGHT I_TURN_RIGHT I_RUN"),
        ("look around left", "I_TURN_LEFT I_LOOK I_TURN_LEFT I_LOOK I_TURN_LEFT I_LOOK I_TURN_LEFT I_LOOK"),
        ("turn around right", "I_TURN_RIGHT I_TURN_RIGHT I_TURN_RIGHT I_TURN_RIGHT"),
        ("turn opposite left", "I_TURN_LEFT I_TURN_LEFT"),
    ],
)  # fmt: skip
def test_commands_have_the_published_actions(command: str, actions: str) -> None:
    """Examples of Lake and Baroni (2018, figure 1 and appendix), looked for among drawn rows, alone and joined."""
    rows = [*symbol_rows("x-scan", 2000, held_out=False), *symbol_rows("x-scan", 700)]
    told = {row.input: row.answer for row in rows}
    assert told.get(command, actions) == actions
    joined = [text for text in told if f"{command} and " in text and text.startswith(command)]
    assert joined
    assert all(told[text].startswith(actions) for text in joined)


SYMBOL = st.text(string.ascii_letters + "_-:.+?é", min_size=1, max_size=6)


@given(st.lists(SYMBOL, min_size=1, max_size=8, unique=True), st.data(), st.integers(0, 5))
def test_a_renaming_is_undone(symbols: list[str], data: st.DataObject, seed: int) -> None:
    """Texts of symbols, symbols next to one another, and anything between."""
    pieces = st.one_of(
        st.sampled_from(symbols), SYMBOL, st.text(max_size=4), st.sampled_from([" ", "(", "-", "_", ":"])
    )
    text = "".join(data.draw(st.lists(pieces, max_size=12)))
    renaming = drawn_renaming(symbols, [text], Random(seed))
    assert renaming.undo(renaming.apply(text)) == text
    assert len({*renaming.names.values()}) == len(symbols)
    assert not any(name in text or name in symbols for name in renaming.names.values())


def test_symbols_next_to_one_another_come_back() -> None:
    renaming = drawn_renaming([":", "?"], ["::?"], Random(0))
    assert renaming.apply("::?") == "".join(renaming.names[symbol] for symbol in "::?")
    assert renaming.undo(renaming.apply("::?")) == "::?"


def test_no_new_name_stands_in_the_texts_or_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["inText", "first1", "first1", "symbol", "second"])
    monkeypatch.setattr("neuroglot.corpora.symbols.renaming._name", lambda rng: next(drawn))
    renaming = drawn_renaming(["a", "symbol"], ["so inText1 stands"], Random(0))
    assert renaming.names == {"a": "first1", "symbol": "second"}


def test_whole_symbols_alone_are_renamed() -> None:
    renaming = drawn_renaming(["IN", "IN:GO"], [], Random(0))
    assert renaming.apply("[IN:GO IN]") == f"[{renaming.names['IN:GO']} {renaming.names['IN']}]"
    renaming = drawn_renaming(["on", "ontable", "I_RUN"], ["on ontable"], Random(0))
    new = renaming.names
    assert renaming.apply("(on a) (ontable on) only upon I_RUN I_RUNS") == (
        f"({new['on']} a) ({new['ontable']} {new['on']}) only upon {new['I_RUN']} I_RUNS"
    )
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{5}", name) for name in new.values())


@pytest.mark.parametrize("form", GENERATORS)
def test_rows_are_renamed_in_definitions_and_answer_and_restored(form: str) -> None:
    for number, row in enumerate(symbol_rows(form, 30)):
        changed, renaming = renamed(row, Random(number))
        assert restored(changed, renaming) == row
        assert (changed.input, changed.instruction) == (row.input, row.instruction)
        assert [meaning for _, meaning in changed.terms] == [meaning for _, meaning in row.terms]
        used = [name for name in renaming.names.values() if re.search(rf"\b{name}\b", changed.answer)]
        assert bool(used) == bool(row.terms)
        assert all(name in changed.definitions for name in used)


def test_forms_are_languages_of_a_corpus_and_of_a_task() -> None:
    corpus = corpora.load("symbols:30")
    assert corpus.languages == ("en", *GENERATORS)
    assert len(corpus) == 30
    assert corpus.duplicates == 0
    assert "say different things" in corpus.remarks[0]
    assert corpora.load("symbols:30", languages=["x-amr", "en"]).languages == ("x-amr", "en")
    task = corpora.load_task("symbols:30", languages=["x-sql"], limit=5)
    assert (task.languages, len(task)) == (("x-sql",), 5)
    assert task.answers.texts["x-sql"][0] == f" {corpus.texts['x-sql'][0]}"
    prompts = corpora.load("symbols:30", languages=["x-sql"], column="prompt")
    assert prompts.texts["x-sql"][:5] == task.prompts.texts["x-sql"]
    sentences = corpora.load("symbols:30", languages=["x-sql"], column="sentence").texts["x-sql"]
    assert all(sentence in prompt for sentence, prompt in zip(sentences, prompts.texts["x-sql"]))
    assert not {*sentences} & {*prompts.texts["x-sql"]}
    changed = corpora.load_task("symbols-renamed:30", languages=["x-sql"])
    assert changed.hash != corpora.load_task("symbols:30", languages=["x-sql"]).hash
    source = symbol_source("symbols:30")
    assert source is not None
    assert not set(symbol_task(source, held_out=False).answers.texts["x-sql"]) & set(task.answers.texts["x-sql"])
    assert symbol_corpus(source, ["x-fol"], 3).hash != symbol_corpus(source, ["x-fol"], 4).hash


def test_what_there_is_not_is_refused() -> None:
    for name in ("symbols:0", "symbols:", "symbols-other", "symbol", "x/symbols"):
        assert symbol_source(name) is None
    with pytest.raises(CorpusError, match="no rows of 'x-bash'"):
        corpora.load("symbols", languages=["x-bash"])
    with pytest.raises(CorpusError, match="Expected at most"):
        corpora.load("symbols:90000", languages=["x-top"])
    with pytest.raises(ConfigError, match="Expected prompt or sentence"):
        corpora.load("symbols", column="answer")
    with pytest.raises(ConfigError, match="Only the hub has revisions"):
        corpora.load("symbols", revision="main")
    with pytest.raises(CorpusError, match="symbols.*is not there|There is no"):
        corpora.load_task("symbols", distractors=2)


def test_codes_of_forms_are_codes_of_languages_with_a_name() -> None:
    for code, form in FORMS.items():
        assert corpora.language_code(code) == code
        assert corpora.language_name(code) == form.name
        assert not corpora.is_right_to_left(code)
    assert corpora.language_code("amr") == "amr"  # Amarakaeri
    with pytest.raises(CorpusError):
        corpora.language_code("x-latin")


def test_new_names_differ_in_more_than_capitals_and_are_no_words_of_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["SeLect", "aB1cd2", "ab1CD2", "INTEXT", "second"])
    monkeypatch.setattr("neuroglot.corpora.symbols.renaming._name", lambda rng: next(drawn))
    renaming = drawn_renaming(["river", "city"], ["inText1"], Random(0))
    assert renaming.names == {"river": "aB1cd2", "city": "second"}


@pytest.mark.parametrize("form", GENERATORS)
def test_no_training_row_means_what_a_held_out_one_does(form: str) -> None:
    """Facts in another order, or a molecule from its other end, were on both sides."""
    if FORMS[form].package:
        pytest.importorskip(FORMS[form].package)
    held_out, training = symbol_rows(form, 80), symbol_rows(form, 240, held_out=False)
    near = [
        (row.answer, other.answer, {"prompt": row.prompt})
        for row in held_out
        for other in training
        if Counter(row.answer) == Counter(other.answer)
    ]
    told = Counter(verdict.word for verdict in verdicts(form, near))
    assert told["equal"] == 0, told


def test_groups_stand_on_the_atoms_that_are_named() -> None:
    letters = {"hydroxyl": "O", "amino": "N", "chloro": "Cl", "bromo": "Br", "fluoro": "F", "thiol": "S", "methyl": "C"}
    for row in symbol_rows("x-smiles", 60):
        size = int(re.search(r"chain of (\d+)", row.input)[1])
        told = {int(atom): letters[group] for group, atom in re.findall(r"a (\w+) group on atom (\d+)", row.input)}
        atoms = re.findall(r"C(?:\((\w+)\))?", row.answer)
        assert len(atoms) == size
        assert {place: group for place, group in enumerate(atoms, 1) if group} == told


SIGNS = {"more than": ">", "less than": "<", "at least": ">=", "exactly": "="}
FACTS = {"is the capital of": "capital", "is a sister city of": "sister_city", "founded": "founder",
         "is a neighbour of": "neighbour", "painted": "painter", "wrote about": "author"}  # fmt: skip
KINDS = {"large": "size", "small": "size", "metal": "material", "rubber": "material"}
KINDS |= dict.fromkeys(("cube", "sphere", "cylinder"), "shape")
WALKS = {"walk": "I_WALK", "run": "I_RUN", "jump": "I_JUMP", "look": "I_LOOK"}


def scene(phrase: str) -> str:
    program = "scene()"
    for word in phrase.removesuffix("s").split():
        program = f"filter_{KINDS.get(word, 'color')}({program}, {word})"
    return f"count({program})"


def walked(command: str) -> str:
    """What a command of SCAN without `and` and `after` says."""
    words = command.split()
    step = [WALKS[words[0]]] if words[0] in WALKS else []
    turn = [f"I_TURN_{side.upper()}" for side in ("left", "right") if side in words]
    once = (turn + step) * 4 if "around" in words else turn * 2 + step if "opposite" in words else turn + step
    return " ".join(once * {"twice": 2, "thrice": 3}.get(words[-1], 1))


def said(form: str, text: str, answer: str) -> bool:
    """Whether an answer says what is asked for, read from the sentence alone."""
    if form == "x-sql":
        sign, number = re.search(rf"({'|'.join(SIGNS)}) (\d+)", text).groups()
        return f"{SIGNS[sign]} {number}" in answer and answer.endswith(" DESC") == ("largest first" in text)
    if form in ("x-sexpr", "x-sparql"):
        return ("COUNT" in answer) == text.startswith("How many")
    if form == "x-triples":
        told = re.findall(rf"(\w+) ({'|'.join(FACTS)}) (\w+)", text)
        return answer == ", ".join(f"({first}, {FACTS[verb]}, {second})" for first, verb, second in told)
    if form == "x-scene" and text.startswith("How"):
        return answer == scene(re.fullmatch("How many (.*) are there.", text)[1])
    if form == "x-scene":
        return answer == "greater_than({}, {})".format(
            *map(scene, re.fullmatch("Are there more (.*) than (.*).", text).groups())
        )
    if form == "x-pddl":
        return all(f"(on {a} {b})" in answer for a, b in re.findall(r"lock (\w) is on block (\w)", text))
    if form == "x-scan":
        first, joined, second = re.fullmatch(r"(.*?)(?:( and | after )(.*))?", text).groups()
        parts = [walked(part) for part in (first, second) if part]
        return answer == " ".join(parts[::-1] if joined == " after " else parts)
    if form == "x-fol":
        return ("¬" in answer) == (text.startswith("No ") or (" but not " in text and "both" not in text))
    if form == "x-amr":
        return (":polarity -" in answer) == (" does not " in text)
    least = re.search(r"(\d+) or more|at least (\d+)", text)
    return ("&~" in answer) == (" but not " in text) and (not least or f"{{{least[1] or least[2]}," in answer)


@pytest.mark.parametrize(
    "form",
    ["x-sql", "x-sexpr", "x-sparql", "x-triples", "x-scene", "x-pddl", "x-scan", "x-fol", "x-amr", "x-regex"],
)
def test_answers_say_what_the_sentences_say(form: str) -> None:
    assert [row for row in symbol_rows(form, 120, held_out=False) if not said(form, row.input, row.answer)] == []
