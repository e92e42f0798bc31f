"""Losses of translations and of masked tokens, and their gradients, against plain loops over single texts."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModel

from neuroglot import ablation_matrix, evaluate
from neuroglot.attribution.gradients import gradient_times_activation
from neuroglot.corpora import Corpus, Directed
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError, CorpusError, UnsupportedModelError
from neuroglot.interventions import switch_off
from neuroglot.metrics import BitsPerByte, ExactAnswer, NatsPerToken
from neuroglot.models import view
from neuroglot.neurons import NeuronSet
from neuroglot.tokens.asked import answered, asked_tokens
from neuroglot.tokens.examples import LONG
from tests.families import START, tiny_model
from tests.specialization.making import located, texts, translation_tokenizer
from tests.test_evaluation import a_task
from tests.tiny import masking_tokenizer, tiny_corpus, tiny_tokenizer

DIRECTIONS = (Direction("en", "de"), Direction("fr", "en"))
TAGS = {"en": 3, "de": 4, "fr": 5}
END = 2


def words(text: str) -> list[int]:
    return translation_tokenizer().convert_tokens_to_ids(text.split())


def sides(model_type: str, direction: Direction, source: str, target: str) -> tuple[list[int], list[int], list[bool]]:
    """What the encoder reads, what is to be answered, and which of it is scored."""
    read, answer = words(source), words(target)
    if model_type == "m2m_100":
        tags = TAGS[direction.source], TAGS[direction.target]
        return [tags[0], *read, END], [tags[1], *answer, END], [False] + [True] * (len(answer) + 1)
    if model_type == "mbart":  # a plain tokenizer is taken for M2M-100's
        return sides("m2m_100", direction, source, target)
    names = {"en": "English", "de": "German", "fr": "French"}
    said = f"translate {names[direction.source]} to {names[direction.target]}: " if "t5" in model_type else ""
    return [*words(said + source), END], [*answer, END], [True] * (len(answer) + 1)


def losses_of(model, direction: Direction, source: str, target: str) -> list[float]:
    """Of the tokens that are scored, from the model's own labels: each position's share of `model(labels=…)`."""
    model_type = model.config.model_type
    read, answer, scored = sides(model_type, direction, source, target)
    found = []
    for place, asked in enumerate(scored):
        labels = [token if index == place else -100 for index, token in enumerate(answer)]
        first = answer[-1] if model_type == "mbart" else START[model_type]
        given = {"input_ids": torch.tensor([read]), "decoder_input_ids": torch.tensor([[first, *answer[:-1]]])}
        if asked:
            with torch.no_grad():
                found.append(float(model(**given, labels=torch.tensor([labels])).loss))
    return found


@pytest.mark.parametrize("model_type", ["m2m_100", "mbart", "marian", "t5", "mt5"])
def test_the_loss_is_that_of_the_translation_given_its_source(model_type: str) -> None:
    located_model, tokenizer, corpus = located(model_type), translation_tokenizer(), texts(5)
    directed = Directed(corpus, DIRECTIONS)
    nats = evaluate(located_model, tokenizer, directed, NatsPerToken())
    bits = evaluate(located_model, tokenizer, directed, BitsPerByte()).scores
    assert nats.languages == ("en-de", "fr-en")
    for direction in DIRECTIONS:
        pairs = directed.pairs(direction)
        losses = [losses_of(located_model.model, direction, source, target) for source, target in pairs]
        flat, size = [loss for row in losses for loss in row], sum(len(target.encode()) for _, target in pairs)
        assert math.isclose(nats.scores[str(direction)].value, sum(flat) / len(flat), rel_tol=1e-5)
        assert math.isclose(bits[str(direction)].value, sum(flat) / math.log(2) / size, rel_tol=1e-5)
    assert nats.signature["read"] == "translation"


def test_what_a_decoder_answers_is_scored_as_the_labels_of_the_whole_model() -> None:
    """Where no token names a language, the loss is that of `model(**inputs, labels=…)`, all labels counted."""
    located_model, corpus = located("t5"), texts(4).take([1])
    ((source, target),) = Directed(corpus, DIRECTIONS[:1]).pairs(DIRECTIONS[0])
    read, answer, _ = sides("t5", DIRECTIONS[0], source, target)
    with torch.no_grad():
        expected = located_model.model(input_ids=torch.tensor([read]), labels=torch.tensor([answer])).loss
    scores = evaluate(located_model, translation_tokenizer(), Directed(corpus, DIRECTIONS[:1]), NatsPerToken()).scores
    assert math.isclose(scores["en-de"].value, float(expected), rel_tol=1e-5)


def test_a_decoder_alone_is_scored_on_the_translation_behind_its_prompt() -> None:
    located_model, tokenizer, corpus = located("llama"), translation_tokenizer(), texts(4)
    score = evaluate(located_model, tokenizer, Directed(corpus, DIRECTIONS[:1]), NatsPerToken()).scores["en-de"]
    losses: list[float] = []
    for source, target in Directed(corpus, DIRECTIONS[:1]).pairs(DIRECTIONS[0]):
        prompt = words(f"Translate this text from English into German. English: {source} German:")
        ids, start = [*prompt, *words(target), END], len(prompt)
        with torch.no_grad():
            logits = located_model.model(input_ids=torch.tensor([ids])).logits[0]
        losses += cross_entropy(logits[start - 1 : -1], torch.tensor(ids[start:]), reduction="none").tolist()
    assert math.isclose(score.value, sum(losses) / len(losses), rel_tol=1e-5)


def test_a_direction_s_neurons_are_switched_off_in_both_stacks() -> None:
    located_model, tokenizer, corpus = located("m2m_100"), translation_tokenizer(), texts(6)
    directed = Directed(corpus, DIRECTIONS)
    sets = {
        "en-de": NeuronSet.of(located_model.layout, {("encoder", 1): [0, 3], ("decoder", 2): [1]}),
        "fr-en": NeuronSet.of(located_model.layout, {("decoder", 0): [5]}),
    }
    matrix = ablation_matrix(located_model, tokenizer, directed, sets, NatsPerToken(), draws=2)
    for index, neurons in enumerate(sets.values()):
        with switch_off(located_model, neurons):
            losses = [
                sum(losses_of(located_model.model, direction, *pair))
                for direction in DIRECTIONS
                for pair in directed.pairs(direction)
            ]
        got = matrix.ablated[index, ..., 0].T.flatten()
        assert torch.allclose(got, torch.tensor(losses, dtype=torch.float64), rtol=1e-5)
    assert not torch.allclose(matrix.ablated[0], matrix.baseline)
    with pytest.raises(ConfigError, match="Expected one set for each of en-de, fr-en"):
        ablation_matrix(located_model, tokenizer, directed, {"en-de": sets["en-de"]}, NatsPerToken())


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta", "distilbert", "modernbert", "deberta-v2"])
def test_an_encoder_is_asked_for_every_token_once_with_every_seventh_masked(model_type: str) -> None:
    located_model, tokenizer, corpus = view(tiny_model(model_type)), masking_tokenizer(), tiny_corpus(6)
    nats = evaluate(located_model, tokenizer, corpus, NatsPerToken())
    bits = evaluate(located_model, tokenizer, corpus, BitsPerByte()).scores
    assert max(len(text.split()) for column in corpus.texts.values() for text in column) > 7
    for language, column in corpus.texts.items():
        losses: list[float] = []
        for text in column:
            ids = tokenizer(text)["input_ids"]
            for reading in range(min(7, len(ids) - 2)):
                hidden = list(range(1 + reading, len(ids) - 1, 7))
                masked = torch.tensor([[3 if place in hidden else token for place, token in enumerate(ids)]])
                with torch.no_grad():
                    logits = located_model.model(input_ids=masked, attention_mask=torch.ones_like(masked)).logits[0]
                right = torch.tensor([ids[place] for place in hidden])
                losses += cross_entropy(logits[hidden], right, reduction="none").tolist()
        assert len(losses) == sum(len(text.split()) for text in column)
        assert math.isclose(nats.scores[language].value, sum(losses) / len(losses), rel_tol=1e-4)
        size = sum(len(text.encode()) for text in column)
        assert math.isclose(bits[language].value, sum(losses) / math.log(2) / size, rel_tol=1e-4)
    assert nats.signature["read"] == "masked text"


QUESTIONS = {"de": ("w1 w2 w3", "w4 w5", "w6 w7 w8 w9"), "en": ("w9 w8", "w7 w6 w5", "w4")}


def answered_half(model) -> dict[str, list[str]]:
    """Two words an answer: of every second question what the model ranks first given what comes before."""
    answers: dict[str, list[str]] = {}
    for language, prompts in QUESTIONS.items():
        for row, prompt in enumerate(prompts):
            read, begun = torch.tensor([[*words(prompt), END]]), [0]
            while len(begun) < 3:
                with torch.no_grad():
                    logits = model(input_ids=read, decoder_input_ids=torch.tensor([begun])).logits[0, -1]
                begun.append(int(logits.argmax()) if row % 2 == 0 else words("w1")[0])
            text = " ".join(translation_tokenizer().convert_ids_to_tokens(begun[1:]))
            answers.setdefault(language, []).append(f" {text}")
    return answers


def greedy(model, prompt: str, answer: str) -> bool:
    """Whether each of the answer's tokens is ranked first behind those before it."""
    target = words(answer)
    begun = torch.tensor([[0, *target[:-1]]])
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*words(prompt), END]]), decoder_input_ids=begun).logits[0]
    return logits.argmax(-1).tolist() == target


