"""Options of recipes on branched translation models, and what they read of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from neuroglot.recipes.options import Placed, Positive, Seeded
from neuroglot.recipes.training_options import Trained
from neuroglot.recipes.translation_options import OfDirections
from neuroglot.runs.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

    from neuroglot.experiments.lego_training import Shared
    from neuroglot.models.branched import BranchedConfig, BranchedFolder
    from neuroglot.models.branched.flows import Branches
    from neuroglot.runs.identity import Identity
    from neuroglot.signature import Signature
    from neuroglot.training.localized import LocalizedConfig

FlowMask = Annotated[int, Ge(1), Le(15)]
GROUPS_FILE = "groups.json"


@dataclass(frozen=True, kw_only=True)
class OnBranches(Placed):
    """Which branched model is read."""

    heading: ClassVar[str] = "Model"

    model: str
    """Run folder of `neuroglot lego train`, or what `BranchedSeq2Seq.save_pretrained` wrote."""

    def load_branches(
        self, identity: Identity, needed: Callable[[BranchedConfig], Sequence[Branches]] | None = None
    ) -> tuple[BranchedFolder, PreTrainedTokenizerBase]:
        """The folder and its tokenizer, noted; of all its branches, or of those that the config says are needed."""
        return load_branches(identity, Path(self.model), needed)


@dataclass(frozen=True, kw_only=True)
class Scored(Recipe):
    """By what translations are scored."""

    metric: str | None = None
    """A text metric by name; spBLEU by default if its tokenizer's model is at hand, else chrF++."""

    @property
    def chosen_metric(self) -> str:
        """The metric's name; raises `ConfigError` if it is unknown."""
        from neuroglot.errors import NeuroglotError
        from neuroglot.metrics.texts import TextOptions, choose_metrics

        if self.metric is not None:
            choose_metrics([self.metric], TextOptions(language="en"))
            return self.metric
        try:
            choose_metrics(["spbleu"], TextOptions())
        except NeuroglotError:
            return "chrf++"
        return "spbleu"


StageName = Literal["1", "2", "branches"]


@dataclass(frozen=True, kw_only=True)
class Ensembled(Scored):
    """Which ensembles of flows are scored beside single ones."""

    ensembles: tuple[FlowMask, ...] = ()
    """Ensembles of flows to score too, as sums: 1 Dec-Flow, 2 Enc-Flow, 4 Mix-Flow, 8 both branches."""


@dataclass(frozen=True, kw_only=True)
class Localized(Trained, OfDirections, Seeded):
    """How groups are trained in turn."""

    heading: ClassVar[str] = "Training"

    train_groups: tuple[str, ...] | None = None
    """The groups that are trained; all by default."""

    stages: tuple[StageName, ...] = ("1", "2")
    """Stages, in order: `1`, `2`, `branches`."""

    rounds: Positive = 2
    """How often each stage goes through the groups, in drawn order."""

    steps: Positive = 25
    """Updates of the weights in each group's turn."""

    learning_rate: Annotated[float, Gt(0)] = 1e-3
    """Highest learning rate of a stage, behind a tenth of its steps of warm-up."""

    processes: Positive = 1
    """Train so many groups at once, each in a process of its own."""

    exchange: Literal["none", "random-recent", "average"] = "average"
    """What a process takes over of the others' main pairs before each turn."""

    recent: Annotated[float, Gt(0)] = 60.0
    """Minutes for which a main pair is recent."""

    @property
    def localized(self) -> LocalizedConfig:
        """The turns."""
        from neuroglot.training.localized import LocalizedConfig

        return LocalizedConfig(
            steps=self.steps, learning_rate=self.learning_rate, stages=self.stages, rounds=self.rounds,
            groups=self.train_groups, batch_size=self.batch_size, temperature=self.temperature, seed=self.seed,
            checkpoint_every=self.checkpoint_every,
        )  # fmt: skip

    @property
    def shared(self) -> Shared:
        """Which processes do them."""
        from neuroglot.experiments.lego_training import Shared

        return Shared(self.processes, self.exchange, self.recent)


def load_branches(
    identity: Identity, path: Path, needed: Callable[[BranchedConfig], Sequence[Branches]] | None = None
) -> tuple[BranchedFolder, PreTrainedTokenizerBase]:
    """A branched model's folder with its tokenizer, noted by the hashes of its files, or of those that are needed."""
    from neuroglot.models.branched import BranchedFolder
    from neuroglot.models.loading import load_tokenizer
    from neuroglot.models.provenance import tokenizer_signature

    folder = BranchedFolder(path)
    tokenizer = load_tokenizer(str(path.absolute()))
    pairs = None if needed is None else needed(folder.config)
    identity.note("model", branches_signature(folder, pairs) | tokenizer_signature(tokenizer))
    return folder, tokenizer


def branches_signature(folder: BranchedFolder, pairs: Sequence[Branches] | None = None) -> Signature:
    """Which branched model this is: the hash of its embedding, and one of all of its branches, or of these pairs'."""
    import hashlib

    from neuroglot.errors import ArtifactError
    from neuroglot.signature import HASH_DIGITS, Signature

    digest = hashlib.sha256()
    read = (
        None
        if pairs is None
        else {part for encoder, decoder in pairs for part in (("encoder", encoder), ("decoder", decoder))}
    )
    for side, name, path in folder.files():
        if read is not None and (side, name) not in read:
            continue
        if not path.is_file():
            raise ArtifactError(f"{path} is not there.", "Expected a file for each branch that the config names.")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    config = folder.config
    return Signature.of(model=folder.path.name, embedding=config.embedding, branches=digest.hexdigest()[:HASH_DIGITS])


def read_groups(identity: Identity, path: Path, what: str = "groups") -> Mapping[str, Sequence[str]]:
    """The groups in a file, noted, so that a run goes on with the same only; raises as `groups_in`."""
    from neuroglot.signature import Signature

    groups = groups_in(path)
    listed = "; ".join(f"{name}: {' '.join(codes)}" for name, codes in groups.items())
    identity.note(what, Signature.of(languages=listed))
    return groups


def groups_in(path: Path) -> Mapping[str, Sequence[str]]:
    """The groups of languages in a JSON file, or in the run folder of `neuroglot lego group`; raises `ArtifactError`
    where it is anything else, `ConfigError` for names and languages that cannot be. Codes become those of corpora,
    `deu` is `de`.
    """
    from neuroglot.corpora.languages import known_code
    from neuroglot.errors import ArtifactError, ConfigError
    from neuroglot.models.branched import require_groups
    from neuroglot.recipes.artefacts import artefact
    from neuroglot.storage import parse_json

    file = artefact(path, GROUPS_FILE)
    try:
        found = parse_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{file} cannot be read ({error}).", "Expected JSON, the languages of each group."
        ) from error
    whole = isinstance(found, dict) and all(
        isinstance(codes, list) and all(isinstance(code, str) for code in codes) for codes in found.values()
    )
    if not whole or not found:
        raise ArtifactError(f"{file} holds {str(found)[:80]}.", 'Expected groups, such as {"west": ["de", "fr"]}.')
    unknown = [code for codes in found.values() for code in codes if known_code(code) is None]
    if unknown:
        raise ConfigError(f"{file} has {unknown[0]!r}, which is no language.", "Expected codes such as 'de'.")
    groups = {name: [known_code(code) or code for code in codes] for name, codes in found.items()}
    require_groups(groups)
    return groups
