"""`generate`: texts that a model writes, with neurons steered or switched off."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.artefacts import GENERATED, STEERING, artefact, neuron_file
from neuroglot.recipes.deciding import ByRule
from neuroglot.recipes.options import USE, OnColumn, OnLanguages, OnModel, Positive, Proving

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.generation.texts import GeneratedTexts
    from neuroglot.interventions.steering import Steering
    from neuroglot.models import ModelView
    from neuroglot.neurons import NeuronSet
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    prompts: Corpus
    asked: Corpus  # the prompts as the model reads them
    steering: Steering | None
    off: NeuronSet | None
    seen: int  # prompts on which neurons or values were chosen


@dataclass(frozen=True, kw_only=True)
class Generate(OnModel, OnLanguages, OnColumn, ByRule, Proving):
    """Continue prompts, with neurons steered or switched off."""

    command = "generate"
    group = USE
    examples = """
    neuroglot generate lab --prompt "Der Preis ist" --max-new-tokens 20
    neuroglot generate lab --corpus prompts.tsv \\
        --ablate selected/de.safetensors --out without-german
    neuroglot generate ./my-model --corpus prompts/ --steer to-german --json
    neuroglot generate ./my-model --corpus prompts/ --rule mbr-chrf --samples 16 --out run
    neuroglot generate ./my-chat-model --prompt "Was kostet das?" \\
        --chat --system "Answer in one sentence." --stop ". " """
    positional = ("model",)
    keeping = "optional"

    corpus: str | None = None
    """Prompts by language: parallel text, as for `neuroglot record`."""

    prompt: str | None = None
    """One prompt, instead of a corpus."""

    steer: Path | None = None
    """Run folder of `neuroglot steer`, or its steering.safetensors."""

    ablate: Path | None = None
    """File of a neuron set, or a run folder with one: these neurons are off at all tokens, whatever the steering makes
    of them."""

    chat: bool = False
    """Ask in the tokenizer's chat template, each prompt as a user's turn."""

    system: str | None = None
    """What the system's turn says before; needs --chat."""

    stop: tuple[str, ...] = ()
    """Texts before the first of which an answer ends, beside the model's own end."""

    token_budget: Positive = 4096
    """Positions a batch, read and written, beams and all; fewer need less memory."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.corpora.seen import rows_selected_on
        from neuroglot.interventions.steering import Steering
        from neuroglot.models.open_interventions import chosen_in
        from neuroglot.neurons import NeuronSet

        self._require_fitting()
        self.note_rule(identity)
        prompts = self._prompts(identity)
        steering = off = None
        if self.steer is not None:
            steering = identity.file("steering", artefact(self.steer, STEERING), Steering.load)
        if self.ablate is not None:
            off = identity.file("neurons", neuron_file(self.ablate), NeuronSet.load)
        view, tokenizer = self.load_model(identity, self.model)
        self.require_rule(view)
        if steering is not None:
            steering.require_layout(view.layout)
        if off is not None:
            view.layout.require_same(off.layout, "The neuron set")
        chosen = [*chosen_in(view.model), *(steering.chosen if steering else ()), *([off] if off else [])]
        seen = rows_selected_on(prompts, chosen, self.same_rows)
        return _Inputs(view, tokenizer, prompts, self._asked(identity, tokenizer, prompts), steering, off, seen)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.generation.texts import GeneratedTexts
        from neuroglot.reports import Report

        texts = run.once(GENERATED, GeneratedTexts, lambda: self._generated(run, inputs))
        return Report([texts], title=f"Texts of {texts.signature['model']}")

    def following(self, out: Path) -> tuple[str, ...]:
        """Tell the languages of the texts; of answers in formal languages, whether they are right."""
        from neuroglot.corpora.symbols import symbol_source

        if self.corpus is not None and symbol_source(self.corpus) is not None:
            return ("answers", str(out), "--task", self.corpus, "--metrics", "form")
        return ("identify", str(out), "--candidates", *(self.languages or ("LANGUAGES",)))

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES, writing
        from neuroglot.runs.price import price

        step = writing(inputs.view, inputs.tokenizer, inputs.asked, self.decoding)
        size = 4 * self.max_new_tokens * len(inputs.prompts) * len(inputs.prompts.languages)  # bytes of a token, about
        return price(*inputs[:2], [step], 2 * size, size + REPORT_BYTES)

    def _require_fitting(self) -> None:
        from neuroglot.errors import ConfigError
        from neuroglot.generation.stopping import check_stop

        self.decoding  # noqa: B018 (refuses options that contradict each other)
        check_stop(self.stop)
        if self.system is not None and not self.chat:
            raise ConfigError("A system's turn was given without a chat.", "Expected chat (--chat) with it.")

    def _asked(self, identity: Identity, tokenizer: PreTrainedTokenizerBase, prompts: Corpus) -> Corpus:
        """The prompts as the model reads them: as they are, or written by the chat template, which is noted."""
        if not self.chat:
            return prompts
        from dataclasses import replace

        from neuroglot.generation.backend import ChatWriter
        from neuroglot.models.provenance import prompts_signature

        system = [{"role": "system", "content": self.system}] if self.system is not None else []
        writer = ChatWriter(tokenizer)
        texts = {
            language: tuple(writer.write([*system, {"role": "user", "content": text}]) for text in column)
            for language, column in prompts.texts.items()
        }
        identity.note("chats", prompts_signature(tokenizer, (text for column in texts.values() for text in column)))
        return replace(prompts, texts=texts)

    @property
    def _chat_signature(self) -> Signature:
        from neuroglot.signature import Signature

        return Signature.of(chat=True, system=self.system) if self.chat else Signature()

    def _prompts(self, identity: Identity) -> Corpus:
        from neuroglot.corpora import Corpus
        from neuroglot.errors import ConfigError
        from neuroglot.recipes.reading import note_data, read_corpus

        if (self.corpus is None) == (self.prompt is None):
            raise ConfigError("Prompts are needed.", "Expected either a corpus (--corpus) or one --prompt.")
        if self.corpus is not None:
            prompts = read_corpus(self, self.corpus, self.languages, self.column)
        else:
            prompts = Corpus("prompt", ("0",), {"und": (str(self.prompt),)})
        note_data(identity, prompts)
        return prompts

    def _generated(self, run: Run, inputs: _Inputs) -> GeneratedTexts:
        from neuroglot.corpora.seen import told_rows
        from neuroglot.generation.decoding import generate
        from neuroglot.generation.texts import GeneratedTexts
        from neuroglot.interventions.steering import steering
        from neuroglot.interventions.switching import switch_off

        view, tokenizer, prompts, asked = inputs[:4]
        with ExitStack() as changes:  # applied in order; the later one wins
            if inputs.steering is not None:
                changes.enter_context(steering(view, inputs.steering))
            if inputs.off is not None:
                changes.enter_context(switch_off(view, inputs.off))
            generation = generate(
                view, tokenizer, asked, self.decoding, stop=self.stop, chats=self.chat, token_budget=self.token_budget,
                kept=run.kept("batches"),
            )  # fmt: skip
        rows = {row_id: row for row, row_id in enumerate(prompts.ids)}
        part = prompts.take(rows[row_id] for row_id in generation.ids)
        answered = {language: tuple(column) for language, column in part.texts.items()}
        signature = generation.signature | self._chat_signature | told_rows(inputs.seen)
        return GeneratedTexts(generation.ids, generation.texts, answered, signature)
