"""Architectures of our own: one file or folder each, with config, model and family entry.

It defines a `PreTrainedConfig` with a `model_type` of its own, a `PreTrainedModel` whose `config_class` that is, and
`FAMILY`, a `Family` whose `model_class` is the model, or None if it wraps a model of another family, whose neurons it
has. It imports transformers, `models/families.py`, `models/inputs.py`, `models/ctc.py` and `errors.py`, and nothing
else of the package. No list names it: `view` and `load` find a family by its `model_type`,
and the tests of families, which need one tiny config for each, find it here as well.
"""

from importlib import import_module
from pkgutil import iter_modules

from neuroglot.models.families import Family


def own_families() -> tuple[Family, ...]:
    """`FAMILY` of every file and folder here that has one, in the order of their names."""
    families = (import_module(f"{__name__}.{module.name}").FAMILY for module in iter_modules(__path__))
    return tuple(family for family in families if family is not None)
