"""Decision rules by name, as callables for transformers' `generate(custom_generate=…)` and for `generate` and
`translate` here.

Each prompt has its own random numbers, made of the seed and its tokens, so that neither the batch nor the order of
prompts changes a text; equal prompts get equal texts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from neuroglot.decisions.choosing import GAINS, Gain, majority, minimum_risk, unless_unsure, weighed
from neuroglot.decisions.names import RuleName
from neuroglot.decisions.searching import exact_search
from neuroglot.decisions.transforms import Epsilon, Softmax, Transform, Transformed
from neuroglot.errors import ConfigError
from neuroglot.generation.stopping import cut
from neuroglot.signature import Signature, seed_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RULES: tuple[RuleName, ...] = get_args(RuleName)
LEAST_PROBABILITY = 0.02  # of tokens that `epsilon` draws (Freitag et al. 2023)
NEAR = 1e-5  # scores of tokens that differ by less are equal: another batch rounds them otherwise


@dataclass(frozen=True, eq=False)
class Rule:
    """How texts are decided on.

    * `greedy`, `beam` (of `samples` beams), `exact`: the likeliest token, or about the likeliest text, or exactly.
    * `sample`, `epsilon`: one draw, of all tokens, or of those of probability `least_probability` or more.
    * `majority`, `mbr-…`, `mbr`: of `samples` draws the most frequent text, or the one of the largest expected gain:
      word match, chrF, BLEU, or your own `gain`. With `least_confidence` a text of a smaller share of draws, or smaller
      expected gain, is left empty.

    `transform` makes probabilities of the scores of next tokens first. Where texts are compared, `tokenizer` reads them
    and they end before the first of the strings `stop`; `generate` and backends say both. Raises `ConfigError` on
    values that contradict each other.
    """

    name: RuleName
    tokenizer: PreTrainedTokenizerBase | None = None
    samples: int = 16
    seed: int = 0
    transform: Transform = field(default_factory=Softmax)
    gain: Gain | None = None
    least_confidence: float = 0.0
    least_probability: float = LEAST_PROBABILITY
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in RULES or self.samples < 1 or not 0 <= self.least_confidence <= 1:
            raise ConfigError(
                f"Got the rule {self.name!r}, {self.samples} samples and the confidence {self.least_confidence}.",
                f"Expected one of {', '.join(RULES)}, one sample or more, and a confidence from 0 to 1.",
            )
        if (self.gain is not None) != (self.name == "mbr") or (self.least_confidence and not self.compares):
            raise ConfigError(
                f"The rule {self.name!r} was given a gain or a confidence, or lacks its gain.",
                "Expected a gain with 'mbr' only, and a confidence only where candidates are compared.",
            )
        if not 0 < self.least_probability < 1:
            raise ConfigError(f"Got the least probability {self.least_probability}.", "Expected one between 0 and 1.")

    @property
    def compares(self) -> bool:
        """Whether it decides among candidates."""
        return self.name == "majority" or self.name.startswith("mbr")

    @property
    def draws(self) -> bool:
        """Whether it draws tokens."""
        return self.compares or self.name in ("sample", "epsilon")

    @property
    def copies(self) -> int:
        """How many texts are written for each prompt, which is also its cost in forwards a token."""
        return self.samples if self.compares or self.name == "beam" else 1

    @property
    def texts(self) -> int:
        """How many texts it gives back for each prompt."""
        return 1

    def reading(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str] = ()) -> Rule:
        """The same for texts that this tokenizer reads, and that end before the first of the strings `stop`, if any."""
        return replace(self, tokenizer=tokenizer, stop=tuple(stop) or self.stop)

    @property
    def cost(self) -> str:
        """What a text costs, in words."""
        if self.name == "exact":
            return "as many forwards as prefixes are likelier than the text, without a cache"
        gains = f", and up to {self.samples**2} gains a text" if self.name.startswith("mbr") else ""
        return f"{self.copies} forward{'s' if self.copies > 1 else ''} a token{gains}"

    @property
    def signature(self) -> Signature:
        given: dict[str, float] = {"samples": self.copies} if self.copies > 1 else {}
        given |= {"least_confidence": self.least_confidence} if self.least_confidence else {}
        given |= {"least_probability": self.least_probability} if self.name == "epsilon" else {}
        changed = {} if isinstance(self.transform, Softmax) else {"transform": repr(self.transform)}
        own = {} if self.gain is None else {"gain": getattr(self.gain, "__qualname__", repr(self.gain))}
        drawn = {"rule_seed": self.seed} if self.draws else {}
        return Signature.of(rule=self.name, **given, **drawn, **changed, **own, cost=self.cost)

    def __call__(
        self, model: Any, input_ids: Tensor, logits_processor: Any = None, stopping_criteria: Any = None,
        generation_config: Any = None, inputs_tensor: Tensor | None = None, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        """The prompts with the texts decided on, padded on the right, `[B, T]`; called by transformers."""
        return_only(generation_config)
        if self.compares and self.tokenizer is None:
            raise ConfigError(f"The rule {self.name!r} compares texts.", "Expected a tokenizer.")
        prompts = input_ids if inputs_tensor is None else inputs_tensor
        given = _Given(model, input_ids, prompts, logits_processor, stopping_criteria, generation_config, kwargs)
        if self.least_confidence and not given.ends:
            raise ConfigError(
                "A text that is not sure enough is left empty, and the model has no token that ends it.",
                "Expected a model or a tokenizer with an end of text.",
                "Leave the least confidence out.",
            )
        if self.name == "exact":
            return _padded([_exact(given, row, self.transform) for row in range(len(input_ids))], given.padding)
        written = _written(given, self)
        return self._decided(given, written) if self.compares and self.texts == 1 else written

    def _decided(self, given: _Given, written: Tensor) -> Tensor:
        start, rows = given.input_ids.shape[1], []
        for index, samples in enumerate(written.unflatten(0, (-1, self.samples))):
            texts = self._texts(samples[:, start:])
            choice = self.choose(texts)
            end = given.input_ids.new_tensor(given.ends[:1])
            rows.append(torch.cat([given.input_ids[index], end]) if choice is None else samples[texts.index(choice)])
        return _padded(rows, given.padding)

    def _texts(self, token_ids: Tensor) -> list[str]:
        assert self.tokenizer is not None
        texts = (str(self.tokenizer.decode(row, skip_special_tokens=True)) for row in token_ids.tolist())
        return [cut(text, self.stop)[0] for text in texts]

    def choose(self, texts: list[str]) -> str | None:
        """The text that is decided on among equally likely draws, or None where it is not sure enough."""
        weights = weighed(texts)
        if self.name == "majority":
            return unless_unsure(*majority(weights), self.least_confidence)
        gain = self.gain if self.gain is not None else GAINS[self.name.removeprefix("mbr-")]()
        return unless_unsure(*minimum_risk(weights, gain), self.least_confidence)


@dataclass(frozen=True, eq=False)
class Candidates(Rule):
    """The same, which gives back all `samples` draws of each prompt, one after another, and decides on none."""

    @property
    def texts(self) -> int:
        return self.copies

    @property
    def signature(self) -> Signature:
        return super().signature | Signature.of(texts=self.texts)


@dataclass(frozen=True, eq=False)
class _Given:
    """What transformers hands to a custom generation."""

    model: Any
    input_ids: Tensor
    prompts: Tensor
    processors: Any
    criteria: Any
    config: GenerationConfig
    kwargs: dict[str, Any]

    @property
    def padding(self) -> int:
        return int(self.config.pad_token_id or 0)

    @property
    def ends(self) -> list[int]:
        stated = self.config.eos_token_id
        return [] if stated is None else [stated] if isinstance(stated, int) else list(stated)

    def own_tokens(self, row: int) -> list[int]:
        """The tokens of a prompt without padding."""
        mask = self.kwargs.get("attention_mask")
        prompt = self.prompts[row]
        return (prompt if mask is None else prompt[mask[row].bool()]).tolist()

    def repeated(self, times: int) -> _Given:
        """Each prompt so many times, one after another."""
        if times == 1:
            return self
        ids, kwargs = self.model._expand_inputs_for_generation(
            expand_size=times, is_encoder_decoder=self.model.config.is_encoder_decoder, input_ids=self.input_ids,
            **self.kwargs,
        )  # fmt: skip
        return replace(self, input_ids=ids, kwargs=kwargs)


class Drawn(LogitsProcessor):
    """One draw of each row's next token: what is likeliest once Gumbel's noise is added (Gumbel 1954).

    Rows have their own random numbers, and tiny differences of scores between batches change a draw in about one of
    a million tokens, unlike draws by cumulative sums.
    """

    def __init__(self, seeds: list[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        waits = torch.stack([
            torch.empty(scores.shape[-1], dtype=torch.float64).exponential_(generator=generator)
            for generator in self.generators
        ])  # fmt: skip
        return scores.double() - waits.log().to(scores.device)


class FirstOfEqual(LogitsProcessor):
    """Of tokens whose scores are equal up to rounding the first one is taken, in every batch."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        near = scores >= scores.amax(-1, keepdim=True) - NEAR
        later = near & (near.cumsum(-1) > 1)
        return scores.masked_fill(later, -torch.inf)


