"""Translation models and encoders in every recipe that reads parallel text, beside the same in plain Python."""

import json
from pathlib import Path

import pytest
import torch

from neuroglot import Activity, NeuronSet, Recording, ablation_matrix, evaluate, record
from neuroglot.corpora import Corpus, Directed, load, text_hashes
from neuroglot.corpora.tasks import load_task
from neuroglot.errors import ConfigError, CorpusError, UnsupportedModelError
from neuroglot.experiments.evaluation import control_seed
from neuroglot.experiments.quality import quality_matrices
from neuroglot.generation.decoding import Decoding
from neuroglot.interventions import steering, switch_off
from neuroglot.interventions.steering import Steering
from neuroglot.metrics import ExactAnswer, NatsPerToken
from neuroglot.models import load as load_model
from neuroglot.neurons import at_random_like
from neuroglot.recipes.ablate import Ablate
from neuroglot.recipes.analyze import Analyze
from neuroglot.recipes.compare import Compare
from neuroglot.recipes.deactivate import Deactivate
from neuroglot.recipes.record import Record
from neuroglot.recipes.scoreboard import Scoreboard
from neuroglot.recipes.select import Select
from neuroglot.recipes.sharing import Sharing
from neuroglot.recipes.steer import Steer
from neuroglot.runs.identity import Identity
from tests.families import tiny_model
from tests.recipes.every import stand_in
from tests.specialization import making
from tests.tiny import masking_tokenizer, tiny_corpus

AROUND = ("en-de", "en-fr", "de-en", "fr-en")
ON_PAIRS = {"model": "translator", "corpus": "pairs", "device": "cpu"}
SMALL = {"top_share": 0.2, "filter_quantile": 0.4, "owner_quantile": 0.6, "random_draws": 2}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    words = making.translation_tokenizer()
    models = {
        "translator": (making.located("m2m_100").model, words), "marian": (making.located("marian").model, words),
        "bart": (making.located("bart").model, words), "asked": (making.located("t5").model, words),
        "decoder": (tiny_model("llama"), words),
        "encoder": (tiny_model("xlm-roberta"), masking_tokenizer()),
    }  # fmt: skip
    for name, (model, tokenizer) in models.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    for name, corpus in (("pairs", making.texts(24)), ("texts", tiny_corpus(24))):
        (folder / name).mkdir()
        for language, column in corpus.texts.items():
            (folder / name / f"{language}.txt").write_text("\n".join(column) + "\n")
    return folder


