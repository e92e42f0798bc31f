"""Reasoning is cut off completions, templates are told not to think, and what is perhaps no translation is said."""

from pathlib import Path

import pytest

from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ArtifactError, CorpusError
from neuroglot.generation.backend import ChatWriter, Completion, judged
from neuroglot.generation.translation import Translated
from neuroglot.reports.sections.translating import translated_section
from neuroglot.signature import Signature
from tests.tiny import tiny_tokenizer


def test_reasoning_is_cut_and_counted() -> None:
    text = "<think>\nhm\n</think>\n\nLe chien dort."
    assert judged(text, "stop", 3, 9, False) == Completion("Le chien dort.", None, 3, 9, len(text) - 14)
    assert judged("Le chien dort.", "stop", 3, 9, False).reasoning is None
    assert judged("<think> and no end", "length", 3, 9, True).failure == "empty"


@pytest.mark.parametrize(("thinking", "expected"), [(False, "quick: hi"), (True, "slow: hi")])
def test_a_template_that_knows_thinking_is_told(thinking: bool, expected: str) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (
        "{{ 'quick' if enable_thinking is defined and not enable_thinking else 'slow' }}: {{ messages[0]['content'] }}"
    )
    assert ChatWriter(tokenizer, thinking).write([{"role": "user", "content": "hi"}]) == expected


def translated() -> Translated:
    source = Corpus("two", ("1", "2"), {"de": ("Der Hund schläft im alten Haus.", "Wir kaufen heute frisches Brot.")})
    said = (Completion("Der Hund schläft im alten Haus."), Completion("Nous achetons du pain.", reasoning=12))
    return Translated(source, {"fr": said}, Signature())


def test_suspicious_translations_are_counted_dropped_or_refused(tmp_path: Path) -> None:
    assert translated().kinds() == {"fr": [("untranslated",), ()]}
    remarks = " ".join(translated_section(translated(), 2).remarks)
    assert "no text in fr: untranslated (1)." in remarks
    assert "Reasoning was cut off translations: 1 in French (fr)." in remarks
    assert translated().to_corpus().ids == ("1", "2")
    assert translated().to_corpus("drop").ids == ("2",)
    with pytest.raises(ArtifactError, match="1 translations are perhaps no text"):
        translated().to_corpus("refuse")
    loaded = Translated.load(translated().save(tmp_path / "t.jsonl"))
    assert loaded.reasoned() == {"fr": 1}
    only = Translated(translated().original.take([0]), {"fr": translated().completions["fr"][:1]}, Signature())
    with pytest.raises(CorpusError):
        only.to_corpus("drop")
