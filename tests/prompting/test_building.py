"""Prompts of every task and setting, against texts written out by hand."""

import pytest

from neuroglot.corpora.parallel_inputs import ParallelInputs, ParallelItem
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.prompting import (
    TEMPLATES,
    Form,
    Line,
    Template,
    build_prompts,
    choose_demonstrations,
    direct,
    paraphrase,
    pivot,
    pmi,
    repeated,
)  # fmt: skip
from tests.prompting.inputs import DOGS, pairs, translations
from tests.prompting.tokenizers import CHATML, tokenizer


def first(inputs, setting, **options):
    return build_prompts(inputs, setting, **options).prompts[0].text


TRANSLATIONS = [
    (direct("de"), "German: Der Hund schläft.\n"),
    (pivot("es"), "Spanish: El perro duerme.\n"),
    (pmi("de", ["es", "ru"]), "German: Der Hund schläft.\nSpanish: El perro duerme.\nRussian: Собака спит.\n"),
    (pmi("de", ["ru", "es"], place=1), "Russian: Собака спит.\nGerman: Der Hund schläft.\nSpanish: El perro duerme.\n"),
    (paraphrase("de", ["de#2"]), "German: Der Hund schläft.\nGerman: Es schläft der Hund.\n"),
    (repeated("de", 3), "German: Der Hund schläft.\n" * 3),
]


@pytest.mark.parametrize(("setting", "lines"), TRANSLATIONS, ids=lambda value: getattr(value, "name", ""))
def test_translation(setting, lines):
    assert first(translations(), setting, target="en") == f"Translate into English.\n{lines}English:"


def test_the_source_is_revealed_only_where_there_is_another():
    text = first(translations(), pmi("de", ["es"], place=1), target="en", reveal_source=True)
    instruction = text.split("\n")[0]
    assert instruction.startswith("Translate into English. Only the German version")
    assert first(translations(), direct("de"), target="en", reveal_source=True).startswith("Translate into English.\n")
    with pytest.raises(ConfigError, match="reveal_source"):
        build_prompts(translations(), repeated("de", 2), target="en", reveal_source=True)


def test_demonstrations_are_the_same_rows_in_every_setting():
    demonstrations, rest = choose_demonstrations(translations(), 1, seed=3)
    name = demonstrations[0].id
    assert name not in [item.id for item in rest.items]
    assert len(rest) == 2
    shown = demonstrations[0]
    for setting in (direct("de"), pmi("de", ["es"])):
        lines = "".join(f"{n}: {shown.fields['text'][c]}\n" for c, n in (("de", "German"), ("es", "Spanish"))
                        if c in setting.columns)  # fmt: skip
        block = f"Translate into English.\n{lines}English: {shown.references[0]}"
        prompts = build_prompts(rest, setting, target="en", demonstrations=demonstrations)
        assert all(
            prompt.text.startswith(f"{block}\n\nTranslate into English.\nGerman: ") for prompt in prompts.prompts
        )
        assert [prompt.part(prompt.spans[0]) for prompt in prompts.prompts] == [block] * 2
    direct_one, parallel = (
        build_prompts(rest, setting, target="en", demonstrations=demonstrations).signature.to_json()["demonstrations"]
        for setting in (direct("de"), pmi("de", ["es"]))
    )
    assert (
        direct_one == parallel != build_prompts(rest, direct("de"), target="en").signature.to_json()["demonstrations"]
    )
    assert choose_demonstrations(translations(), 2, seed=5) == choose_demonstrations(translations(), 2, seed=5)


def test_a_hypothesis_is_shown_once_in_the_main_language():
    text = first(pairs(), pmi("de", ["es"]))
    assert text.split("\n")[1:] == [
        "German premise: Der Hund schläft.", "Spanish premise: El perro duerme.", "", "Hypothesis: Er träumt.", "",
        "Verdict:",
    ]  # fmt: skip
    assert text.startswith("The premise is given in German and Spanish, the hypothesis in German. Does the premise")
    assert first(pairs(), direct("de")).split("\n")[1:] == [
        "Premise: Der Hund schläft.", "Hypothesis: Er träumt.", "Verdict:"
    ]  # fmt: skip


def inputs_of(task):
    template = TEMPLATES[task]
    fields = {line.field: {"en": f"{line.field} in English", "de": "auf Deutsch", "fr": "en français"}
              for line in template.several.lines}  # fmt: skip
    return ParallelInputs(task, task, (ParallelItem("1", fields, "en", ("right",)),))


@pytest.mark.parametrize("task", [task for task in TEMPLATES if task != "translation"])
@pytest.mark.parametrize("setting", [direct("en"), pivot("de"), pmi("en", ["de", "fr"])], ids=lambda s: s.name)
def test_every_task_shows_every_version_once_and_ends_open(task, setting):
    prompt = build_prompts(inputs_of(task), setting, target="fr").prompts[0]
    shown = [(span.field, span.column) for span in prompt.segments()]
    template = TEMPLATES[task]
    lines = (template.one if len(setting.columns) == 1 else template.several).lines
    expected = [(line.field, c) for line in lines for c in (setting.columns if line.every else (setting.main,))]
    assert shown == expected
    assert not prompt.text.endswith((" ", "\n"))
    assert not {"{", "}"} & set(prompt.text)
    assert prompt.spans[-1].start == prompt.spans[-1].end == len(prompt.text)


