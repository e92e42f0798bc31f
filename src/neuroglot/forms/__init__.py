"""Formal languages: how they are read, and whether two of their texts mean the same; without any model or tensor."""

from neuroglot.forms.cage import Cage, verdicts
from neuroglot.forms.table import FORMS, KnownForm, form_of
from neuroglot.forms.verdicts import VERDICT_WORDS, Verdict

__all__ = ["FORMS", "VERDICT_WORDS", "Cage", "KnownForm", "Verdict", "form_of", "verdicts"]