def return_only(config: Any) -> None:
    """Raise `ConfigError` for what a rule decides on itself."""
    if config.do_sample or config.num_beams > 1 or config.num_return_sequences > 1 or config.return_dict_in_generate:
        raise ConfigError(
            "A decision rule was given sampling, beams, several texts or scores to return.",
            "Expected none of them: the rule decides.",
        )


def _written(given: _Given, rule: Rule) -> Tensor:
    """Texts of each prompt, `rule.copies` of it where it draws."""
    if rule.name == "beam":
        config = copy.copy(given.config)
        config.num_beams = rule.samples
        several = replace(given.repeated(rule.samples), config=config)
        return _run(several, type(given.model)._beam_search if rule.samples > 1 else type(given.model)._sample, rule)
    if not rule.draws:
        return _run(given, type(given.model)._sample, rule, FirstOfEqual())
    prompts = [given.own_tokens(row) for row in range(len(given.prompts))]
    seeds = [seed_of("rule", rule.seed, *prompt, sample) for prompt in prompts for sample in range(rule.copies)]
    return _run(given.repeated(rule.copies), type(given.model)._sample, rule, Drawn(seeds))


def _run(given: _Given, method: Callable[..., Tensor], rule: Rule, *last: LogitsProcessor) -> Tensor:
    truncation = [Transformed(Epsilon(rule.least_probability))] if rule.name == "epsilon" else []
    processors = LogitsProcessorList([*(given.processors or []), Transformed(rule.transform), *truncation, *last])
    return method(
        given.model, given.input_ids, logits_processor=processors, stopping_criteria=given.criteria,
        generation_config=given.config, **given.kwargs,
    )  # fmt: skip


