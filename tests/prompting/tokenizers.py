"""Small fast tokenizers of four kinds, trained on a few lines, and chat templates."""

from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEXT = [
    "Translate into English. German: Der Hund schläft im Garten. Spanish: El perro duerme en el jardín.",
    "Russian: Собака спит в саду. Chinese: 狗在花园里睡觉。 Arabic: الكلب ينام في الحديقة.",
    "Question in English: How many dogs are there? Answer in English: The answer is 3.",
]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INSTRUCT = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}"
    "{{ raise_exception('there is no system turn') }}{% endif %}[INST] {{ message.content | trim }} [/INST]{% endfor %}"
)


def byte_level(merges: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + merges, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def metaspace() -> Tokenizer:
    """As of Llama 2: spaces are letters, unknown characters are bytes; `<s>` in front."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def word_pieces() -> Tokenizer:
    """As of BERT: text is normalised, unknown words are one token; marks at both ends."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    ends = [("<s>", 1), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return tokenizer


BUILDERS = {
    "bytes": lambda: byte_level(0),
    "bpe": lambda: byte_level(120),
    "metaspace": metaspace,
    "words": word_pieces,
}


@cache
def tokenizer(kind: str, chat_template: str | None = None) -> PreTrainedTokenizerFast:
    built = PreTrainedTokenizerFast(tokenizer_object=BUILDERS[kind](), bos_token="<s>", unk_token="<unk>")
    built.chat_template = chat_template
    return built
