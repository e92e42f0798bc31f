"""Completions by vLLM, which is installed apart (pip install vllm); nothing of it is imported before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from neuroglot import extras
from neuroglot.errors import ConfigError
from neuroglot.generation.backend import ChatWriter, Completion, Request, check_prompts, judged, refuse_rule
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.stopping import check_stop
from neuroglot.models.provenance import made_with
from neuroglot.models.shortened import refuse_shortened
from neuroglot.signature import Signature
from neuroglot.tokens.tokenizing import prompt_ids

_vllm = partial(extras.require, "vllm", extra="vllm", note="It needs a GPU; the model runs without it in transformers.")


@dataclass(frozen=True, eq=False)
class VllmBackend:
    """A decoder in vLLM; `options` go to `vllm.LLM`, such as `{"tensor_parallel_size": 2}`.

    vLLM batches by itself. Neurons can neither be recorded nor changed there. Raises `MissingExtraError` without vllm,
    and `ConfigError` for `trust_remote_code` and for a shortened tokenizer.
    """

    model: str
    revision: str | None = None
    dtype: str = "auto"
    keep_truncated: bool = False
    thinking: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    engine: Any = field(init=False, repr=False)
    conversations: ChatWriter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.options.get("trust_remote_code"):
            raise ConfigError("trust_remote_code was asked for.", "Code that comes with a model is never run.")
        engine = _vllm().LLM(model=self.model, revision=self.revision, dtype=self.dtype, **self.options)
        refuse_shortened(engine.get_tokenizer(), "vLLM")
        object.__setattr__(self, "engine", engine)
        object.__setattr__(self, "conversations", ChatWriter(engine.get_tokenizer(), self.thinking))

    @property
    def chat(self) -> bool:
        return self.engine.get_tokenizer().chat_template is not None

    @property
    def signature(self) -> Signature:
        own = {"model": self.model, "revision": self.revision, "dtype": self.dtype}
        options = ",".join(f"{name}={value}" for name, value in sorted(self.options.items())) or None
        kept = Signature.of(keep_truncated=self.keep_truncated, options=options, vllm=_vllm().__version__)
        return Signature.of(backend="vllm", **own) | kept | made_with(tokenizer=self.engine.get_tokenizer())

    def complete(self, prompts: Sequence[Request], decoding: Decoding, stop: Sequence[str] = ()) -> list[Completion]:
        """One completion a prompt, in order; see `Backend`. Raises `ConfigError` for beams."""
        check_prompts(prompts)
        check_stop(stop)
        refuse_rule(decoding, "vLLM")
        if decoding.beams > 1:
            raise ConfigError(f"{decoding.beams} beams were asked of vLLM.", "Expected one.", "Take transformers.")
        token_ids = [self._token_ids(prompt) for prompt in prompts]
        room = self.engine.llm_engine.model_config.max_model_len - decoding.max_new_tokens
        fitting = [place for place, ids in enumerate(token_ids) if len(ids) <= room]
        asked = [{"prompt_token_ids": token_ids[place]} for place in fitting]
        outputs = self.engine.generate(asked, _sampling(decoding, stop), use_tqdm=False) if asked else []
        done = {place: self._completion(output) for place, output in zip(fitting, outputs, strict=True)}
        return [done.get(place) or Completion(None, "over_length", len(ids)) for place, ids in enumerate(token_ids)]

    def _token_ids(self, prompt: Request) -> list[int]:
        if isinstance(prompt, str):
            return prompt_ids(self.engine.get_tokenizer(), [prompt])[0]
        return self.conversations.token_ids(prompt)

    def _completion(self, output: Any) -> Completion:
        best = output.outputs[0]
        counts = len(output.prompt_token_ids), len(best.token_ids)
        return judged(best.text, best.finish_reason, *counts, self.keep_truncated)


def _sampling(decoding: Decoding, stop: Sequence[str]) -> Any:
    return _vllm().SamplingParams(
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        max_tokens=decoding.max_new_tokens,
        seed=decoding.seed,
        stop=list(stop) or None,
    )
