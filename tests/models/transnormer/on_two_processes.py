"""What each of two processes computes of a model that is split between them; the first one writes it down."""

import sys
from pathlib import Path

import torch
from torch import distributed as dist
from transformers.distributed import DistributedConfig

from neuroglot.models.architectures.transnormer import TransNormerForCausalLM
from tests.models.transnormer.making import token_ids


def main(folder: Path) -> None:
    found = {}
    try:
        config = DistributedConfig(tp_size=2)
        model = TransNormerForCausalLM.from_pretrained(folder, distributed_config=config, dtype=torch.float64).eval()
        ids = token_ids()
        out = model(ids, labels=ids)
        out.loss.backward()
        found = {f"gradient {name}": whole(weight.grad) for name, weight in model.named_parameters()}
        found["width"] = torch.tensor(model.model.layers[0].mlp.down_proj.weight.to_local().shape[1])
        beams = model.generate(ids, max_new_tokens=6, num_beams=3, attention_mask=torch.ones_like(ids), pad_token_id=0)
        found |= {"logits": out.logits.detach(), "beams": beams}
    except ValueError as error:
        found = {"error": str(error)}
    if dist.get_rank() == 0:
        torch.save(found, folder / "found.pt")


def whole(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


if __name__ == "__main__":
    dist.init_process_group("gloo")
    for name in sys.argv[1:]:
        main(Path(name))
    dist.destroy_process_group()
