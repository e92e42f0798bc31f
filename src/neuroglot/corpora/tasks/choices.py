"""Wrong options for facts: other objects of the same relation, the same entities in every language."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from neuroglot.corpora.tasks.relations import Facts


@dataclass(frozen=True)
class Objects:
    """The objects of one relation that every language names: `labels[entity][language]`, and the right ones by
    subject.
    """

    labels: Mapping[str, Mapping[str, str]]
    right: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, facts: Mapping[str, Facts]) -> "Objects":
        """From all facts of the relation, also those that not every language has."""
        labels: dict[str, dict[str, str]] = {}
        right: dict[str, set[str]] = {}
        for language, of_language in facts.items():
            fields = of_language.fields
            for subject, entity, label in zip(fields["sub_uri"], fields["obj_uri"], fields["obj_label"]):
                right.setdefault(subject, set()).add(entity)
                if label.strip():
                    labels.setdefault(entity, {}).setdefault(language, label)
        named = {entity: by_language for entity, by_language in labels.items() if len(by_language) == len(facts)}
        return cls(named, {subject: frozenset(entities) for subject, entities in right.items()})

    def choose(
        self, row_id: str, subject: str, answers: Mapping[str, str], answer: str, wrong: int
    ) -> list[Mapping[str, str]] | None:
        """The options of a row, `answers` among them, each by language; None where there are not enough.

        Entities are drawn and put in order by the hash of row and entity, so that a row keeps its options when other
        rows or relations are read, and the right one stands anywhere. Never drawn are other right objects of the
        subject (a country with two official languages), or ones with a name that is taken in some language (Cambridge
        and Cambridge).
        """
        chosen: dict[str, Mapping[str, str]] = {answer: answers}
        known = self.right.get(subject, frozenset())
        for entity in sorted(self.labels, key=lambda entity: _draw("draw", row_id, entity)):
            if len(chosen) > wrong:
                break
            if entity not in known and not any(_collide(self.labels[entity], other) for other in chosen.values()):
                chosen[entity] = self.labels[entity]
        if len(chosen) <= wrong:
            return None
        return [chosen[entity] for entity in sorted(chosen, key=lambda entity: _draw("order", row_id, entity))]


def _collide(labels: Mapping[str, str], others: Mapping[str, str]) -> bool:
    return any(labels[g].strip().casefold() == others[g].strip().casefold() for g in labels)


def _draw(purpose: str, row_id: str, entity: str) -> bytes:
    return hashlib.sha256(f"{purpose} {row_id} {entity}".encode()).digest()
