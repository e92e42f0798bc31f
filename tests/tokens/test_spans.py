"""Spans of characters and of tokens: exact for any text, in chats and with answers."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers
from transformers import PreTrainedTokenizer

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.parallel_inputs import ParallelInputs, ParallelItem
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments.prompts import forced
from neuroglot.prompting import Prompt, Span, build_prompts, choose_demonstrations, pmi
from neuroglot.tokens.spans import token_spans
from tests.prompting.inputs import pairs, translations
from tests.prompting.tokenizers import CHATML, INSTRUCT, tokenizer
from tests.tiny import tiny_tokenizer

HARD = [
    "狗在睡觉",
    "שלום",
    "الكلب ينام",
    "👩‍👩‍👧",
    "🇩🇪",
    "e\u0301",
    "ก็",
    "ﬁ",
    "\u200f",
    "{text}",
    "\n",
    " ",
    "English:",
    "\t",
    "İ",
]
TEXTS = st.lists(st.one_of(st.sampled_from(HARD), st.text(max_size=4)), min_size=1, max_size=6).map("".join)
TEXTS = TEXTS.filter(lambda text: not is_blank(text))
ROWS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=2)


def built(rows):
    items = [
        ParallelItem(str(n), {"text": {"de": de, "zh": zh, "ar": ar}}, "de", ("yes",))
        for n, (de, zh, ar) in enumerate(rows)
    ]
    inputs = ParallelInputs("x", "translation", tuple(items))
    demonstrations, rest = choose_demonstrations(inputs, len(rows) - 1)
    return rest, build_prompts(rest, pmi("de", ["zh", "ar"]), target="en", demonstrations=demonstrations).prompts[0]


def check(prompt, item):
    """Every span slices what it names; no character is in two."""
    assert [prompt.part(span) for span in prompt.segments()] == [item.fields["text"][c] for c in ("de", "zh", "ar")]
    owned = [place for span in prompt.spans for place in range(span.start, span.end)]
    assert owned == sorted(set(owned))
    names = [span.name for span in prompt.spans if span.role != "demonstrations"]
    assert names == ["instruction", "text[de]", "text[zh]", "text[ar]", "answer"]


@given(ROWS)
def test_spans_slice_exactly_whatever_the_text(rows):
    rest, prompt = built(rows)
    check(prompt, rest.items[0])
    for language in ("de", "zh", "ar"):
        (span,) = prompt.segments(language)
        assert (span.column, span.language) == (language, language)
    answered = prompt.with_answer("The dog\n sleeps 🐕")
    check(answered, rest.items[0])
    assert answered.part(answered.spans[-1]) == "The dog\n sleeps 🐕"


@pytest.mark.parametrize("template", [CHATML, INSTRUCT])
@given(ROWS)
def test_spans_survive_chat_templates(template, rows):
    rest, prompt = built(rows)
    chat = prompt.as_chat(tokenizer("bytes", template))
    check(chat, rest.items[0])
    assert chat.is_chat
    assert chat.text.endswith(("assistant\n", "[/INST]"))
    assert chat.spans[-1].start == len(chat.text)
    assert [chat.part(span) for span in chat.spans] == [prompt.part(span) for span in prompt.spans]
    check(chat.with_answer("Dogs."), rest.items[0])


def owners(prompt, chosen):
    """For each token the span with most of its characters, by going through the characters."""
    of_character = {place: span for span in prompt.spans for place in range(span.start, span.end)}
    encoded = chosen(prompt.text, return_offsets_mapping=True, add_special_tokens=not prompt.is_chat)
    found = {}
    for token, (start, end) in enumerate(encoded["offset_mapping"]):
        votes = [of_character[place] for place in range(start, end) if place in of_character]
        if votes:
            found[token] = max(votes, key=votes.count)
    return encoded["input_ids"], found


@pytest.mark.parametrize("kind", ["bytes", "bpe", "metaspace", "words"])
@settings(max_examples=40, deadline=None)
@given(rows=ROWS, answer=st.booleans())
def test_tokens_belong_to_the_span_with_most_of_their_characters(kind, rows, answer):
    _, prompt = built(rows)
    prompt = prompt.with_answer("The dog sleeps.") if answer else prompt
    spans = token_spans(prompt, tokenizer(kind))
    token_ids, expected = owners(prompt, tokenizer(kind))
    assert spans.token_ids == tuple(token_ids[:-1] if kind == "words" else token_ids)  # no mark of the end
    assert {token: span for span, tokens in spans.spans.items() for token in tokens} == expected
    ranges = [spans.spans[span] for span in prompt.spans]
    assert all(before.stop <= after.start for before, after in pairwise(ranges) if len(before) and len(after))


def test_bytes_of_a_segment_are_its_tokens():
    """One token a byte: the range has as many tokens as the text bytes."""
    prompt = build_prompts(translations(), pmi("de", ["ru"]), target="en").prompts[0]
    spans = token_spans(prompt, tokenizer("bytes"))
    for span in prompt.segments():
        tokens = spans.spans[span]
        assert len(tokens) == len(prompt.part(span).encode())
        assert tokenizer("bytes").decode(spans.token_ids[tokens.start : tokens.stop]) == prompt.part(span)
    assert spans.positions("ru") == tuple(spans.spans[prompt.segments("ru")[0]])
    assert spans.spans[prompt.spans[-1]] == range(len(spans.token_ids), len(spans.token_ids))


def test_special_tokens_are_in_no_span_and_not_added_to_a_chat():
    prompt = build_prompts(translations(), pmi("de", ["ru"]), target="en").prompts[0]
    spans = token_spans(prompt, tokenizer("words"))
    ids = spans.token_ids
    assert (ids[0], tokenizer("words")(prompt.text)["input_ids"]) == (1, [*ids, 2])  # none where the answer follows
    assert spans.spans[prompt.spans[-1]] == range(len(ids), len(ids))
    assert 0 not in {token for tokens in spans.spans.values() for token in tokens}
    chat = token_spans(prompt.as_chat(tokenizer("metaspace", INSTRUCT)), tokenizer("metaspace", INSTRUCT))
    assert chat.token_ids.count(1) == 1


def test_segments_of_two_fields_are_told_apart():
    prompt = build_prompts(pairs(), pmi("de", ["es"])).prompts[0]
    assert [span.name for span in prompt.segments()] == ["premise[de]", "premise[es]", "hypothesis[de]"]
    assert len(prompt.segments("de")) == 2
    spans = token_spans(prompt, tokenizer("bpe"))
    assert len(spans.positions("de")) == sum(len(spans.spans[span]) for span in prompt.segments("de"))


class Slow(PreTrainedTokenizer):
    vocab_size = 1

    def get_vocab(self):
        return {"<unk>": 0}

    def _tokenize(self, text):
        return list(text)


PROMPT = build_prompts(translations(), pmi("de", ["ru"]), target="en").prompts[0]


def test_slow_tokenizers_are_refused():
    with pytest.raises(ConfigError, match="Slow does not say which characters"):
        token_spans(PROMPT, Slow())


def test_chats_without_a_template_or_that_change_the_text_are_refused():
    with pytest.raises(ConfigError, match="no chat template"):
        PROMPT.as_chat(tokenizer("bytes"))
    for wrong in ("{{ messages[0].content | upper }}", "{{ messages[0].content * 2 }}", "Hello"):
        with pytest.raises(ConfigError, match="changes the prompt's text|leaves out or changes"):
            PROMPT.as_chat(tokenizer("bytes", wrong))
    with pytest.raises(ConfigError, match="there is no system turn"):
        PROMPT.as_chat(tokenizer("bytes", INSTRUCT), system="Be kind.")
    chat = PROMPT.as_chat(tokenizer("bytes", CHATML), system="Be kind.")
    assert chat.text.startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nTranslate")
    with pytest.raises(ConfigError, match="is a chat"):
        chat.as_chat(tokenizer("bytes", CHATML))
    with pytest.raises(ConfigError, match="has its answer"):
        PROMPT.with_answer("yes").as_chat(tokenizer("bytes", CHATML))
    with pytest.raises(ConfigError, match="no open answer"):
        PROMPT.with_answer("yes").with_answer("no")


@pytest.mark.parametrize(
    "spans",
    [
        (),
        (Span("segment", 0, 2),),
        (Span("segment", 0, 3), Span("answer", 2, 4)),
        (Span("answer", 0, 9),),
        (Span("answer", 3, 2),),
        (Span("segment", -1, 2), Span("answer", 4, 4)),
    ],
)
def test_spans_that_overlap_or_leave_the_text_are_refused(spans):
    with pytest.raises(ConfigError, match="span edges"):
        Prompt("text", spans)


def test_forced_outputs_stand_behind_the_prompt_and_their_last_token_is_not_read():
    prompt = build_prompts(translations(), pmi("de", ["ru"]), target="en").prompts[0]
    for kind in ("bpe", "metaspace", "words"):
        (text,) = forced(tokenizer(kind), [prompt], ["The dog sleeps."])
        read = token_spans(prompt, tokenizer(kind)).token_ids
        assert text.token_ids[: len(read)] == read
        whole = token_spans(prompt.with_answer("The dog sleeps."), tokenizer(kind)).token_ids
        assert text.token_ids == whole[:-1]
        assert text.scored.index(True) == len(read)


def test_an_output_that_shares_a_token_with_its_prompt_is_refused():
    prompt = Prompt("w1 w2", (Span("answer", 5, 5),))
    merging = tiny_tokenizer()
    merging.backend_tokenizer.normalizer = normalizers.Replace(" 3", "3")  # joins the answer to the word before it
    with pytest.raises(CorpusError, match="share a token"):
        forced(merging, [prompt], ["3"])


def test_an_empty_span_stands_before_the_token_that_begins_there():
    prompt = Prompt("w1 w2 w3", (Span("answer", 3, 3),))
    ((span, tokens),) = token_spans(prompt, tiny_tokenizer()).spans.items()
    assert (span, tokens.start, tokens.stop) == (Span("answer", 3, 3), 2, 2)  # all empty ranges are equal