def _exact(given: _Given, row: int, transform: Transform) -> Tensor:
    """One prompt with its likeliest text, read anew at each step."""
    start, model = given.input_ids[row : row + 1], given.model
    prompt = torch.tensor([given.own_tokens(row)], device=start.device)
    inputs: dict[str, Any] = {}
    if model.config.is_encoder_decoder:
        mask = given.kwargs.get("attention_mask")
        state = given.kwargs["encoder_outputs"].last_hidden_state[row : row + 1]
        inputs = {"encoder_outputs": (state,), "attention_mask": None if mask is None else mask[row : row + 1]}
        prompt = start
    name = "decoder_input_ids" if inputs else "input_ids"

    def step(prefix: Any) -> Tensor:
        ids = torch.cat([prompt, prompt.new_tensor([list(prefix)], dtype=prompt.dtype)], dim=1)
        scores = model(**inputs, **{name: ids}, use_cache=False).logits[:, -1].float()
        for processor in given.processors or []:
            scores = processor(ids, scores)
        return transform(scores)[0]

    def stopped(prefix: Sequence[int]) -> bool:
        """Whether a stop string was just written; transformers' own criteria are met by ends and lengths only."""
        return bool(given.criteria(torch.cat([start[0], start.new_tensor(list(prefix))])[None], None)[0])

    mode = exact_search(step, given.ends, given.config.max_length - start.shape[1], stopped=stopped)
    return torch.cat([start[0], start.new_tensor(mode.token_ids)])


def _padded(rows: list[Tensor], padding: int) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=padding)
