"""Change one thing at a time: either the numbers cannot change, or the signature does, or the thing is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import normalizers
from torch import Tensor

import neuroglot as ng
from neuroglot.activity.generated import record_generated
from neuroglot.activity.record import record_generated_sharing
from neuroglot.activity.text_means import record_text_means
from neuroglot.errors import ConfigError, NeuroglotError
from neuroglot.experiments.scoreboard import compare_selectors, over_models
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.local import LocalBackend
from neuroglot.generation.translation import translate
from neuroglot.interventions import add, steering, switch_off
from neuroglot.models import load, view
from neuroglot.models.provenance import model_signature, tokenizer_signature
from neuroglot.neurons.neuronset import described_sets
from neuroglot.recipes import Pmi
from neuroglot.signature import Signature
from neuroglot.storage import Kept

LANGUAGES = ["en", "de", "sw"]
TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
CLOCK = "{{ strftime_now('%d %b %Y %H:%M') }}\n" + TEMPLATE
PMI = Pmi(
    models=("lab",), corpus="lab", originals=("de",), languages=("en",), task="currency", parallel=(0, 1), controls=(),
    limit=2, chat=True, max_new_tokens=3, segments=False,
)  # fmt: skip


@dataclass
class Setting:
    """All that a measurement is given."""

    view: ng.ModelView
    tokenizer: Any
    corpus: ng.Corpus
    task: ng.Task
    selected_on: ng.Corpus
    recording: ng.Recording = field(default_factory=ng.Recording)
    folder: Path = Path()
    open: ExitStack = field(default_factory=ExitStack)

    @property
    def sets(self) -> dict[str, ng.NeuronSet]:
        found = ng.neurons.by_entropy(self.selection, top_share=0.2)
        return {language: found[language] for language in LANGUAGES}

    @property
    def selection(self) -> ng.Activity:
        located, tokenizer = load("lab")  # the sets stay what they are when the model that is measured changes
        return ng.record(located, tokenizer, self.selected_on)


@cache
def parts() -> tuple[Any, ...]:
    texts = ng.corpora.load("lab", languages=LANGUAGES)
    task = next(task for task in ng.lab.tasks() if task.name == "currency").select(LANGUAGES)
    return *load("lab"), texts.take(range(4)), task.take(range(3)), texts.take(range(20, 40))


def setting(folder: Path) -> Setting:
    located, tokenizer, corpus, task, others = parts()
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.chat_template = TEMPLATE
    return Setting(view(copy.deepcopy(located.model)), tokenizer, corpus, task, others, folder=folder)


Measured = tuple[Signature, list[Any]]  # a signature, and the numbers and texts that stand under it


def evaluated(given: Setting) -> Measured:
    result = ng.evaluate(given.view, given.tokenizer, given.corpus, ng.metrics.NatsPerToken())
    return result.signature, [result.counts]


def recorded(given: Setting) -> Measured:
    activity = ng.record(given.view, given.tokenizer, given.corpus, given.recording)
    return activity.signature, [activity.fired, activity.tokens]


def shared(given: Setting) -> Measured:
    sharing = ng.record_sharing(given.view, given.tokenizer, given.corpus, given.recording)
    return sharing.signature, [sharing.histogram, sharing.by_row]


def by_row(given: Setting) -> Measured:
    number = len(list(given.folder.iterdir()))
    rows = ng.record_rows(given.view, given.tokenizer, given.corpus, given.folder / str(number), given.recording)
    return rows.signature, [tensor for shard in rows for tensor in shard.values()]


def text_means(given: Setting) -> Measured:
    means = record_text_means(given.view, given.tokenizer, given.corpus, given.recording, quantities=["fired"])
    return means.signature, list(means.values.values())


def generated(given: Setting) -> Measured:
    generation = ng.generate(given.view, given.tokenizer, given.corpus, Decoding(5))
    return generation.signature, [str(generation.texts)]


def ablated(given: Setting) -> Measured:
    matrix = ng.ablation_matrix(
        given.view, given.tokenizer, given.corpus, given.sets, ng.metrics.NatsPerToken(), draws=1
    )
    return matrix.signature, [matrix.baseline, matrix.ablated, matrix.random]


def attributed(given: Setting) -> Measured:
    recording = replace(given.recording, tokens="last")
    found = ng.attribute(given.view, given.tokenizer, given.task, recording=recording)
    return found.signature, [found.sizes, *found.values.values()]


def deactivated(given: Setting) -> Measured:
    options = {
        "level": "corpus",
        "same_rows": "allow",
        "draws": 1,
        "by_generation": True,
        "categories": ("specific", "all-shared"),
    }
    found = ng.deactivate(given.view, given.tokenizer, given.task, recording=given.recording, **options)  # type: ignore[arg-type]
    return found.signature, [found.baseline.nan_to_num(-1), found.deactivated.nan_to_num(-1), found.sizes]


def translated(given: Setting) -> Measured:
    backend = LocalBackend(given.view, given.tokenizer, keep_truncated=True)
    result = translate(backend, given.corpus.select(["de", "en"]), ["sw"], Decoding(4), source="de")
    return result.signature, [str(result.completions)]


def asked(given: Setting, out: Path | None = None, resume: bool = False) -> ng.Report:
    """Parallel prompts with the model that is given, in place of one that is loaded."""

    def given_model(_recipe: Pmi, identity: Any, _name: str, what: str) -> tuple[Any, Any]:
        identity.note(what, model_signature(given.view) | tokenizer_signature(given.tokenizer))
        return given.view, given.tokenizer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pmi, "load_model", given_model)
        return PMI.run(out, resume=resume)


def prompted(given: Setting) -> Measured:
    (result,) = asked(given).results
    numbers = [each for part in result.settings.values() for each in (part.score, part.neurons, part.prompt_tokens)]
    return result.signature, numbers


MEASURES: dict[str, Callable[[Setting], Measured]] = {
    function.__name__: function
    for function in (
        evaluated, recorded, shared, by_row, text_means, generated, ablated, attributed, deactivated, translated,
        prompted,
    )
}  # fmt: skip


def one_weight(given: Setting) -> None:
    with torch.no_grad():
        given.view.model.model.layers[1].mlp.down_proj.weight[3, 5] += 4.0


def normaliser(given: Setting) -> None:
    given.tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()


def chat_template(given: Setting) -> None:
    given.tokenizer.chat_template = TEMPLATE.replace(": ", " says in so many words: ")


def generation_option(given: Setting) -> None:
    given.view.model.generation_config.repetition_penalty = 5.0


def intervention(given: Setting) -> None:
    given.open.enter_context(switch_off(given.view, given.sets["de"]))


def raw_tap(given: Setting) -> None:
    given.open.enter_context(given.view.tapping("write", lambda _layer, activation, _: activation * 0.5))


def steered(given: Setting) -> None:
    given.open.enter_context(steering(given.view, add(given.sets["de"], 3.0)))


def selection_rows(given: Setting) -> None:
    given.selected_on = ng.corpora.load("lab", languages=LANGUAGES).take(range(50, 70))


def recording_option(given: Setting) -> None:
    given.recording = replace(given.recording, fires=(0.05,))


def dtype(given: Setting) -> None:
    given.view = view(given.view.model.to(torch.bfloat16))


def data(given: Setting) -> None:
    given.corpus, given.task = given.corpus.take([1, 0, 3]), given.task.take([2, 1])


def config_option(given: Setting) -> None:
    given.view.model.config.rms_norm_eps = 0.5
    for module in given.view.model.modules():
        if hasattr(module, "variance_epsilon"):
            module.variance_epsilon = 0.5


CHANGES = {
    function.__name__: function
    for function in (
        one_weight, normaliser, chat_template, generation_option, intervention, raw_tap, steered, selection_rows,
        recording_option, dtype, data, config_option,
    )
}  # fmt: skip
GENERATING = {"generated", "deactivated", "translated", "prompted"}
# Where the signature must change; where nothing is said, in all.
WHERE = {
    "generation_option": GENERATING,
    "selection_rows": {"ablated"},
    "recording_option": {"recorded", "shared", "by_row", "text_means", "attributed", "deactivated"},
    "data": set(MEASURES) - {"prompted"},  # which reads its own
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Measured]:
    """What each measurement gives before anything is changed, made once."""
    folder = tmp_path_factory.mktemp("plain")
    return cache(lambda name: MEASURES[name](setting(folder)))


def same(ours: list[Any], theirs: list[Any]) -> bool:
    return len(ours) == len(theirs) and all(
        torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a == b for a, b in zip(ours, theirs)
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_the_same_twice_is_the_same_signature_and_the_same_numbers(measure: str, plain, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    signature, numbers = MEASURES[measure](setting(tmp_path))
    assert signature == plain(measure)[0]
    assert same(numbers, plain(measure)[1])
    for key in ("model", "weights", "tokenizer", "interventions", "torch"):
        signature[key]


def test_measuring_changes_no_signature(tmp_path: Path) -> None:
    given = setting(tmp_path)
    before = ng.models.made_with(given.view, given.tokenizer, given.corpus)
    for name, measure in MEASURES.items():
        measure(given)
        assert ng.models.made_with(given.view, given.tokenizer, given.corpus) == before, name


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("measure", MEASURES)
def test_what_can_change_numbers_changes_the_signature(measure: str, change: str, plain, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    given = setting(tmp_path)
    with given.open:
        CHANGES[change](given)
        signature, numbers = MEASURES[measure](given)
    before, numbers_before = plain(measure)
    assert signature != before or same(numbers, numbers_before)
    if measure in WHERE.get(change, MEASURES):
        assert signature != before


def test_the_changes_do_change_numbers(plain, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for change, measure in {
        "one_weight": "recorded", "normaliser": "recorded", "chat_template": "translated", "dtype": "evaluated",
        "generation_option": "generated", "intervention": "evaluated", "raw_tap": "evaluated", "steered": "generated",
        "selection_rows": "ablated", "recording_option": "recorded", "data": "recorded", "config_option": "evaluated",
    }.items():  # fmt: skip
        given = setting(tmp_path)
        with given.open:
            CHANGES[change](given)
            assert not same(MEASURES[measure](given)[1], plain(measure)[1]), change


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets minutes pass for chat templates."""
    begin = datetime(2026, 3, 1, 12, 0)

    class Clock:
        minutes = 0

        @classmethod
        def now(cls) -> datetime:
            return begin + timedelta(minutes=cls.minutes)

    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Clock)
    return lambda minutes: setattr(Clock, "minutes", Clock.minutes + minutes)


