"""Programs, plans and molecules."""

import random
import shutil
import subprocess
from pathlib import Path

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
        (RIGHT + "\n; cost = 4 (unit cost)", "equal"),
        (RIGHT.replace("(pick-up a)", "(pick-up a a)"), "unequal"),
        (RIGHT.replace("(stack a b)", "(stack a)"), "unequal"),
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
        ("(and (p) (and (q) (r)))", "(and (and (r) (q)) (p))", "equal"),
        ("(and (p) (p))", "(p)", "equal"),
        ("(or (p) (and (q) (r)))", "(or (and (p) (q)) (r))", "unequal"),
        ("(not (and (p) (q)))", "(and (not (p)) (q))", "unequal"),
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
        ("x-bash", "find . -name *.txt", "find . -name '*.txt'", "undecided"),
        ("x-bash", "find . -name \\*.txt", "find . -name '*.txt'", "equal"),
        ("x-bash", "echo '$HOME'", "echo $HOME", "undecided"),
        ("x-bash", 'echo "$HOME"', "echo $HOME", "undecided"),
        ("x-bash", 'echo "$x"y', 'echo "$xy"', "undecided"),
        ("x-bash", 'echo "${x}y"', 'echo "${x}"y', "equal"),
        ("x-bash", "echo '>' x", "echo > x", "undecided"),
        ("x-bash", "ls 2>x", "ls 2 >x", "undecided"),
        ("x-bash", "ls 2>x", "ls 2> x", "equal"),
        ("x-bash", "echo a\n\necho b", "echo a; echo b", "equal"),
        ("x-bash", "echo a\necho b", "echo a echo b", "undecided"),
        ("x-bash", "echo \\\n  a  # so", "echo a", "equal"),
        ("x-bash", "echo a#b", "echo a", "undecided"),
        ("x-bash", "find . -exec rm {} \\;", "find . -exec rm '{}' ';'", "equal"),
        ("x-bash", "'a=b' c", "a=b c", "undecided"),
        ("x-bash", "'if' c", "if c", "undecided"),
        ("x-bash", "echo ''", "echo", "undecided"),
        ("x-bash", "echo `ls`", "echo '`ls`'", "undecided"),
        ("x-bash", "echo $(ls)  ", "echo $(ls)", "equal"),
        ("x-bash", "echo $(ls 'a  b')", "echo $(ls 'a b')", "undecided"),
        ("x-bash", 'echo "a', "echo a", "invalid"),
        ("x-bash", "echo a\\", "echo a", "invalid"),
        ("x-java", "int  a ;", "int a ;", "equal"),
        ("x-java", "int b;", "int a;", "undecided"),
        ("x-java", 's = "a  b";', 's = "a b";', "undecided"),
        ("x-java", "// so\nreturn 1;", "// so return 1;", "undecided"),
        ("x-java", "/* so */ f( x )\n{ return 1; }", "f(x) { return 1; }", "equal"),
        ("x-java", "x = a + +b;", "x = a ++b;", "undecided"),
        ("x-java", 'f("//", \'"\');', 'f("/", \'"\');', "undecided"),
        ("x-go", "return\nx", "return x", "undecided"),
        ("x-go", "a()\n\n // so\nb()\n", "a()\nb()", "equal"),
        ("x-go", "s := `a\n b`", "s := `a\nb`", "undecided"),
        ("x-go", "x := 1\n", "x := 1", "equal"),
        ("x-java", "class A {", "class A {}", "invalid"),
        ("x-java", "f(a[1)];", "f(a[1]);", "invalid"),
        ("x-java", "return 1; }", "return 1;", "invalid"),
        ("x-java", 's = "a;', 's = "a";', "invalid"),
        ("x-java", "x = 1; /* so", "x = 1;", "invalid"),
        ("x-java", "c = '}'; // {", "c = '{';", "undecided"),
        ("x-java", 's = """a " ( b""";', "s = 1;", "undecided"),
        ("x-go", "r := '\\''; s := `\\`", "r := 'a'", "undecided"),
        ("x-go", "s := `a", "s := `a`", "invalid"),
        ("x-go", "x := a / *b", "x := a / b", "undecided"),
        ("x-go", "x := a /*b", "x := a / b", "invalid"),
        ("x-java", "class A {", "class A {", "equal"),
        ("x-python", "print(x)", "print(y)", "undecided"),
        (
            "x-python",
            "def f(y, x):\n return y - x\nf(x=1, y=2)",
            "def f(x, y):\n return x - y\nf(x=1, y=2)",
            "undecided",
        ),
        ("x-python", "class A:\n y = 1\n x = 2\nA.x", "class A:\n x = 1\n y = 2\nA.x", "undecided"),
        ("x-python", "def f():\n global x\n y = 1\ny = x = 0", "def f():\n global x\n x = 1\nx = y = 0", "undecided"),
        ("x-python", "y = 1; x = 2; eval('x')", "x = 1; y = 2; eval('x')", "undecided"),
        ("x-python", "def f(n):\n t = n\n return t\nt([1])", "def f(n):\n sum = n\n return sum\nsum([1])", "undecided"),
        ("x-python", "[a for a in f(k=b)]", "[c for c in f(k=b)]", "equal"),
        ("x-maths", "a = 5; answer = 7", "answer = 5; a = 7", "undecided"),
        ("x-maths", "x = 5; answer = x + 1", "y = 5; answer = y + 1", "equal"),
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


