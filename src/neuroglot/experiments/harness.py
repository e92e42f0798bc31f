"""The bridge to lm-eval: `--model neuroglot` runs any of its tasks with neurons steered or switched off."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuroglot import extras
from neuroglot.corpora.seen import SameRows, texts_selected_on, told_rows
from neuroglot.decisions.fitting import Fitted
from neuroglot.decisions.names import RuleName
from neuroglot.decisions.rules import LEAST_PROBABILITY, Rule
from neuroglot.decisions.transforms import Softmax
from neuroglot.errors import ConfigError, InterventionError
from neuroglot.generation.stopping import stopping
from neuroglot.interventions.steering import Steering, steering
from neuroglot.interventions.switching import switch_off
from neuroglot.models.folded import folded_out
from neuroglot.models.open_interventions import chosen_in, remember_folded
from neuroglot.models.provenance import generation_signature, made_with
from neuroglot.models.shortened import as_saved, left_out_token
from neuroglot.models.view import view
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.signature import Signature

_require = partial(extras.require, extra="harness", note="Everything else works without it.")
_register_model = _require("lm_eval.api.registry").register_model
_HFLM: Any = _require("lm_eval.models.huggingface").HFLM

if TYPE_CHECKING:
    from torch import Tensor

STAMP = "neuroglot"  # key in a cache of responses; those of lm-eval are hexadecimal digests


@_register_model("neuroglot")
class NeuroglotLM(_HFLM):
    """lm-eval's `hf` model under an intervention; all its other arguments are those of `hf`.

    * `steer`: a file that `neuroglot steer` wrote; its scope holds.
    * `ablate`: a neuron set file; these neurons are off at all tokens, whatever the steering makes of them.
    * `rule`: how texts of tasks that generate are decided on, as `neuroglot generate --rule`, with `samples`,
      `least_confidence`, `least_probability`, `rule_seed` and `transform` (a file of a fitted transform).
    * `same_rows`: `refuse` (the default) documents of a task with a field, as its question, that is a text on which the
      neurons or values were chosen; or `allow` them, which the model info says.

    `pretrained` may be `lab`. Without any of these it is `hf`, but for a model of `neuroglot shorten`, whose texts are
    read without the token that is left out. Raises `ArtifactError` for other files,
    `UnsupportedModelError` for a model whose neurons are not known, `LayoutMismatchError` for neurons of another one,
    `InterventionError` where a scope of prompt or generated tokens meets a task of likelihoods, and `ConfigError` for a
    cache of responses (`--use_cache`) that another model or intervention filled, and where a task samples under a rule.
    """

    def __init__(
        self, pretrained: Any, steer: Path | str | None = None, ablate: Path | str | None = None,
        same_rows: SameRows = "refuse", rule: RuleName | None = None, samples: int = 16, least_confidence: float = 0.0,
        least_probability: float = LEAST_PROBABILITY, rule_seed: int = 0, transform: Path | str | None = None,
        **options: Any,
    ) -> None:  # fmt: skip
        shape = Softmax() if transform is None else Fitted.load(transform).of_next_tokens
        if rule is None and transform is not None:
            raise ConfigError("A transform was given without a rule.", "Expected rule=sample, or another one.")
        self.rule = None if rule is None else Rule(
            rule, samples=samples, seed=rule_seed, transform=shape, least_confidence=least_confidence,
            least_probability=least_probability,
        )  # fmt: skip
        steered = None if steer is None else Steering.load(steer)  # files are read before any weight
        ablated = None if ablate is None else NeuronSet.load(ablate)
        shipped = str(files("neuroglot") / "lab" / "shipped")
        super().__init__(shipped if pretrained == "lab" else pretrained, **options)
        lm: Any = self
        if left_out_token(lm.tokenizer) is None:  # lm-eval reads tokenizers by itself, without what one leaves out
            lm.tokenizer = as_saved(lm.tokenizer)
        self.view, self.steered, self.ablated = view(self.model), steered, ablated
        self.same_rows, self.seen = same_rows, 0
        if isinstance(pretrained, str) and (folded := folded_out(Path(pretrained))):
            remember_folded(self.model, folded)
        with self._changed():  # refuses what does not fit before any request
            pass

    @property
    def signature(self) -> Signature:
        """Model, tokenizer, interventions and versions: what can change a response, beside lm-eval's own options."""
        with self._changed():
            made = made_with(self.view, self.tokenizer) | generation_signature(self.view.model)
        return made if self.rule is None else made | self.rule.signature

    @contextmanager
    def _changed(self) -> Iterator[None]:
        with ExitStack() as changes:  # the last has the last word
            if self.steered is not None:
                changes.enter_context(steering(self.view, self.steered))
            if self.ablated is not None:
                changes.enter_context(switch_off(self.view, self.ablated))
            yield

    def loglikelihood(self, requests: list[Any], *options: Any, **named: Any) -> Any:
        self._judge(requests)
        return super().loglikelihood(requests, *options, **named)

    def loglikelihood_rolling(self, requests: list[Any], *options: Any, **named: Any) -> Any:
        self._judge(requests)
        return super().loglikelihood_rolling(requests, *options, **named)

    def generate_until(self, requests: list[Any], *options: Any, **named: Any) -> Any:
        self._judge(requests)
        return super().generate_until(requests, *options, **named)

    def _judge(self, requests: list[Any]) -> None:
        """Refuse, or count, the documents behind the requests that have a text on which the neurons were chosen."""
        documents = {(request.task_name, request.doc_id): request.doc for request in requests}
        names = " and ".join(dict.fromkeys(str(name) for name, _ in documents))
        rows = [_fields(document) for document in documents.values()]
        with self._changed():
            self.seen += texts_selected_on(names, rows, chosen_in(self.model), self.same_rows)

    def _model_call(self, *inputs: Any, **named: Any) -> Tensor:
        """The forward behind all likelihoods, and behind `batch_size=auto`."""
        if self.steered is not None and self.steered.scope != "all":
            raise InterventionError(
                f"The steering acts on {self.steered.scope!r} tokens, and a likelihood was asked for.",
                "Prompt and generated tokens are told apart in generation only.",
                "Build it with --scope all; for tasks that generate, state the batch size instead of auto.",
            )
        with self._changed():
            return super()._model_call(*inputs, **named)

    def _model_generate(self, *inputs: Any, **named: Any) -> Tensor:
        """The generation of a batch, padded on the left; scopes are told by the cache, which counts the padding too."""
        with self._changed():
            if self.rule is not None:
                return self._decided(self.rule, *inputs, **named)
            return super()._model_generate(*inputs, **named)

    def _decided(self, rule: Rule, context: Tensor, max_length: int, stop: list[str], **named: Any) -> Tensor:
        """As lm-eval generates, by the rule; lm-eval's own stopping counts the rows of the batch, not their draws."""
        drawn = {name: value for name, value in named.items() if name in ("do_sample", "temperature") and value}
        if drawn:
            raise ConfigError(
                f"The task asks for {drawn} under the rule {rule.name!r}.", "Expected none: the rule decides.",
                "Leave the rule out, or state do_sample=False in --gen_kwargs.",
            )  # fmt: skip
        rest = {name: value for name, value in named.items() if name not in ("do_sample", "temperature")}
        return self.model.generate(
            input_ids=context, max_length=max_length, pad_token_id=self.tokenizer.pad_token_id, use_cache=True,
            stopping_criteria=[stopping(self.tokenizer, context.shape[1], stop)] if stop else None, do_sample=False,
            custom_generate=rule.reading(self.tokenizer, stop), **rest,
        )  # fmt: skip

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval writes beside its results, with the signature."""
        return super().get_model_info() | {"neuroglot": str(self.signature | told_rows(self.seen))}

    def set_cache_hook(self, cache_hook: Any) -> None:
        """Refuse a cache of responses that was filled otherwise: lm-eval finds them by the request alone."""
        responses, own = cache_hook.dbdict, str(self.signature)
        if responses is not None:
            found = responses.get(STAMP, own if len(responses) == 0 else "another model")
            if found != own:
                raise ConfigError(
                    f"The cache of responses is of {found}.", f"Expected {own}.", "Name another one with --use_cache."
                )
            responses[STAMP] = own
        super().set_cache_hook(cache_hook)


def _fields(document: Any) -> list[str]:
    """The texts of a document of lm-eval: its fields that are text, or the document."""
    values = document.values() if isinstance(document, dict) else [document]
    return [value for value in values if isinstance(value, str)]


def run(arguments: Sequence[str]) -> None:
    """lm-eval's command line with these arguments, in a process in which the model `neuroglot` is known."""
    from lm_eval.__main__ import cli_evaluate

    given = sys.argv
    sys.argv = ["lm_eval", *arguments]
    try:
        cli_evaluate()
    finally:
        sys.argv = given