def test_translations_asked_at_another_time_are_refused_by_the_clock(tmp_path: Path, clock) -> None:  # type: ignore[no-untyped-def]
    given = setting(tmp_path)
    given.tokenizer.chat_template = CLOCK
    backend = LocalBackend(given.view, given.tokenizer, keep_truncated=True)
    options = {"decoding": Decoding(4), "source": "de", "kept": Kept(tmp_path / "out")}
    first = translate(backend, given.corpus, ["sw"], **options)
    assert translate(backend, given.corpus, ["sw"], **options).signature == first.signature
    clock(1)
    with pytest.raises(ConfigError, match="prompts: .*the chat template reads the clock.* there"):
        translate(backend, given.corpus, ["sw"], **options)
    given.tokenizer.chat_template = TEMPLATE
    options |= {"kept": Kept(tmp_path / "steady")}
    translate(backend, given.corpus, ["sw"], **options)
    clock(1)
    translate(backend, given.corpus, ["sw"], **options)


def test_prompts_of_one_job_tell_one_time(tmp_path: Path, clock) -> None:  # type: ignore[no-untyped-def]
    given = setting(tmp_path)
    given.tokenizer.chat_template = CLOCK
    backend = LocalBackend(given.view, given.tokenizer)
    messages = [[{"role": "user", "content": text}] for text in given.corpus.texts["de"]]
    signature = backend.conversations.signature(messages)
    clock(1)
    assert all("12:00" in backend.conversations.write(each) for each in messages)
    assert backend.conversations.signature(messages) != signature


