"""SGA (Wu et al. 2023, arXiv:2305.13140): an encoder with a masked-LM head that writes, in few passes.

It has no family of its own: its neurons are those of its `backbone`, which is of a known one, so that
`view(model.backbone)` taps them whether the encoder reads or writes. Importing this registers the model type `sga` with
transformers' Auto classes, and the attention `sga` with its mask.
"""

from transformers import AutoConfig, AutoModel

from neuroglot.models.architectures.sga.config import SGAConfig as SGAConfig
from neuroglot.models.architectures.sga.model import SGAForConditionalGeneration as SGAForConditionalGeneration

FAMILY = None

AutoConfig.register("sga", SGAConfig, exist_ok=True)
AutoModel.register(SGAConfig, SGAForConditionalGeneration, exist_ok=True)
