"""`neuroglot harness`."""

from typing import Annotated

from cyclopts import Parameter

HARNESS_EXAMPLES = """Examples:

    neuroglot harness run --model neuroglot --model_args pretrained=./my-model,ablate=de.safetensors --tasks xnli_de
    neuroglot harness run --model neuroglot --model_args pretrained=./my-model,steer=to-german.safetensors \\
        --tasks mgsm_direct_de --batch_size 8 --output_path results
    neuroglot harness run --model neuroglot --model_args pretrained=lab,rule=mbr-chrf,samples=8 --tasks mgsm_direct_de
    neuroglot harness ls tasks"""


def harness(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Run lm-eval with the model `neuroglot`: any of its tasks with neurons steered or switched off.

    `--model_args` takes those of lm-eval's `hf`, and `steer` (a steering file), `ablate` (a neuron set file), or both;
    and `rule` with its options, as `neuroglot generate --rule`, for tasks that generate.

    Parameters
    ----------
    arguments:
        Arguments of `lm_eval`, such as `run`, `ls` or `validate` with their options.
    """
    from neuroglot.experiments.harness import run

    run(arguments)