def test_prompt_settings_made_at_another_time_are_refused_by_the_clock(tmp_path: Path, clock) -> None:  # type: ignore[no-untyped-def]
    given = setting(tmp_path)
    given.tokenizer.chat_template = CLOCK
    asked(given, tmp_path / "run")
    asked(given, tmp_path / "run", resume=True)
    clock(60)
    with pytest.raises(ConfigError, match="the chat template reads the clock"):
        asked(given, tmp_path / "run", resume=True)


OF_A_RECORDING = ["one_weight", "normaliser", "intervention", "raw_tap", "dtype", "data", "config_option"]


@pytest.mark.parametrize("change", OF_A_RECORDING)
def test_a_recording_of_another_job_is_never_taken_for_this_one(change: str, tmp_path: Path) -> None:
    given, kept = setting(tmp_path), Kept(tmp_path / "kept")
    ng.record(given.view, given.tokenizer, given.corpus, kept=kept)
    with given.open:
        CHANGES[change](given)
        with pytest.raises(ConfigError, match="another job .*there"):
            ng.record(given.view, given.tokenizer, given.corpus, kept=kept)


def command(*arguments: object) -> str:
    """What a command says where it refuses."""
    from neuroglot.cli import app

    try:
        app(list(map(str, arguments)))
    except SystemExit as stop:
        return f"code {stop.code}" if stop.code else ""
    except NeuroglotError as refusal:
        return str(refusal)
    return ""


