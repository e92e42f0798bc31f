"""Programs, plans and molecules."""

import pytest

from tests.forms.comparing import word

DOMAIN = """(define (domain blocks)
 (:predicates (on ?x ?y) (ontable ?x) (clear ?x) (handempty) (holding ?x))
 (:action pick-up :parameters (?x) :precondition (and (clear ?x) (ontable ?x) (handempty))
  :effect (and (not (ontable ?x)) (not (clear ?x)) (not (handempty)) (holding ?x)))
 (:action stack :parameters (?x ?y - block) :precondition (and (holding ?x) (clear ?y))
  :effect (and (not (holding ?x)) (not (clear ?y)) (clear ?x) (handempty) (on ?x ?y))))"""
PROBLEM = """(define (problem one) (:domain blocks) (:objects a b c)
 (:init (ontable a) (ontable b) (ontable c) (clear a) (clear b) (clear c) (handempty))
 (:goal (and (on a b) (on b c))))"""
RIGHT = "(pick-up b) (stack b c) (pick-up a) (stack a b)"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (RIGHT, "equal"),
        (RIGHT.upper(), "equal"),
        ("(pick-up b)\n(stack b c)\n(pick-up a)\n(stack a b)", "equal"),
        ("(pick-up a) (stack a b) (pick-up b) (stack b c)", "unequal"),
        ("(stack b c) (pick-up a) (stack a b)", "unequal"),
        ("(pick-up b) (stack b c)", "unequal"),
        ("(fly b) " + RIGHT, "unequal"),
        ("(pick-up b b) (stack b c)", "unequal"),
        ("(pick-up b", "invalid"),
        ("pick-up b", "invalid"),
        ("", "invalid"),
    ],
)
def test_a_plan_is_carried_out(answer: str, expected: str) -> None:
    assert word("x-pddl", answer, RIGHT, prompt=f"Plan.\n{DOMAIN}\n{PROBLEM}\nPlan:") == expected


def test_a_reference_that_fails_decides_nothing() -> None:
    assert word("x-pddl", RIGHT, "(pick-up a)", prompt=f"{DOMAIN} {PROBLEM}") == "undecided"


def test_plans_of_all_lengths_agree_with_a_search() -> None:
    """All sequences of two actions on two blocks; the goal is reached where a state by state search says so."""
    goal = PROBLEM.replace("(and (on a b) (on b c))", "(on a b)")
    steps = [f"(pick-up {x})" for x in "abc"] + [f"(stack {x} {y})" for x in "abc" for y in "abc"]
    told = {
        (first, second): word("x-pddl", f"{first} {second}", "(pick-up a) (stack a b)", prompt=DOMAIN + goal)
        for first in steps
        for second in steps
    }
    assert len(told) >= 100
    assert {plan for plan, said in told.items() if said == "equal"} == {("(pick-up a)", "(stack a b)")}


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("(and (on a b) (clear c))", "(AND (clear c) (on a b))", "equal"),
        ("(and (on b a))", "(and (on a b))", "unequal"),
        ("(:objects a b - block c - room)", "(:objects c - room b a - block)", "equal"),
        ("(and (on a b))", "(on a b)", "equal"),
        ("(:objects a - block b - room)", "(:objects a b - block)", "unequal"),
        ("(:objects a -)", "(:objects a)", "invalid"),
        (
            "(define (problem p) (:goal (on a b)) (:init (p)))",
            "(define (problem p) (:init (p)) (:goal (on a b)))",
            "equal",
        ),
        ("(and (on a b)", "(and (on a b))", "invalid"),
        ("(and (on a b)) ; why not", "(and (on a b))", "equal"),
    ],
)
def test_problems_are_compared_by_their_facts(answer: str, reference: str, expected: str) -> None:
    assert word("x-pddl", answer, reference) == expected


PROGRAM = "def f(a, b):\n    total = a + b\n    return total * {n}"


@pytest.mark.parametrize("n", range(30))
def test_programs_with_other_names_and_layout_are_equal(n: int) -> None:
    program = PROGRAM.format(n=n)
    renamed = f"# a comment\ndef f(u, v):\n  w = (u + v)\n  return (w*{n})\n"
    assert word("x-python", renamed, program) == "equal"
    assert word("x-python", renamed.replace("u + v", "v + u"), program) == "undecided"  # the same, but not by its tree
    assert word("x-python", program.replace("return", "retrun"), program) == "invalid"
    assert word("x-maths", renamed, program) == "equal"


@pytest.mark.parametrize(
    ("form", "answer", "reference", "expected"),
    [
        ("x-bash", "find . -name '*.py'  | wc -l", 'find . -name "*.py" | wc -l', "equal"),
        ("x-bash", "ls '", "ls", "invalid"),
        ("x-bash", "ls -a -l", "ls -l -a", "undecided"),
        ("x-bash", "ls|wc", "ls | wc", "equal"),
        ("x-java", "int  a ;", "int a ;", "equal"),
        ("x-java", "int b;", "int a;", "undecided"),
        ("x-go", "x := 1\n", "x := 1", "equal"),
        ("x-python", "print(x)", "print(y)", "undecided"),
        ("x-python", "(" * 5000, "1", "undecided"),
        ("x-python", "def", "1", "invalid"),
        ("x-python", "1", "def", "undecided"),
        ("x-python", "\0", "1", "invalid"),
        ("x-maths", "answer = 4", "answer = 2 + 2", "undecided"),
    ],
)
def test_programs_as_people_write_them(form: str, answer: str, reference: str, expected: str) -> None:
    assert word(form, answer, reference) == expected


MOLECULES = [
    "CCO",
    "c1ccccc1O",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "N[C@@H](C)C(=O)O",
    "N[C@H](C)C(=O)O",
    "OC1CCCCC1",
    "C/C=C/C",
    "C/C=C\\C",
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
]


def test_molecules_are_the_same_however_they_are_written() -> None:
    chemistry = pytest.importorskip("rdkit.Chem")
    written = {
        text: {chemistry.MolToSmiles(chemistry.MolFromSmiles(text), doRandom=True) for _ in range(20)}
        for text in MOLECULES
    }
    assert sum(map(len, written.values())) >= 60
    for reference, texts in written.items():
        assert {word("x-smiles", text, reference) for text in texts} == {"equal"}
        for other in MOLECULES:
            keys = [chemistry.MolToInchi(chemistry.MolFromSmiles(text)) for text in (other, reference)]
            assert word("x-smiles", other, reference) == ("equal" if keys[0] == keys[1] else "unequal")
    for text in ("C1CC", "C(", "Xx", "", "CCO CCO CCO)"):
        assert word("x-smiles", text, "CCO") == "invalid", text
    assert word("x-smiles", "C" * 2000, "CCO") == "undecided"
