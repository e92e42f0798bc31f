"""Every option of a recipe arrives where it is meant: each has a value that no default and no other option has."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from neuroglot import neurons
from neuroglot.activity import record as recorders
from neuroglot.activity.recording import Recording
from neuroglot.attribution import recording as attributing
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.seen import text_hashes
from neuroglot.experiments import deactivation, evaluation, scoreboard
from neuroglot.generation import decoding
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.layout import Layout
from neuroglot.metrics import identification
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.rules.by_direction import Coverage
from neuroglot.prompting import PromptSet
from neuroglot.recipes import pmi as pmi_recipe
from neuroglot.recipes.analyze import Analyze
from neuroglot.recipes.attribute import Attribute
from neuroglot.recipes.compare import Compare
from neuroglot.recipes.deactivate import Deactivate
from neuroglot.recipes.generate import Generate
from neuroglot.recipes.identify import Identify
from neuroglot.recipes.options import OnLanguages
from neuroglot.recipes.pmi import Pmi
from neuroglot.recipes.reading import first_sound, read_task
from neuroglot.recipes.record import Record
from neuroglot.recipes.scoreboard import Scoreboard
from neuroglot.recipes.select import Select
from neuroglot.recipes.sharing import Sharing
from neuroglot.recipes.specialize_compare import SpecializeCompare
from neuroglot.recipes.specialize_select import SpecializeSelect
from neuroglot.recipes.specialize_train import SpecializeTrain
from neuroglot.recipes.tune import Tune
from neuroglot.runs.identity import Identity
from neuroglot.signature import Signature
from neuroglot.training import Lora, TuningConfig
from tests.recipes.test_handed_on import Stopped, caught
from tests.tiny import tiny_corpus

ON_TEXTS = {"model": "model", "corpus": "texts", "device": "cpu"}


def test_an_analysis_draws_its_rows_by_share_number_and_seed(here: Path) -> None:
    options = {"selection_share": 0.3, "ablation_rows": 4}
    selection, held_out = {}, {}
    for seed in (1, 2, 7):
        inputs = Analyze(**ON_TEXTS, **options, seed=seed).read(Identity())
        selection[seed], held_out[seed] = inputs.selection_rows.ids, inputs.held_out_rows.ids
        assert (len(selection[seed]), len(held_out[seed])) == (9, 4)
        assert not set(selection[seed]) & set(held_out[seed])
    assert len(set(selection.values())) == 3
    rows = tuple(map(str, range(21)))
    fake = SimpleNamespace(languages=("de", "sw"), split=lambda share, seed=0: (None, Corpus("r", rows, {"de": rows})))
    drawn = {seed: Analyze(model="m", corpus="c", **options, seed=seed)._split(fake)[1].ids for seed in (1, 2, 7)}
    assert len(set(drawn.values())) == 3  # of the same others too, by the seed


def test_an_analysis_selects_on_one_part_and_proves_on_the_other(here: Path, monkeypatch) -> None:
    recipe = Analyze(**ON_TEXTS, seed=7, random_draws=2, top_share=0.2, filter_quantile=0.4, owner_quantile=0.6)
    inputs = recipe.read(Identity())
    selecting, sharing, proving = [], [], []
    by_entropy, record_sharing = neurons.by_entropy, recorders.record_sharing

    def select(activity, **options):
        selecting.append(options)
        return by_entropy(activity, **options)

    def share(view, tokenizer, corpus, *rest, **options):
        sharing.append(corpus.ids)
        return record_sharing(view, tokenizer, corpus, *rest, **options)

    def prove(view, tokenizer, data, sets, metric, **options):
        proving.append((data.ids, {tuple(one.read.tolist()) for one in sets.values()}, options))
        raise Stopped

    monkeypatch.setattr(neurons, "by_entropy", select)
    monkeypatch.setattr(recorders, "record_sharing", share)
    monkeypatch.setattr(evaluation, "ablation_matrix", prove)
    with pytest.raises(Stopped):
        recipe.run()
    assert selecting == [{"top_share": 0.2, "filter_quantile": 0.4, "owner_quantile": 0.6}]
    assert sharing == [inputs.selection_rows.ids]
    ((rows, read, options),) = proving
    assert rows == inputs.held_out_rows.ids
    assert read == {tuple(sorted(text_hashes(inputs.selection_rows)))}
    assert (options["draws"], options["seed"]) == (2, 7)


def test_tasks_have_a_share_of_their_own(monkeypatch) -> None:
    shares: list[float] = []
    evaluated = SimpleNamespace(data="t", scores={"de": SimpleNamespace(value=0.9)})
    monkeypatch.setattr(Analyze, "_evaluated", lambda *_: evaluated)
    monkeypatch.setattr(Analyze, "_selected", lambda self, inputs, activity, share: shares.append(share) or {})
    monkeypatch.setattr(Analyze, "_ablated", lambda *_: None)
    task = SimpleNamespace(name="t", head=lambda rows: None)
    recipe = Analyze(model="lab", corpus="lab", top_share=0.01, task_top_share=0.3)
    list(recipe._on_tasks(None, SimpleNamespace(tasks={"t": task}), None))  # type: ignore[arg-type]
    assert shares == [0.3]


def test_a_deactivation_gets_all_its_options(run, monkeypatch) -> None:
    options = {
        "level": "corpus", "corpus_share": 0.3, "scope": "all", "value": "mean", "equal_size": True,
        "by_generation": True, "seed": 9, "same_rows": "allow",
    }  # fmt: skip
    calls = caught(monkeypatch, deactivation, "deactivate")
    with pytest.raises(Stopped):
        Deactivate(
            model="lab", corpus="lab", task="sum", languages=("en", "de"), limit=2, random_draws=3, device="cpu",
            **options,
        ).run()  # fmt: skip
    handed = calls[0][1]
    handed.pop("kept")
    assert handed == options | {"draws": 3, "counted_on": None}


@pytest.mark.parametrize("given", ["frozen_norm", "contrastive"])
def test_an_attribution_gets_all_its_options(run, monkeypatch, given: str) -> None:
    calls = caught(monkeypatch, attributing, "attribute")
    with pytest.raises(Stopped):
        Attribute(
            model="lab", corpus="lab", task="greater", languages=("en", "de"), limit=2, device="cpu", site="write",
            fires=0.5, top_share=0.1, **{given: True},
        ).run()  # fmt: skip
    handed = calls[0][1]
    handed.pop("kept")
    assert handed.pop("recording") == Recording("write", "last", (0.5,), True)
    assert handed == {"top_share": 0.1, "frozen_norm": False, "contrastive": False} | {given: True}


def test_a_comparison_is_from_before_to_after(monkeypatch) -> None:
    monkeypatch.setattr(Compare, "_shared", lambda self, run, inputs, name: name)
    calls = caught(monkeypatch, neurons, "SharingChange")
    with pytest.raises(Stopped):
        Compare(before="a", after="b", corpus="c").work(None, None)  # type: ignore[arg-type]
    assert calls == [(("before", "after"), {})]


def test_generated_texts_stand_beside_the_prompts_of_their_rows(here: Path, monkeypatch) -> None:
    """Rows that were too long are not among them."""
    prompts = tiny_corpus(30)
    answers = dict.fromkeys(prompts.languages, ("x", "y"))
    written = SimpleNamespace(ids=("4", "9"), texts=answers, signature=Signature.of(model="m"))
    monkeypatch.setattr(decoding, "generate", lambda *_, **__: written)
    recipe = Generate(**ON_TEXTS)
    inputs = recipe.read(Identity())
    wanted = [inputs.prompts.ids[row] for row in (3, 8)]
    written.ids = tuple(wanted)
    texts = recipe._generated(SimpleNamespace(kept=lambda _: None), inputs)  # type: ignore[arg-type]
    assert texts.ids == tuple(wanted)
    for language, column in prompts.texts.items():
        assert texts.prompts[language] == (column[3], column[8])


def test_decoding_and_recording_have_all_their_options() -> None:
    job = Generate(model="m", prompt="x", max_new_tokens=7, temperature=0.5, top_p=0.9, seed=4)
    assert job.decoding == Decoding(7, 0.5, 0.9, 1, 4)
    assert Generate(model="m", prompt="x", beams=3).decoding == Decoding(64, beams=3)
    select = Select(
        model="m", corpus="c", selector="entropy", site="write", tokens="last", fires=(1.0,), special_tokens=True
    )
    assert select.recording == Recording("write", "last", (1.0,), True)


def test_a_selection_and_a_scoreboard_record_as_they_are_told(run, monkeypatch) -> None:
    reading = {"site": "write", "tokens": "last", "fires": (0.5,), "special_tokens": True, "device": "cpu"}
    calls = caught(monkeypatch, scoreboard, "gather")
    with pytest.raises(Stopped):
        Select(model="model", corpus="texts", selector="entropy", **reading).run()
    assert calls[0][0][4] == Recording("write", "last", (0.5,), True)
    calls = caught(monkeypatch, scoreboard, "compare_selectors")
    with pytest.raises(Stopped):
        Scoreboard(models=("model",), corpus=("texts",), count=2, **reading).run()
    assert calls[0][1]["recording"] == Recording("write", "last", (0.5,), True)


def test_each_model_of_a_scoreboard_may_have_texts_of_its_own(here: Path) -> None:
    Path("others").mkdir()
    for language, column in tiny_corpus(8, seed=1).texts.items():
        Path("others", f"{language}.txt").write_text("\n".join(column) + "\n")
    read = Scoreboard(models=("model", "model"), corpus=("texts", "others"), count=2).read(Identity())
    assert [len(corpus) for _, corpus in read] == [30, 8]


def test_the_limit_of_a_part_is_of_its_own_rows(tmp_path: Path) -> None:
    for language in ("de", "en"):
        (tmp_path / f"mgsm_{language}.tsv").write_text("".join(f"{language} {n} + 1?\t{n + 1}\n" for n in range(20)))
    for part in ("selection", "rest"):
        whole = read_task(OnLanguages(part=part, split=0.4), str(tmp_path), None, None)
        assert len(whole) == (8 if part == "selection" else 12)
        limited = read_task(OnLanguages(part=part, split=0.4, limit=5), str(tmp_path), None, None)
        assert limited.ids == whole.ids[:5]


def test_where_rows_are_dropped_the_limit_is_of_the_others() -> None:
    texts = ("<unk>", "ein Haus", "ein Hund", "eine Katze")
    corpus = Corpus("c", tuple("abcd"), {"de": texts, "en": ("a thing", "a house", "a dog", "a cat")})
    assert first_sound(corpus, 2, "drop").ids == ("b", "c")
    assert first_sound(corpus, 2, "keep").ids == ("a", "b")


PMI = Pmi(
    models=("lab",), corpus="lab", task="iso_date", originals=("de",), languages=("en", "fr", "es"), parallel=(0, 1, 3),
    shots=2, seed=5, limit=4,
)  # fmt: skip


def test_all_originals_are_asked_the_first_rows_that_all_have() -> None:
    def inputs(ids: str) -> SimpleNamespace:
        items = [SimpleNamespace(id=row_id) for row_id in ids]
        return SimpleNamespace(items=items, take=lambda rows: "".join(ids[row] for row in rows))

    found = pmi_recipe._same_rows({"de": inputs("abcdef"), "sw": inputs("xfdb")}, 2)  # type: ignore[dict-item]
    assert found == {"de": "bd", "sw": "fd"}
    found = pmi_recipe._same_rows({"de": inputs("abcdef"), "sw": inputs("xbyf")}, 5)  # type: ignore[dict-item]
    assert found == {"de": "bf", "sw": "bf"}


def test_settings_show_the_first_languages_and_repeat_as_many_texts() -> None:
    settings = PMI.settings("de")
    assert settings["pmi-1"].columns == ("de", "en")
    assert settings["pmi-3"].columns == ("de", "en", "fr", "es")
    assert settings["repeated"].columns == ("de",) * 4
    assert settings["pivot"].columns == ("en",)


def test_demonstrations_and_controls_are_drawn_by_the_seed() -> None:
    def texts(seed: int) -> dict[str, list[str]]:
        job = replace(PMI, seed=seed)
        sets = job.prompt_sets(job.read(Identity())["de"], None, "de")  # type: ignore[arg-type]
        return {name: [prompt.text for prompt in part.prompts] for name, part in sets.items()}

    once, again, other = texts(5), texts(5), texts(6)
    assert once == again
    assert once["direct"] != other["direct"]  # other demonstrations
    without = [replace(PMI, seed=seed, shots=0).prompt_sets(PMI.read(Identity())["de"], None, "de") for seed in (5, 6)]  # type: ignore[arg-type]
    shuffled = [[prompt.text for prompt in sets["shuffled"].prompts] for sets in without]
    assert shuffled[0] != shuffled[1]


def test_the_limit_of_several_originals_is_of_shared_rows(tmp_path: Path) -> None:
    """A row that one original lacks does not take the place of another."""
    for language, numbers in (("de", range(8)), ("sw", range(8)), ("en", range(8))):
        (tmp_path / f"mgsm_{language}.tsv").write_text("".join(f"{language} {n} + 1?\t{n + 1}\n" for n in numbers))
    job = Pmi(
        models=("lab",), corpus=str(tmp_path), originals=("de", "sw"), languages=("en",), parallel=(0, 1), limit=3
    )
    assert len(job._asked("de").items) == 8
    assert [len(part) for part in job.read(Identity()).values()] == [3, 3]


TUNE = Tune(
    model="lab", corpus="lab", task="iso_date", originals=("de",), languages=("en",), steps=9, learning_rate=0.3,
    batch_size=3, accumulation=4, schedule="cosine", warmup=2, weight_decay=0.7, lora_rank=5, lora_alpha=6.0,
    lora_dropout=0.4, lora_targets=("q_proj",), end="newline", max_tokens=77, drop_unfit=True, adapter=True, seed=8,
    bf16=True, gradient_checkpointing=True, checkpoint_every=6, report_to="wandb",
)  # fmt: skip


def test_a_tuning_has_all_its_options() -> None:
    assert TUNE.tuning() == TuningConfig(
        steps=9, learning_rate=0.3, batch_size=3, accumulation=4, schedule="cosine", warmup=2, weight_decay=0.7,
        lora=Lora(5, 6.0, 0.4, ("q_proj",)), end="newline", max_tokens=77, unfit="drop", save="adapter", seed=8,
        bf16=True, gradient_checkpointing=True, checkpoint_every=6, report_to="wandb",
    )  # fmt: skip


def test_a_tuning_of_neurons_or_modules_has_no_adapters(here: Path) -> None:
    neurons = NeuronSet.of(Layout((("decoder", (9, 9)),)), {("decoder", 1): [2, 5]})
    neurons.save("sets/de.safetensors")
    job = replace(TUNE, train_neurons=Path("sets/de.safetensors"))
    assert job._neurons(Identity()) == neurons
    assert job.tuning(neurons) == replace(TUNE.tuning(), lora=None, neurons=neurons)
    drawn = [replace(job, random_neurons=True, seed=seed)._neurons(Identity()) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {tuple(chosen.counts_by_layer()) for chosen in drawn} == {tuple(neurons.counts_by_layer())}
    named = replace(TUNE, train_modules=("mlp", "embeddings"), freeze_modules=("norm",), adapter=False)
    assert named.tuning() == replace(
        TUNE.tuning(), lora=None, modules=("mlp", "embeddings"), frozen=("norm",), save="merged"
    )


def test_questions_and_their_mixture_are_drawn_by_the_seed(monkeypatch) -> None:
    asked = {seed: replace(TUNE, seed=seed, limit=20)._task(("de", "en")) for seed in (8, 9)}
    assert asked[8].prompts.texts["de"] != asked[9].prompts.texts["de"]
    seeds: list[int] = []

    def mix(sets, shares, seed):
        seeds.append(seed)
        raise Stopped

    monkeypatch.setattr("neuroglot.prompting.examples.pmi_mix", mix)
    with pytest.raises(Stopped):
        replace(TUNE, limit=20).read(Identity())
    assert seeds == [8]


def test_a_translation_prompt_does_not_show_its_answer(here: Path) -> None:
    Path("pairs").mkdir()
    for language in ("de", "en", "fr"):
        Path("pairs", f"{language}.txt").write_text("".join(f"{language}{row}\n" for row in range(6)))
    job = Tune(model="m", corpus="pairs", template="translation", target="en", originals=("de",), steps=1)
    sets: list[PromptSet] = job._prompt_sets(Identity())
    assert [part.setting.columns for part in sets] == [("de",), ("de", "fr")]
    for part in sets:
        for row, prompt in enumerate(part.prompts):
            assert f"en{row}" not in prompt.text
            assert part.references[row][0] == f"en{row}"


def test_trainings_of_directions_have_their_seed_and_shape() -> None:
    train = SpecializeTrain(model="m", masks=Path("x"), corpus="c", steps=4, learning_rate=0.2, batch_size=3, seed=11)
    made = train.training
    assert (made.steps, made.learning_rate, made.batch_size, made.seed) == (4, 0.2, 3, 11)
    config = SpecializeCompare(
        corpus="c", languages=("en", "de"), pivot="de", limit=99, validation_rows=11, test_rows=12, seeds=(5, 6),
        steps=13, continued_steps=14, batch_size=15, learning_rate=0.1, continued_rate=0.2, temperature=3.0,
        coverage=71, by_direction=True, metric="bleu", max_new_tokens=16, hidden=17, layers=18, heads=19, ffn=20,
        vocabulary=21, dropout=0.3,
    ).config  # fmt: skip
    assert (config.data, config.languages, config.pivot, config.rows) == ("c", ("en", "de"), "de", 99)
    assert (config.validation_rows, config.test_rows, config.seeds) == (11, 12, (5, 6))
    assert (config.steps, config.continued_steps, config.batch) == (13, 14, 15)
    assert (config.rate, config.continued_rate, config.temperature) == (0.1, 0.2, 3.0)
    assert (config.coverage, config.mixed, config.metric, config.max_new_tokens) == (71, False, "bleu", 16)
    shape = config.model
    assert (shape.hidden, shape.layers, shape.heads, shape.ffn) == (17, 18, 19, 20)
    assert (shape.vocabulary, shape.dropout) == (21, 0.3)


def test_percents_of_directions_are_of_the_pivot() -> None:
    job = SpecializeSelect(activity=Path("x"), coverage=80, en2x_enc=1, en2x_dec=2, x2en_enc=3, x2en_dec=4, pivot="de")
    assert job._percents == Coverage(1, 2, 3, 4, "de")


def test_the_first_threshold_is_the_main_one_and_is_kept(here: Path) -> None:
    job = Sharing(model="model", corpus=("texts",), fires=(0.2, 0.0, 0.1), limit=4, device="cpu")
    assert job._last.fires == (0.2,)
    assert [recording.fires for recording in job._recordings] == [(0.2,), (0.0,), (0.1,), (0.2,)]
    job.run("run")
    written = json.loads(Path("run/report.json").read_text())["sections"][0]["signature"]
    assert written["fires"] == ">0.2"
    from neuroglot.activity.sharing import Sharing as Stored

    assert Stored.load("run/sharing-1.safetensors").recording.fires == (0.2,)


def test_texts_to_identify_keep_their_own_ids(tmp_path: Path, monkeypatch) -> None:
    texts = {"de": ("d0", "d1"), "en": ("e0", "e1")}
    made = GeneratedTexts(("0", "1"), texts, dict.fromkeys(texts, ("p", "q")), Signature.of(model="m"))
    file = made.save(tmp_path / "generated.jsonl")
    calls = caught(monkeypatch, identification, "language_forcing")
    with pytest.raises(Stopped):
        Identify(generated=file, candidates=("de", "fr"), target="fr").run()
    handed = calls[0][0]
    pairs = dict(zip(handed[1], handed[0]["fr"], strict=True))
    assert pairs == {"de/0": "d0", "de/1": "d1", "en/0": "e0", "en/1": "e1"}


def test_directions_tags_and_languages_are_read_as_they_are_told(here: Path) -> None:
    family = SimpleNamespace(kind="decoder", model_type="llama")
    identity = Identity()
    job = Record(**ON_TEXTS, directions=("de-sw", "zh-de"), tags=("sw=<sw>", "zh=<zh>"))
    directed = job.load_parallel(identity, family)  # type: ignore[arg-type]
    assert directed.languages == ("de-sw", "zh-de")
    assert dict(directed.tags) == {"sw": "<sw>", "zh": "<zh>"}  # type: ignore[union-attr]
    plain = Record(**ON_TEXTS, languages=("de", "sw"))
    assert plain.load_parallel(Identity(), family).languages == ("de", "sw")  # type: ignore[arg-type]
    told = plain.load_parallel(Identity(), family, ("zh", "de"))  # type: ignore[arg-type]
    assert told.languages == ("zh", "de")


def test_what_follows_reads_the_same_texts_in_the_same_directions() -> None:
    given = ("--directions", "de-sw", "zh-de", "--pivot", "de", "--tags", "sw=<sw>")
    job = Record(**ON_TEXTS, directions=("de-sw", "zh-de"), pivot="de", tags=("sw=<sw>",))
    assert job.same_texts() == ["--corpus", "texts", *given]
