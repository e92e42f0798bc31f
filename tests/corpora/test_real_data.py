"""The published corpora, where they are at hand; see conftest.py."""

import re

import pytest

from neuroglot import corpora
from neuroglot.errors import CorpusError

REAL = [
    ("flores_detok", "af am ar cs de en es fr hi pl ro ru sv", 2009, "unknown"),
    ("mgsm", "bn de en es fr ja ru sw te th zh", 250, "CC BY 4.0"),
    ("msvamp", "bn de en es fr ja ru sw th zh", 1000, "Apache-2.0"),
    ("xquad", "ar de en es hi ru zh", 1190, "CC BY-SA 4.0"),
]


@pytest.mark.parametrize(("name", "languages", "rows", "licence"), REAL)
def test_published_corpora_load_whole(name, languages, rows, licence, real_data):
    corpus = corpora.load(real_data(name))
    assert corpus.languages == tuple(languages.split())
    assert (len(corpus), corpus.dropped, corpus.licence) == (rows, 0, licence)


def test_rows_of_flores_say_the_same(real_data):
    """Names in Latin script and lengths agree within a row far more than between neighbouring rows."""
    corpus = corpora.load(real_data("flores_detok"), languages=["en", "de"])
    numbers = {g: [set(re.findall(r"\d{2,}", text)) for text in corpus.texts[g]] for g in corpus.languages}
    numbered = [row for row in range(len(corpus) - 1) if numbers["en"][row]]
    same = sum(bool(numbers["en"][row] & numbers["de"][row]) for row in numbered)
    shifted = sum(bool(numbers["en"][row] & numbers["de"][row + 1]) for row in numbered)
    assert same > 0.9 * len(numbered) > 8 * shifted


def test_xquad_has_240_paragraphs(real_data):
    assert len(corpora.load(real_data("xquad"), column="context")) == 240


def test_published_system_outputs_are_no_corpus(real_data):
    with pytest.raises(CorpusError, match="no part of the layout"):
        corpora.load(real_data("mt_outputs") / "ar-en")
