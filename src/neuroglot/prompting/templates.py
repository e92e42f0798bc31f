"""How prompts are worded, one record a task; to add a task, add a record.

The structure is that of Mu et al. 2024 (an instruction, a line for each version of the input, all on equal footing, and
an open line for the answer), the words are our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from neuroglot.corpora.tasks.phrasing import check_fields
from neuroglot.errors import ConfigError

BLANK_LINE = "\n\n"
NAMES = ("target", "original", "languages")  # what a wording may name


@dataclass(frozen=True)
class Line:
    """A label and the text of a field behind it: a line for every column, or one for the main column only."""

    label: str
    field: str
    every: bool = True
    before: str = "\n"

    def __post_init__(self) -> None:
        check_fields(self.label, ("language", *NAMES), f"The label {self.label!r}")


@dataclass(frozen=True)
class Form:
    """Instruction, `gap`, lines, and the label of the answer, which is left open.

    In instruction and labels `{language}` is the name of the line's language, `{target}` of the answer's, `{original}`
    of the main column's, `{languages}` of all. An empty instruction has no gap behind it.
    """

    instruction: str
    lines: tuple[Line, ...]
    answer: str
    gap: str = "\n"
    before_answer: str = "\n"

    def __post_init__(self) -> None:
        for text in (self.instruction, self.answer):
            check_fields(text, NAMES, f"The wording {text!r}")


@dataclass(frozen=True)
class Template:
    """The form for one version of the input and that for several; `options` are the labels to choose from.

    `between` stands behind each demonstration. With `translates` the answer is the input in another language, which
    therefore may not be among the versions.
    """

    one: Form
    several: Form
    options: tuple[str, ...] = ()
    translates: bool = False
    between: str = field(default=BLANK_LINE, repr=False)

    @property
    def text(self) -> str:
        """All that the template writes, to be hashed."""
        return repr(self) + (f" {self.between!r}" if self.between != BLANK_LINE else "")


REVEALED = "Only the {original} version was written by its author; the others were translated from it."

_PAIR = "Does the premise entail the hypothesis"
_THREE = "Answer with one word: entailment, contradiction or neutral."
_TWO = "Answer with one word: entailment or not_entailment."
_TRANSLATION = Form("Translate into {target}.", (Line("{language}: ", "text"),), "{target}:")
_PREMISES = (Line("{language} premise: ", "premise"), Line("Hypothesis: ", "hypothesis", every=False, before="\n\n"))
_PREMISE = (Line("Premise: ", "premise"), Line("Hypothesis: ", "hypothesis"))


def _inference(question: str) -> tuple[Form, Form]:
    several = "The premise is given in {languages}, the hypothesis in {original}. " + question
    return Form(question, _PREMISE, "Verdict:"), Form(several, _PREMISES, "Verdict:", before_answer="\n\n")


def _document(one: str, several: str, word: str, answer: str) -> tuple[Form, Form]:
    lines = (Line(f"{word}: ", "text"),), (Line(f"{{language}} {word.lower()}: ", "text"),)
    return Form(one, lines[0], answer), Form(several, lines[1], answer)


TEMPLATES: Mapping[str, Template] = {
    "translation": Template(_TRANSLATION, _TRANSLATION, translates=True),
    "inference": Template(
        *_inference(f"{_PAIR}, contradict it, or neither? {_THREE}"), ("entailment", "contradiction", "neutral")
    ),
    "entailment": Template(*_inference(f"{_PAIR}? {_TWO}"), ("entailment", "not_entailment")),
    "reading": Template(
        Form(
            "Read the passage and answer the question with True or False.",
            (Line("Passage: ", "passage"), Line("Question: ", "question")),
            "Verdict:",
        ),
        Form(
            "Read the passage, which is given in {languages}, and answer the question with True or False.",
            (Line("{language} passage: ", "passage"), Line("{language} question: ", "question")),
            "Verdict:",
        ),
        ("True", "False"),
    ),
    "sums": Template(
        Form("", (Line("Q: ", "question"),), "A:"),
        Form(
            "Below is one sum in {languages}. Solve it step by step in {target} and end with the number.",
            (Line("Question in {language}: ", "question"),),
            "Answer in {target}:",
            gap="\n\n",
        ),
    ),
    "simplification": Template(
        *_document(
            "Rewrite the sentence in plain {target}, without changing what it says.",
            "Below is one sentence in {languages}. Rewrite it in plain {target}, without changing what it says.",
            "Sentence",
            "Plain {target}:",
        )
    ),
    "summarisation": Template(
        *_document(
            "Summarise the article in one sentence in {target}.",
            "Below is one article in {languages}. Summarise it in one sentence in {target}.",
            "Article",
            "Summary in {target}:",
        )
    ),
    "question": Template(
        Form("", (Line("", "question"),), ""),
        Form(
            "Below is one question in {languages}. Answer it in {target}.",
            (Line("{language}: ", "question"),),
            "Answer in {target}:",
        ),
    ),
}


def template_of(name: str | Template) -> Template:
    """The template of this name, or the template given; raises `ConfigError` on an unknown name."""
    if isinstance(name, Template):
        return name
    if name not in TEMPLATES:
        raise ConfigError(f"There is no template {name!r}.", f"Expected a Template or one of {', '.join(TEMPLATES)}.")
    return TEMPLATES[name]
