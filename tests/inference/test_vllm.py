"""What is asked of vLLM, with a module in its place that has the names this uses (vllm itself needs a GPU)."""

import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import pytest

from neuroglot.errors import ConfigError, MissingExtraError
from neuroglot.generation.backend import Completion
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.vllm import VllmBackend
from tests.tiny import tiny_tokenizer

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}{{ ' w9' }}"


@pytest.fixture
def vllm(monkeypatch) -> ModuleType:
    """Every model says `hello` after a prompt of two tokens, and does not end after others."""
    module = ModuleType("vllm")
    module.asked = []
    tokenizer = tiny_tokenizer()

    class LLM:
        def __init__(self, **options):
            module.options = options
            self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=20))

        def get_tokenizer(self):
            return tokenizer

        def generate(self, prompts, params, use_tqdm):
            module.asked.append((prompts, params))
            for prompt in prompts:
                ids, ended = prompt["prompt_token_ids"], len(prompt["prompt_token_ids"]) == 2
                output = SimpleNamespace(text="hello", token_ids=(5, 6), finish_reason="stop" if ended else "length")
                yield SimpleNamespace(prompt_token_ids=ids, outputs=[output])

    module.LLM, module.SamplingParams, module.__version__ = LLM, lambda **options: options, "0.0"
    module.tokenizer = tokenizer
    monkeypatch.setitem(sys.modules, "vllm", module)
    return module


def test_prompts_go_as_tokens_and_too_long_ones_do_not_go(vllm: ModuleType) -> None:
    backend = VllmBackend("tiny", options={"tensor_parallel_size": 2})
    long = " ".join(["w1"] * 13)  # with <s> 14 tokens, and 7 new ones
    completions = backend.complete(["w1", long, "w1 w2"], Decoding(7, temperature=0.5, top_p=0.9, seed=3), ["\n"])
    assert completions == [
        Completion("hello", None, 2, 2), Completion(None, "over_length", 14), Completion(None, "truncated", 3, 2)
    ]  # fmt: skip
    ((prompts, params),) = vllm.asked
    assert prompts == [{"prompt_token_ids": [1, 4]}, {"prompt_token_ids": [1, 4, 5]}]
    assert params == {"temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "seed": 3, "stop": ["\n"]}
    assert vllm.options == {"model": "tiny", "revision": None, "dtype": "auto", "tensor_parallel_size": 2}
    assert "options:tensor_parallel_size=2" in str(backend.signature)
    assert backend.complete([long], Decoding(7)) == [Completion(None, "over_length", 14)]
    assert len(vllm.asked) == 1


def test_messages_are_written_by_the_chat_template(vllm: ModuleType) -> None:
    backend, messages = VllmBackend("tiny", keep_truncated=True), [[{"role": "user", "content": "w1"}]]
    with pytest.raises(ConfigError, match="chat template"):
        backend.complete(messages, Decoding(7))
    vllm.tokenizer.chat_template = TEMPLATE
    assert backend.chat
    assert backend.complete(messages, Decoding(7))[0].text == "hello"
    assert vllm.asked[0][0] == [{"prompt_token_ids": [4, 12]}]  # w1 w9, without a second <s>


def test_what_vllm_does_not_do_is_refused(vllm: ModuleType) -> None:
    with pytest.raises(ConfigError, match="beams"):
        VllmBackend("tiny").complete(["w1"], Decoding(beams=2))
    with pytest.raises(ConfigError, match="trust_remote_code"):
        VllmBackend("tiny", options={"trust_remote_code": True})


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed")
def test_without_vllm_the_extra_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"neuroglot\[vllm\]"):
        VllmBackend("tiny")
