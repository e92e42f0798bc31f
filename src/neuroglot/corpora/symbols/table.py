"""The 34 tasks of Symbol-LLM (Xu et al. 2024) in 12 domains: what is written, and by what it was and is judged.

Their public source is one collection (`COLLECTION`, Apache-2.0), of about 880,000 samples; `SAMPLE` is a tenth of it.
The names of its fields and the number of samples a task are not known, and so no reader of it is here. Where a domain
has several forms and it is not said which task has which, all are listed.
"""

from __future__ import annotations

from dataclasses import dataclass

COLLECTION = "Symbol-LLM/Symbolic_Collection"
SAMPLES, SAMPLE = "symbolic_collection_880K.jsonl", "symbol_scale_0.1.jsonl"


@dataclass(frozen=True)
class SymbolTask:
    """A task: its domain, the codes of the forms that its answers have, and the published metric."""

    name: str
    domain: str
    forms: tuple[str, ...]
    published: str


def _tasks(domain: str, forms: str, published: str, names: str) -> list[SymbolTask]:
    return [SymbolTask(name, domain, tuple(forms.split()), published) for name in names.split()]


SYMBOL_TASKS: tuple[SymbolTask, ...] = (
    *_tasks("planning", "x-pddl", "BLEU", "Blocksworld Termes Floortile Grippers"),
    *_tasks("SQL", "x-sql", "exact match", "Spider Sparc Cosql"),
    *_tasks("knowledge graphs", "x-sexpr x-sparql", "F1", "WebQSP"),
    *_tasks("knowledge graphs", "x-sexpr x-sparql", "exact match", "GrailQA CompWebQ"),
    *_tasks("AMR", "x-amr", "Smatch", "AMR3.0 AMR2.0 BioAMR"),
    *_tasks("ontology", "x-triples", "F1", "Tekgen WebNLG"),
    *_tasks("API", "x-top", "exact match", "MTOP TOPv2"),
    *_tasks("API", "x-nlmaps", "exact match", "NLmaps"),
    *_tasks("command", "x-scan", "exact match", "SCAN"),
    *_tasks("code", "x-bash", "BLEU", "NL2BASH"),
    *_tasks("code", "x-regex", "BLEU", "NL2RX"),
    *_tasks("code", "x-python", "BLEU", "NL2Python"),
    *_tasks("code", "x-java", "BLEU", "NL2Java"),
    *_tasks("code", "x-go", "BLEU", "NL2Go"),
    *_tasks("first-order logic", "x-fol", "logical equivalence", "FOLIO MALLS LogicNLI"),
    *_tasks("visual reasoning", "x-scene", "exact match", "GQA CLEVR"),
    *_tasks("visual reasoning", "x-geometry", "exact match", "Geometry3k"),
    *_tasks("mathematics", "x-maths", "BLEU", "GSM8K-Code AQUA-Code MATH-Code"),
    *_tasks("science", "x-smiles", "exact match", "CheBi-20"),
)
