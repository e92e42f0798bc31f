"""Examples as other programs' fine-tuning files: LLaMA-Factory, OpenAI and TRL. Written whole or not at all."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from neuroglot.errors import ConfigError
from neuroglot.prompting.examples import Example
from neuroglot.storage import write_whole


def save_llama_factory(examples: Sequence[Example], path: Path | str) -> Path:
    """A JSON list of `{instruction, input, output, history}`, as the paper's tuning data; input and history are
    empty.
    """
    rows = [
        {"instruction": example.prompt, "input": "", "output": example.answer, "history": []}
        for example in _plain(examples)
    ]
    return write_whole(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def save_openai(examples: Sequence[Example], path: Path | str) -> Path:
    """Chat fine-tuning of OpenAI: a line of JSON each, the prompt as the user's turn, the answer as the assistant's."""
    return write_whole(path, _lines({"messages": _turns(example)} for example in _plain(examples)))


def save_trl(examples: Sequence[Example], path: Path | str) -> Path:
    """Prompt and completion as TRL joins them, a line of JSON each; id and setting beside them, which TRL ignores."""
    return write_whole(
        path,
        _lines(
            {"prompt": example.prompt, "completion": example.completion, "setting": example.setting, "id": example.id}
            for example in _plain(examples)
        ),
    )


def _turns(example: Example) -> list[dict[str, str]]:
    return [{"role": "user", "content": example.prompt}, {"role": "assistant", "content": example.answer}]


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _plain(examples: Sequence[Example]) -> Sequence[Example]:
    if any(example.is_chat for example in examples):
        raise ConfigError(
            "Prompts in a chat template were to be exported.",
            "Expected plain ones: the program that reads them puts its own template around them.",
            "Export the mix of the sets without `as_chat`.",
        )
    return examples