@pytest.fixture(autouse=True)
def _here(workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(workshop, tmp_path, monkeypatch)


def counts(sets: dict[str, NeuronSet]) -> dict[str, list[int]]:
    return {
        name: [int(part.sum()) for _, part in neurons.layout.by_layer(neurons.members)]
        for name, neurons in sets.items()
    }


def test_an_analysis_of_a_translation_model_is_by_direction() -> None:
    report = Analyze(**ON_PAIRS, **SMALL).run("run")
    files = {path.stem: NeuronSet.load(path) for path in Path("run/neurons").iterdir()}
    assert set(files) == set(AROUND)
    assert sum(map(len, files.values())) > 4
    view, tokenizer = load_model("translator", device="cpu")
    selection, rest = load("pairs").split(0.5)
    activity = Activity.load(Path("run/activity.safetensors"))
    expected = record(view, tokenizer, Directed(selection, activity.languages), Recording())  # type: ignore[arg-type]
    assert set(activity.languages) == set(AROUND)
    assert torch.equal(activity.fired, expected.fired)
    sets = {name: files[name] for name in activity.languages}
    directed = Directed(rest, activity.languages)  # type: ignore[arg-type]
    matrix = ablation_matrix(view, tokenizer, directed, sets, NatsPerToken(), draws=2)
    headline = matrix.headline()
    assert report.headline["diagonal"] == pytest.approx(headline.diagonal.value)
    assert report.headline["random"] == pytest.approx(headline.random.value)
    said = json.loads(Path("run/report.json").read_text())
    assert "English → German (en-de)" in json.dumps(said, ensure_ascii=False)
    assert any("directions of translation" in note for note in report.notes)


def test_each_condition_is_the_loss_under_it_and_controls_match_in_each_layer_of_each_stack() -> None:
    Select(**ON_PAIRS, selector="magnitude", count=7, part="selection").run("sets")
    sets = {path.stem: NeuronSet.load(path) for path in sorted(Path("sets").glob("*.safetensors"))}
    report = Ablate(**ON_PAIRS, neurons=Path("sets"), part="rest", random_draws=2, seed=3).run()
    view, tokenizer = load_model("translator", device="cpu")
    directed = Directed(load("pairs").split(0.5)[1], tuple(sets))  # type: ignore[arg-type]
    matrix = ablation_matrix(view, tokenizer, directed, sets, NatsPerToken(), draws=2, seed=3)
    assert torch.equal(report.results[0].random, matrix.random)
    on = evaluate(view, tokenizer, directed, NatsPerToken()).scores
    for index, (name, neurons) in enumerate(sets.items()):
        with switch_off(view, neurons):
            off = evaluate(view, tokenizer, directed, NatsPerToken()).scores
        assert matrix.effects()[index][index].value == pytest.approx(off[name].value - on[name].value, abs=1e-6)
        for draw in range(2):
            control = at_random_like(neurons, control_seed(3, draw, name))
            assert counts({"": control}) == counts({"": neurons})
            with switch_off(view, control):
                off = evaluate(view, tokenizer, directed, NatsPerToken()).scores
            own = matrix.random[draw, index].sum(0)[index]
            assert float(own[0] / own[1]) == pytest.approx(off[name].value)
    assert {layer.stack for layer, part in view.layout.by_layer(sets["en-de"].members) if part.any()} == {
        "encoder", "decoder",
    }  # fmt: skip


def test_directions_are_those_asked_for_or_around_the_pivot() -> None:
    def read(**options) -> tuple[str, ...]:
        return Record(**ON_PAIRS, **options).run().results[0].languages

    assert set(read()) == set(AROUND)
    assert set(read(pivot="de")) == {"de-en", "de-fr", "en-de", "fr-de"}
    assert read(directions=("fr-de", "en-fr")) == ("fr-de", "en-fr")
    assert set(read(languages=("en", "fr"))) == {"en-fr", "fr-en"}
    with pytest.raises(ConfigError, match="Name another pivot"):
        read(languages=("de", "fr"))
    with pytest.raises(CorpusError, match="sw"):
        read(directions=("en-sw",))


def test_sets_are_chosen_by_direction_or_by_its_languages() -> None:
    Select(**ON_PAIRS, selector="random", count=4, part="selection").run("sets")
    ablate = {**ON_PAIRS, "neurons": Path("sets"), "part": "rest", "random_draws": 1}
    assert Ablate(**ablate, directions=("fr-en", "en-de")).run().results[0].languages == ("fr-en", "en-de")
    assert Ablate(**ablate, languages=("en", "fr")).run().results[0].languages == ("en-fr", "fr-en")
    with pytest.raises(ConfigError, match="holds no neuron set of de-fr"):
        Ablate(**ablate, directions=("de-fr",)).run()
    with pytest.raises(CorpusError, match="that the neurons were selected on"):
        Ablate(**{**ablate, "part": "selection"}).run()


@pytest.mark.parametrize("model", ["marian", "decoder"])
def test_other_models_that_translate_are_read_in_directions_too(model: str) -> None:
    options = {**ON_PAIRS, "model": model, "directions": ("en-de", "de-en")}
    report = Analyze(**options, **SMALL).run("run")
    assert report.headline["languages"] == ["en-de", "de-en"]
    sharing = Sharing(**{**options, "corpus": ("pairs",)}).run()
    assert sharing.results[0].languages == ("en-de", "de-en")


def test_quality_beside_the_loss_is_that_of_whole_translations() -> None:
    Select(**ON_PAIRS, selector="magnitude", count=7, part="selection").run("sets")
    sets = {path.stem: NeuronSet.load(path) for path in sorted(Path("sets").glob("*.safetensors"))}
    ablate = {**ON_PAIRS, "neurons": Path("sets"), "part": "rest", "random_draws": 2, "seed": 3, "limit": 4}
    report = Ablate(**ablate, quality=("chrf++", "bleu"), max_new_tokens=5, beams=2).run("run")
    view, tokenizer = load_model("translator", device="cpu")
    directed = Directed(load("pairs").split(0.5)[1].head(4), tuple(sets))  # type: ignore[arg-type]
    decoding = Decoding(5, beams=2)
    expected = quality_matrices(
        view, tokenizer, directed, sets, ("chrf++", "bleu"), draws=2, seed=3, decoding=decoding
    )  # fmt: skip
    for matrix, found in zip(expected, report.results[1:3], strict=True):
        assert found.metric == matrix.metric
        for name in ("baseline", "ablated", "random"):
            torch.testing.assert_close(getattr(found, name), getattr(matrix, name), equal_nan=True)
    assert report.results[0].metric == NatsPerToken()
    recipe = Ablate(**ablate, quality=("chrf++",), max_new_tokens=5)
    line = recipe.price(recipe.read(Identity())).lines[1]
    assert (line.step, line.tokens) == ("translating pairs with neurons off", 5 * 4 * len(sets))
    assert line.times == 1 + len(sets) + 2  # random sets translate one direction each


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_new_tokens": 5}, "nothing is translated"),
        ({"beams": 2}, "nothing is translated"),
        ({"quality": ("bleu",), "max_new_tokens": 900}, "max_new_tokens=900.*Expected at most"),
        ({"model": "decoder"}, "are of directions of translation: .*--directions "),
        (
            {"model": "encoder", "corpus": "texts", "neurons": Path("on-texts"), "quality": ("bleu",)},
            "not read in direct",
        ),
    ],
)
def test_quality_is_asked_for_where_texts_are_translated(options, words: str) -> None:  # type: ignore[no-untyped-def]
    Select(**ON_PAIRS, selector="random", count=4, part="selection").run("sets")
    Select(model="encoder", corpus="texts", device="cpu", selector="random", count=4, part="selection").run("on-texts")
    with pytest.raises(ConfigError, match=words):
        Ablate(**{**ON_PAIRS, "neurons": Path("sets"), "part": "rest", "random_draws": 1, **options}).run("refused")
    assert not Path("refused/.unfinished").exists()  # before anything is scored


