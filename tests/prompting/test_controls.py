"""Settings and their controls: what each keeps of a parallel prompt and what it takes away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.parallel_inputs import ParallelInputs, ParallelItem
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.prompting import (
    Setting,
    build_prompts,
    comparison,
    direct,
    filler,
    monolingual_sources,
    paraphrase,
    pivot,
    pmi,
    repeated,
    shuffled,
)  # fmt: skip
from tests.prompting.inputs import CATS, DOGS, RAIN, translations
from tests.prompting.tokenizers import tokenizer

LANGUAGES = ["es", "ru"]


def segments(prompt):
    return [(span.column, prompt.part(span)) for span in prompt.segments()]


def test_shuffled_rows_show_the_translations_of_one_other_row():
    for seed in range(5):
        for item, prompt in zip(
            translations().items,
            build_prompts(translations(), shuffled("de", LANGUAGES), target="en", seed=seed).prompts,
        ):
            (_, original), *added = segments(prompt)
            assert original == item.fields["text"]["de"]
            others = [row for row in (DOGS, CATS, RAIN) if row["de"] != original]
            assert added in [[("es", row["es"]), ("ru", row["ru"])] for row in others]


def test_no_row_of_equal_original_is_drawn():
    same = ParallelItem("again", {"text": {**DOGS, "es": "Otro."}}, "de")
    items = translations().items
    inputs = ParallelInputs("x", "translation", (items[0], same, items[1]))
    for seed in range(5):
        prompts = build_prompts(inputs, shuffled("de", ["es"]), target="en", seed=seed).prompts
        assert segments(prompts[0])[1] == segments(prompts[1])[1] == ("es", CATS["es"])
    with pytest.raises(ConfigError, match="No other row"):
        build_prompts(ParallelInputs("x", "translation", (items[0], same)), shuffled("de", ["es"]), target="en")


@pytest.mark.parametrize("kind", [None, "bytes", "bpe", "metaspace", "words"])
def test_filler_is_as_long_as_the_translations_and_says_something_else(kind):
    chosen = None if kind is None else tokenizer(kind)
    length = len if chosen is None else lambda text: len(chosen(text)["input_ids"])
    options = {"target": "en", "tokenizer": chosen}
    parallel = build_prompts(translations(), pmi("de", LANGUAGES), **options).prompts
    filled = build_prompts(translations(), filler("de", LANGUAGES), **options).prompts
    for item, before, after in zip(translations().items, parallel, filled):
        assert length(after.text) == length(before.text)
        (_, original), *added = segments(after)
        assert original == item.fields["text"]["de"]
        assert [column for column, _ in added] == LANGUAGES
        assert not {text for _, text in added} & set(item.fields["text"].values())
        words = {word for row in (DOGS, CATS, RAIN) if row["de"] != original for word in row["de"].split()}
        assert all(
            any(word.startswith(piece.rstrip(".")) for word in words) for _, text in added for piece in text.split()
        )
        assert [span.language for span in after.segments()] == ["de", "de", "de"]


@given(
    st.lists(st.text(min_size=1).filter(lambda text: not is_blank(text)), min_size=2, max_size=4, unique=True),
    st.integers(0, 9),
)
def test_filler_has_exactly_the_characters_of_what_it_stands_for(texts, seed):
    items = [ParallelItem(str(n), {"text": {"de": text, "es": text[::-1]}}, "de") for n, text in enumerate(texts)]
    inputs = ParallelInputs("x", "translation", tuple(items))
    built = build_prompts(inputs, filler("de", ["es"]), target="en", seed=seed)
    for item, prompt in zip(items, built.prompts):
        text = segments(prompt)[1][1]
        assert len(text) == len(item.fields["text"]["es"])
        assert text == text.strip()
    again = build_prompts(inputs, filler("de", ["es"]), target="en", seed=seed)
    assert [prompt.text for prompt in again.prompts] == [prompt.text for prompt in built.prompts]


def test_filler_that_cannot_be_cut_is_refused():
    """Two letters are three bytes behind a space, a dog alone is four."""
    items = tuple(ParallelItem(str(n), {"text": {"de": text, "es": "ab"}}, "de") for n, text in enumerate("🐕🐩"))
    inputs = ParallelInputs("x", "translation", items)
    with pytest.raises(ConfigError, match="No filler of exactly 3"):
        build_prompts(inputs, filler("de", ["es"]), target="en", tokenizer=tokenizer("bytes"))


def test_the_seed_decides_and_nothing_else():
    def texts(seed):
        return [p.text for p in build_prompts(translations(), shuffled("de", ["es"]), target="en", seed=seed).prompts]

    assert texts(1) == texts(1)
    assert len({tuple(texts(seed)) for seed in range(8)}) > 1


def test_controls_without_translations_are_in_one_language():
    for setting in (repeated("de", 2), paraphrase("de", ["de#2"]), monolingual_sources("de", ["de#2"])):
        assert setting.languages == ("de",)
    assert pmi("de", LANGUAGES).languages == ("de", "es", "ru")


def test_the_usual_comparison():
    settings = comparison("de", LANGUAGES)
    assert [setting.name for setting in settings] == ["direct", "pmi-2", "shuffled-2", "filler-2", "repeated-3"]
    assert len({len(setting.columns) for setting in settings[1:]}) == 1
    assert all(len(build_prompts(translations(), setting, target="en")) == 3 for setting in settings)


REFUSED = [
    lambda: pmi("de", []),
    lambda: pmi("de", "es"),
    lambda: pmi("de", ["es", "es"]),
    lambda: pmi("de", ["es", "de"]),
    lambda: pmi("de", ["de#2"]),
    lambda: pmi("de", ["es"], place=2),
    lambda: pmi("de", ["spa"]),
    lambda: paraphrase("de", ["es"]),
    lambda: monolingual_sources("de", ["es#2"]),
    lambda: repeated("de", 1),
    lambda: pivot("xx"),
    lambda: direct("deu"),
    lambda: Setting("mine", ("de",), "es"),
    lambda: Setting("mine", ("de",), "de", "noise"),
]


@pytest.mark.parametrize("setting", REFUSED)
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises((ConfigError, CorpusError)):
        setting()
