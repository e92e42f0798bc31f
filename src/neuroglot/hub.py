"""The Hugging Face hub: activities and neuron sets as a repository with a card, and back."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import huggingface_hub
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, ModelCardData, constants, errors

from neuroglot.activity.activity import Activity
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.signature import Signature
from neuroglot.storage import HEADER_LIMIT

_FORMAT = 1
INDEX, CARD = "neuroglot.json", "README.md"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,63}")  # no dot and no slash: a name cannot leave its folder
OURS = re.compile(rf"(activity|neurons)/{NAME.pattern}\.safetensors")
COMMIT = re.compile(r"[0-9a-f]{40}")
CONTENTS = {"activity": "Firing counts by language", "neurons": "Sets of feed-forward neurons"}
PULLS = {"activity": "pull_activity", "neurons": "pull_neurons"}
REASONS: tuple[tuple[type[Exception], str], ...] = (  # what the hub's errors mean; their own text is not repeated
    (errors.OfflineModeIsEnabled, "HF_HUB_OFFLINE is set, and it is not in the hub's cache"),
    (errors.RevisionNotFoundError, "it has no such revision"),
    (errors.GatedRepoError, "its owner has to grant you access"),
    (errors.RepositoryNotFoundError, "there is no such repository, or your token may not see it"),
    (errors.LocalEntryNotFoundError, "it is not in the hub's cache, and the hub cannot be reached"),
    (errors.EntryNotFoundError, "it lacks a file"),
)
_Item = TypeVar("_Item", Activity, NeuronSet)
_Answer = TypeVar("_Answer")


def push(
    repo: str, content: Activity | NeuronSet | Mapping[str, NeuronSet], *, private: bool = True, overwrite: bool = False
) -> str:
    """Write an activity, a neuron set, or sets by name with a generated card to the model repository `repo`, in one
    commit, whose hash is returned.

    The repository is made if it is not there. Where it holds files, it is left alone; with `overwrite` what neuroglot
    wrote there before is replaced. The token is the one that huggingface_hub finds (`hf auth login`, or `HF_TOKEN`).
    Raises `ConfigError` for a name, for sets of several layouts, and where HF_HUB_OFFLINE is set; `ArtifactError` where
    the hub refuses, or the repository holds something else.
    """
    kind, items = _items(content)
    if constants.HF_HUB_OFFLINE:
        raise ConfigError(
            f"Pushing to {repo!r} needs the hub, and HF_HUB_OFFLINE is set.", "", "Unset it, or save to a file."
        )
    api = huggingface_hub.HfApi()
    _ask(repo, api.create_repo, repo, private=private, exist_ok=True)
    present = set(_ask(repo, api.list_repo_files, repo)) - {".gitattributes"}
    _require_ours(repo, present, overwrite)
    added = _files(repo, kind, items)
    stale = sorted(name for name in present - set(added) if OURS.fullmatch(name))
    operations = [
        *(CommitOperationAdd(name, data) for name, data in added.items()),
        *(CommitOperationDelete(name) for name in stale),
    ]
    message = f"neuroglot: {kind} of {', '.join(items)}"
    return str(_ask(repo, api.create_commit, repo, operations, commit_message=message).oid)


def pull_activity(repo: str, *, revision: str | None = None, layout: Layout | None = None) -> Activity:
    """The activity that `push` wrote to `repo`, at a branch, tag or commit; its signature names `repo` and the commit.

    From the hub's cache where it holds that revision and the hub cannot be reached, or HF_HUB_OFFLINE is set. Raises
    `ArtifactError` where there is none, or it holds anything else; `LayoutMismatchError` where `layout` is another;
    `ConfigError` for an impossible name of a repository.
    """
    return _pulled(repo, revision, "activity", Activity.load, layout)["activity"]


def pull_neurons(repo: str, *, revision: str | None = None, layout: Layout | None = None) -> dict[str, NeuronSet]:
    """The neuron sets that `push` wrote to `repo`, by name, all of one layout; a single set is called `neurons`.

    Otherwise as `pull_activity`.
    """
    return _pulled(repo, revision, "neurons", NeuronSet.load, layout)


def _items(content: Activity | NeuronSet | Mapping[str, NeuronSet]) -> tuple[str, dict[str, Any]]:
    if isinstance(content, Activity):
        return "activity", {"activity": content}
    items = {"neurons": content} if isinstance(content, NeuronSet) else dict(content)
    if not items or not all(isinstance(item, NeuronSet) for item in items.values()):
        raise ConfigError("Got nothing to push, or something else.", "Expected an Activity or NeuronSets by name.")
    if wrong := [name for name in items if not NAME.fullmatch(name)]:
        raise ConfigError(f"Got the name {wrong[0]!r}.", "Expected letters, digits, -, + and _, 64 at most.")
    if len({item.layout for item in items.values()}) > 1:
        raise ConfigError("The neuron sets are of several layouts.", "Expected one model.", "Push a repository each.")
    return "neurons", items


def _require_ours(repo: str, present: set[str], overwrite: bool) -> None:
    if present and not overwrite:
        raise ArtifactError(
            f"The repository {repo!r} holds files already.", "Expected a new or an empty one.", "Pass overwrite=True."
        )
    if present and INDEX not in present:
        raise ArtifactError(f"The repository {repo!r} was not written by neuroglot.", "", "Name another one.")


def _files(repo: str, kind: str, items: Mapping[str, Activity | NeuronSet]) -> dict[str, bytes]:
    """What a repository holds, by path: card, index, and a safetensors file an item."""
    index = json.dumps({"format": _FORMAT, "kind": kind, "names": list(items)}, indent=1)
    files = {CARD: _card(repo, kind, items).encode(), INDEX: index.encode()}
    with TemporaryDirectory() as folder:
        for name, item in items.items():
            path = f"{kind}/{name}.safetensors"
            files[path] = item.save(Path(folder) / path).read_bytes()
    return files


def _card(repo: str, kind: str, items: Mapping[str, Activity | NeuronSet]) -> str:
    first = next(iter(items.values()))
    signature = {name: str(item.signature) for name, item in items.items()}
    languages = list(first.languages) if isinstance(first, Activity) else list(items)
    described = {
        "kind": kind,
        "model": str(first.signature.get("model")),
        "layout": str(first.layout),
        "signature": signature,
    }
    metadata = ModelCardData(
        language=[code for code in languages if re.fullmatch("[a-z]{2,3}", code)] or None,
        library_name="neuroglot",
        tags=["neuroglot", "interpretability", f"neuroglot-{kind}"],
        neuroglot=described,
    )
    shown = "\n".join(f"    {name}: {' '.join(text.split())}" for name, text in signature.items())
    return f"""---
{metadata.to_yaml()}
---

