"""TransNormerLLM (Qin et al. 2023, arXiv:2307.14995): linear attention with decay, and a constant state a layer.

Importing this registers the model type `transnormer` with transformers' Auto classes, and the names of the weights in
the released checkpoints, so that `from_pretrained` reads these, and `save_pretrained` writes them, as for every model
of transformers whose names differ from those of its authors.
"""

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming

from neuroglot.models.architectures.transnormer.cache import TransNormerCache as TransNormerCache
from neuroglot.models.architectures.transnormer.config import TransNormerConfig as TransNormerConfig
from neuroglot.models.architectures.transnormer.model import TransNormerForCausalLM as TransNormerForCausalLM
from neuroglot.models.architectures.transnormer.model import TransNormerModel as TransNormerModel
from neuroglot.models.families import Dense, Family, StackPlan

FAMILY = Family(
    "transnormer",
    (StackPlan("decoder", "layers", Dense("mlp.act_fn", "mlp.down_proj", gated=True)),),
    model_class=TransNormerForCausalLM,
)

AutoConfig.register("transnormer", TransNormerConfig, exist_ok=True)
AutoModel.register(TransNormerConfig, TransNormerModel, exist_ok=True)
AutoModelForCausalLM.register(TransNormerConfig, TransNormerForCausalLM, exist_ok=True)
register_checkpoint_conversion_mapping(
    "transnormer",
    [  # undone in reverse order, so norms stand last: a dot in the way back stands for any character
        WeightRenaming(r"\.token_mixer\.", ".attention."),
        WeightRenaming(r"\.channel_mixer\.l1\.", ".mlp.gate_proj."),
        WeightRenaming(r"\.channel_mixer\.l2\.", ".mlp.up_proj."),
        WeightRenaming(r"\.channel_mixer\.l3\.", ".mlp.down_proj."),
        WeightRenaming(r"\.token_norm\.", ".attention_norm."),
        WeightRenaming(r"\.channel_norm\.", ".mlp_norm."),
    ],
    overwrite=True,
)
