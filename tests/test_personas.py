"""The first hour of three readers: own files, then only commands that the pages show, to a report with its numbers.

Only names are put in place of the pages' own: of models, texts and folders.
"""

import html
import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars
import pytest
import sentencepiece
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    M2M100Config,
    M2M100ForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from neuroglot import corpora
from neuroglot.cli import app
from tests.test_docs import ROOT, commands, mentions

LANGUAGES = ("de", "en", "sw")
LAST = re.compile(r"^Next: (neuroglot .+)$", re.MULTILINE)
SIZES = {
    "vocab_size": 400, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
}  # fmt: skip
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "head_dim": 16}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / ".cache")
    torch.manual_seed(0)


@pytest.fixture
def texts() -> Mapping[str, tuple[str, ...]]:
    return corpora.load("lab", languages=LANGUAGES).head(24).texts


@pytest.fixture
def follow(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command of a page that begins so, under the reader's names; gives what it printed."""

    def run(page: str, begins: str, **names: str) -> str:
        words = command_shown(page, begins)
        replaced = {written.replace("_", "-"): own for written, own in names.items()}
        app([replaced.get(word, word) for word in words[1:]], result_action="return_value", exit_on_error=False)
        return capsys.readouterr().out

    return run


def command_shown(page: str, begins: str) -> list[str]:
    """The first command of a page with this beginning; in the README also one in running text."""
    path = ROOT / page
    found = [*commands(path), *map(shlex.split, mentions(path))]
    words = begins.split()
    return next(command for command in found if command[: len(words)] == words)


def words_of(folder: Path, texts: Mapping[str, tuple[str, ...]]) -> None:
    pieces = ByteLevelBPETokenizer()
    every = [text for column in texts.values() for text in column]
    pieces.train_from_iterator(every, vocab_size=400, special_tokens=["<s>", "</s>", "<pad>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces._tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    tokenizer.save_pretrained(folder)


def translator(folder: Path, texts: Mapping[str, tuple[str, ...]]) -> None:
    """A tiny M2M-100 with its own kind of tokenizer."""
    every = [text for column in texts.values() for text in column]
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(every * 3), minloglevel=2, model_prefix="spm", vocab_size=200, hard_vocab_limit=False
    )
    shutil.move("spm.model", folder / "sentencepiece.bpe.model")
    Path("spm.vocab").unlink()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    own = [pieces.id_to_piece(index) for index in range(3, pieces.get_piece_size())]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *own]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "M2M100Tokenizer"}')
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = M2M100Config(
        vocab_size=max(tokenizer.lang_code_to_id.values()) + 9, d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
        max_position_embeddings=256,
    )  # fmt: skip
    M2M100ForConditionalGeneration(config).save_pretrained(folder)


def require_main_figure(folder: str, names: tuple[str, ...]) -> None:
    """The page has the matrix of all sets on all languages, its numbers, and the sentence that sums them up."""
    page, report = Path(folder, "report.html").read_text(), json.loads(Path(folder, "report.json").read_text())
    assert 'data-figure="ablation--ablation-matrix"' in page
    section = next(section for section in report["sections"] if section["key"] == "ablation")
    matrix = next(table for table in section["tables"] if table["key"].startswith("ablation-matrix-nats"))
    assert {(row[0], row[1]) for row in matrix["rows"]} == {(off, on) for off in names for on in names}
    assert data_of(page, "ablation--ablation-matrix")["plots"][0]["table"]["rows"] == matrix["rows"]
    own = [row[2] for row in matrix["rows"] if row[0] == row[1]]
    means = re.findall(r"(−?[\d.]+(?:e−\d+)?) nats per token \[", section["sentence"])
    assert abs(float(means[0].replace("−", "-"))) == pytest.approx(abs(sum(own) / len(own)), rel=0.01)
    assert section["sentence"] in html.unescape(re.sub(r"<[^>]+>", "", page))


