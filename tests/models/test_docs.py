"""docs/models.md: every text model type of transformers is in one bin, supported or refused by name.

`python -m tests.models.test_docs` writes the page anew.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest
import transformers
from transformers.models.auto import modeling_auto

from neuroglot.errors import UnsupportedModelError
from neuroglot.models import FAMILIES, describe_families, view

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
TEXT_MODELS = (
    modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)


def text_model_types() -> set[str]:
    return {model_type for mapping in TEXT_MODELS for model_type in mapping}


def refused_types() -> list[str]:
    return sorted(text_model_types() - {family.model_type for family in FAMILIES})


def page() -> str:
    families = describe_families()
    rows = [
        "| " + " | ".join(f"`{family[name]}`" if name in CODE else family[name] for name in family) + " |"
        for family in families
    ]
    head = ["| " + " | ".join(families[0]) + " |", "|---" * len(families[0]) + "|"]
    refused = ", ".join(f"`{model_type}`" for model_type in refused_types())
    return "\n".join(
        [
            "# Models",
            "",
            f"{len(families)} architectures are supported. Each passes every invariant of the tests as a tiny random",
            "model: counts equal a plain loop whatever the batch, coefficients times value vectors give the layer's",
            "output, an identity tap and restoration are exact to the bit. Anything else is refused by name.",
            "",
            "A model is a folder in the hub's layout, a hub id, or a GGUF file (`pip install 'neuroglot[gguf]'`), by",
            "path or as `owner/model/file.gguf`. GGUF files are dequantised to float32, once, into the hub's cache of",
            "assets, four bytes a weight; `neuroglot doctor` says how much lies there, and `neuroglot doctor --clean`",
            "removes it. All commands take them as any other model. A file that lacks a weight is refused, and so is",
            "one that stretches rotary positions in a way that is not read from it: read are `linear` and Llama 3's.",
            "What a file does not say is as transformers' config class has it; join a file in parts first.",
            "",
            "Quantised checkpoints are read as the plain weights that their numbers stand for, in the precision",
            "that the config names, and take the memory of these. Of GPTQ and the others, load the checkpoint that",
            "they were made from, or a GGUF file of it.",
            "",
            "| `quant_method` | read | needs |",
            "|---|---|---|",
            "| `bitsandbytes` (4 and 8 bits) | yes | `pip install bitsandbytes` |",
            "| `torchao` | yes | `pip install torchao` |",
            "| `compressed-tensors` | yes | `pip install compressed-tensors` |",
            "| `fp8`, `mxfp4`, `mxfp8` | yes | |",
            "| `gptq`, `awq`, `hqq`, `aqlm` and all others | refused by name | |",
            "",
            *head,
            *rows,
            "",
            f"Refused, of the {len(text_model_types())} text model types of transformers {transformers.__version__}:",
            f"{refused}.",
            "",
        ]
    )


CODE = {"family", "loads with", "down projection"}


def test_the_page_is_current() -> None:
    if f"transformers {transformers.__version__}:" not in PAGE.read_text():
        pytest.skip("the page was made with another version of transformers")
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("model_type", refused_types())
def test_what_is_not_in_the_table_is_refused_by_name(model_type: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"'{model_type}'"):
        view(SimpleNamespace(config=SimpleNamespace(model_type=model_type)))  # type: ignore[arg-type]


def test_every_text_model_type_is_in_one_bin() -> None:
    assert len(text_model_types()) >= 150
    assert len(refused_types()) < len(text_model_types())


if __name__ == "__main__":
    PAGE.write_text(page())
