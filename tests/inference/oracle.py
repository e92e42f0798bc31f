"""The model's own generation, one unpadded prompt after another."""

import random

import torch

from neuroglot.generation.backend import Completion
from neuroglot.generation.decoding import Decoding
from tests.families import tiny_model
from tests.tiny import WORDS

NEW = Decoding(max_new_tokens=8)
ENDS = [2, *range(3, 64, 6)]


def prompts(count: int = 6, seed: int = 0) -> list[str]:
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=generator.randint(1, 12))) for _ in range(count)]


def ending(model_type: str):
    """A tiny model that ends its texts often, because many tokens do so."""
    model = tiny_model(model_type)
    model.generation_config.eos_token_id = ENDS
    return model


def one_by_one(
    model, tokenizer, texts: list, decoding: Decoding = NEW, keep_truncated: bool = False, begin: tuple[int, ...] = ()
) -> list[Completion]:
    """Each prompt, a text or tokens, alone and without padding; what does not end is a failure. A decoder beside an
    encoder goes on behind `begin`, or its own start.
    """
    completions = []
    options = {"decoder_input_ids": torch.tensor([begin]), "decoder_start_token_id": begin[0]} if begin else {}
    for prompt in texts:
        read = tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else prompt
        sequence = model.generate(
            input_ids=torch.tensor([read]), attention_mask=torch.ones(1, len(read)).long(), do_sample=False,
            num_beams=decoding.beams, use_cache=model.config.model_type not in ("t5", "mt5"),
            max_new_tokens=decoding.max_new_tokens, pad_token_id=0, **options,
        )[0].tolist()  # fmt: skip
        new = sequence[max(1, len(begin)) :] if model.config.is_encoder_decoder else sequence[len(read) :]
        ends = model.generation_config.eos_token_id
        ends = [ends] if isinstance(ends, int) else ends
        written = []
        while len(written) < len(new) and new[len(written)] not in ends:
            written.append(new[len(written)])
        ended = len(written) < len(new)
        text = tokenizer.decode(written, skip_special_tokens=True)
        failure = "truncated" if not ended and not keep_truncated else None if text.strip() else "empty"
        completions.append(Completion(None if failure else text, failure, len(read), len(written) + ended))
    return completions
