"""Training: one core over transformers' Trainer; supervised fine-tuning, and training on with direction masks."""

from neuroglot.prompting.examples import Example, examples_hash, pmi_mix
from neuroglot.training.deltas import NeuronDeltas, merge, tunable
from neuroglot.training.exports import save_llama_factory, save_openai, save_trl
from neuroglot.training.tuning import Tuned, tune
from neuroglot.training.types import Lora, Training, TuningConfig

__all__ = [
    "Example",
    "Lora",
    "NeuronDeltas",
    "Training",
    "Tuned",
    "TuningConfig",
    "examples_hash",
    "merge",
    "pmi_mix",
    "save_llama_factory",
    "save_openai",
    "save_trl",
    "tunable",
    "tune",
]
