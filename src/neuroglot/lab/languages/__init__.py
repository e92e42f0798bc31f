"""The ten languages of the lab, five scripts; one module each, all with the same tables in the same order."""

from importlib import import_module

from neuroglot.lab.phrasebook import Phrasebook

LANGUAGES = ("en", "de", "fr", "es", "ru", "zh", "ja", "ar", "hi", "sw")


def phrasebook(language: str) -> Phrasebook:
    """The phrases of one of `LANGUAGES`."""
    return import_module(f"neuroglot.lab.languages.{language}").PHRASEBOOK
