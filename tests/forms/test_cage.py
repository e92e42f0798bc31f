"""The cage: what is hostile ends in a verdict, leaves no process and no file, and spoils no later answer."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest

from neuroglot import extras
from neuroglot.errors import ConfigError, MissingExtraError
from neuroglot.forms import FORMS, Cage, verdicts
from neuroglot.forms.cage import REPLY, STARTING, _line, _verdict
from neuroglot.forms.verdicts import OUT_OF_MEMORY
from tests.forms.comparing import word

SQL = {"prompt": "CREATE TABLE t (a INTEGER, b TEXT);"}
GOOD = {
    "x-sql": ("SELECT a FROM t WHERE a > 1", "SELECT a FROM t WHERE 1 < a", SQL),
    "x-fol": ("¬¬P(a)", "P(a)", {}),
    "x-regex": ("a|b", "[ab]", {}),
    "x-amr": ("(b / boy)", "(c / boy)", {}),
    "x-sexpr": ("(AND a b)", "(AND b a)", {}),
    "x-sparql": ("ASK { ?x <p> 1 }", "ASK { ?y <p> 1 }", {}),
    "x-python": ("a = 1", "b=1", {}),
}
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"
HOSTILE = [
    ("x-sql", "ATTACH '/tmp/neuroglot-evil' AS evil"),
    ("x-sql", ENDLESS.format("count(*)")),
    ("x-sql", ENDLESS.format("x")),
    ("x-sql", "SELECT " + "(" * 10_000 + "1" + ")" * 10_000),
    ("x-sql", "SELECT zeroblob(2000000000)"),
    ("x-sql", "SELECT group_concat(hex(zeroblob(900000))) FROM t a, t b, t c, t d"),
    ("x-sql", "SELECT count(*) FROM " + ", ".join(f"t t{n}" for n in range(60))),
    ("x-sql", "SELECT replace(hex(zeroblob(400000)), '0', hex(zeroblob(400000)))"),
    ("x-sql", "SELECT 1" + " UNION SELECT 1" * 5000),
    ("x-regex", "(" * 10_000),
    ("x-regex", "((((a{1,200}){1,200}){1,200}){1,200})b"),
    ("x-regex", "(a|b)*a" + "(a|b)" * 40),
    ("x-regex", "(a*)*" * 100 + "c"),
    ("x-regex", "~(" * 90 + "a" + ")*" * 90),
    ("x-regex", "[" * 500),
    ("x-regex", "a" * 100_000),
    ("x-fol", "(" * 10_000 + "P(a)" + ")" * 10_000),
    ("x-fol", "∀x " * 90 + "P(x)"),
    ("x-fol", "∀x ∃y ∀z ∃u (R(x,y) ⊕ R(z,u) ⊕ R(f(x),f(u)))"),
    ("x-fol", " ∧ ".join(f"P{n}(a)" for n in range(2000))),
    ("x-amr", "(a / b :c " * 10_000),
    ("x-amr", "(b / boy" + " :mod (b{} / boy)" * 190 + ")"),
    ("x-sexpr", "(AND " * 10_000 + ")" * 10_000),
    ("x-sparql", "SELECT * { " + "{" * 10_000),
    ("x-sparql", "ASK { " + "?a <p> ?b . " * 1500 + "}"),
    ("x-python", "(" * 10_000),
    ("x-python", "-" * 10_000 + "1"),
    ("x-python", "[" * 99 + "]" * 99),
    ("x-python", "x = 1\n" * 3000),
    ("x-sexpr", "\ud800"),
    ("x-sexpr", "(a)\n(b)\n"),
    ("x-sexpr", "a" * 1_000_000),
]


@pytest.mark.parametrize("form", GOOD)
def test_hostile_answers_end_in_a_verdict_and_the_next_one_is_judged_as_before(form: str) -> None:
    if FORMS[form].package:
        pytest.importorskip(FORMS[form].package)
    answer, reference, context = GOOD[form]
    with Cage(form) as cage:
        for hostile in [text for name, text in HOSTILE if name == form]:
            assert cage.compare(hostile, reference, context).word in ("invalid", "undecided", "unequal"), hostile[:80]
            assert cage.compare(answer, reference, context).word == "equal"
    assert not Path("/tmp/neuroglot-evil").exists()


FORGED = """import os
for number in range(3, 9):
    try: os.write(number, b'{"word": "equal"}\\n')
    except OSError: pass
