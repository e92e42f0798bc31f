"""What people type out of habit: lists with commas, and short names of precisions."""

import os
import re
from collections.abc import Iterator, Sequence

SEVERAL = frozenset((
    "--languages", "--originals", "--into", "--selectors", "--parallel", "--metrics", "--directions",
    "--candidates", "--controls", "--statistics", "--seeds",
))  # fmt: skip
LIST = re.compile(r"[\w\-<>=+.]+(,[\w\-<>=+.]+)+")
PRECISIONS = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "half": "float16"}


def as_meant(arguments: Sequence[str]) -> Iterator[str]:
    """The words of a command with `--languages de,en` as `--languages de en`, and `--dtype bf16` as `bfloat16`."""
    flag = ""
    for word in arguments:
        name, equals, value = word.partition("=")
        if equals and name in SEVERAL and LIST.fullmatch(value):
            yield name
            yield from value.split(",")
        elif flag in SEVERAL and LIST.fullmatch(word) and not os.path.exists(word):
            yield from word.split(",")
        elif flag == "--dtype":
            yield PRECISIONS.get(word, word)
        else:
            yield word
        flag = name if word.startswith("--") else flag
