"""Formal languages: how they are read, and whether two of their texts mean the same; without any model or tensor."""

from neuroglot.forms.cage import Cage, verdicts
from neuroglot.forms.table import FORMS, Form, form_of
from neuroglot.forms.verdicts import WORDS, Verdict

__all__ = ["FORMS", "WORDS", "Cage", "Form", "Verdict", "form_of", "verdicts"]
