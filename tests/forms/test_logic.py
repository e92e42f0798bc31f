"""First-order logic: verdicts against truth tables, and against all worlds that formulas of one place tell apart."""

import itertools
import random

import pytest

from tests.forms.comparing import word

pytest.importorskip("z3")
JOINED = {
    "∧": lambda a, b: a and b,
    "∨": lambda a, b: a or b,
    "→": lambda a, b: not a or b,
    "↔": lambda a, b: a == b,
    "⊕": lambda a, b: a != b,
}


def drawn(rng: random.Random, depth: int, atoms: list[str]) -> tuple:
    if depth == 0:
        return (rng.choice(atoms),)
    if rng.random() < 0.25:
        return ("¬", drawn(rng, depth - 1, atoms))
    return (rng.choice([*JOINED]), drawn(rng, depth - 1, atoms), drawn(rng, depth - 1, atoms))


def written(tree: tuple) -> str:
    if len(tree) == 1:
        return tree[0]
    return f"¬{written(tree[1])}" if tree[0] == "¬" else f"({written(tree[1])} {tree[0]} {written(tree[2])})"


def holds(tree: tuple, true: dict[str, bool]) -> bool:
    if len(tree) == 1:
        return true[tree[0]]
    inner = [holds(part, true) for part in tree[1:]]
    return not inner[0] if tree[0] == "¬" else JOINED[tree[0]](*inner)


def test_verdicts_agree_with_truth_tables() -> None:
    rng, atoms = random.Random(0), ["P(a)", "Q(a, b)", "Rain"]
    counts = {"equal": 0, "unequal": 0}
    pairs = [(drawn(rng, 3, atoms), drawn(rng, 3, atoms)) for _ in range(150)]
    pairs += [(tree, ("¬", ("¬", tree))) for tree, _ in pairs[:30]]
    pairs += [(("→", left, right), ("∨", right, ("¬", left))) for left, right in pairs[:40]]
    for first, second in pairs:
        tables = itertools.product([False, True], repeat=len(atoms))
        same = all(holds(first, row) == holds(second, row) for row in (dict(zip(atoms, values)) for values in tables))
        said = word("x-fol", written(first), written(second))
        assert said == ("equal" if same else "unequal"), (written(first), written(second))
        counts[said] += written(first) != written(second)
    assert min(counts.values()) >= 60


TYPES = list(itertools.product([False, True], repeat=2))  # of a thing: whether it is P, whether it is Q
WORLDS = [kinds for size in range(1, 5) for kinds in itertools.combinations(TYPES, size)]


def test_verdicts_agree_with_all_worlds_of_two_predicates() -> None:
    rng, counts = random.Random(1), {"equal": 0, "unequal": 0}
    for _ in range(150):
        (sign, one), (other_sign, other) = ((rng.choice("∀∃"), drawn(rng, 2, ["P(x)", "Q(x)"])) for _ in range(2))
        if rng.random() < 0.5:  # the dual
            other_sign, other = ("∃" if sign == "∀" else "∀"), ("¬", one)
            second = f"¬{other_sign}y ({written(other).replace('x', 'y')})"
            second_holds = [not quantified(other_sign, other, world) for world in WORLDS]
        else:
            second = f"{other_sign}z ({written(other).replace('x', 'z')})"
            second_holds = [quantified(other_sign, other, world) for world in WORLDS]
        same = [quantified(sign, one, world) for world in WORLDS] == second_holds
        said = word("x-fol", f"{sign}x ({written(one)})", second)
        assert said == ("equal" if same else "unequal"), (sign, written(one), second)
        counts[said] += 1
    assert min(counts.values()) >= 40


def quantified(sign: str, tree: tuple, world: tuple) -> bool:
    values = [holds(tree, {"P(x)": p, "Q(x)": q}) for p, q in world]
    return all(values) if sign == "∀" else any(values)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("∀x (Dog(x) → ∃y Owns(y, x))", "∀a (¬∃b (Owns(b, a)) → ¬Dog(a))", "equal"),
        ("∀x ∃y Loves(x, y)", "∃y ∀x Loves(x, y)", "unequal"),
        ("∀x ∀y (R(x, y))", "∀y ∀x (R(x, y))", "equal"),
        ("∀x P(x) → Q(x)", "∀x (P(x) → Q(x))", "equal"),
        ("∀x (P(x)) → Q(a)", "∀x (P(x) → Q(a))", "unequal"),
        ("P(a) → Q(a) → R(a)", "P(a) → (Q(a) → R(a))", "equal"),
        ("P(a) ∧ Q(a) ∨ R(a)", "(P(a) ∧ Q(a)) ∨ R(a)", "equal"),
        ("bonnie = clyde", "clyde = bonnie", "equal"),
        ("a ≠ b", "¬(a = b)", "equal"),
        ("Age(x) > 3", "3 < Age(x)", "equal"),
        ("Age(x) > 3", "Age(x) ≥ 3", "unequal"),
        ("P(a)", "P(a, a)", "unequal"),
        ("P(a)", "P(b)", "unequal"),
        ("∀x, y (R(x, y))", "∀x (∀y (R(x, y)))", "equal"),
        ("P(a", "P(a)", "invalid"),
        ("P(a) ∧", "P(a)", "invalid"),
        ("∀ (P(a))", "P(a)", "invalid"),
        ("", "P(a)", "invalid"),
        ("∀x (x)", "P(a)", "invalid"),
        ("P(a) Q(a)", "P(a)", "invalid"),
        ("P(a)", "P(a", "undecided"),
        ("¬" * 200 + "P(a)", "P(a)", "undecided"),
        ("P(a).", "P(a)", "equal"),
        ("∀x. P(x)", "∀x P(x)", "equal"),
        ("∀x: (P(x) → Q(x)).", "∀x (P(x) → Q(x))", "equal"),
        ("∀x. (P(x)) → Q(x)", "∀x (P(x) → Q(x))", "equal"),
        ("∃x. ∀y. R(x, y)", "∃x ∀y R(x, y)", "equal"),
        ("∀x.", "∀x P(x)", "invalid"),
        ("[P(a)]", "P(a)", "equal"),
    ],
)
def test_formulas_as_people_write_them(first: str, second: str, expected: str) -> None:
    assert word("x-fol", first, second) == expected
