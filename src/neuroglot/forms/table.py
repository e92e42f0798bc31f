"""The formal languages that are known, by the code under which a corpus or a task has them as languages.

Codes are private tags of BCP 47, `x-sql`, because the names of many forms are codes of languages: `amr` is Amarakaeri.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neuroglot.errors import ConfigError


@dataclass(frozen=True)
class KnownForm:
    """A formal language: its name, the function that compares two of its texts, and how.

    `compare` is a module of `neuroglot.forms` and a function in it, which takes an answer, a reference and a context,
    or with `canonical` gives the canonical form of a text. `package`: what the module needs, from the extra `symbols`.
    `counts`: whether parts are counted, for F1. `runs`: whether it may run.
    """

    name: str
    module: str
    function: str
    method: str
    canonical: bool = True
    package: str = ""
    counts: bool = False
    runs: bool = False


FORMS: Mapping[str, KnownForm] = {
    "x-pddl": KnownForm("PDDL", "planning", "compare_planning", "canonical form; a plan by carrying it out",
                   canonical=False),
    "x-sql": KnownForm("SQL", "queries", "compare_sql", "execution on 24 databases", canonical=False),
    "x-sexpr": KnownForm("s-expressions", "expressions", "s_expression", "canonical form"),
    "x-sparql": KnownForm("SPARQL", "sparql", "compare_queries", "renaming of variables", canonical=False),
    "x-amr": KnownForm("AMR", "graphs", "compare_graphs", "Smatch", canonical=False, counts=True),
    "x-triples": KnownForm("triples", "expressions", "compare_facts", "set of facts", canonical=False, counts=True),
    "x-top": KnownForm("TOP parses", "expressions", "top_parse", "canonical form"),
    "x-nlmaps": KnownForm("NLmaps queries", "expressions", "map_query", "canonical form"),
    "x-scan": KnownForm("SCAN actions", "expressions", "actions", "sequence"),
    "x-bash": KnownForm("Bash", "shells", "compare_shell", "the shell's words, else undecided", canonical=False),
    "x-regex": KnownForm("regular expressions", "patterns", "compare_patterns", "automata", canonical=False),
    "x-python": KnownForm("Python", "programs", "compare_python", "syntax tree, else undecided", canonical=False),
    "x-java": KnownForm("Java", "shells", "compare_java", "words, else undecided", canonical=False),
    "x-go": KnownForm("Go", "shells", "compare_go", "words, else undecided", canonical=False),
    "x-fol": KnownForm("first-order logic", "logic", "compare_formulas", "equivalence by z3", canonical=False,
                       package="z3"),
    "x-scene": KnownForm("programs over scenes", "expressions", "scene_program", "canonical form"),
    "x-geometry": KnownForm("geometry predicates", "expressions", "geometry", "canonical form"),
    "x-maths": KnownForm("Python solutions", "programs", "compare_solutions", "syntax tree, or execution if asked",
                    canonical=False, runs=True),
    "x-smiles": KnownForm("SMILES", "molecules", "smiles", "RDKit's canonical form", package="rdkit"),
}  # fmt: skip


def form_of(code: str) -> KnownForm:
    """The form of a code; raises `ConfigError` on one that is not known."""
    if code not in FORMS:
        raise ConfigError(f"The form {code!r} was asked for.", f"Expected one of {', '.join(FORMS)}.")
    return FORMS[code]
