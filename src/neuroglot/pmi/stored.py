"""A setting's result on disk, so that an experiment can be taken up again."""

from __future__ import annotations

from pathlib import Path

from neuroglot.errors import ArtifactError
from neuroglot.metrics.prompt_comparison import Counted, SettingResult
from neuroglot.prompting import PromptSet
from neuroglot.signature import Signature
from neuroglot.storage import load_tensors, save_tensors

KIND = "prompt setting"
PLAIN = ("score", "neurons", "zero_by_layer", "prompt_tokens", "generated_tokens")


def save_result(
    path: Path, result: SettingResult, signature: Signature, answers: tuple[str, ...], prompts: PromptSet
) -> None:
    """One safetensors file; answers and prompts are in its header, for people to read."""
    tensors = {name: getattr(result, name) for name in PLAIN}
    for role, counted in result.firing.items():
        tensors |= {f"fired {role}": counted.fired, f"tokens {role}": counted.tokens}
    header = {
        "signature": signature.to_json(),
        "roles": list(result.firing),
        "ids": list(prompts.ids),
        "answers": answers,
    }
    save_tensors(path, KIND, tensors, header)


def load_result(path: Path, signature: Signature) -> SettingResult | None:
    """The result in a file, None where there is none; raises `ArtifactError` where it is of another experiment."""
    if not path.exists():
        return None
    tensors, header = load_tensors(path, KIND)
    if header.get("signature") != signature.to_json():
        raise ArtifactError(
            f"{path} is a result of another experiment.", f"Expected {signature}.", "Name another folder, or remove it."
        )
    try:
        firing = {role: Counted(tensors[f"fired {role}"], tensors[f"tokens {role}"]) for role in header["roles"]}
        result = SettingResult(firing=firing, **{name: tensors[name] for name in PLAIN})
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{path} lacks {error}.", "Expected a complete result.") from error
    shape = result.score.shape[:2]
    counted = [one for both in firing.values() for one in (both.fired, both.tokens)]
    parts = [result.prompt_tokens, result.generated_tokens, *counted]
    if result.score.dim() != 3 or any(part.shape[:2] != shape for part in parts):
        shapes = ", ".join(str(list(part.shape)) for part in (result.score, *parts))
        raise ArtifactError(f"{path} holds tensors of {shapes}.", "Expected the same rows and originals in all.")
    return result
