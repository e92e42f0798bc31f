"""The generator: the same from the same seed, parallel, and nothing held out occurs in training."""

import re
import sys
from random import Random

import pytest

from neuroglot.errors import ConfigError, MissingExtraError
from neuroglot.lab import LabConfig, make_corpus
from neuroglot.lab.cldr import COUNTRIES, country
from neuroglot.lab.languages import LANGUAGES, phrasebook
from neuroglot.lab.phrasebook import Phrasebook
from neuroglot.lab.questions import QUESTIONS
from neuroglot.lab.sentences import KINDS, draw_sentence, is_held_out, render

SMALL = LabConfig(documents=200, questions=40, held_out_documents=60, held_out_questions=20)


@pytest.fixture(scope="module")
def corpus():
    return make_corpus(SMALL)


def everything(corpus):
    parts = [corpus.train, corpus.held_out]
    for task in (*corpus.train_tasks, *corpus.held_out_tasks):
        parts += [task.prompts, task.answers]
    return [part.hash for part in parts]


def test_same_seed_same_texts_other_seed_others(corpus):
    assert everything(make_corpus(SMALL)) == everything(corpus)
    other = make_corpus(LabConfig(seed=1, documents=200, questions=40, held_out_documents=60, held_out_questions=20))
    assert not set(everything(other)) & set(everything(corpus))


def test_ten_languages_in_five_scripts(corpus):
    scripts = {
        "en": "[a-z]",
        "ru": "[а-я]",
        "zh": "[\u4e00-\u9fff]",
        "ja": "[\u3040-\u30ff]",
        "ar": "[\u0620-\u064a]",
        "hi": "[\u0900-\u097f]",
    }
    assert corpus.train.languages == LANGUAGES
    assert len(LANGUAGES) == 10
    for language, letters in scripts.items():
        written = [text for text in corpus.train.texts[language] if re.search(letters, text)]
        assert len(written) > 0.95 * len(corpus.train)  # a Japanese list of countries can do without kana


def test_rows_are_parallel(corpus):
    """The numerals and countries of a row are in it in every language, read from the finished texts."""
    for row, english in enumerate(corpus.train.texts["en"]):
        numerals = {int(digits) for digits in re.findall(r"\d+", english)} - {
            2
        }  # Arabic has a dual: 2 hours is one word
        named = {code for code in COUNTRIES if f": {country(code, 'en')}." in english}
        for language in LANGUAGES:
            text = corpus.train.texts[language][row]
            got = {int(digits) for digits in re.findall(r"\d+", text)}
            assert numerals <= got, (english, text)  # Chinese and Japanese also write the month as a number
            assert all(country(code, language) in text for code in named), (english, text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sentence_renders_in_every_language(kind):
    slots = KINDS[kind].draw(Random(0))
    sentences = {language: render(kind, slots, language) for language in LANGUAGES}
    assert all(text.strip() and "{" not in text for text in sentences.values())
    assert len(set(sentences.values())) == len(LANGUAGES)


def test_no_held_out_text_in_training(corpus):
    for language in LANGUAGES:
        seen = "\n".join(corpus.train.texts[language])
        assert not [text for text in corpus.held_out.texts[language] if text in seen]


def test_no_held_out_sentence_in_training_but_for_facts():
    sides = {}
    for held_out in (False, True):
        rng = Random(3)
        drawn = {draw_sentence(rng, held_out) for _ in range(3000)}
        sides[held_out] = {render(*one, "en") for one in drawn if not KINDS[one[0]].fact}
    assert len(sides[True]) > 500
    assert not sides[True] & sides[False]


def test_no_held_out_question_in_training(corpus):
    assert [task.name for task in corpus.held_out_tasks] == list(QUESTIONS)
    for train, held_out in zip(corpus.train_tasks, corpus.held_out_tasks, strict=True):
        for language in LANGUAGES:
            assert not set(train.prompts.texts[language]) & set(held_out.prompts.texts[language])


def test_the_side_of_slots_does_not_depend_on_the_seed():
    assert [n for n in range(1, 60) if is_held_out("number", (n,))] == [2, 14, 18, 24, 28, 34, 38, 44, 48, 54, 58]


def test_verbs_agree_with_feminine_subjects():
    assert phrasebook("hi").narrative(2, 0, 0) == "सुबह मेरी बहन किताब पढ़ती है।"
    assert phrasebook("ar").narrative(2, 0, 0) == "في الصباح، أختي تقرأ كتابا."
    assert phrasebook("ar").says(1, 0) == "أخي يقول: البيت كبير."
    assert phrasebook("de").narrative(2, 0, 0) == "am Morgen liest meine Schwester ein Buch."


def test_a_phrasebook_with_a_missing_phrase_is_refused():
    book = phrasebook("en")
    with pytest.raises(ConfigError, match="'subjects': 13"):
        Phrasebook(**{**vars(book), "subjects": book.subjects[1:]})


def test_without_babel_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "num2words", None)
    from neuroglot.lab.cldr import number_words

    number_words.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install 'neuroglot\[lab\]'"):
        number_words(5, "en")


def test_an_impossible_recipe_is_refused():
    with pytest.raises(ConfigError, match="steps=0"):
        LabConfig(steps=0)
