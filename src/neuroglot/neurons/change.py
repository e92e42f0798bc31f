"""How sharing differs between two models that read the same rows, for example before and after alignment."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from neuroglot.activity.sharing import Sharing
from neuroglot.errors import LayoutMismatchError
from neuroglot.neurons.categories import active_shares_by_row, layer_shares_by_row

SAME = ("corpus_hash", "rows", "site", "tokens", "fires", "special_tokens")


@dataclass(frozen=True, eq=False)
class SharingChange:
    """Two sharings, row by row; raises `LayoutMismatchError` unless models are built alike and read the same rows.

    The number of rows and the languages must be equal, because fewer languages make more neurons all-shared.
    """

    before: Sharing
    after: Sharing

    def __post_init__(self) -> None:
        self.before.layout.require_same(self.after.layout, "The second model")
        ours, theirs = self.before.signature.to_json(), self.after.signature.to_json()
        differing = [key for key in SAME if ours.get(key) != theirs.get(key)]
        if differing or self.before.languages != self.after.languages:
            raise LayoutMismatchError(
                f"The two models differ in {', '.join(differing) or 'the languages that they read'}.",
                "Expected the same rows, languages and definition of firing, so that rows can be paired.",
                "A context or a tokenizer of another length drops other rows: read rows that both can hold.",
            )

    @property
    def category_shares(self) -> Tensor:
        """Change of each category's share of the layer's neurons, row by row: `[R, L, 4]`, after less before."""
        return layer_shares_by_row(self.after) - layer_shares_by_row(self.before)

    @property
    def active_shares(self) -> Tensor:
        """Change of the share of the layer's neurons that fire in each language, row by row: `[R, L, G]`."""
        return active_shares_by_row(self.after) - active_shares_by_row(self.before)
