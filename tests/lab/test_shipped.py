"""What ships: small, labelled with its recipe, loadable without the generator's libraries, and right on its tasks."""

import json
import subprocess
import sys
from random import Random

import pytest
import torch

from neuroglot.errors import ArtifactError
from neuroglot.lab import SHIPPED, LabConfig, held_out, load, make_corpus, read_header, tasks
from neuroglot.lab.generator import make_documents
from neuroglot.lab.languages import LANGUAGES
from neuroglot.lab.sentences import render

LARGEST_FILE = 8 * 2**20  # bytes


@pytest.fixture(scope="module")
def lab():
    return load()


def test_sizes_and_layout():
    files = {path.name: path.stat().st_size for path in SHIPPED.iterdir()}
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "held_out.jsonl", "tasks.jsonl"} <= set(files)
    assert files["model.safetensors"] <= LARGEST_FILE


def test_the_header_holds_the_recipe():
    header = read_header()
    recipe = json.loads(header["recipe"])
    assert header["format"] == "pt"
    assert LabConfig(**recipe).seed == int(header["seed"]) == 0
    assert recipe["minutes"] is None
    assert LabConfig(**recipe) == LabConfig(), "the defaults are the recipe of the shipped model"
    assert {"torch", "transformers", "tokenizers", "babel", "num2words"} <= json.loads(header["versions"]).keys()


def test_the_corpus_can_be_made_again():
    header = read_header()
    versions = json.loads(header["versions"])
    from importlib.metadata import version

    if any(version(name) != versions[name] for name in ("babel", "num2words")):
        pytest.skip("another Babel or num2words: CLDR's names change between releases")
    corpus = make_corpus(LabConfig(**json.loads(header["recipe"])))
    assert corpus.train.hash == header["corpus_hash"]
    assert corpus.held_out.hash == header["held_out_hash"] == held_out().hash
    assert [task.prompts.hash for task in corpus.held_out_tasks] == [task.prompts.hash for task in tasks()]
    assert [task.answers.hash for task in corpus.held_out_tasks] == [task.answers.hash for task in tasks()]


def test_no_sentence_of_the_held_out_texts_is_one_of_training():
    """Sentence by sentence, in every language, over all that the shipped model was trained on."""
    config = LabConfig(**json.loads(read_header()["recipe"]))
    documents = {
        side: make_documents(rows, Random(f"{config.seed}/{side}/documents"), side == "held-out")
        for side, rows in (("train", config.documents), ("held-out", config.held_out_documents))
    }
    for language in LANGUAGES:
        train, unseen = (
            {render(kind, slots, language) for document in documents[side] for kind, slots in document}
            for side in ("train", "held-out")
        )
        assert len(train) > 4000
        assert len(unseen) > 300
        assert not train & unseen


def test_held_out_texts():
    corpus = held_out()
    assert len(corpus) == 240
    assert len(corpus.languages) == 10
    assert len(tasks()) == 8
    assert all(task.prompts.languages == corpus.languages for task in tasks())


def test_loading_needs_neither_babel_nor_num2words():
    program = (
        "import sys; sys.modules['babel'] = sys.modules['num2words'] = None\n"
        "import neuroglot.lab as lab\n"
        "lab.load(), lab.held_out(), lab.tasks()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_empty_folder_is_refused(tmp_path):
    for read in (load, held_out, tasks):
        with pytest.raises(ArtifactError):
            read(tmp_path)


@pytest.mark.parametrize("task_name", ["number_to_digits", "greater"])
@pytest.mark.parametrize("language", ["sw", "zh"])
def test_tasks_are_mostly_right(lab, task_name, language):
    model, tokenizer = lab
    task = next(task for task in tasks() if task.name == task_name)
    right = [
        answered(model, tokenizer, task.prompts.texts[language][row], task.answers.texts[language][row])
        for row in range(20)
    ]
    assert sum(right) >= 17


def answered(model, tokenizer, prompt, answer):
    """Whether every token of the answer is ranked first."""
    head = tokenizer(prompt)["input_ids"]
    tail = tokenizer(answer, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        ranked = model(torch.tensor([head + tail])).logits[0].argmax(-1).tolist()
    return ranked[len(head) - 1 : -1] == tail