TYPED = """(define (domain carts) (:requirements :typing)
 (:types truck - vehicle van - vehicle vehicle box - object place)
 (:constants depot - place)
 (:action load :parameters (?b - box ?v - (either truck van) ?p - place)
  :precondition (and (at ?b ?p) (at ?v ?p)) :effect (and (not (at ?b ?p)) (in ?b ?v)))
 (:action move :parameters (?v - vehicle ?from ?to - place)
  :precondition (at ?v ?from) :effect (and (not (at ?v ?from)) (at ?v ?to))))
(define (problem one) (:domain carts) (:objects b - box t - truck q)
 (:init (at b depot) (at t depot) (at q depot)) (:goal (in b t)))"""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("(load b t depot)", "equal"),
        ("(load b q depot)", "unequal"),
        ("(load t t depot)", "unequal"),
        ("(move t depot depot) (load b t depot)", "equal"),
        ("(move q depot depot) (load b t depot)", "unequal"),
        ("(move b depot depot) (load b t depot)", "unequal"),
        ("(move t depot q) (load b t depot)", "unequal"),
    ],
)
def test_actions_are_done_with_things_of_their_types(answer: str, expected: str) -> None:
    assert word("x-pddl", answer, "(load b t depot)", prompt=TYPED) == expected


SWITCHES = """(define (domain switches) (:predicates (on ?x) (done))
 (:action finish :parameters () :precondition (and (not (on a)) (on b)) :effect (done))
 (:action press :parameters (?x) :precondition (and) :effect (on ?x))
 (:action lift :parameters (?x) :precondition (on ?x) :effect (not (on ?x))))
(define (problem one) (:domain switches) (:objects a b) (:init (on a)) (:goal (and (done) (not (on b)))))"""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("(lift a) (press b) (finish) (lift b)", "equal"),
        ("(press b) (lift a) (press b) (finish) (lift b)", "equal"),
        ("(press b) (finish) (lift b)", "unequal"),
        ("(lift a) (press b) (finish)", "unequal"),
        ("(lift a) (lift a) (press b) (finish) (lift b)", "unequal"),
    ],
)
def test_what_must_not_hold_does_not(answer: str, expected: str) -> None:
    assert word("x-pddl", answer, "(lift a) (press b) (finish) (lift b)", prompt=SWITCHES) == expected


def test_words_of_a_shell_are_those_that_a_shell_makes(tmp_path: Path) -> None:
    """Commands that are said to be equal print the same, in a folder with files that a star finds."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    for name in ("a b", "ab", "c"):
        (tmp_path / name).touch()
    rng = random.Random(0)
    quoted = ["'a b'", '"a b"', '"$x"', "'$x'", "\\*", "'*'"]
    pieces = ["a", "*", "$x", "?", "; echo", "\necho", " ", "  ", "|cat", "{}", *quoted]
    texts = ["echo " + "".join(rng.choice(pieces) for _ in range(3)) for _ in range(150)]
    ran = {
        text: subprocess.run([bash, "-c", text], cwd=tmp_path, env={"x": "a  b"}, capture_output=True, text=True).stdout
        for text in dict.fromkeys(texts)
    }
    equal = [(one, other) for one in ran for other in ran if one < other and word("x-bash", one, other) == "equal"]
    assert len(equal) > 10
    assert [pair for pair in equal if ran[pair[0]] != ran[pair[1]]] == []
