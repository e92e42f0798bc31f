"""Verdicts without the cage, for tests that need hundreds."""

from __future__ import annotations

from neuroglot.forms.table import FORMS
from neuroglot.forms.worker import _compare, judged_answer


def word(form: str, answer: str, reference: str, **context: str) -> str:
    """The verdict's word, in this process."""
    assert form in FORMS
    return judged_answer(_compare(form), answer, reference, context).word
