"""Molecules in SMILES: the same where RDKit's canonical SMILES are."""

from __future__ import annotations

from collections.abc import Hashable

from neuroglot.forms.verdicts import InvalidFormError, UndecidedError

_LONGEST = 1_000  # characters


def smiles(text: str) -> Hashable:
    """RDKit's canonical SMILES with stereochemistry; raises `InvalidFormError` for what is no molecule."""
    from rdkit import Chem

    if len(text) > _LONGEST:
        raise UndecidedError(f"{len(text)} characters, where at most {_LONGEST} are read")
    is_single = len(text.split()) == 1  # what follows a space would be taken for a name
    molecule = Chem.MolFromSmiles(text.strip()) if is_single else None
    if molecule is None:
        raise InvalidFormError("no molecule")
    return str(Chem.MolToSmiles(molecule))
