"""SGA as a model of transformers: a frozen encoder that reads, aligns and denoises, and the few weights it needs."""

from __future__ import annotations

import copy
import inspect
import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, PreTrainedModel
from transformers import initialization as init

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models.architectures.sga.attention import ATTENTION, Beside
from neuroglot.models.architectures.sga.canvas import FrameReading, noised, real_positions
from neuroglot.models.architectures.sga.config import SGAConfig
from neuroglot.models.architectures.sga.mask_predict import mask_predict_losses
from neuroglot.models.architectures.sga.outputs import ALIGN, DENOISE, ENCODE, UNASKED, Memory, SGAOutput, WrittenCanvas
from neuroglot.models.architectures.sga.writing import padded, write
from neuroglot.models.ctc import ctc_losses, padded_targets


class SGAPreTrainedModel(PreTrainedModel):
    """What the model says of itself to transformers."""

    config_class = SGAConfig
    config: SGAConfig
    base_model_prefix = "sga"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, SGAForConditionalGeneration):
            for bank in module.prompts.flatten(0, 1):
                init.xavier_uniform_(bank)
            init.ones_(module.gains)


class SGAForConditionalGeneration(SGAPreTrainedModel):
    """An encoder that writes (Wu et al. 2023, arXiv:2305.13140): it encodes the source, aligns a canvas of masks with
    it, and denoises what it wrote, in a number of passes that does not grow with the length.

    New weights beside the frozen encoder's: a bank of prompts, `S·2L·P·d`, keys and values of the semantic memory,
    `2(d² + d)`, and a gain a bank, `S`. Where the paper's text is silent we follow the released code, except that each
    row has a canvas of its own length, source padding is masked in every pass, and noise copies within each row.
    """

    def __init__(self, config: SGAConfig, backbone: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        self.backbone = _attending(backbone, config)
        width, count = config.memory_width, config.banks
        self.prompts = nn.Parameter(torch.empty(count, 2 * config.num_layers, config.prompt_length, width))
        self.gains = nn.Parameter(torch.ones(count))
        has_own = config.memory != "encoder's"
        self.memory_key = nn.Linear(config.hidden_size, width) if has_own else None
        self.memory_value = nn.Linear(config.hidden_size, width) if has_own else None
        self.blank_row = nn.Linear(_head_width(self.backbone), 1) if config.blank_token_id is None else None
        self.length_head = None if config.writing == "ctc" else nn.Linear(config.hidden_size, config.max_target + 2)
        self._places: dict[nn.Module, int] = {}
        self._first_position = _first_position(self.backbone)
        self.backbone.requires_grad_(False)
        self.post_init()

    @classmethod
    def over(cls, encoder: PreTrainedModel, **options: Any) -> SGAForConditionalGeneration:
        """An untrained SGA over a masked language model, whose weights stay as they are; `options` as in `SGAConfig`.

        The encoder's attention is replaced by one that reads a memory, if there is one, and is otherwise the same.
        """
        made: Any = cls(SGAConfig(backbone_config=encoder.config, **options), encoder)
        return made.to(device=encoder.device, dtype=encoder.dtype)

    @classmethod
    def sketch(cls, encoder: PreTrainedModel, **options: Any) -> SGAForConditionalGeneration:
        """The same without numbers (on the meta device), for what can be known before a training: which texts fit.

        Nothing of the encoder is touched.
        """
        with torch.device("meta"):
            return cls(SGAConfig(backbone_config=copy.deepcopy(encoder.config), **options))

    @classmethod
    def from_pretrained(cls, *args: Any, **options: Any) -> Any:
        """As any model of transformers; the encoder is frozen."""
        loaded = super().from_pretrained(*args, **options)
        for model in loaded if isinstance(loaded, tuple) else (loaded,):
            if isinstance(model, cls):
                model.backbone.requires_grad_(False)
        return loaded

    def get_input_embeddings(self) -> Any:
        return self.backbone.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        return self.backbone.get_output_embeddings()

    @property
    def longest_canvas(self) -> int:
        """Positions that the encoder has."""
        stated = getattr(self.config.backbone, "max_position_embeddings", None)
        return 2**31 if stated is None else int(stated) - self._first_position

    def new_parameters(self) -> int:
        """How many weights are trained: all but the encoder's."""
        return sum(part.numel() for name, part in self.named_parameters() if not name.startswith("backbone."))

    def encode(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Memory:
        """The semantic memory of sources `[B, S]`, padded on either side; raises `ConfigError` for an empty row."""
        if input_ids.dim() != 2 or (attention_mask is not None and attention_mask.shape != input_ids.shape):
            shape = None if attention_mask is None else list(attention_mask.shape)
            raise ConfigError(
                f"Got sources {list(input_ids.shape)} and a mask {shape}.", "Expected [rows, tokens] of both."
            )
        real = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
        if not bool(real.any(1).all()) or input_ids.shape[1] > self.longest_canvas:
            raise ConfigError(
                f"A source has no token, or more than {self.longest_canvas}.", "Expected one to as many as there fit."
            )
        own: dict[int, tuple[Tensor, Tensor]] = {}
        output = self._pass(ENCODE, input_ids, real, None, head=False, own=own if self.memory_key is None else None)
        first = output.last_hidden_state[torch.arange(len(real)), real.int().argmax(1)]
        if self.memory_key is None or self.memory_value is None:
            keys, values = zip(*(own[place] for place in sorted(own)), strict=True)
        else:
            keys = tuple(self.memory_key(layer) for layer in output.hidden_states[1:])
            values = tuple(self.memory_value(layer) for layer in output.hidden_states[1:])
        return Memory(keys, values, real, first, real.sum(1)).ablated(self.config.memory)

    def look(self, stage: int, tokens: Tensor, real: Tensor, memory: Memory) -> Tensor:
        """Logits `[B, T, V]`, or V + 1 with a blank of its own, of one pass over canvases `[B, T]`, padded right."""
        tokens = tokens.masked_fill(tokens >= self.config.vocab_size, self.mask_id)
        tokens = tokens.masked_fill(~real, self.config.pad_token_id or 0)
        if self.blank_row is None:
            logits: Tensor = self._pass(stage, tokens, real, memory).logits
            return logits
        read: list[Tensor] = []
        head = self.backbone.get_output_embeddings()
        hook = head.register_forward_pre_hook(lambda _, given: read.append(given[0]))
        try:
            logits = self._pass(stage, tokens, real, memory).logits
        finally:
            hook.remove()
        return torch.cat([logits, self.blank_row(read[0])], dim=-1)

    def frames_of(self, memory: Memory) -> Tensor:
        """The length of each row's canvas, `[B]`: so many for each token that it reads, within the encoder's reach."""
        return memory.lengths.new_tensor([self.frames_for(length) for length in memory.lengths.tolist()])

    def frames_for(self, tokens: int) -> int:
        """The length of the canvas of a source of so many tokens."""
        stated = self.config.canvas_length
        return math.ceil(min(tokens * self.config.canvas_factor if stated is None else stated, self.longest_canvas))

    @property
    def mask_id(self) -> int:
        """The token that hides another; raises `ConfigError` where the config names none."""
        if self.config.mask_token_id is None:
            raise ConfigError("The config of this SGA names no mask_token_id.", "Expected the tokenizer's mask.")
        return self.config.mask_token_id

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **_: Any,
    ) -> SGAOutput:
        """Losses of `labels` `[B, U]`, target tokens without special ones, `UNASKED` behind them; or logits alone.
        Raises `ConfigError` for labels that are none, and for a target that does not fit.

        The loss is the sum of both passes' CTC over the target tokens of the step (`num_items_in_batch`; of the batch
        by default); in the released code it is the mean over rows of the mean over a row's tokens.
        """
        memory = self.encode(input_ids, attention_mask)
        if self.config.writing != "ctc":
            if labels is None:
                raise ConfigError("No labels were given.", "Expected some: this variant reads them on its canvas.")
            self._require_labels(labels, input_ids)
            return mask_predict_losses(self, memory, labels, num_items_in_batch)
        frames = self.frames_of(memory)
        real = real_positions(frames)
        logits = self.look(ALIGN, torch.full_like(real, self.mask_id, dtype=torch.long), real, memory)
        if labels is None:
            return SGAOutput(logits=logits, frames=frames)
        self._require_labels(labels, input_ids)
        count = (labels != UNASKED).sum() if num_items_in_batch is None else num_items_in_batch
        align = self.ctc(logits, frames, labels) / count
        denoise = None
        for unroll in range(self.config.unrolls if self.config.has_denoiser else 0):
            logits = self.denoised(logits.detach(), real, memory, unroll)
            loss = self.ctc(logits, frames, labels) / count
            denoise = loss if denoise is None else denoise + loss
        return SGAOutput(align if denoise is None else align + denoise, logits, frames, align, denoise)

    def denoised(self, logits: Tensor, real: Tensor, memory: Memory, unroll: int) -> Tensor:
        """Logits of a pass over what these logits wrote, noised at a rate drawn for each row."""
        highest = self.config.noise_rate / 2**unroll
        rate = torch.rand(len(real), device=real.device) * highest
        canvas = noised(FrameReading.of(logits).filled(self.config.blank), real, self.config, rate)
        return self.look(DENOISE, canvas, real, memory)

    def ctc(self, logits: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
        """CTC of all rows in sum, in nats; raises `ConfigError` for a target that does not fit."""
        log_probs = logits.float().log_softmax(-1)
        return ctc_losses(log_probs, frames, *padded_targets(labels), self.config.blank).sum()

    def _require_labels(self, labels: Tensor, input_ids: Tensor) -> None:
        """Raise `ConfigError` for labels of other rows, for a row without a token, and for what is no token."""
        targets, lengths = padded_targets(labels)
        if len(labels) != len(input_ids) or not bool(lengths.all()):
            raise ConfigError(
                f"{len(input_ids)} sources have labels of {lengths.tolist()} tokens.",
                "Expected as many rows, of one token or more each.",
            )
        if int(targets.max()) >= self.config.vocab_size:
            raise ConfigError(
                f"Got the label {int(targets.max())}.", f"Expected tokens from 0 to {self.config.vocab_size - 1}."
            )

    @torch.no_grad()
    def write(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        *,
        denoising_passes: int = 4,
        keep_log_probs: bool = False,
    ) -> WrittenCanvas:
        """Write for each source `[B, S]`: one pass to encode, one to align, and at most so many to denoise.

        Rows that reach a fixed point, where a pass writes what it read, are passed no more.
        """
        memory = self.encode(input_ids, attention_mask)
        return self.write_from(memory, denoising_passes=denoising_passes, keep_log_probs=keep_log_probs)

    @torch.no_grad()
    def write_from(self, memory: Memory, *, denoising_passes: int = 4, keep_log_probs: bool = False) -> WrittenCanvas:
        """The same, of what was read before; raises `ConfigError` for a number of passes below 0."""
        if denoising_passes < 0:
            raise ConfigError(f"{denoising_passes} denoising passes were asked for.", "Expected 0 or more.")
        return write(self, memory, denoising_passes if self.config.has_denoiser else 0, keep_log_probs)

    @torch.no_grad()
    def generate(self, input_ids: Tensor, attention_mask: Tensor | None = None, *, denoising_passes: int = 4) -> Tensor:
        """Token ids `[B, U]` of what `write` writes, padded on the right; beams are in `neuroglot.generation.ctc`."""
        written = self.write(input_ids, attention_mask, denoising_passes=denoising_passes)
        return padded(written.texts(self.config), self.config.pad_token_id or 0, input_ids.device)

    def _pass(
        self, stage: int, ids: Tensor, real: Tensor, memory: Memory | None, *, head: bool = True,
        own: dict[int, tuple[Tensor, Tensor]] | None = None,
    ) -> Any:  # fmt: skip
        """One forward of the encoder behind the prompts of a stage and, where it writes, a memory."""
        bank = 0 if self.config.share_prompts else stage
        prompts = self.prompts[bank] * self.gains[bank].clamp(min=1)
        prompts = prompts[:, None].expand(-1, len(ids), -1, -1)
        keys, values = prompts[0::2].unbind(), prompts[1::2].unbind()
        seen = None
        if memory is not None:
            keys = tuple(torch.cat(pair, dim=1) for pair in zip(memory.keys, keys, strict=True))
            values = tuple(torch.cat(pair, dim=1) for pair in zip(memory.values, values, strict=True))
            if not bool(memory.real.all()):
                always = memory.real.new_ones(len(ids), self.config.prompt_length)
                seen = torch.cat([memory.real, always], dim=1)
        beside = Beside(tuple(keys), tuple(values), seen, self._places, own=own, stage=stage)
        model: Any = self.backbone if head else self.backbone.base_model
        output = model(
            input_ids=ids,
            attention_mask=real.long(),
            position_ids=(real.long().cumsum(1) - 1).clamp(min=0) + self._first_position,
            output_hidden_states=not head,
            beside=beside,
        )
        beside.require_every_layer(self.backbone)
        return output


def _attending(backbone: PreTrainedModel | None, config: SGAConfig) -> Any:
    """The encoder with attention that reads a memory."""
    if backbone is None:
        return AutoModelForMaskedLM.from_config(config.backbone, attn_implementation=ATTENTION)
    if backbone.get_output_embeddings() is None:
        raise UnsupportedModelError(f"{type(backbone).__name__} has no masked-LM head.", "Expected one.")
    backbone.set_attn_implementation(ATTENTION)
    for part in (*backbone.modules(), *backbone.parameters()):
        setattr(part, "_is_hf_initialized", True)  # noqa: B010 (no attribute that torch knows); else trained weights would be drawn anew
    return backbone


def _head_width(backbone: Any) -> int:
    return int(backbone.get_output_embeddings().in_features)


def _first_position(backbone: Any) -> int:
    """What the first position is called: in the RoBERTa family the one behind that of padding, else 0."""
    if "position_ids" not in inspect.signature(backbone.base_model.forward).parameters:
        raise UnsupportedModelError(
            f"{type(backbone).__name__} is not told positions.",
            "Expected an encoder that takes position_ids, such as XLM-R, BERT, ModernBERT or EuroBERT.",
        )
    tables = [module for name, module in backbone.named_modules() if name.endswith("position_embeddings")]
    padding = [table.padding_idx for table in tables if isinstance(table, nn.Embedding)]
    return padding[0] + 1 if padding and padding[0] is not None else 0