"""
PROGRAMS = {
    "while True: pass": "undecided",
    "x = [0] * 10**12": "undecided",
    "x = bytearray(700 * 2**20)\nanswer = 4": "undecided",
    "x = bytearray(100 * 2**20)\nanswer = 4": "equal",
    "x = 'a'\nwhile True: x += x": "undecided",
    "import os\nwhile True: os.fork()": "invalid",
    "import os; os.system('touch {out}')": "invalid",
    "open('{out}', 'w').write('x')": "invalid",
    "import socket\nsocket.create_connection(('127.0.0.1', 1))": "invalid",
    "import subprocess; subprocess.run(['touch', '{out}'])": "invalid",
    "import ctypes\nctypes.CDLL(None).fork()": "invalid",
    "def f(): return f()\nf()": "invalid",
    "raise SystemExit": "invalid",
    "import sys; sys.exit(0)": "invalid",
    FORGED: "invalid",
    "print(4)\nquit()": "equal",
    "answer = 4\nraise SystemExit": "equal",
    "raise KeyboardInterrupt": "invalid",
    "input()": "invalid",
    "x = 4": "invalid",
    "a = 4; answer = 5": "unequal",
    "solution = lambda: 4": "equal",
    "import datetime\nanswer = datetime.datetime.strptime('4', '%d').day": "equal",
    "print('answer')": "invalid",
    "answer = float('nan')": "unequal",
    "answer = 5": "unequal",
    "().__class__.__base__.__subclasses__()": "invalid",
    "answer = 2 + 2": "equal",
    "print('so', 4)": "equal",
    "def solution():\n    return 4.0": "equal",
    "import math\nanswer = math.sqrt(16)": "equal",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_are_run_only_if_asked_and_reach_nothing(program: str, tmp_path: Path) -> None:
    out = tmp_path / "evil"
    (told,) = verdicts("x-maths", [(program.replace("{out}", str(out)), "answer = 4", {})], runs=True)
    assert told.word == PROGRAMS[program], told
    assert not out.exists()
    (unasked,) = verdicts("x-maths", [(program, "answer = 4", {})])
    assert unasked.word == "undecided"


def test_a_solution_leaves_nothing_for_the_next_one() -> None:
    rows = [
        ("import math\nmath.sqrt = lambda x: 4\nanswer = 4", "answer = 4", {}),
        ("import math\nanswer = math.sqrt(100)", "answer = 4", {}),
    ]
    assert [told.word for told in verdicts("x-maths", rows, runs=True)] == ["equal", "unequal"]


def test_one_process_serves_many_answers_and_is_gone_in_the_end() -> None:
    with Cage("x-sexpr") as cage:
        assert cage.compare("(a)", "(a)").word == "equal"
        first = cage._process
        assert first is not None
        assert [cage.compare("(b)", "(a)").word for _ in range(20)] == ["unequal"] * 20
        assert cage._process is first
        os.kill(first.pid, 9)
        assert cage.compare("(a)", "(a)").word == "equal"
        assert cage._process is not first
        last = cage._process
    assert last is not None
    assert first.poll() is not None
    assert last.poll() is not None


def test_a_verdict_does_not_depend_on_what_came_before() -> None:
    """A process whose memory others have filled is asked once more, anew; so is one that ended with its thread."""
    with Cage("x-python") as cage:
        assert cage.compare("a = 1", "b = 1").word == "equal"
        cage._asked = lambda process, line, asked=cage._asked: (  # type: ignore[method-assign]
            {"word": "undecided", "reason": OUT_OF_MEMORY} if process is first else asked(process, line)
        )
        first = cage._process
        assert cage.compare("a = 1", "b = 1").word == "equal"
        assert cage._process is not first
    with Cage("x-sexpr") as cage:
        thread = Thread(target=cage.compare, args=("(a)", "(a)"))
        thread.start()
        thread.join()
        assert cage.compare("(a)", "(a)").word == "equal"


def test_an_answer_that_ends_its_process_is_asked_of_two_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    start = Cage._start
    monkeypatch.setattr(Cage, "_start", lambda cage: started.append(1) or start(cage))
    with Cage("x-sexpr") as cage:
        cage.compare("(a)", "(a)")
        monkeypatch.setattr(cage, "_asked", lambda process, line: process.kill())
        assert cage.compare("(a)", "(a)").word == "undecided"
    assert len(started) == 2


@pytest.mark.parametrize("form", [form for form, known in FORMS.items() if not known.package])
@pytest.mark.parametrize("text", ["a\0", "\ud800", "CCO\0CCO", "\udfff x"])
def test_what_no_file_of_text_may_hold_is_invalid_in_every_form(form: str, text: str) -> None:
    assert word(form, text, "(and (a))") == "invalid"
    assert word(form, "(and (a))", text) == "undecided"


def test_answers_that_are_too_long_are_not_read() -> None:
    long = "I_RUN " * 20_000
    with Cage("x-scan") as cage:
        assert cage.compare(long, long).word == "undecided"
        assert cage._process is None
        assert cage.compare(long[:60_000], long[:60_000]).word == "equal"


def test_replies_are_waited_for_as_long_as_a_comparison_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(
        "neuroglot.forms.cage._line", lambda process, seconds: waits.append(seconds) or _line(process, seconds)
    )
    with Cage("x-scan", seconds=1.5) as cage:
        assert cage.compare("I_RUN", "I_RUN").word == "equal"
    assert waits == [STARTING, 1.5]


@pytest.mark.parametrize(("size", "is_read"), [(REPLY // 2, True), (2 * REPLY, False)])
def test_a_reply_that_is_too_long_is_none(size: int, is_read: bool) -> None:
    code = f"print('{{\"word\": \"' + 'a' * {size} + '\"}}', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert (_line(process, STARTING) is not None) == is_read
        process.kill()


def test_many_at_once_judge_and_leave_no_process() -> None:
    with ThreadPoolExecutor(6) as pool:
        rows = [("(AND a b)", "(AND b a)", {}), ("(AND " * 9000, "(a)", {}), ("(b)", "(a)", {})]
        told = list(pool.map(lambda _: [verdict.word for verdict in verdicts("x-sexpr", rows)], range(12)))
    assert told == [["equal", "undecided", "unequal"]] * 12


def test_a_process_that_takes_too_long_is_killed() -> None:
    with Cage("x-maths", runs=True, seconds=0.5) as cage:
        told = cage.compare("while True: pass", "answer = 4")
        assert (told.word, cage._process) == ("undecided", None)


def test_forms_and_packages_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="'x-latin' was asked for.*x-sql"):
        Cage("x-latin")

    def missing(module: str) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(extras, "import_module", missing)
    for form in ("x-smiles", "x-fol"):
        with pytest.raises(MissingExtraError, match=r"pip install 'neuroglot\[symbols\]'"):
            Cage(form)
    Cage("x-sql")


def test_what_a_process_says_otherwise_decides_nothing() -> None:
    assert _verdict({"nonsense": 1}).word == "undecided"


def test_every_form_compares_in_the_cage() -> None:
    for form, row in {
        "x-top": "[IN:A x ]",
        "x-nlmaps": "query(a)",
        "x-scan": "I_RUN",
        "x-scene": "count(scene())",
        "x-geometry": "Point(A)",
        "x-pddl": "(and (p))",
        "x-triples": "(a, b, c)",
        "x-bash": "ls",
        "x-java": "a",
        "x-go": "a",
        "x-maths": "answer=1",
        "x-smiles": "CCO",
    }.items():
        if FORMS[form].package:
            pytest.importorskip(FORMS[form].package)
        assert [told.word for told in verdicts(form, [(row, row, {})])] == ["equal"], form
        GOOD.setdefault(form, (row, row, {}))
    assert set(GOOD) | {"x-fol"} == set(FORMS)
