"""The hub: what would be uploaded, and what is taken from a cache; a stand-in answers for the API, nothing is sent."""

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
import yaml
from huggingface_hub import CommitOperationAdd, constants, errors

from neuroglot import Activity, NeuronSet, Recording, hub, record, view
from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.signature import Signature
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

REPO, COMMIT, OTHER = "someone/neurons", "0123456789abcdef0123456789abcdef01234567", "f" * 40
SECRET = "hf_thisIsASecretToken"
LAYOUT = Layout((("decoder", (24, 24)),))
SIGNATURE = Signature.of(model="tiny", corpus="texts")


def neurons(*members: int, layout: Layout = LAYOUT) -> NeuronSet:
    return NeuronSet(layout, torch.tensor([place in members for place in range(layout.neuron_count)]), SIGNATURE)


@pytest.fixture(scope="module")
def activity() -> Activity:
    return record(view(tiny_model("llama")), tiny_tokenizer(), tiny_corpus(), Recording())


class StandIn:
    """Answers like the API, and remembers what it was asked; `present` are the repository's files."""

    def __init__(self, present: tuple[str, ...] = ()) -> None:
        self.present, self.created, self.commits = present, [], []

    def create_repo(self, repo: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.created.append((repo, private))

    def list_repo_files(self, repo: str) -> list[str]:
        return [".gitattributes", *self.present]

    def create_commit(self, repo: str, operations, *, commit_message: str) -> SimpleNamespace:
        self.commits.append((repo, operations, commit_message))
        return SimpleNamespace(oid=COMMIT)

    @property
    def added(self) -> dict[str, bytes]:
        ((_, operations, _),) = self.commits
        return {one.path_in_repo: one.path_or_fileobj for one in operations if isinstance(one, CommitOperationAdd)}

    @property
    def deleted(self) -> list[str]:
        ((_, operations, _),) = self.commits
        return [one.path_in_repo for one in operations if not isinstance(one, CommitOperationAdd)]


@pytest.fixture
def api(monkeypatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: stand_in)
    return stand_in


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Puts files into a cache of the hub's layout, as a commit that a branch may name; offline."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "cache" / "models--someone--neurons"

    def put(files: dict[str, bytes], commit: str = COMMIT, branch: str | None = "main") -> None:
        for name, content in files.items():
            path = root / "snapshots" / commit / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if branch:
            (root / "refs").mkdir(parents=True, exist_ok=True)
            (root / "refs" / branch).write_text(commit)

    return put


@pytest.fixture
def uploaded(monkeypatch):
    """The files that a push would upload, whatever the cache of this test says of the network."""

    def files(content) -> dict[str, bytes]:
        stand_in = StandIn()
        with monkeypatch.context() as patch:
            patch.setattr(constants, "HF_HUB_OFFLINE", False)
            patch.setattr(huggingface_hub, "HfApi", lambda: stand_in)
            hub.push(REPO, content)
        return stand_in.added

    return files


def metadata(card: bytes) -> dict:
    _, head, _ = card.decode().split("---\n", 2)
    return yaml.safe_load(head)


def test_sets_are_pushed_in_one_commit_with_a_card(api) -> None:
    assert hub.push(REPO, {"de": neurons(1, 2), "en-sw": neurons()}) == COMMIT
    assert api.created == [(REPO, True)]
    assert set(api.added) == {"README.md", "neuroglot.json", "neurons/de.safetensors", "neurons/en-sw.safetensors"}
    assert api.deleted == []
    described = metadata(api.added["README.md"])
    assert described["language"] == ["de"]
    assert described["library_name"] == "neuroglot"
    assert described["neuroglot"]["model"] == "tiny"
    assert described["neuroglot"]["signature"]["de"] == str(SIGNATURE)
    assert f'hub.pull_neurons("{REPO}")' in api.added["README.md"].decode()


def test_an_activity_goes_round(uploaded, cache, activity) -> None:
    files = uploaded(activity)
    assert metadata(files["README.md"])["language"] == ["de", "sw", "zh"]
    cache(files)
    back = hub.pull_activity(REPO, layout=activity.layout)
    assert torch.equal(back.fired, activity.fired)
    assert back.signature == activity.signature | Signature.of(hub=REPO, hub_commit=COMMIT)


def test_sets_go_round_and_a_revision_is_pinned(uploaded, cache) -> None:
    cache(uploaded({"de": neurons(1)}), OTHER, branch=None)
    cache(uploaded({"de": neurons(1, 2), "sw": neurons(3)}))
    newest, pinned = hub.pull_neurons(REPO), hub.pull_neurons(REPO, revision=OTHER)
    assert newest == {"de": neurons(1, 2), "sw": neurons(3)}
    assert pinned == {"de": neurons(1)}
    assert dict(pinned["de"].signature.fields)["hub_commit"] == OTHER
    assert str(newest["de"].signature) == f"{SIGNATURE}|hub:{REPO}|hub_commit:{COMMIT}"


def test_one_set_is_called_neurons(uploaded, cache) -> None:
    cache(uploaded(neurons(5)))
    assert hub.pull_neurons(REPO) == {"neurons": neurons(5)}


def test_nothing_is_replaced_unasked_and_stale_files_go(api) -> None:
    api.present = ("README.md", "neuroglot.json", "neurons/de.safetensors", "neurons/fr.safetensors", "notes.txt")
    with pytest.raises(ArtifactError, match="holds files already"):
        hub.push(REPO, {"de": neurons()})
    assert api.commits == []
    hub.push(REPO, {"de": neurons()}, overwrite=True)
    assert api.deleted == ["neurons/fr.safetensors"]


def test_a_repository_of_something_else_is_never_replaced(api) -> None:
    api.present = ("README.md", "model.safetensors")
    with pytest.raises(ArtifactError, match="not written by neuroglot"):
        hub.push(REPO, neurons(), overwrite=True)
    assert api.commits == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "nothing to push"),
        ({"de": 3}, "something else"),
        ({"../de": neurons()}, "Got the name"),
        ({"de.x": neurons()}, "Got the name"),
        ({"de": neurons(), "sw": neurons(layout=Layout((("decoder", (8,)),)))}, "several layouts"),
    ],
)
def test_what_cannot_be_pushed(api, content, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        hub.push(REPO, content)
    assert api.created == []


def test_offline_pushing_is_refused_with_a_remedy(api, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="HF_HUB_OFFLINE is set. Unset it"):
        hub.push(REPO, neurons())
    assert api.created == []


def test_the_token_is_in_no_upload_and_no_message(api, monkeypatch, capfd) -> None:
    hub.push(REPO, neurons(1))
    assert SECRET.encode() not in b"".join(api.added.values())

    def refuse(*_, **__):
        raise RuntimeError(f"Authorization: Bearer {SECRET}")

    monkeypatch.setattr(api, "create_repo", refuse)
    with pytest.raises(ArtifactError, match="cannot be used: RuntimeError") as caught:
        hub.push(REPO, neurons(1))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert SECRET not in "".join(capfd.readouterr())


def failing(kind: type[Exception], status: int) -> Exception:
    return kind("secret text", response=SimpleNamespace(status_code=status, headers={}, request=None))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (failing(errors.RepositoryNotFoundError, 401), "no such repository"),
        (failing(errors.GatedRepoError, 403), "grant you access"),
        (failing(errors.RevisionNotFoundError, 404), "no such revision"),
        (failing(errors.RemoteEntryNotFoundError, 404), "lacks a file"),
        (failing(errors.HfHubHTTPError, 503), "HTTP status 503"),
        (errors.OfflineModeIsEnabled("secret text"), "HF_HUB_OFFLINE is set"),
        (ConnectionResetError("secret text"), "ConnectionResetError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_failure_of_the_hub_has_one_message(monkeypatch, error: Exception, message: str) -> None:
    def download(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(ArtifactError, match=message) as caught:
        hub.pull_neurons(REPO)
    assert "secret text" not in str(caught.value)


def test_what_is_not_in_the_cache(cache) -> None:
    with pytest.raises(ArtifactError, match="not in the hub's cache"):
        hub.pull_neurons(REPO)
    with pytest.raises(ConfigError, match="cannot be the name"):
        hub.pull_neurons("../../etc")


INDEX = {"format": 1, "kind": "neurons", "names": ["de"]}


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (b"{", "damaged"),
        (b"[]", "damaged"),
        (b"\xff", "damaged"),
        (b"[" * 100_000, "damaged"),
        ({"kind": "neurons", "names": ["de"]}, "damaged"),
        ({**INDEX, "format": 2}, "in format 2"),
        ({**INDEX, "kind": "activity"}, "holds 'activity'"),
        ({**INDEX, "names": []}, "lists"),
        ({**INDEX, "names": "de"}, "lists"),
        ({**INDEX, "names": [3]}, "lists"),
        ({**INDEX, "names": ["de", "de"]}, "each once"),
        ({**INDEX, "names": ["../de"]}, "lists the name"),
        ({**INDEX, "names": ["/etc/passwd"]}, "lists the name"),
        ({**INDEX, "names": ["a\\b"]}, "lists the name"),
        ({**INDEX, "names": ["de\n"]}, "lists the name"),
        ({**INDEX, "names": ["sw"]}, "cache"),
    ],
    ids=str,
)
def test_a_foreign_index_is_refused(cache, index, message: str) -> None:
    content = index if isinstance(index, bytes) else json.dumps(index).encode()
    cache({"neuroglot.json": content})
    with pytest.raises(ArtifactError, match=message):
        hub.pull_neurons(REPO)


def test_another_layout_or_kind_inside_is_refused(uploaded, cache, activity, tmp_path: Path) -> None:
    cache(uploaded({"de": neurons(1)}))
    with pytest.raises(LayoutMismatchError, match="'de' of someone/neurons"):
        hub.pull_neurons(REPO, layout=Layout((("decoder", (8,)),)))
    with pytest.raises(ArtifactError, match="pull_activity"):
        hub.pull_activity(REPO)
    swapped = neurons(1, layout=Layout((("decoder", (30,)),))).save(tmp_path / "sw").read_bytes()
    both = json.dumps({**INDEX, "names": ["de", "sw"]}).encode()
    cache({"neuroglot.json": both, "neurons/sw.safetensors": swapped})
    with pytest.raises(LayoutMismatchError, match="'sw' of someone/neurons"):
        hub.pull_neurons(REPO)
    cache({"neurons/sw.safetensors": activity.save(tmp_path / "activity").read_bytes()})
    with pytest.raises(ArtifactError, match="holds 'activity'"):
        hub.pull_neurons(REPO)
