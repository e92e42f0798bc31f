"""What each of two processes finds in models that are split between them; each writes down its own."""

import sys
from pathlib import Path

import torch
from torch import distributed as dist
from transformers import AutoModelForCausalLM
from transformers.distributed import DistributedConfig

from neuroglot import distribution
from neuroglot.attribution.gradients import gradient_times_activation
from neuroglot.errors import UnsupportedModelError
from neuroglot.interventions import fold_out
from neuroglot.models import view
from tests.models.split.measuring import measured
from tests.tiny import tiny_corpus, tiny_tokenizer


def main(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(
        folder, distributed_config=DistributedConfig(tp_size=2), dtype=torch.float32
    )
    try:
        located = view(model)
    except UnsupportedModelError as error:
        torch.save({"error": str(error)}, folder / f"found-{dist.get_rank()}.pt")
        return
    found = measured(located)
    refused = []
    for job in (
        lambda: gradient_times_activation(located, tiny_tokenizer(), tiny_corpus()),
        lambda: fold_out(located, found["neurons"], folder / "folded"),
    ):
        try:
            job()
        except UnsupportedModelError as error:
            refused.append(str(error))
    found["neurons"] = found["neurons"].members
    width = model.model.layers[0].mlp.down_proj.weight.to_local().shape[1]
    shared = distribution.process_count()
    torch.save({**found, "refused": refused, "width": width, "shared": shared}, folder / f"found-{dist.get_rank()}.pt")


if __name__ == "__main__":
    dist.init_process_group("gloo")
    for name in sys.argv[1:]:
        main(Path(name))
    dist.destroy_process_group()