@pytest.mark.parametrize("model_type", ["t5", "mt5"])
def test_answers_of_what_is_asked_in_words_are_what_greedy_decoding_would_write(model_type: str) -> None:
    located_model, ids = located(model_type), ("1", "2", "3")
    with torch.no_grad():
        located_model.model.lm_head.weight[: words("w0")[0]] = 0  # so that a word comes first
    answers = answered_half(located_model.model)
    task = Task("own", Corpus("p", ids, QUESTIONS), Corpus("a", ids, {g: tuple(a) for g, a in answers.items()}))
    evaluation = evaluate(located_model, translation_tokenizer(), task, ExactAnswer())
    expected = {g: [greedy(located_model.model, *pair) for pair in zip(QUESTIONS[g], answers[g])] for g in QUESTIONS}
    assert {0 < sum(rights) < 3 for rights in expected.values()} == {True}
    assert {g: score.value for g, score in evaluation.scores.items()} == {
        g: pytest.approx(sum(rights) / 3) for g, rights in expected.items()
    }
    assert evaluation.signature["read"] == "prompt by the encoder"
    layer = located_model.layout.layers[-1]
    sets = {g: NeuronSet.of(located_model.layout, {(layer.stack, layer.index): range(layer.width)}) for g in QUESTIONS}
    matrix = ablation_matrix(located_model, translation_tokenizer(), task, sets, ExactAnswer(), draws=1)
    with switch_off(located_model, sets["de"]):
        off = [greedy(located_model.model, *pair) for pair in zip(QUESTIONS["en"], answers["en"])]
    assert matrix.ablated[0, :, 1, 0].tolist() == [float(right) for right in off]


