"""In-language questions of the lab with one right answer each; the answer ends with a newline, which the model learns.

A question's slots belong by their hash to training or to the held-out side, as those of sentences do: a number, a date
or a sum that is asked on the held-out side is nowhere in the training text written out with its answer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.lab import cldr
from neuroglot.lab.cldr import LARGEST, number_words
from neuroglot.lab.languages import LANGUAGES, phrasebook
from neuroglot.lab.phrasebook import SIZES
from neuroglot.lab.sentences import Slots, draw_day, draw_number, draw_sided, draw_sum

ANSWER_END = "\n"
LICENCE = "Apache-2.0 (templates); Unicode-3.0 (CLDR values)"


@dataclass(frozen=True)
class Question:
    """A kind of question: `wording` is its template in the phrasebook, `split` names the hash its slots share."""

    wording: str
    split: str
    draw: Callable[[Random], Slots]
    values: Callable[[str, Slots], dict[str, str]]
    answer: Callable[[str, Slots], str]


def ask(question: Question, slots: Slots, language: str) -> tuple[str, str]:
    """Prompt and answer in one language; the answer begins with the space that the language puts after a colon."""
    book = phrasebook(language)
    prompt = book.questions[question.wording].format(**question.values(language, slots))
    return prompt[0].upper() + prompt[1:], book.joiner + question.answer(language, slots) + ANSWER_END


def make_task(name: str, rows: int, rng: Random, held_out: bool) -> Task:
    """`rows` questions of one kind, the same in every language, with repeats left out where the slots allow it."""
    question = QUESTIONS[name]
    drawn: dict[Slots, None] = {}
    for _ in range(20 * rows):
        drawn[draw_sided(question.split, question.draw, rng, held_out)] = None
        if len(drawn) == rows:
            break
    side = "held-out" if held_out else "train"
    ids = tuple(f"{name}-{side}-{row}" for row in range(len(drawn)))
    asked = {language: [ask(question, slots, language) for slots in drawn] for language in LANGUAGES}
    prompts = {language: tuple(prompt for prompt, _ in pairs) for language, pairs in asked.items()}
    answers = {language: tuple(answer for _, answer in pairs) for language, pairs in asked.items()}
    return Task(
        name,
        Corpus(f"{name}/prompts", ids, prompts, LICENCE),
        Corpus(f"{name}/answers", ids, answers, LICENCE),
    )


def translation(phrase: Callable[[Slots, str], str]) -> dict[str, Callable]:
    """Values and answer of a translation into the language, from English; into English, from German."""

    def source_of(language: str) -> str:
        return "de" if language == "en" else "en"

    def values(language: str, slots: Slots) -> dict[str, str]:
        source = source_of(language)
        names = (cldr.name_of_language(code, language) for code in (source, language))
        source_name, target_name = (name[0].upper() + name[1:] for name in names)
        return {"source_name": source_name, "phrase": phrase(slots, source), "target_name": target_name}

    return {"values": values, "answer": lambda language, slots: phrase(slots, language)}


def draw_pair(rng: Random) -> Slots:
    """Two different numbers of two digits."""
    return tuple(rng.sample(range(10, 100), 2))


def draw_start(rng: Random) -> Slots:
    """Where counting starts: half of the time below 100."""
    return (rng.randint(1, (99 if rng.random() < 0.5 else LARGEST) - 3),)


def counted_on(language: str, slots: Slots) -> dict[str, str]:
    """Three successive numbers in words."""
    return {"numbers": phrasebook(language).comma.join(number_words(slots[0] + step, language) for step in range(3))}


def summands(language: str, slots: Slots) -> dict[str, str]:
    """Two numbers in words."""
    return {"first": number_words(slots[0], language), "second": number_words(slots[1], language)}


QUESTIONS: dict[str, Question] = {
    "iso_date": Question(
        "iso_date", "day", draw_day, lambda g, s: {"date": cldr.day(s[0], "long", g)}, lambda g, s: s[0].isoformat()
    ),
    "number_to_digits": Question(
        "number", "number", draw_number, lambda g, s: {"words": number_words(s[0], g)}, lambda g, s: str(s[0])
    ),
    "greater": Question(
        "greater",
        "greater",
        draw_pair,
        lambda g, s: {"first": str(s[0]), "second": str(s[1])},
        lambda g, s: str(max(s)),
    ),
    "counting": Question("counting", "counting", draw_start, counted_on, lambda g, s: number_words(s[0] + 3, g)),
    "currency": Question(
        "currency",
        "currency",
        lambda rng: (rng.randrange(SIZES["names"]), rng.choice(cldr.COUNTRIES)),
        lambda g, s: {"name": phrasebook(g).names[s[0]], "country": cldr.country(s[1], g)},
        lambda g, s: cldr.currency(s[1], g),
    ),
    "sum": Question("sum", "sum", draw_sum, summands, lambda g, s: str(sum(s))),
    "translate_number": Question(
        "translation", "number", draw_number, **translation(lambda s, g: number_words(s[0], g))
    ),
    "translate_date": Question("translation", "day", draw_day, **translation(lambda s, g: cldr.day(s[0], "long", g))),
}


def lab_questions(name: str, rows: int, seed: int = 0, *, held_out: bool = False) -> Task:
    """`rows` new questions of one of the lab's tasks, fewer where it has no more; needs the extra `lab`.

    They are of the side on which the lab model was trained, and drawn by another seed than its own; or of the side that
    is `held_out` from it, which are more of those that are shipped. Raises `ConfigError` on an unknown name, and
    `CorpusError` should a question to learn from be one of those that are held out.
    """
    from neuroglot.lab import tasks

    if name not in QUESTIONS or rows < 1:
        raise ConfigError(
            f"{rows} questions of the lab's task {name!r} were asked for." if name else "No task of the lab was named.",
            f"Expected one of {', '.join(QUESTIONS)} (--task).",
        )
    task = make_task(name, rows, Random(f"{seed}/{'probing' if held_out else 'tuning'}/{name}"), held_out)
    if not held_out:
        refuse_held_out(task, tasks())
    return task


def refuse_held_out(task: Task, held_out: Iterable[Task]) -> None:
    """Raise `CorpusError` where a prompt is, in any language, one of the held-out tasks'."""
    for other in held_out:
        for language in set(task.languages) & set(other.languages):
            shared = set(task.prompts.texts[language]) & set(other.prompts.texts[language])
            if shared:
                raise CorpusError(
                    f"{task.name!r} has the held-out question {min(shared)!r}.", "Expected other questions."
                )
