"""Parallel multilingual input as an experiment: settings of a prompt, answered, scored and counted (Mu et al. 2024)."""

from neuroglot.pmi.config import PmiConfig as PmiConfig
from neuroglot.pmi.run import compare_prompts as compare_prompts
from neuroglot.pmi.run import run_pmi as run_pmi