def test_questions_that_do_not_fit_are_left_out_in_all_languages() -> None:
    ids, long = ("1", "2", "3"), " ".join(["w1"] * 64)  # with the end token one too many
    prompts = {"de": (QUESTIONS["de"][0], long, QUESTIONS["de"][2]), "en": QUESTIONS["en"]}
    task = Task("own", Corpus("p", ids, prompts), Corpus("a", ids, dict.fromkeys(prompts, (" w1", " w2", " w3"))),
                dropped={LONG: 1, "no option": 2})  # fmt: skip
    asked = asked_tokens(located("t5"), translation_tokenizer(), task)
    assert asked.tokens.ids == ("1", "3")
    assert asked.dropped == {LONG: 2, "no option": 2}
    with pytest.raises(CorpusError, match="1 rows with a text of more than 64 tokens"):
        asked_tokens(located("t5"), translation_tokenizer(), task, unfit="refuse")
    with pytest.raises(CorpusError, match="No row of task 'own' is left"):
        asked_tokens(located("t5"), translation_tokenizer(), task.take([1]))


def test_what_only_translates_is_asked_no_questions() -> None:
    ids = ("1", "2", "3")
    task = Task("own", Corpus("p", ids, QUESTIONS), Corpus("a", ids, dict.fromkeys(QUESTIONS, (" w1",) * 3)))
    marked = translation_tokenizer()
    marked.add_tokens(["<2de>", "<2en>"])
    for model_type, tokenizer in (
        ("m2m_100", translation_tokenizer()),
        ("bart", translation_tokenizer()),
        ("t5", marked),
    ):
        with pytest.raises(UnsupportedModelError, match=r"predicts no answers of a task: .*for answers also T5"):
            evaluate(located(model_type), tokenizer, task, ExactAnswer())