def test_the_recording_of_a_model_is_not_that_of_its_export_without_some_neurons(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    located, tokenizer = load("lab")
    located.model.save_pretrained("a/model")
    tokenizer.save_pretrained("a/model")
    ng.NeuronSet.of(located.layout, {("decoder", 2): [7]}).save("off.safetensors")
    assert not command("export", "a/model", "--ablate", "off.safetensors", "--out", "b/model")
    Path("texts.tsv").write_text("de\ten\nDas Haus ist rot.\tThe house is red.\nEr geht.\tHe goes.\n")
    options = ["--corpus", "texts.tsv", "--out", "run"]
    assert not command("record", "a/model", *options)
    assert not command("record", "a/model", *options, "--resume")
    Path("a/model").rename("a/whole")
    Path("b/model").rename("a/model")
    assert "another model (weights: " in command("record", "a/model", *options, "--resume")
    Path("a/model").rename("a/export")
    Path("a/whole").rename("a/model")
    written = Path("a/model/tokenizer.json").read_text()
    assert '"normalizer": null' in written
    Path("a/model/tokenizer.json").write_text(
        written.replace('"normalizer": null', '"normalizer": {"type": "Lowercase"}')
    )
    assert "another model (tokenizer: " in command("record", "a/model", *options, "--resume")


def test_a_page_says_under_which_interventions_it_was_measured(tmp_path: Path) -> None:
    given = setting(tmp_path)
    metric = ng.metrics.NatsPerToken()
    plain = ng.evaluate(given.view, given.tokenizer, given.corpus, metric)
    off = given.sets["de"]
    with switch_off(given.view, off):
        ablated = ng.evaluate(given.view, given.tokenizer, given.corpus, metric)
        activity = ng.record(given.view, given.tokenizer, given.corpus)
    sentences = {section.title: section.sentence for section in ng.Report([plain, ablated, activity]).sections}
    assert list(sentences) == ["How often neurons fire, neurons off", "Loss on lab", "Loss on lab, neurons off"]
    assert "interventions" not in sentences["Loss on lab"]
    said = f"switched off to 0.0 at all tokens (neurons={len(off)},set={off.hash},rule=entropy"
    assert said in sentences["Loss on lab, neurons off"]
    (together,) = ng.Report([(plain, ablated, ablated)]).sections
    table = next(iter(together.all_tables()))
    assert tuple(dict.fromkeys(row[0] for row in table.rows)) == ("lab", "lab, neurons off", "lab, neurons off (2)")
    assert together.title == "Loss by data and intervention"


def test_sets_that_were_selected_elsewhere_or_differ_are_other_sets(tmp_path: Path) -> None:
    given = setting(tmp_path)
    first = given.sets
    selection_rows(given)
    second = given.sets
    relabelled = {name: ng.NeuronSet(first[name].layout, first[name].members, second[name].signature) for name in first}
    swapped = dict(zip(first, [first["de"], first["en"], first["sw"]]))
    found = [described_sets(sets) for sets in (first, second, relabelled, swapped)]
    assert len(set(found)) == 4
    assert found[0]["selected_on"] == f"lab {first['de'].signature['corpus_hash']} 20 rows"
    assert str(found[0]["neurons"]).startswith("entropy,top_share=0.2,")
    by_hand = ng.NeuronSet.of(first["de"].layout, {("decoder", 1): [4]})
    assert described_sets({"de": by_hand}).without("sets") == Signature.of(neurons=None, selected_on=None)


def test_a_scoreboard_says_which_sets_it_compared(tmp_path: Path) -> None:
    given = setting(tmp_path)
    boards = [
        compare_selectors(
            given.view, given.tokenizer, rows, given.corpus, count=20, selectors=["entropy", "gradient"], draws=1
        )
        for rows in (given.selected_on.take(range(6)), given.selected_on.take(range(6, 12)))
    ]
    signatures = [board.signature for board in boards]
    assert signatures[0].get("neurons") is None
    assert len({signature["sets"] for signature in signatures}) == 2
    assert [str(signature["selected_on"]).split()[-2] for signature in signatures] == ["6", "6"]
    both = over_models(boards).signature
    assert both["sets"] == " + ".join(str(signature["sets"]) for signature in signatures)


def test_texts_that_are_read_under_an_intervention_say_so(tmp_path: Path) -> None:
    given = setting(tmp_path)
    plain = replace(given.recording, tokens="generated")
    activity, generation = ng.record_generation(given.view, given.tokenizer, given.corpus, plain, Decoding(3))
    assert record_generated(given.view, generation, plain).signature == activity.signature
    with switch_off(given.view, given.sets["de"]):
        again = record_generated(given.view, generation, plain)
        (sharing,) = record_generated_sharing(given.view, generation, [plain])
    for signature in (again.signature, sharing.signature):
        assert str(signature["interventions"]).startswith("switched off to 0.0")
        assert signature["written_with"] == "interventions=none"
        assert signature["weights"] == generation.signature["weights"]
