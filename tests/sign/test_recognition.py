"""Training on the core: exact resumption, a frozen teacher, and readings in time against every path."""

import itertools
from pathlib import Path

import pytest
import torch

from neuroglot.corpora.clips import GlossVocabulary
from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.generation.ctc import BeamOptions
from neuroglot.generation.glosses import glosses_in_time, reader_for, recognise, vocabulary_of
from neuroglot.storage import Kept
from neuroglot.tokens.clips import AUGMENTATIONS, ClipReader, ClipRow
from neuroglot.training.recognition import TeacherBatches, Watched, train_recogniser
from neuroglot.training.types import Training
from tests.models.tscm.making import network
from tests.sign.making import few_clips, reader, recogniser

SHORT = Training(steps=4, learning_rate=1e-2, batch_size=3, checkpoint_every=2, seed=1)


class Stopped(Exception):
    pass


def test_a_training_that_was_stopped_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Random gradient stop, order and looks included."""
    clips, seen = few_clips().of("train"), reader(augmentation=AUGMENTATIONS["phoenix"])
    whole = recogniser(gradient_share=0.5)
    losses = train_recogniser(whole, clips, seen, SHORT, kept=Kept(tmp_path / "whole"))
    assert len(losses) == 4

    def stop(step: int, steps: int, loss: float) -> None:
        if step == 3:
            raise Stopped

    with pytest.raises(Stopped):
        train_recogniser(recogniser(gradient_share=0.5), clips, seen, SHORT, kept=Kept(tmp_path / "cut"), on_step=stop)
    again = recogniser(gradient_share=0.5)
    assert train_recogniser(again, clips, seen, SHORT, kept=Kept(tmp_path / "cut")) == losses
    for (name, one), other in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_a_step_is_adamw_on_the_loss_of_the_clips_that_were_read() -> None:
    clips, training = few_clips().of("train"), Training(steps=1, learning_rate=1e-2, batch_size=8, seed=1)
    model, plain = recogniser(), recogniser().train()
    (loss,) = train_recogniser(model, clips, reader(), training)
    batch = reader().batch([ClipRow(clip) for clip in clips.clips])
    expected = plain(**batch).loss
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-2, weight_decay=0)
    expected.backward()
    torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)  # the core's
    optimizer.step()
    torch.testing.assert_close(model.classifier.weight, plain.classifier.weight, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("bf16", [False, True])
def test_the_frozen_teacher_is_the_same_to_the_bit_behind_the_distillation(bf16: bool) -> None:
    teacher = recogniser(seed=3, stem="low resolution", strides=(2, 1, 2), image_size=16)
    before = {name: part.clone() for name, part in teacher.state_dict().items()}
    student = recogniser(gradient_share=0.5)
    training = Training(steps=3, learning_rate=1e-2, batch_size=3, bf16=bf16, gradient_checkpointing=bf16)
    losses = train_recogniser(student, few_clips().of("train"), reader(also=16), training, teacher=teacher)
    assert all(map(torch.tensor(losses).isfinite().tolist().__getitem__, range(3)))
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    for name, part in teacher.state_dict().items():
        assert torch.equal(part, before[name]), name
    moved = [not torch.equal(part, recogniser().state_dict()[name]) for name, part in student.state_dict().items()]
    assert any(moved)


def test_what_a_teacher_says_is_what_it_says_alone_in_evaluation() -> None:
    teacher = recogniser(seed=3)
    rows = [ClipRow(clip) for clip in few_clips().of("train").clips[:3]]
    batch = TeacherBatches(teacher.train(), reader())(rows)
    plain = reader().batch(rows)
    with torch.no_grad():
        said = teacher.eval()(plain["pixel_values"], plain["frame_mask"])
    assert torch.equal(batch["teacher_features"], said.frame_features)
    assert torch.equal(batch["teacher_logits"], said.last_logits)
    student = recogniser(seed=3, gradient_share=1.0)
    with torch.no_grad():  # equal networks and views: nothing to learn from the teacher
        with_teacher, without = student.eval()(**batch).loss, student(**plain).loss
    torch.testing.assert_close(with_teacher, without, atol=1e-5, rtol=1e-5)
    other = ClipReader(GlossVocabulary(("A", "B")), 8)
    with pytest.raises(ConfigError, match="knows 7 glosses, and others than the 2"):
        TeacherBatches(teacher, other)


def test_what_is_watched_is_told_and_kept_and_changes_no_number_that_is_drawn(tmp_path: Path) -> None:
    told: list[str] = []
    kept = Kept(tmp_path)
    watched = Watched(
        lambda step, steps, loss, said: told.append(said), 2, lambda: float(torch.rand(1)) * 0 + 7, "WER", kept
    )
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    for step in range(1, 6):
        watched(step, 5, 1.0)
    assert torch.equal(torch.rand(1), expected)
    assert told == ["", *[", WER 7.0"] * 4]
    assert Watched(print, 2, lambda: 0.0, "WER", kept).values == {2: 7.0, 4: 7.0, 5: 7.0}


def test_recognition_reads_the_glosses_that_the_logits_say_most_probably() -> None:
    model, clips = recogniser(), few_clips().of("test")
    found = recognise(model.train(), reader_for(model), clips, BeamOptions(width=200, candidates=None), batch_size=4)
    assert model.training
    assert found.ids == tuple(clip.id for clip in clips.clips)
    names = vocabulary_of(model)
    for place, (rows, batch) in enumerate(reader_for(model).batches(clips, 1)):
        assert len(rows) == 1
        with torch.no_grad():
            log_probs = model.eval()(**batch).logits[0].log_softmax(-1)
        by_text: dict[tuple[int, ...], list[float]] = {}
        likely = log_probs.topk(4).indices.tolist()  # of each position: the sum is a bound from below
        for path in itertools.product(*likely):
            text = tuple(label for label, _ in itertools.groupby(path) if label)
            by_text.setdefault(text, []).append(sum(float(log_probs[t, s]) for t, s in enumerate(path)))
        for text, paths in by_text.items():
            bound = float(torch.tensor(paths).logsumexp(0))
            assert bound <= found.log_probs[place] + 1e-4 or names.decoded(text) == found.hypotheses[place]


def test_glosses_stand_where_the_best_of_all_paths_has_them() -> None:
    names = GlossVocabulary(("A", "B"))
    for seed, symbols in enumerate(([1], [1, 2], [1, 1], [2, 1, 2])):
        log_probs = torch.randn(6, 3, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)
        paths = [
            path for path in itertools.product(range(3), repeat=6)
            if [label for label, _ in itertools.groupby(path) if label] == symbols
        ]  # fmt: skip
        best = max(paths, key=lambda path: sum(float(log_probs[t, s]) for t, s in enumerate(path)))
        runs, time = [], 0
        for label, run in itertools.groupby(best):
            length = len(list(run))
            if label:
                runs.append((names.glosses[label - 1], time, time + length - 1))
            time += length
        found = glosses_in_time(log_probs, symbols, names)
        assert [(span.gloss, span.first, span.last) for span in found] == runs
    assert glosses_in_time(log_probs, [], names) == []
    likely = torch.tensor([[0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3]]).log()
    twice = glosses_in_time(likely, [1, 1], names)  # a blank stands between two that are alike
    assert [(span.first, span.last) for span in twice] == [(0, 0), (2, 2)]
    (once,) = glosses_in_time(likely, [1], names)
    assert once.probability == pytest.approx((0.8 + 0.7 + 0.6) / 3)


def test_a_model_without_glosses_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="label 0 is 'LABEL_0'"):
        vocabulary_of(network())
