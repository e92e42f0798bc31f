"""What an SGA is made of: an encoder, prompts for each of its passes, and how its canvas is written on."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig

from neuroglot.errors import ConfigError

MEMORIES = ("own", "shuffled", "off", "encoder's")
WRITINGS = ("ctc", "mask-predict", "mask-predict, denoised")


class SGAConfig(PreTrainedConfig):
    """An SGA (Wu et al. 2023, arXiv:2305.13140) over the encoder of `backbone_config`, which has a masked-LM head.

    `prompt_length` keys and values a layer stand before each pass: one bank of them for encoding, aligning and, with
    `denoise`, denoising, or one for all (`share_prompts`). A row's canvas has `canvas_factor` masks for each token that
    it reads, or `canvas_length` of them whatever it reads, at most as many as the encoder has positions.
    `blank_token_id` is a token of the vocabulary that no target says (in XLM-R the word-start piece); None adds a row
    of its own to the head. What is denoised in training is noised at a rate drawn from 0 to `noise_rate`, by blanks,
    random tokens and tokens of the same row in the shares of `noise_kinds`, `unrolls` times, each at half the rate. A
    blank that is likelier than all else, but not by `blank_confidence`, is read as the second-best token.

    `writing` is `ctc`, or one of the variants of the released code: `mask-predict` (Ghazvininejad et al. 2019) with a
    length head, at most `max_target` tokens, or that one with a denoiser behind it. `memory` is for ablations: each
    row's `own`, that of the row before it (`shuffled`), or none (`off`); with `encoder's` it is read through the
    encoder's own keys and values, so that prompts alone are new (prefix tuning). `taught` says what it was taught to
    write: directions such as `en into de`, or one task such as `headlines`; None is not known.
    Raises `ConfigError` for a value that is not offered.
    """

    model_type = "sga"
    sub_configs: ClassVar[dict[str, Any]] = {"backbone_config": AutoConfig}

    backbone_config: dict[str, Any] | PreTrainedConfig | None = None
    prompt_length: int = 128
    share_prompts: bool = False
    denoise: bool = True
    writing: str = "ctc"
    memory: str = "own"
    canvas_factor: float = 2.0
    canvas_length: int | None = None
    max_target: int = 48
    blank_token_id: int | None = None
    mask_token_id: int | None = None
    pad_token_id: int | None = None
    noise_rate: float = 0.2
    noise_kinds: list[float] | tuple[float, ...] = (0.4, 0.3, 0.3)
    unrolls: int = 1
    blank_confidence: float = 0.6
    label_smoothing: float = 0.1
    taught: list[str] | tuple[str, ...] | None = None
    initializer_range: float = 0.02
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        if isinstance(self.backbone_config, dict):
            given = dict(self.backbone_config)
            self.backbone_config = AutoConfig.for_model(given.pop("model_type"), **given)
        if self.backbone_config is None:
            self.backbone_config = AutoConfig.for_model("xlm-roberta")
        if self.pad_token_id is None:
            self.pad_token_id = self.backbone_config.pad_token_id or 0
        self.noise_kinds = list(self.noise_kinds)
        self.taught = None if self.taught is None else list(self.taught)
        self._check()
        super().__post_init__(**kwargs)

    @property
    def backbone(self) -> Any:
        """The encoder's config."""
        return self.backbone_config

    @property
    def vocab_size(self) -> int:
        """Tokens of the encoder."""
        return int(self.backbone.vocab_size)

    @property
    def hidden_size(self) -> int:
        """Width of the encoder."""
        return int(self.backbone.hidden_size)

    @property
    def num_layers(self) -> int:
        """Layers of the encoder."""
        return int(self.backbone.num_hidden_layers)

    @property
    def memory_width(self) -> int:
        """Width of the keys, and of the values, of all heads together."""
        heads = int(self.backbone.num_attention_heads)
        head = int(getattr(self.backbone, "head_dim", None) or self.hidden_size // heads)
        return int(getattr(self.backbone, "num_key_value_heads", None) or heads) * head

    @property
    def has_denoiser(self) -> bool:
        """Whether there is a third pass."""
        return self.denoise if self.writing == "ctc" else self.writing == WRITINGS[2]

    @property
    def banks(self) -> int:
        """Banks of prompts: one a kind of pass, or one for all."""
        return 1 if self.share_prompts else 2 + self.has_denoiser

    @property
    def blank(self) -> int:
        """The blank as the head counts it: a token, or the row behind all tokens."""
        return self.vocab_size if self.blank_token_id is None else self.blank_token_id

    def _check(self) -> None:
        for name, offered in {"writing": WRITINGS, "memory": MEMORIES}.items():
            if getattr(self, name) not in offered:
                raise ConfigError(
                    f"The config says {name}={getattr(self, name)!r}.", f"Expected {' or '.join(map(repr, offered))}."
                )
        kinds = self.noise_kinds
        counts = {"prompt_length": self.prompt_length, "unrolls": self.unrolls, "max_target": self.max_target}
        counts["layers"] = self.num_layers
        counts["canvas_length"] = 1 if self.canvas_length is None else self.canvas_length
        shares = {"noise_rate": self.noise_rate, "blank_confidence": self.blank_confidence}
        shares["label_smoothing"] = self.label_smoothing
        wrong = [f"{name}={value}" for name, value in counts.items() if value < 1]
        wrong += [f"{name}={value}" for name, value in shares.items() if not 0 <= value <= 1]
        wrong += [] if self.canvas_factor >= 1 else [f"canvas_factor={self.canvas_factor}"]
        if len(kinds) != 3 or min(kinds) < 0 or not abs(sum(kinds) - 1) <= 1e-6:
            wrong.append(f"noise_kinds={kinds}")
        if wrong:
            raise ConfigError(
                f"The config says {', '.join(wrong)}.",
                "Expected counts and a canvas factor from 1, shares from 0 to 1, and three kinds of noise, 1 in sum.",
            )
        tokens = {name: getattr(self, name) for name in ("blank_token_id", "mask_token_id")}
        for name, token in tokens.items():
            if token is not None and not 0 <= token < self.vocab_size:
                raise ConfigError(
                    f"The config says {name}={token}.",
                    f"Expected one of the encoder's {self.vocab_size} tokens, or None: a row of its own as the blank.",
                )