def test_a_translation_model_has_a_scoreboard_and_is_compared() -> None:
    models = {"models": ("translator",), "corpus": ("pairs",), "device": "cpu"}
    report = Scoreboard(**models, count=5, random_draws=1, ablation_rows=6).run("run")
    (board,) = report.results
    assert {"gradient", "entropy", "probe", "consistency", "percentile"} <= set(board.matrices)
    assert set(board.languages) == set(AROUND)
    change = Compare(before="translator", after="translator", corpus="pairs", device="cpu").run().results[0]
    assert set(change.before.languages) == set(AROUND)


def test_an_interrupted_analysis_goes_on_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    Analyze(**ON_PAIRS, **SMALL).run("whole")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("neuroglot.experiments.evaluation.ablation_matrix", interrupt)
        with pytest.raises(KeyboardInterrupt, match="--resume"):
            Analyze(**ON_PAIRS, **SMALL).run("run")
    with pytest.raises(ConfigError, match="another job|other options|directions|pivot"):
        Analyze(**ON_PAIRS, **SMALL, pivot="de").run("run", resume=True)
    monkeypatch.setattr("neuroglot.activity.record.record", interrupt)  # is done already
    Analyze(**ON_PAIRS, **SMALL).run("run", resume=True)
    assert Path("run/report.json").read_bytes() == Path("whole/report.json").read_bytes()


def test_a_price_counts_what_both_sides_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuroglot.runs.price.ENOUGH_SECONDS", 0.0)
    price = Record(**ON_PAIRS).estimate()
    corpus: Corpus = load("pairs")
    words = {language: sum(len(text.split()) + 2 for text in column) for language, column in corpus.texts.items()}
    assert [line.tokens for line in price.lines] == [sum(words[one] for name in AROUND for one in name.split("-"))]
    price = Analyze(**ON_PAIRS, **SMALL).estimate()
    assert [(line.step, line.times) for line in price.lines] == [
        ("counting", 1), ("sharing", 1), ("scoring pairs with neurons off", 1 + 4 * 3),
    ]  # fmt: skip
    encoder = {"model": "encoder", "corpus": "texts", "device": "cpu"}
    scoring = Analyze(**encoder, **SMALL).estimate().lines[-1]
    assert scoring.times == (1 + 3 * 3) * 7


def test_an_encoder_is_analysed_by_masked_tokens() -> None:
    encoder = {"model": "encoder", "corpus": "texts", "device": "cpu"}
    report = Analyze(**encoder, **SMALL).run("run")
    view, tokenizer = load_model("encoder", device="cpu")
    _, rest = load("texts").split(0.5)
    sets = {path.stem: NeuronSet.load(path) for path in Path("run/neurons").iterdir()}
    matrix = ablation_matrix(view, tokenizer, rest, sets, NatsPerToken(), draws=2)
    assert report.headline["diagonal"] == pytest.approx(matrix.headline().diagonal.value)
    assert matrix.headline().diagonal.value != 0
    assert matrix.signature["read"] == "masked text"
    assert Select(**encoder, selector="gradient", count=4).run().results[0].keys() == {"de", "sw", "zh"}
    with pytest.raises(UnsupportedModelError, match=r"xlm-roberta.*(are told the languages|not known)"):
        Record(**encoder, directions=("de-sw",)).run()


