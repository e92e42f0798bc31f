"""`lego train`: a branched translation model, trained group by group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from annotated_types import Ge, Gt, Lt

from neuroglot.recipes.branching import Ensembled, Localized, read_groups
from neuroglot.recipes.lego_rows import TrainedOn
from neuroglot.recipes.options import USE, Placed, Positive, Writing
from neuroglot.recipes.training_options import Shaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.corpora.directions import Direction
    from neuroglot.corpora.language_centric import TrainingText
    from neuroglot.models.branched import BranchedConfig, BranchedFolder
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.training.language_centric import Directions


class _Inputs(NamedTuple):
    train: TrainingText
    validation: Corpus
    test: Corpus
    directions: tuple[Direction, ...]
    groups: Mapping[str, Sequence[str]]
    model: Any  # of one pair; None for a folder of branches
    folder: BranchedFolder | None
    tokenizer: PreTrainedTokenizerBase
    encoded: Directions


@dataclass(frozen=True, kw_only=True)
class LegoTrain(TrainedOn, Localized, Shaped, Writing, Ensembled, Placed):
    """Train an encoder and a decoder for each group of languages, one group in memory at a time (Lego-MT).

    Stage 1 trains the groups' encoders beside the main pair, stage 2 their decoders with main encoder and embedding
    frozen; stage `branches` trains both and freezes all that is shared. The run folder is the model in pieces, a file a
    branch. Source: Yuan et al. 2022.
    """

    command = "lego train"
    group = USE
    examples = """
    neuroglot lego train --out run
    neuroglot lego train --model facebook/m2m100_418M --corpus flores/ --groups groups.json \\
        --steps 500 --out run
    neuroglot lego train --model run --corpus more/ --train-groups sw --stages branches --out added"""

    model: str | None = None
    """M2M-100 or NLLB, a folder or a hub id, or a branched model to go on with; by default a small one from nothing."""

    groups: Path | None = None
    """JSON file with the languages of each group, or run folder of `neuroglot lego group`; by default one for each
    language but the pivot. Groups that a branched model lacks are added as copies of its main pair."""

    first_steps: Positive = 800
    """Steps of the main pair, if it begins from nothing."""

    first_rate: Annotated[float, Gt(0)] = 3e-3
    """And its highest learning rate."""

    zero_shot: tuple[str, ...] = ()
    """Directions that are translated and not trained, such as `de-fr`."""

    layers: Positive = 2
    """Layers of the encoder, and as many of the decoder, of a model from nothing."""

    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of activations that is dropped in its training."""

    max_new_tokens: Positive = 96
    """Longest translation, in tokens."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.corpora.directions import as_direction
        from neuroglot.errors import ConfigError
        from neuroglot.experiments.lego import flows_in
        from neuroglot.experiments.translations import require_translatable
        from neuroglot.generation.decoding import Decoding
        from neuroglot.models import view

        _ = self.localized  # refuses first
        _ = self.chosen_metric
        train, validation, test = self.rows(identity)
        directions = tuple(train.pairs)
        untrained = tuple(map(as_direction, self.zero_shot))
        if known := [each for each in untrained if each in directions]:
            raise ConfigError(f"{known[0]} is among the directions that are trained.", "Expected others (--zero-shot).")
        for direction in (*directions, *untrained):
            test.select([direction.source, direction.target])  # refuses a language that it lacks
        model, folder, tokenizer = self._model(identity, train)
        config = self._config(model, folder, self._groups(identity, train, folder))
        self.localized.turns(config)  # refuses groups that are not there
        flows_in(config, (*directions, *untrained), self.ensembles)  # and ensembles that no direction has
        if model is not None:  # refuses, before anything is trained, test rows that it cannot read
            require_translatable(view(model), tokenizer, test, (*directions, *untrained), Decoding(self.max_new_tokens))
        encoded = self._encoded(model, folder, tokenizer, train)
        for group in self.train_groups or config.members:
            self._require_text(encoded, config, group)
        if seen := self._known(test):
            identity.remarks.append(f"{seen:,} of the {len(test):,} rows that are translated trained {self.model}.")
        return _Inputs(train, validation, test, directions, config.members, model, folder, tokenizer, encoded)

    def _known(self, test: Corpus) -> int:
        """How many rows that are held out from this training were in one of the model that it goes on with."""
        from neuroglot.corpora.trained import rows_trained_on

        return 0 if self.model is None else len(rows_trained_on(test, Path(self.model)))

    def _model(self, identity: Identity, train: TrainingText) -> tuple[Any, Any, Any]:
        from neuroglot import models
        from neuroglot.lab.translator import TranslatorConfig, new_translator
        from neuroglot.models.provenance import model_signature, tokenizer_signature
        from neuroglot.recipes.branching import load_branches

        if self.model is None:
            shape = TranslatorConfig(self.hidden, self.layers, self.heads, self.ffn, self.vocabulary, self.dropout)
            model, tokenizer = new_translator(train, shape, self.seed)
            return model, None, tokenizer
        file = Path(self.model) / "config.json"
        if file.is_file() and b'"branched_m2m_100"' in file.read_bytes():
            return None, *load_branches(identity, Path(self.model))
        view, tokenizer = models.load(self.model, device="cpu")
        identity.note("model", model_signature(view) | tokenizer_signature(tokenizer))
        return view.model, None, tokenizer

    def _groups(
        self, identity: Identity, train: TrainingText, folder: BranchedFolder | None
    ) -> Mapping[str, Sequence[str]]:
        named = {} if self.groups is None else read_groups(identity, self.groups)
        if folder is not None:
            return {**folder.config.members, **named}
        return named or {code: [code] for code in train.languages if code != self.pivot}

    def _config(self, model: Any, folder: BranchedFolder | None, groups: Mapping[str, Sequence[str]]) -> Any:
        from neuroglot.models.branched import MAIN, BranchedConfig
        from neuroglot.models.branched.model import config_from

        if folder is None:
            return config_from(model, groups)
        known = folder.config
        new = [name for name in groups if name not in known.members]
        changed: dict[str, Any] = {"groups": {name: list(codes) for name, codes in groups.items()}, "flows": {}}
        changed |= {f"{side}s": [*known.branches(side), *new] for side in ("encoder", "decoder")}
        if missing := [side for side in ("encoder", "decoder") if MAIN not in known.branches(side)]:
            from neuroglot.errors import ArtifactError

            raise ArtifactError(f"{folder.path} has no main {missing[0]}.", "Expected a model with its main pair.")
        config = BranchedConfig.from_dict(known.to_dict() | changed)
        config.name_or_path = str(folder.path)
        return config

    def _encoded(
        self, model: Any, folder: BranchedFolder | None, tokenizer: Any, train: TrainingText
    ) -> Directions:  # fmt: skip
        from neuroglot.models.view import view
        from neuroglot.training.language_centric import Directions

        located = view(folder.select() if model is None and folder is not None else model)
        return Directions.encode(located, tokenizer, train.pairs)

    def _require_text(self, encoded: Directions, config: BranchedConfig, group: str) -> None:
        from neuroglot.training.language_centric import rows_of_turn
        from neuroglot.training.localized import STAGES

        for stage in self.stages:
            rows_of_turn(encoded, config, group, STAGES[stage].flows, 1, 1, self.temperature, self.seed)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot import progress
        from neuroglot.experiments.lego import best_flows, flows_in
        from neuroglot.experiments.lego_training import train_shared
        from neuroglot.metrics.losses import LossCurve
        from neuroglot.models.branched import BranchedFolder
        from neuroglot.models.branched.writing import save_config
        from neuroglot.models.provenance import tokenizer_signature
        from neuroglot.reports import Report
        from neuroglot.signature import Signature, versions
        from neuroglot.storage import as_artifact_error

        start, first = self._start(run, inputs)
        config = self._config(None, start, inputs.groups)
        described = Signature.of(
            stages=" ".join(self.stages), rounds=self.rounds, steps=self.steps, learning_rate=self.learning_rate,
            batch_size=self.batch_size, temperature=self.temperature, seed=self.seed, processes=self.processes,
            exchange=self.exchange if self.processes > 1 else None, corpus=inputs.train.name,
            corpus_hash=inputs.train.hash, began_as=self.model,
        )  # fmt: skip
        described |= tokenizer_signature(inputs.tokenizer) | versions()
        turns = len(self.localized.turns(config))
        with progress.steps("training") as on_step:
            pieces = train_shared(
                run.state / "pieces", start, config, inputs.encoded, self.localized, self.shared, device=self.device,
                on_step=lambda turn, step, steps, loss: on_step(turn.number * steps + step, steps * turns, loss),
            )  # fmt: skip
        folder = pieces.export(run.files, start, described)
        with as_artifact_error(run.files):
            inputs.tokenizer.save_pretrained(run.files)
        self._remember(run, inputs)
        trained = folder.config
        trained.flows = best_flows(
            folder, inputs.tokenizer, inputs.validation, flows_in(trained, inputs.directions), self.device
        )
        save_config(trained, run.files, start.generation_config)
        losses = [loss for _, _, of_turn in pieces.losses for loss in of_turn]
        curve = LossCurve((*first, *losses), described, dropped={"too long": inputs.encoded.dropped})
        measured = self._measured(run, BranchedFolder(run.files), start, inputs)
        return Report([*measured, curve], title=f"Branches of {', '.join(inputs.groups)}")

    def _start(self, run: Run, inputs: _Inputs) -> tuple[BranchedFolder, tuple[float, ...]]:
        """The branched model as it begins, and the losses of the main pair if that was trained first."""
        import json

        from neuroglot import progress
        from neuroglot.experiments.lego_training import train_main
        from neuroglot.models.branched import BranchedFolder, create
        from neuroglot.storage import parse_json, write_whole

        if inputs.folder is not None:
            return inputs.folder, ()
        place, losses = run.state / "start", run.state / "start.json"
        if not losses.is_file():
            found: tuple[float, ...] = ()
            if self.model is None:
                with progress.steps("the main pair") as on_step:
                    found = train_main(
                        inputs.model, inputs.encoded, steps=self.first_steps, learning_rate=self.first_rate,
                        batch_size=self.batch_size, temperature=self.temperature, seed=self.seed,
                        checkpoint_every=self.checkpoint_every, kept=run.kept("main"), device=self.device,
                        on_step=on_step,
                    )  # fmt: skip
            create(inputs.model, inputs.groups, place)
            write_whole(losses, json.dumps(found))
        inputs.model.to("meta")  # from here on it is read from disk, a turn at a time
        return BranchedFolder(place), tuple(parse_json(losses.read_bytes()))

    def _remember(self, run: Run, inputs: _Inputs) -> None:
        """Write beside the model which texts it, and what it began as, was trained on or its flows are chosen on; and
        the rows that it was not.
        """
        from neuroglot.corpora.trained import save_texts_trained_on
        from neuroglot.recipes.artefacts import CORPUS, write_corpus

        columns = [*inputs.train.read, *inputs.validation.texts.values()]
        save_texts_trained_on(run.files, columns, () if self.model is None else (Path(self.model),))
        write_corpus(inputs.test, run.files / CORPUS)

    def _measured(self, run: Run, folder: BranchedFolder, start: BranchedFolder, inputs: _Inputs) -> list[Any]:
        from dataclasses import replace

        from neuroglot.corpora.directions import as_direction
        from neuroglot.corpora.trained import told_trained
        from neuroglot.experiments.lego import BASE, can_compare_spaces, flows_in, score_flows, spaces, translate_flows
        from neuroglot.generation.decoding import Decoding
        from neuroglot.models.provenance import made_with
        from neuroglot.signature import Signature

        directions = (*inputs.directions, *map(as_direction, self.zero_shot))
        how: dict[str, Any] = {"decoding": Decoding(self.max_new_tokens), "device": self.device}
        flows = flows_in(folder.config, directions, self.ensembles)
        found = translate_flows(folder, inputs.tokenizer, inputs.test, flows, kept=run.kept("translated"), **how)
        before = translate_flows(
            start, inputs.tokenizer, inputs.test, dict.fromkeys(directions, (4,)), kept=run.kept("before"), **how
        )
        signature = made_with(None, inputs.tokenizer, inputs.test) | told_trained(self._known(inputs.test))
        signature |= Signature.of(embedding=folder.config.embedding, max_new_tokens=self.max_new_tokens, seed=self.seed)
        scores = score_flows(found, inputs.test, self.pivot, self.chosen_metric, signature, folder.config)
        began = score_flows(before, inputs.test, self.pivot, self.chosen_metric, signature, folder.config)
        scores = replace(scores, counts={**scores.counts, "main pair before": began.counts[BASE]})
        if not can_compare_spaces(inputs.validation, self.pivot):
            return [scores]
        name = "a new model" if self.model is None else Path(self.model).name
        return [
            scores,
            *spaces(
                folder, inputs.tokenizer, inputs.validation, self.pivot, device=self.device,
                name=f"branches of {name}",
            ),
        ]  # fmt: skip

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.experiments.lego_training import by_direction, rows_of_all
        from neuroglot.models.branched import BranchedSeq2Seq
        from neuroglot.models.branched.flows import single_flows
        from neuroglot.models.view import view
        from neuroglot.recipes.steps import training_bytes, training_step
        from neuroglot.runs.price import price
        from neuroglot.training.language_centric import Directions, flow_collator
        from neuroglot.training.localized import STAGES
        from neuroglot.training.trainer import read_once

        pair: Any = inputs.model or (inputs.folder and inputs.folder.select())
        located = view(pair)
        main = BranchedSeq2Seq.from_model(pair, {})

        def run(part: Any) -> None:
            encoded = Directions.encode(located, inputs.tokenizer, by_direction(part.corpus, part.directions))
            read_once(main, rows_of_all(encoded), flow_collator(main.config, encoded.pad_id), self.batch_size)

        data, several = inputs.train.largest, len(inputs.train.largest.directions)
        turns = self.localized.turns(self._config(inputs.model, inputs.folder, inputs.groups))
        flows = sum(len(single_flows(STAGES[turn.stage].flows)) for turn in turns)
        counted = {"the main pair": self.first_steps if self.model is None else 0, "the groups": flows * self.steps}
        steps = [
            training_step(name, data, run, number * self.batch_size, examples_a_row=several)
            for name, number in counted.items() if number
        ]  # fmt: skip
        size = training_bytes(pair, located)
        return price(located, inputs.tokenizer, steps, size, (1 + len(inputs.groups)) * size)

    def following(self, out: Path) -> tuple[str, ...]:
        """Translate with it."""
        return ("lego", "translate", str(out), "--corpus", "TEXTS", "--source", self.pivot, "--into", "LANGUAGE")