# {repo.rpartition("/")[2]}

{CONTENTS[kind]} of a language model with the layout {first.layout}, made with neuroglot.

```python
from neuroglot import hub

{kind} = hub.{PULLS[kind]}("{repo}")  # revision="..." pins a commit
```

How they were made:

{shown}
"""


def _pulled(
    repo: str, revision: str | None, kind: str, load: Callable[[Path], _Item], layout: Layout | None
) -> dict[str, _Item]:
    index = _download(repo, INDEX, revision)
    commit = index.parent.name
    if not COMMIT.fullmatch(commit):
        raise ArtifactError(f"The cache of {repo!r} names no commit: {index}.", "Expected the hub's cache.")
    items = {}
    for name in _names(repo, index, kind):
        item = load(_download(repo, f"{kind}/{name}.safetensors", commit))
        (layout or item.layout).require_same(item.layout, f"{name!r} of {repo}")
        layout = item.layout
        items[name] = replace(item, signature=item.signature | Signature.of(hub=repo, hub_commit=commit))
    return items


def _names(repo: str, index: Path, kind: str) -> list[str]:
    """The items that an index lists; raises `ArtifactError` on another kind and on names that `push` never writes."""
    try:
        if index.stat().st_size > HEADER_LIMIT:
            raise ValueError("too large")
        listed = json.loads(index.read_text(encoding="utf-8"))
        found, names = (listed["format"], listed["kind"]), listed["names"]
        valid = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{INDEX} of {repo!r} is damaged.", "Expected what `hub.push` writes.") from error
    if found != (_FORMAT, kind):
        raise ArtifactError(
            f"The repository {repo!r} holds {found[1]!r} in format {found[0]!r}.",
            f"Expected {kind!r} in format {_FORMAT}.",
            "`pull_activity` reads activities, `pull_neurons` neuron sets.",
        )
    if not valid or len(set(names)) < len(names) or (kind == "activity" and names != ["activity"]):
        raise ArtifactError(f"{INDEX} of {repo!r} lists {names!r}.", "Expected names, each once.")
    if wrong := [name for name in names if not NAME.fullmatch(name)]:
        raise ArtifactError(f"{INDEX} of {repo!r} lists the name {wrong[0]!r}.", f"Expected {NAME.pattern}.")
    return list(names)


def _download(repo: str, name: str, revision: str | None) -> Path:
    return Path(_ask(repo, huggingface_hub.hf_hub_download, repo, name, revision=revision))


def _ask(repo: str, function: Callable[..., _Answer], *args: Any, **kwargs: Any) -> _Answer:
    """Calls the hub's library; whatever it raises (dozens of types) becomes one message, without its text, in which a
    secret could be.
    """
    try:
        return function(*args, **kwargs)
    except errors.HFValidationError:
        raise ConfigError(f"{repo!r} cannot be the name of a repository.", "Expected owner/name.") from None
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        unknown = f"{type(error).__name__}{f', HTTP status {status}' if status else ''}"
        reason = next((text for kind, text in REASONS if isinstance(error, kind)), unknown)
        raise ArtifactError(
            f"The repository {repo!r} of the hub cannot be used: {reason}.",
            "",
            "Check the name, the network, HF_HUB_OFFLINE and your token (`hf auth whoami`).",
        ) from None