@pytest.mark.parametrize("model_type", ["m2m_100", "t5", "bert"])
def test_gradients_are_slopes_of_the_same_losses(model_type: str) -> None:
    located_model = view(tiny_model(model_type).double())
    is_encoder = model_type == "bert"
    tokenizer = masking_tokenizer() if is_encoder else translation_tokenizer()
    data = tiny_corpus(3, ("de", "sw")) if is_encoder else Directed(texts(3), DIRECTIONS)
    scores, step = gradient_times_activation(located_model, tokenizer, data), 1e-3  # norms compute in float32
    asked = asked_tokens(located_model, tokenizer, data)  # whose losses the tests above compute by hand

    def loss(neuron: int, factor: float) -> list[float]:
        def scale(layer, activation, routing):
            changed = activation.clone()
            if layer.start <= neuron < layer.start + layer.width:
                changed[:, neuron - layer.start] *= factor
            return changed

        found = []
        for language in range(2):
            with torch.no_grad(), located_model.tapping("write", scale):
                said = [answered(located_model, batch) for batch in asked.batches(4096, language)]
            losses = [
                cross_entropy(logits[scored], targets[scored], reduction="none") for logits, targets, scored in said
            ]
            found.append(float(torch.cat(losses).mean()))
        return found

    for neuron in range(0, located_model.layout.neuron_count, 9):
        slopes = [
            (more - less) / (2 * step)
            for more, less in zip(loss(neuron, 1 + step), loss(neuron, 1 - step), strict=True)
        ]
        assert torch.allclose(scores[:, neuron], -torch.tensor(slopes, dtype=torch.float64), atol=2e-5)
    assert scores.abs().max() > 3e-2


def test_what_a_kind_of_model_is_not_asked_says_what_it_is_asked() -> None:
    translator, encoder, tokenizer = located("m2m_100"), located("bert"), translation_tokenizer()
    directed = Directed(texts(3), DIRECTIONS)
    with pytest.raises(UnsupportedModelError, match=r"predicts no text by itself: m2m_100 is an encoder-d.*--direct"):
        evaluate(translator, tokenizer, texts(3), NatsPerToken())
    with pytest.raises(UnsupportedModelError, match=r"predicts no translations: bert is an encoder\..*masked"):
        evaluate(encoder, tokenizer, directed, NatsPerToken())
    task = a_task(view(tiny_model("llama")), tiny_tokenizer())
    for located_model in (translator, encoder):
        with pytest.raises(UnsupportedModelError, match="predicts no answers of a task"):
            evaluate(located_model, tokenizer, task, ExactAnswer())
    with pytest.raises(ConfigError, match="no mask token"):
        evaluate(encoder, tokenizer, texts(3), NatsPerToken())
    with pytest.raises(UnsupportedModelError, match="BertModel has no head.*AutoModelForMaskedLM"):
        evaluate(view(AutoModel.from_config(encoder.model.config)), masking_tokenizer(), texts(3), NatsPerToken())
    with pytest.raises(ConfigError, match="ExactAnswer was given a Directed"):
        evaluate(translator, tokenizer, directed, ExactAnswer())


