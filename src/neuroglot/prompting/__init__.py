"""Prompts that show an input in several languages, the controls beside them, and where each language stands in them."""

from neuroglot.prompting.building import PromptSet, build_prompts, choose_demonstrations
from neuroglot.prompting.prompt import Prompt, Span
from neuroglot.prompting.settings import (
    LanguageSearch,
    Setting,
    comparison,
    direct,
    filler,
    monolingual_sources,
    paraphrase,
    pivot,
    pmi,
    repeated,
    search_languages,
    shuffled,
)
from neuroglot.prompting.templates import TEMPLATES, Form, Line, Template

__all__ = [
    "TEMPLATES",
    "Form",
    "LanguageSearch",
    "Line",
    "Prompt",
    "PromptSet",
    "Setting",
    "Span",
    "Template",
    "build_prompts",
    "choose_demonstrations",
    "comparison",
    "direct",
    "filler",
    "monolingual_sources",
    "paraphrase",
    "pivot",
    "pmi",
    "repeated",
    "search_languages",
    "shuffled",
]