def test_the_answer_language_is_an_option():
    assert first(inputs_of("sums"), pmi("en", ["de"]), target="sw").endswith("\nAnswer in Swahili:")
    assert first(inputs_of("sums"), pmi("en", ["de"])).endswith("\nAnswer in English:")
    assert first(inputs_of("sums"), direct("en")) == "Q: question in English\nA:"


def test_an_instruction_is_taken_as_it_is():
    text = first(translations(), pmi("de", ["es"]), target="en", instruction="Use {braces} freely.")
    assert text.startswith("Use {braces} freely.\nGerman: ")
    assert first(translations(), direct("de"), target="en", instruction="").startswith("German: ")


def test_braces_of_a_text_are_text():
    item = ParallelItem("1", {"text": {"de": "{target} {0} {language"}}, "de", ("x",))
    assert "German: {target} {0} {language\n" in first(
        ParallelInputs("x", "translation", (item,)), direct("de"), target="en"
    )


def test_a_template_of_ones_own():
    form = Form("", (Line("{language}> ", "text"),), "{target}>")
    text = first(translations(), pmi("de", ["es"]), template=Template(form, form), target="en")
    assert text == "German> Der Hund schläft.\nSpanish> El perro duerme.\nEnglish>"
    with pytest.raises(ConfigError, match=r"the field \{text\}"):
        Line("{text}", "text")
    with pytest.raises(ConfigError, match=r"the field \{language\}"):
        Form("In {language}.", (), "")


def test_signatures_tell_prompts_apart():
    options = [
        {}, {"seed": 1}, {"instruction": "Do."}, {"demonstrations": True}, {"target": "fr"}, {"reveal_source": True},
        {"template": Template(TEMPLATES["sums"].one, TEMPLATES["translation"].one)},
    ]  # fmt: skip
    demonstrations, rest = choose_demonstrations(translations(), 1)
    signatures = set()
    for option in options:
        if "demonstrations" in option:
            option = {"demonstrations": demonstrations}
        built = build_prompts(rest, pmi("de", ["es"]), **{"target": "en", **option})
        signatures.add(str(built.signature))
        assert built.ids == tuple(item.id for item in rest.items)
        assert built.references == tuple(item.references for item in rest.items)
    assert len(signatures) == len(options)
    assert str(build_prompts(rest, direct("de"), target="en").signature) not in signatures


GERMAN = ParallelItem("9", {"text": {"de": "Ja"}}, "de", ("a",))


def test_a_set_of_prompts_is_a_corpus_and_can_be_a_chat():
    built = build_prompts(translations(), pmi("de", ["es"]), target="en")
    corpus = built.corpus
    assert (corpus.name, corpus.ids, corpus.languages) == ("animals/pmi-1", built.ids, ("en",))
    assert list(corpus.texts["en"]) == [prompt.text for prompt in built.prompts]
    chat = built.as_chat(tokenizer("bytes", CHATML))
    assert [prompt.text for prompt in chat.prompts] == [
        f"<|im_start|>user\n{prompt.text}<|im_end|>\n<|im_start|>assistant\n" for prompt in built.prompts
    ]
    assert str(chat.signature).startswith(f"{built.signature}|chat:")
    assert built.as_chat(tokenizer("bytes", CHATML), "Be kind.").signature != chat.signature


REFUSED = [
    (direct("de"), {}, "target of the translation is missing"),
    (pmi("de", ["es"]), {"target": "es"}, "shows 'es', into which"),
    (pmi("de", ["fr"]), {"target": "en"}, "no field 'text' in 'fr'"),
    (direct("de"), {"target": "en", "template": "poem"}, "no template 'poem'"),
    (direct("de"), {"target": "en", "template": "sums"}, "no field 'question'"),
    (direct("de"), {"target": "xx"}, "no language code"),
    (direct("de"), {"target": "en", "demonstrations": translations().items[:1]}, "'dogs' is among the items"),
    (direct("de"), {"target": "en", "demonstrations": [ParallelItem("9", {"text": DOGS}, "de")]}, "has no answer"),
    (pmi("de", ["es"]), {"target": "en", "demonstrations": [GERMAN]}, "'9' has no field 'text' in 'es'"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "options", "message"), REFUSED)
def test_what_cannot_be_built_is_refused(setting, options, message):
    with pytest.raises((ConfigError, CorpusError), match=message):
        build_prompts(translations(), setting, **options)


@pytest.mark.parametrize("count", [-1, 3, 4])
def test_not_all_items_can_be_demonstrations(count):
    with pytest.raises(ConfigError, match="Expected fewer"):
        choose_demonstrations(translations(), count)


def test_the_one_shot_requests_of_the_paper_are_a_template():
    """The lines of `prompt.txt` (Hendy et al. 2023), in which newlines are written as backslash and n."""
    form = Form(r"Translate this into 1. {target}:", (Line("", "text"),), "1.", gap=r"\n", before_answer=r"\n")
    template = Template(form, form, translates=True, between=r"\n")
    demonstrations, rest = choose_demonstrations(translations(), 1, seed=3)
    shown, item = demonstrations[0], rest.items[0]
    prompts = build_prompts(rest, direct("de"), template=template, target="en", demonstrations=demonstrations)
    heading = r"Translate this into 1. English:\n"
    assert prompts.prompts[0].text == (
        heading
        + shown.fields["text"]["de"]
        + rf"\n1. {shown.references[0]}\n"
        + heading
        + item.fields["text"]["de"]
        + r"\n1."
    )
    others = build_prompts(
        rest, direct("de"), template=Template(form, form, translates=True), target="en", demonstrations=demonstrations
    )
    assert others.signature["template"] != prompts.signature["template"]