def data_of(page: str, figure: str) -> Any:
    (data,) = re.findall(rf'<script type="application/json" id="data-{figure}">(.*?)</script>', page, re.DOTALL)
    return json.loads(data)


def require_index(*folders: str) -> None:
    index = Path("index.html").read_text()
    assert all(f"{folder}/report.html" in index for folder in folders)


def test_a_decoder_and_a_table_of_own_texts(texts: Mapping[str, tuple[str, ...]], follow: Callable[..., str]) -> None:
    LlamaForCausalLM(LlamaConfig(**SIZES)).save_pretrained("llm")
    words_of(Path("llm"), texts)
    rows = ["\t".join(texts), *("\t".join(row) for row in zip(*texts.values(), strict=True))]
    Path("mine.tsv").write_text("\n".join(rows) + "\n")
    said = follow("README.md", "neuroglot init", FOLDER=".")
    assert "mine.tsv: 24 rows in de, en, sw" in said
    assert "llm: decoder of the type llama" in said
    assert LAST.findall(said) == ["neuroglot run neuroglot.yaml --out run"]
    follow("README.md", "neuroglot analyze MODEL", MODEL="./llm", CORPUS="mine.tsv", DIR="result")
    require_main_figure("result", LANGUAGES)
    own = {"./my-model": "./llm", "texts.tsv": "mine.tsv"}
    for begins in ("neuroglot select", "neuroglot ablate"):
        follow("docs/which-command.md", f"{begins} ./my-model", **own)
    require_main_figure("proved", LANGUAGES)
    follow("docs/which-command.md", "neuroglot report .")
    require_index("result", "chosen", "proved")


def test_experts_and_a_folder_in_the_hub_s_layout(
    texts: Mapping[str, tuple[str, ...]], follow: Callable[..., str]
) -> None:
    Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZES, **EXPERTS)).save_pretrained("moe")
    words_of(Path("moe"), texts)
    for split, rows in (("train", slice(0, 4)), ("test", slice(4, 24))):
        path = Path("parallel", "data", f"{split}-00000-of-00001.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        polars.DataFrame({code: list(column[rows]) for code, column in texts.items()}).write_parquet(path)
    said = follow("README.md", "neuroglot init", FOLDER=".")
    assert "parallel:default:test: 20 rows in de, en, sw" in said
    own = {"./my-experts": "./moe", "my-dataset::test": "parallel::test"}
    page = "docs/for-interpretability.md"
    assert "experts" in follow(page, "neuroglot models", **own)
    for begins in ("analyze", "select", "ablate", "scoreboard"):
        follow(page, f"neuroglot {begins} ./my-experts", **own)
    require_main_figure("first", LANGUAGES)
    require_main_figure("proved", LANGUAGES)
    assert "mean-difference" in Path("board", "report.html").read_text()


def test_a_translation_model_and_moses_files(texts: Mapping[str, tuple[str, ...]], follow: Callable[..., str]) -> None:
    translator(Path("m2m"), texts)
    Path("bitext").mkdir()
    for code in ("en", "de"):
        Path("bitext", f"corpus.{code}").write_text("\n".join(texts[code]) + "\n")
    own, page = {"./my-translator": "./m2m", "moses/": "bitext/"}, "docs/for-translation.md"
    follow("README.md", "neuroglot analyze MODEL", MODEL="./m2m", CORPUS="bitext/corpus", DIR="result")
    require_main_figure("result", ("de-en", "en-de"))
    for begins in ("analyze", "select", "ablate", "scoreboard", "specialize collect"):
        follow(page, f"neuroglot {begins} ./my-translator", **own)
    require_main_figure("by-direction", ("de-en", "en-de"))
    require_main_figure("off", ("de-en", "en-de"))
    follow(page, "neuroglot specialize select counts")
    follow(page, "neuroglot specialize evaluate", **own)
    assert Path("translated", "report.html").is_file()
