"""Supervised fine-tuning of a decoder by TRL, in full or by LoRA, on completions only."""

from __future__ import annotations

import copy
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from neuroglot.errors import ArtifactError, CorpusError, UnsupportedModelError
from neuroglot.models.provenance import made_with
from neuroglot.prompting.examples import Example, examples_hash
from neuroglot.signature import Signature, Value, versions
from neuroglot.storage import check_free, whole_folder, write_whole
from neuroglot.tokens.examples import Examples, examples
from neuroglot.training.trainer import new_trainer, require_packages
from neuroglot.training.types import TuningConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RECORD = "neuroglot.json"
OnStep = Callable[[int, int, float], None]  # step (from 1), steps in all, loss in nats per learned token


@dataclass(frozen=True)
class Tuned:
    """Where the tuned model is, its loss in nats per learned token by step, and the examples dropped by reason."""

    folder: Path
    losses: tuple[float, ...]
    dropped: Mapping[str, int]


def tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    config: TuningConfig,
    out: Path | str,
    *,
    resume: bool = False,
    provenance: Mapping[str, Any] | None = None,
    on_step: OnStep | None = None,
) -> Tuned:
    """Tune a decoder on the examples in their order and write it to the new folder `out`, whole or not at all.

    The folder is in the hub's layout, with `neuroglot.json`: the config, the hash of the examples, the model that was
    tuned, `provenance`, versions and losses. The model in memory is used up; load the one in `out`. Each step's loss is
    the mean over all tokens learned in it (not over examples). With `resume` the job goes on from its last checkpoint,
    in `OUT.checkpoints`; on the CPU, with as many threads, it ends with the same weights to the last bit.

    Raises `ArtifactError` where `out` is in the way, there is a checkpoint and no `resume`, or there is none or one of
    another job with it; `UnsupportedModelError` for a model with an encoder; `CorpusError` for examples that do not
    fit; `ConfigError` for modules that are not there, and several accelerators; `MissingExtraError` without the extra
    `training`.
    """
    out = Path(out)
    require_packages()
    check_free(out)
    if model.config.is_encoder_decoder or not model.can_generate():
        raise UnsupportedModelError(
            f"{type(model).__name__} has an encoder, or generates no text.",
            "Expected is a decoder, which reads prompt and completion as one text.",
        )
    encoded = _encoded(model, tokenizer, examples, config)
    job = _depends_on(model, tokenizer, examples, encoded, config, provenance)
    configs = copy.deepcopy((model.config, model.generation_config))
    with ExitStack() as stack:
        work = _work_folder(out, job, config, resume, stack)
        trainer = new_trainer(model, tokenizer, encoded, config, work, on_step)
        trainer.train(resume_from_checkpoint=str(_last_checkpoint(work)) if resume else None)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    model.config, model.generation_config = configs  # trainers leave their cache and special tokens in them
    with whole_folder(out) as folder:
        _save(trainer.model, tokenizer, folder, merged=config.lora is not None and config.save == "merged")
        write_whole(folder / RECORD, _written(job | {"losses": losses}))
    shutil.rmtree(_checkpoints(out), ignore_errors=True)
    return Tuned(out, tuple(losses), encoded.dropped)


def _save(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path, merged: bool) -> None:
    (model.merge_and_unload() if merged else model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for path in folder.iterdir():  # safetensors makes files that only their owner reads
        path.chmod(0o644)


def _encoded(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, given: Sequence[Example], config: TuningConfig
) -> Examples:
    longest = min(config.max_tokens, getattr(model.config, "max_position_embeddings", None) or config.max_tokens)
    encoded = examples(tokenizer, given, end=config.end, unfit=config.unfit, max_tokens=longest)
    if not encoded.kept:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in encoded.dropped.items()) or "none was given"
        raise CorpusError(
            f"Of {len(given)} examples none is left ({reasons}).",
            f"Expected one or more, of at most {longest} tokens, whose prompt keeps its tokens if the answer follows.",
            "Allow more tokens (max_tokens), or end prompts where a token ends.",
        )
    return encoded


def _depends_on(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], encoded: Examples,
    config: TuningConfig, provenance: Mapping[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    """All that the tuned weights depend on, as JSON has it."""
    libraries = {name: version(name) for name in ("accelerate", "peft", "trl")}
    job = {
        "config": asdict(config) | {"learning_rate": config.rate},
        "data": {
            "hash": examples_hash(examples),
            "examples": len(examples),
            "dropped": dict(encoded.dropped),
            "settings": dict(sorted(Counter(example.setting for example in examples).items())),
        },
        "base": made_with(model, tokenizer).to_json(),
        "provenance": dict(provenance or {}),
        "versions": versions().to_json() | libraries,
    }
    return dict(json.loads(_written(job)))


def _written(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _flat(job: Mapping[str, Any]) -> Signature:
    """The record of a job as one signature, `config learning_rate` and so on."""
    pairs = ((f"{part} {name}", value) for part, options in job.items() for name, value in dict(options).items())
    return Signature(tuple((name, value if isinstance(value, Value) else json.dumps(value)) for name, value in pairs))


def _checkpoints(out: Path) -> Path:
    return out.with_name(f"{out.name}.checkpoints")


def _work_folder(out: Path, job: Mapping[str, Any], config: TuningConfig, resume: bool, stack: ExitStack) -> Path:
    """Where checkpoints are written: beside `out`, with the job's record; else a folder that is removed."""
    folder = _checkpoints(out)
    if not resume and _saved(folder):
        raise ArtifactError(f"{folder} has checkpoints.", "Expected none.", "Go on with resume, or remove the folder.")
    stored = json.loads((folder / RECORD).read_text("utf-8")) if resume and _saved(folder) else None
    if resume and stored != job:
        differing = "" if stored is None else f" ({_flat(job).differing_from(_flat(stored))})"
        raise ArtifactError(
            f"{folder} has no checkpoint of this job{differing}.",
            f"Expected the same model, examples, options and versions as in its {RECORD}.",
            "Start anew without resume, into another folder.",
        )
    if config.checkpoint_every is None:
        return Path(stack.enter_context(TemporaryDirectory(prefix="neuroglot-tuning-")))
    write_whole(folder / RECORD, _written(job))
    return folder


def _saved(folder: Path) -> list[Path]:
    """The checkpoints that are whole, by step: the trainer writes its state last."""
    found = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    return sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def _last_checkpoint(folder: Path) -> Path:
    return _saved(folder)[-1]