def test_what_is_told_no_languages_is_read_as_text_and_not_scored() -> None:
    bart = {**ON_PAIRS, "model": "bart"}
    assert set(Record(**bart).run().results[0].languages) == {"de", "en", "fr"}
    with pytest.raises(UnsupportedModelError, match="predicts no text by itself: bart is an encoder-decoder"):
        Analyze(**bart, **SMALL).run()
    with pytest.raises(ConfigError, match="Tags of languages were given for a model of the type 'bart'"):
        Record(**bart, tags=("zh=x",)).run()
    with pytest.raises(ConfigError, match=r"new_tokens=2 for directions.*neuroglot translate"):
        Sharing(**{**ON_PAIRS, "corpus": ("pairs",)}, new_tokens=2).run()


def test_sets_know_the_rows_that_chose_them() -> None:
    Select(**ON_PAIRS, selector="random", count=4, part="selection").run("sets")
    read = set(NeuronSet.load(Path("sets/en-de.safetensors")).read.tolist())
    assert read == text_hashes(load("pairs").split(0.5)[0])


def test_a_direction_is_steered_with_its_own_activity() -> None:
    Record(**ON_PAIRS, statistics=("moments",)).run("recorded")
    Select(**ON_PAIRS, selector="random", count=4).run("sets")
    Steer(
        operator="set", neurons=Path("sets/en-de.safetensors"), activity=Path("recorded"), language="en-de"
    ).run("steered")  # fmt: skip
    view, tokenizer = load_model("translator", device="cpu")
    activity = Activity.load(Path("recorded/activity.safetensors"))
    neurons = NeuronSet.load(Path("sets/en-de.safetensors"))
    means = activity.mean()[activity.languages.index("en-de")]

    def to_means(layer, activation, routing):  # type: ignore[no-untyped-def]
        chosen, changed = neurons.members[layer.neurons], activation.clone()
        changed[:, chosen] = means[layer.neurons][chosen].to(activation)
        return changed

    pairs = Directed.around(load("pairs"))
    with steering(view, Steering.load(Path("steered/steering.safetensors"))):
        found = evaluate(view, tokenizer, pairs, NatsPerToken(), same_rows="allow").scores["en-de"].value
    with view.tapping("post_act", to_means, name="means"):
        expected = evaluate(view, tokenizer, pairs, NatsPerToken()).scores["en-de"].value
    assert found == pytest.approx(expected)
    assert found != evaluate(view, tokenizer, pairs, NatsPerToken()).scores["en-de"].value


def test_corpora_with_other_directions_go_on_as_the_job_that_they_were() -> None:
    """Each corpus is read around the pivot in the languages that it has, and the run remembers them one by one."""
    Path("fewer").mkdir()
    for language in ("en", "de"):
        Path("fewer", f"{language}.txt").write_text(Path("pairs", f"{language}.txt").read_text())
    job = Sharing(model="translator", corpus=("pairs", "fewer"), device="cpu", fires=(0.0,), limit=4)
    job.run("two")
    before = Path("two/report.json").read_bytes()
    job.run("two", resume=True)
    assert Path("two/report.json").read_bytes() == before


QUESTIONS = """
name: own words
rows: questions.tsv
prompt: "{asked}"
answer: "{answer}"
"""


@pytest.mark.parametrize("languages", [None, ("en", "de")])
def test_t5_is_asked_questions_by_language(languages: tuple[str, ...] | None) -> None:
    codes = ("de", "en")
    rows = [f"{n}\t{code}\tw{n} w{n + 9 + codes.index(code)}\tw{n % 3}" for n in range(8) for code in codes]
    Path("questions.tsv").write_text("\n".join(["id\tlanguage\tasked\tanswer", *rows]) + "\n")
    Path("task.yaml").write_text(QUESTIONS)
    view, tokenizer = load_model("asked")
    sets = {code: NeuronSet.of(view.layout, {("decoder", 0): range(start, 9)}) for start, code in enumerate(codes)}
    for code, neurons in sets.items():
        neurons.save(Path("own") / f"{code}.safetensors")
    options = {"neurons": Path("own"), "languages": languages, "random_draws": 1, "device": "cpu"}
    matrix = Ablate(model="asked", corpus="task.yaml", **options).run().results[0]
    expected = ablation_matrix(
        view, tokenizer, load_task("task.yaml", languages=languages), sets, ExactAnswer(), draws=1
    )
    assert matrix.languages == (languages or codes)
    assert torch.equal(matrix.ablated, expected.ablated)
    with pytest.raises(UnsupportedModelError, match="for answers also T5"):
        Ablate(model="translator", corpus="task.yaml", **options).run()
    with pytest.raises(UnsupportedModelError, match="`neuroglot ablate --task`"):
        Deactivate(model="asked", corpus="task.yaml", device="cpu").run()