def test_over_long_translations_are_dropped_or_refused() -> None:
    translator, tokenizer, corpus = located("m2m_100"), translation_tokenizer(), texts(6)
    tokenizer.model_max_length = 11
    found = evaluate(translator, tokenizer, Directed(corpus, DIRECTIONS), NatsPerToken())
    assert 0 < found.signature["rows_dropped"] == found.dropped["too many tokens"] < 6
    with pytest.raises(CorpusError, match="rows with a text of more than 11 tokens"):
        evaluate(translator, tokenizer, Directed(corpus, DIRECTIONS), NatsPerToken(), unfit="refuse")


def test_over_long_texts_are_counted_and_the_first_is_named() -> None:
    corpus = tiny_corpus(8)
    columns = {language: list(column) for language, column in corpus.texts.items()}
    for row in (2, 5, 6):
        columns["sw"][row] = " ".join(["w3"] * 80)  # of 64 tokens
    long = replace(corpus, texts=columns)
    model, tokenizer = view(tiny_model("llama")), tiny_tokenizer()
    asked = asked_tokens(model, tokenizer, long)
    assert asked.dropped == {LONG: 3}
    assert asked.tokens.ids == tuple(f"row{row}" for row in (0, 1, 3, 4, 7))
    with pytest.raises(CorpusError, match="3 rows with a text of more than 64 tokens, 'row2' the first"):
        asked_tokens(model, tokenizer, long, "refuse")


def test_a_language_without_a_token_is_asked_under_its_tag() -> None:
    corpus = replace(texts(3), texts={"en": texts(3).texts["en"], "gsw": texts(3).texts["de"]})
    model, tokenizer = located("m2m_100"), translation_tokenizer()
    with pytest.raises(ConfigError, match="gsw"):
        asked_tokens(model, tokenizer, Directed(corpus, (Direction("en", "gsw"),)))
    tagged = asked_tokens(model, tokenizer, Directed(corpus, (Direction("en", "gsw"),), {"gsw": "__de__"}))
    assert {text.target_ids[0] for text in tagged.tokens.texts} == {TAGS["de"]}  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["encoder", "translator"])
def test_bytes_are_those_of_the_row_s_own_text_where_others_were_too_long(kind: str) -> None:
    """Rows 0 and 2 are dropped; what is asked of the others has as many bytes as their texts, each counted once."""
    tokenizer = masking_tokenizer() if kind == "encoder" else translation_tokenizer()
    tokenizer.model_max_length = 20
    columns = {"en": ["w1 " * 30, "w2 w30", "w4 " * 30, "w5 w6 w7"], "de": ["w1", "w11 w12 w13 w14", "w1", "w15"]}
    corpus = Corpus("long", tuple("abcd"), {language: tuple(column) for language, column in columns.items()})
    encoder, translator = tiny_model("xlm-roberta"), tiny_model("m2m_100")
    if kind == "encoder":
        asked, sides = asked_tokens(view(encoder), tokenizer, corpus), ("en", "de")
    else:
        directed = Directed(corpus, (Direction("en", "de"), Direction("de", "en")))
        asked, sides = asked_tokens(view(translator), tokenizer, directed), ("de", "en")
    assert asked.tokens.ids == ("b", "d")
    for index, language in enumerate(sides):
        for place, row in enumerate((1, 3)):
            counted = [text.scored_bytes for text in asked.tokens.texts if (text.row, text.language) == (place, index)]
            assert sum(counted) == len(columns[language][row].encode())
