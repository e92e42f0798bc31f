"""Sign language on made clips: shifts and controls, a distilled student and controls, and what all of it costs.

    python -m benchmarks.sign shifts --seeds 0 1 2
    python -m benchmarks.sign shifts --seeds 0 1 2 3 4 --variants tsm tscm --noise 45 --least 8 --most 9 --steps 200
    python -m benchmarks.sign distil --seeds 0 1 2 3 4 --noise 30
    python -m benchmarks.sign ablations --seeds 0 1 2 --variants whole "all gradients" "last loss alone"
    python -m benchmarks.sign resolution --seeds 0 1 2 --sizes 8 12 16 24
    python -m benchmarks.sign cost

`shifts` trains a network of each kind from each seed, on clips of that seed, and prints word error rates on clips that
were not trained on. `distil` trains a teacher on 16 pixels of each seed and students on 8: distilled, by features or
logits alone, undistilled, and one whose features are enlarged to the teacher's scale. `ablations` trains TSCM without
its random gradient stop or with less gradient, without multi-level CTC, with other edges and with five frames;
`resolution` trains it on the same motions in frames of other sizes. `cost`: parameters,
multiply-adds, latency of kinds in turn, and what is kept for the backward with and without gradient stop. The last
lines are means with 95 % t-intervals over seeds, paired differences, and what their tests say together.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks.interleaved import interleaved, line
from benchmarks.seeds import interval, told
from neuroglot.corpora.clips import Clips, GlossVocabulary, MadeClips, make_clips
from neuroglot.experiments.signs import score_recognised
from neuroglot.generation.ctc import BeamOptions
from neuroglot.generation.glosses import Readings, reader_for, recognise
from neuroglot.models.architectures.tscm import TSCMConfig, TSCMForCTC, multiplications_a_frame
from neuroglot.recipes.sign_options import TINY, TINY_STUDENT
from neuroglot.tokens.clips import ClipReader
from neuroglot.training import Training
from neuroglot.training.recognition import new_recogniser, train_recogniser

STUDENTS: dict[str, dict[str, Any]] = {
    "distilled": {},
    "features": {"logit_weight": 0.0},
    "logits": {"feature_weight": 0.0},
    "undistilled": {"feature_weight": 0.0, "logit_weight": 0.0},
    "recover": {"recover": "bilinear", "strides": TINY["strides"]},
    "recover, undistilled": {"strides": TINY["strides"], "feature_weight": 0.0, "logit_weight": 0.0},
}
# The whole is `sign train`'s: half of the frames pass their gradient, and all three levels are learned from.
ABLATIONS: dict[str, dict[str, Any]] = {
    "whole": {},
    "all gradients": {"gradient_share": 1.0},
    "a quarter": {"gradient_share": 0.25},
    "last loss alone": {"middle_losses": False},
    "edges repeated": {"shift_edges": "repeat"},
    "five frames": {"shift_frames": 5},
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["shifts", "distil", "ablations", "resolution", "cost", "peak"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--teacher-steps", type=int, default=400)
    parser.add_argument("--widths", type=int, nargs=3, default=TINY["hidden_sizes"])
    parser.add_argument("--train", type=int, default=80)
    parser.add_argument("--test", type=int, default=40)
    parser.add_argument("--noise", type=float, default=12.0)
    parser.add_argument("--least", type=int, default=9)
    parser.add_argument("--most", type=int, default=13)
    parser.add_argument("--feature-weight", type=float, default=5.0)
    parser.add_argument("--logit-weight", type=float, default=25.0)
    parser.add_argument("--hands", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 12, 16, 24])
    parser.add_argument("--share", type=float, default=1.0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    ways = {"shifts": shifts, "distil": distil, "ablations": ablations, "resolution": resolution}
    (ways | {"cost": cost, "peak": peak})[asked.what](asked)


def clips_of(asked: argparse.Namespace, seed: int, size: int = 16) -> Clips:
    """Made clips of a seed; the same sentences, lengths and ways in frames of any size."""
    return make_clips(MadeClips(
        seed=seed, train=asked.train, test=asked.test, dev=1, noise=asked.noise, least=asked.least, most=asked.most,
        hands=asked.hands, size=size,
    ))  # fmt: skip


def trained(
    clips: Clips, seed: int, steps: int, shape: Mapping[str, Any], teacher: TSCMForCTC | None = None
) -> TSCMForCTC:
    """A network of this shape, trained as `sign train` does."""
    model = new_recogniser(TSCMConfig(**shape), GlossVocabulary.of(clips), seed)
    reader = ClipReader(GlossVocabulary.of(clips), model.config.image_size)
    if teacher is not None:
        reader = replace(reader, also=teacher.config.image_size)
    training = Training(
        steps=steps, learning_rate=3e-3, batch_size=8, warmup=steps // 10, weight_decay=1e-4, seed=seed
    )  # fmt: skip
    train_recogniser(model, clips.of("train"), reader, training, teacher=teacher)
    return model


def error_rate(model: TSCMForCTC, clips: Clips) -> float:
    """The word error rate of the part `test`, all sign languages together."""
    found = recognise(model, reader_for(model), clips.of("test"), BeamOptions(10), batch_size=16)
    alike = Readings(found.ids, ("all",) * len(found.ids), found.references, found.hypotheses, found.log_probs)
    return score_recognised(alike, ["wer"])["all"][0].score.value


def shifts(asked: argparse.Namespace) -> None:
    """Word error rates by kind of shift."""
    variants = asked.variants or ["none", "tsm", "tscm"]
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for seed in asked.seeds:
        clips = clips_of(asked, seed)
        for name in variants:
            begun = time.perf_counter()
            rates[name].append(
                error_rate(
                    trained(clips, seed, asked.steps, TINY | {"shift": name, "hidden_sizes": asked.widths}), clips
                )
            )
            print(f"seed {seed} {name}: WER {rates[name][-1]:.2f}, {time.perf_counter() - begun:.0f} s", flush=True)
    summary(rates, "tscm")


def ablations(asked: argparse.Namespace) -> None:
    """Word error rates of TSCM without its parts."""
    shapes = {name: {"hidden_sizes": asked.widths, **ABLATIONS[name]} for name in asked.variants or ABLATIONS}
    rates: dict[str, list[float]] = {name: [] for name in shapes}
    for seed in asked.seeds:
        clips = clips_of(asked, seed)
        for name, shape in shapes.items():
            begun = time.perf_counter()
            rates[name].append(error_rate(trained(clips, seed, asked.steps, TINY | shape), clips))
            print(f"seed {seed} {name}: WER {rates[name][-1]:.2f}, {time.perf_counter() - begun:.0f} s", flush=True)
    summary(rates, "whole")


def resolution(asked: argparse.Namespace) -> None:
    """Word error rates by the size of frames, for the same network."""
    rates: dict[str, list[float]] = {f"{size} pixels": [] for size in asked.sizes}
    for seed in asked.seeds:
        for size, (name, found) in zip(asked.sizes, rates.items(), strict=True):
            clips = clips_of(asked, seed, size)
            shape = TINY | {"image_size": size, "hidden_sizes": asked.widths}
            found.append(error_rate(trained(clips, seed, asked.steps, shape), clips))
            print(f"seed {seed} {name}: WER {found[-1]:.2f}", flush=True)
    summary(rates, f"{max(asked.sizes)} pixels")


def distil(asked: argparse.Namespace) -> None:
    """Word error rates of students, and of their teachers."""
    variants = asked.variants or list(STUDENTS)
    rates: dict[str, list[float]] = {name: [] for name in ("teacher", *variants)}
    for seed in asked.seeds:
        clips = clips_of(asked, seed)
        teacher = trained(clips, seed, asked.teacher_steps, TINY)
        rates["teacher"].append(error_rate(teacher, clips))
        for name in variants:
            weights = {"feature_weight": asked.feature_weight, "logit_weight": asked.logit_weight}
            shape = {**TINY_STUDENT, **weights, **STUDENTS[name]}
            student = trained(clips, seed, asked.steps, shape, teacher)
            rates[name].append(error_rate(student, clips))
        told = ", ".join(f"{name} {values[-1]:.2f}" for name, values in rates.items())
        print(f"seed {seed}: {told}", flush=True)
    summary(rates, "distilled")


def summary(rates: Mapping[str, Sequence[float]], of: str) -> None:
    """Means over seeds, and paired differences to one of them."""
    for name, values in rates.items():
        print(f"{name}: {interval(values)}")
    others = [name for name in rates if name != of and of in rates]
    paired = {f"{name} - {of}": [a - b for a, b in zip(rates[name], rates[of], strict=True)] for name in others}
    for name, values in paired.items():
        print(f"{name}: {interval(values)}")
    print(*told(paired), sep="\n")


def cost(asked: argparse.Namespace) -> None:
    """Sizes, latency in turn, and memory."""
    models = {
        "resnet-34": TSCMForCTC(TSCMConfig.resnet(34, num_labels=1232)).eval(),
        "lrinet": TSCMForCTC(TSCMConfig.lrinet(num_labels=1232)).eval(),
        **{
            f"tiny {kind}": TSCMForCTC(TSCMConfig(**TINY, shift=kind)).eval()
            for kind in ("none", "tsm", "tscm", "conv3d")
        },
    }
    ways = {name: forward_of(model, 4 if "tiny" not in name else 512) for name, model in models.items()}
    times = interleaved(ways, 9)
    for name, model in models.items():
        parameters = sum(parameter.numel() for parameter in model.parameters())
        print(f"{name}: {parameters:,} parameters, {multiplications_a_frame(model) / 1e9:.4f} GMAC a frame")
    for name, seconds in times.items():
        print(line(name, seconds, times["tiny none" if "tiny" in name else "resnet-34"]))
    for share in (1.0, 0.5, 0.25):
        command = [sys.executable, "-m", "benchmarks.sign", "peak", "--share", str(share)]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def forward_of(model: TSCMForCTC, frames: int) -> Callable[[], object]:
    """One forward over a clip of so many frames."""
    size = model.config.image_size
    clip = torch.randn(1, frames, 3, size, size)

    def forward() -> object:
        with torch.no_grad():
            return model(clip)

    return forward


def peak(asked: argparse.Namespace) -> None:
    """Memory of one forward and backward of a ResNet-18 on 64 frames of 112 pixels, by share of the gradient."""
    torch.manual_seed(0)
    model = TSCMForCTC(TSCMConfig.resnet(18, gradient_share=asked.share, num_labels=40)).train()
    clip, kept = torch.randn(1, 64, 3, 112, 112), 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = model(clip, labels=torch.tensor([[1, 2]])).loss
    loss.backward()
    peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"share {asked.share}: {kept / 2**20:.0f} MiB saved for the backward, the process {peak_memory:.0f} MiB")


if __name__ == "__main__":
    main()
