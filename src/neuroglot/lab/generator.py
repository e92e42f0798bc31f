"""The lab's corpus: parallel documents of a few sentences, and in-language questions, all drawn from one seed."""

from dataclasses import dataclass
from random import Random

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.lab.config import LabConfig
from neuroglot.lab.languages import LANGUAGES, phrasebook
from neuroglot.lab.questions import LICENCE, QUESTIONS, make_task
from neuroglot.lab.sentences import KINDS, Slots, draw_sentence, render

Document = tuple[tuple[str, Slots], ...]


@dataclass(frozen=True)
class LabCorpus:
    """What a lab model is trained on, and what it has not seen: row r says the same in all languages."""

    train: Corpus
    held_out: Corpus
    train_tasks: tuple[Task, ...]
    held_out_tasks: tuple[Task, ...]


def make_corpus(config: LabConfig) -> LabCorpus:
    """The corpus of a recipe; the same config gives the same texts. Needs the extra `lab`."""
    documents = {
        side: make_documents(rows, Random(f"{config.seed}/{side}/documents"), side == "held-out")
        for side, rows in (("train", config.documents), ("held-out", config.held_out_documents))
    }
    tasks = {
        side: tuple(
            make_task(name, rows, Random(f"{config.seed}/{side}/{name}"), side == "held-out") for name in QUESTIONS
        )
        for side, rows in (("train", config.questions), ("held-out", config.held_out_questions))
    }
    return LabCorpus(
        documents_as_corpus("lab/train", documents["train"]),
        documents_as_corpus("lab/held-out", documents["held-out"]),
        tasks["train"],
        tasks["held-out"],
    )


def corpus_of_rows(rows: Corpus, config: LabConfig) -> LabCorpus:
    """Other parallel text in the place of the lab's, without questions: `held_out_documents` rows are kept, drawn from
    the seed, and of the others the first `documents` are read. Raises `CorpusError` where none would be left.
    """
    kept, read = rows.split(min(1.0, config.held_out_documents / len(rows)), config.seed)
    return LabCorpus(read.head(config.documents), kept, (), ())


def make_documents(rows: int, rng: Random, held_out: bool) -> list[Document]:
    """Different documents of one to three sentences each, as slots; those held out tell no fact, which training has to
    tell too.
    """
    documents: dict[Document, None] = {}
    while len(documents) < rows:
        document = tuple(draw_sentence(rng, held_out) for _ in range(rng.randint(1, 3)))
        if not (held_out and any(KINDS[kind].fact for kind, _ in document)):
            documents[document] = None
    return list(documents)


def documents_as_corpus(name: str, documents: list[Document]) -> Corpus:
    """The documents in words, in every language."""
    ids = tuple(f"{name}-{row}" for row in range(len(documents)))
    texts = {
        language: tuple(
            phrasebook(language).joiner.join(render(kind, slots, language) for kind, slots in document)
            for document in documents
        )
        for language in LANGUAGES
    }
    return Corpus(name, ids, texts, LICENCE)
