"""Any corpus or task as parallel inputs, and inputs joined on their originals."""

import pytest

from neuroglot.corpora import Corpus, Task, load, load_task
from neuroglot.corpora.parallel_inputs import ParallelInputs, ParallelItem, from_corpora, from_task, join_on_original
from neuroglot.errors import CorpusError

CORPUS = Corpus(
    "greetings", ("a", "b"), {"de": ("Hallo", "Tschüs"), "en": ("Hello", "Bye"), "es": ("Hola", "Adiós")}, "CC0"
)


def test_a_corpus_for_translation_gives_its_target_away():
    inputs = from_corpora({"text": CORPUS}, "deu", target="en")
    assert inputs.columns == {"text": ("de", "es")}
    assert [item.references for item in inputs.items] == [("Hello",), ("Bye",)]
    assert (inputs.original, inputs.licence, [item.id for item in inputs.items]) == ("de", "CC0", ["a", "b"])


def test_other_wordings_become_columns():
    wordings = {"formal": Corpus("formal", ("a", "b"), {"de": ("Guten Tag", "Auf Wiedersehen")})}
    inputs = from_corpora({"text": CORPUS}, "de", target="en", wordings=wordings)
    assert inputs.columns == {"text": ("de", "es", "de#formal")}
    assert inputs.items[1].fields["text"]["de#formal"] == "Auf Wiedersehen"


def test_two_fields_and_labels():
    hypotheses = Corpus("h", ("a", "b"), {"de": ("Ja", "Nein")})
    inputs = from_corpora(
        {"premise": CORPUS, "hypothesis": hypotheses}, "de", task="inference", references=["neutral", "entailment"]
    )
    assert inputs.columns == {"premise": ("de", "en", "es"), "hypothesis": ("de",)}
    assert inputs.items[1].references == ("entailment",)


def test_a_task_keeps_its_prompts_answers_and_options():
    answers = Corpus("answers", ("a", "b"), {"de": (" ja", " nein"), "en": (" yes", " no")})
    noes = Corpus("noes", ("a", "b"), {"de": (" nein", " ja"), "en": (" no", " yes")})
    task = Task("polite", CORPUS.select(["de", "en"]), answers, (answers, noes))
    inputs = from_task(task, "de", answer_language="en")
    assert (inputs.name, inputs.task, inputs.columns) == ("polite", "question", {"question": ("de", "en")})
    assert [(item.references, item.options) for item in inputs.items] == [
        (("yes",), ("yes", "no")), (("no",), ("no", "yes"))
    ]  # fmt: skip
    assert inputs.items[0].fields["question"]["en"] == "Hello"


def test_the_lab_corpus_is_one_of_them():
    inputs = from_corpora({"text": load("lab", languages=["de", "en", "zh"])}, "zh", target="de")
    assert (inputs.columns, len(inputs) > 10) == ({"text": ("en", "zh")}, True)


@pytest.mark.parametrize("name", ["mgsm", "xquad"])
def test_published_tasks(name, real_data):
    task = load_task(real_data(name), languages=["en", "de", "zh"], limit=5)
    inputs = from_task(task, "en")
    assert len(inputs) == 5
    assert inputs.items[3].fields["question"]["zh"] == task.prompts.texts["zh"][3]


def test_published_sums_field_by_field(real_data):
    questions, answers = (load(real_data("mgsm"), column=column) for column in ("question", "answer"))
    inputs = from_corpora({"question": questions}, "de", task="sums", references=answers)
    assert (len(inputs), len(inputs.columns["question"]), inputs.items[0].references) == (250, 11, ("18",))


def item(name, original, **texts):
    return ParallelItem(name, {"text": {"de": original, **texts}}, "de")


def test_inputs_are_joined_on_their_originals_whatever_their_order():
    items = (
        item("1", "eins", es="uno", ru="один"), item("2", "zwei", es="dos", ru="два"), item("3", "eins", es="x", ru="y")
    )  # fmt: skip
    first = ParallelInputs("de2en", "translation", items, excluded=("de2en/9",))
    second = ParallelInputs(
        "de2fr", "translation", (item("7", "zwei", es="par", it="due"), item("8", "drei", es="tres", it="tre"),
        item("9", "eins", es="uno", it="uno")),
    )  # fmt: skip
    joined = join_on_original(first, second)
    assert [(i.id, dict(i.fields["text"])) for i in joined.items] == [
        ("1", {"de": "eins", "es": "uno", "ru": "один", "es#2": "uno", "it": "uno"}),
        ("2", {"de": "zwei", "es": "dos", "ru": "два", "es#2": "par", "it": "due"}),
    ]
    assert joined.excluded == ("de2en/9",)
    with pytest.raises(CorpusError, match="share no original"):
        join_on_original(first, ParallelInputs("x", "translation", (item("8", "drei"),)))


REFUSED = [
    ({"original": "fr"}, "'fr' among them"),
    ({"original": "de", "target": "fr"}, "target 'fr'"),
    ({"original": "de", "target": "de"}, "target 'de'"),
    ({"original": "de", "references": ["one"]}, "1 references"),
    ({"original": "de", "wordings": {"x": Corpus("x", ("a", "c"), {"de": ("A", "B")})}}, "different ids"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(CorpusError, match=message):
        from_corpora({"text": CORPUS}, **options)
    with pytest.raises(CorpusError, match="one field only"):
        from_corpora({"premise": CORPUS, "hypothesis": CORPUS}, "de", target="en")
    with pytest.raises(CorpusError, match="No field"):
        from_corpora({}, "de")
    with pytest.raises(CorpusError, match="'de' were asked"):
        from_corpora({"text": CORPUS}, "de", references=CORPUS.select(["en"]))
    with pytest.raises(CorpusError, match="'fr'"):
        from_task(Task("t", CORPUS, CORPUS), "fr")
