"""`lego group`: which languages share a branch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from neuroglot.recipes.artefacts import MASKS, artefact
from neuroglot.recipes.branching import GROUPS_FILE
from neuroglot.recipes.options import USE, OnDevice, OnPivot, Positive, Seeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature

Way = Literal["language", "family", "size", "tokens", "neurons"]
READ_BY = {"size": "corpus", "tokens": "model", "neurons": "masks"}


class _Inputs(NamedTuple):
    languages: tuple[str, ...]
    likeness: Tensor | None
    sizes: Mapping[str, int]
    made: Signature


@dataclass(frozen=True, kw_only=True)
class LegoGroup(OnPivot, OnDevice, Seeded):
    """Put languages into groups: one each, by family, by amount of text, or by likeness of tokens or of neurons.

    The run folder holds them as groups.json, for `neuroglot lego train`.
    """

    command = "lego group"
    group = USE
    examples = """
    neuroglot lego group --by family --languages de nl fr es ru --out groups
    neuroglot lego group --by neurons --masks masks --count 3 --out groups
    neuroglot lego group --by tokens --model facebook/m2m100_418M --languages de nl fr es ru \\
        --count 3 --out groups"""

    by: Way
    """By what: each `language` its own, `family`, `size` (pairs of text in --corpus), `tokens` (embeddings of the
    --model's language tokens), `neurons` (overlap of those in --masks)."""

    languages: tuple[str, ...] | None = None
    """Languages to group; by default all of the masks or the text but the pivot."""

    count: Positive = 4
    """Groups; of `language` and `family` as many as there are."""

    masks: Path | None = None
    """For neurons: run folder of `neuroglot specialize select`, or its masks.safetensors."""

    model: str | None = None
    """For tokens: a translation model with language tokens."""

    corpus: Path | None = None
    """For size: a folder of text by pair of languages, such as train.de-en.de and train.de-en.en."""

    stem: str | None = None
    """For size: only the files whose names begin so, such as `train` of train.de-en.de."""

    control: bool = False
    """Deal the languages at random to groups as large, as a control."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.errors import ConfigError
        from neuroglot.signature import Signature

        needed = READ_BY.get(self.by)
        given = [name for name in READ_BY.values() if getattr(self, name) is not None]
        if given != ([needed] if needed else []):
            raise ConfigError(
                f"Groups by {self.by} were given {', '.join(given) or 'nothing to read'}.",
                f"Expected --{needed}, and no other." if needed else "Expected languages only.",
            )
        if self.stem is not None and self.by != "size":
            raise ConfigError(f"The stem {self.stem!r} was named for groups by {self.by}.", "It is of files by pair.")
        likeness, sizes, made = None, {}, Signature.of(by=self.by, count=self.count, pivot=self.pivot)
        languages = self.asked
        if self.by == "neurons":
            languages, likeness, found = self._of_neurons(identity)
            made |= found
        elif self.by == "size":
            sizes = self._sizes(identity)
            languages = tuple(sizes)
        elif languages is None:
            raise ConfigError(f"Groups by {self.by} were asked for.", "Expected the languages: --languages de fr.")
        elif self.by == "tokens":
            likeness, found = self._of_tokens(identity, languages)
            made |= found
        if len({*languages}) < len(languages):
            raise ConfigError(f"Got the languages {', '.join(languages)}.", "Expected each once.")
        return _Inputs(languages, likeness, sizes, made)

    @property
    def asked(self) -> tuple[str, ...] | None:
        """The languages by their codes in a corpus; raises `CorpusError` for what is none."""
        from neuroglot.corpora.languages import language_code

        return None if self.languages is None else tuple(map(language_code, self.languages))

    def _of_neurons(self, identity: Identity) -> tuple[tuple[str, ...], Tensor, Signature]:
        from neuroglot.neurons.grouping import likeness_of_neurons
        from neuroglot.neurons.masks import DirectionMasks

        assert self.masks is not None
        masks = identity.file("masks", artefact(self.masks, MASKS), DirectionMasks.load)
        there = dict.fromkeys(code for each in masks.directions for code in (each.source, each.target))
        languages = self.asked or tuple(code for code in there if code != self.pivot)
        return languages, likeness_of_neurons(masks, languages, self.pivot), masks.described

    def _of_tokens(self, identity: Identity, languages: tuple[str, ...]) -> tuple[Tensor, Signature]:
        import torch

        from neuroglot.corpora.directions import Direction
        from neuroglot.errors import ConfigError
        from neuroglot.models.provenance import model_signature
        from neuroglot.neurons.grouping import likeness_of_tokens
        from neuroglot.tokens.language_tokens import require_convention

        assert self.model is not None
        view, tokenizer = self.load_model(identity, self.model)
        convention = require_convention(view, tokenizer)
        rows = []
        for code in languages:
            other = next((each for each in (self.pivot, *languages) if each != code), None)
            if other is None:
                raise ConfigError(f"Only the pivot {code!r} was to be grouped.", "Expected another language.")
            (ids,) = convention.sources(Direction(code, other), [""])
            rows += [token for token in ids if token in convention.languages]
        if len({*rows}) < len({*languages}):
            raise ConfigError(
                f"{self.model} does not name the language of what it reads by a token of its own.",
                "Expected a model such as M2M-100 or NLLB, and each language once.",
            )
        weights: Any = view.model.get_input_embeddings()
        return likeness_of_tokens(weights.weight.detach()[torch.tensor(rows)].cpu()), model_signature(view)

    def _sizes(self, identity: Identity) -> dict[str, int]:
        from neuroglot.corpora.language_centric import read_pairs
        from neuroglot.errors import CorpusError
        from neuroglot.signature import Signature

        assert self.corpus is not None
        pairs = read_pairs(self.corpus, self.stem)
        found: dict[str, int] = {}
        for direction, rows in pairs.items():
            found[direction.source] = found.get(direction.source, 0) + len(rows)
        wanted = self.asked or tuple(code for code in found if code != self.pivot)
        if missing := [code for code in wanted if code not in found]:
            raise CorpusError(f"{self.corpus} has no text of {missing[0]}.", f"It has {', '.join(found)}.")
        sizes = {code: found[code] for code in wanted}
        identity.note("sizes", Signature.of(**sizes))
        return sizes

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.models.branched import require_groups
        from neuroglot.neurons import grouping
        from neuroglot.reports import Report
        from neuroglot.reports.sections.groups import groups_section
        from neuroglot.signature import Signature, versions
        from neuroglot.storage import write_whole

        if inputs.likeness is not None:
            groups = grouping.by_likeness(inputs.likeness, inputs.languages, self.count)
        elif self.by == "size":
            groups = grouping.by_size(inputs.sizes, self.count)
        else:
            make = grouping.by_family if self.by == "family" else grouping.each_alone
            groups = make(inputs.languages)
        if self.control:
            groups = grouping.groups_at_random(groups, self.seed)
        require_groups(groups)
        write_whole(run.files / GROUPS_FILE, json.dumps(groups, indent=1, ensure_ascii=False) + "\n")
        made = inputs.made | Signature.of(control=self.control, seed=self.seed if self.control else None) | versions()
        section = groups_section(groups, inputs.languages, inputs.likeness, made)
        return Report([section], title=f"Groups of languages by {self.by}")

    def following(self, out: Path) -> tuple[str, ...]:
        """Train branches of these groups."""
        return ("lego", "train", "--groups", str(out), "--corpus", "TEXTS", "--out", f"{out}-trained")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import of_files

        read = [] if self.masks is None else [artefact(self.masks, MASKS)]
        return of_files(read, [GROUPS_FILE], REPORT_BYTES)
