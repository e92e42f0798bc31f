"""What is asked: a model here, or an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Gt

from neuroglot.recipes.options import OnDevice, Positive
from neuroglot.runs.recipe import Recipe

if TYPE_CHECKING:
    from neuroglot.generation.backend import Backend
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class OnEndpoint(Recipe):
    """A server to ask instead of a model."""

    heading: ClassVar[str] = "Endpoint"

    endpoint: str | None = None
    """Address of a server with the OpenAI protocol, up to `/v1`, to ask instead of a model."""

    endpoint_model: str | None = None
    """What the endpoint calls the model."""

    key_variable: str | None = None
    """Name of the environment variable that holds the endpoint's key; none is sent by default."""

    completions: bool = False
    """Ask for completions of plain text, instead of chat."""

    concurrency: Positive = 8
    """Requests at once."""

    timeout: Annotated[float, Gt(0)] = 120.0
    """Seconds until a request is given up; it is sent again."""

    answers: Path | None = None
    """Folder that keeps the endpoint's answers for later jobs, which then ask for what failed only; without it they are
    kept until the run is finished."""


@dataclass(frozen=True, kw_only=True)
class OnBackend(OnDevice, OnEndpoint):
    """Which model or endpoint is asked."""

    heading: ClassVar[str] = "Model"

    model: str | None = None
    """`lab`, a folder in the hub's layout, a GGUF file, or a hub id, to ask instead of an endpoint."""

    def require_one(self) -> None:
        """Raise `ConfigError` unless either a model or an endpoint is named."""
        from neuroglot.errors import ConfigError

        given = (self.model is not None, self.endpoint is not None, self.endpoint_model is not None)
        if given not in ((True, False, False), (False, True, True)):
            raise ConfigError(
                f"`neuroglot {self.command}` needs something to ask.",
                "Expected either a model (--model), or --endpoint with --endpoint-model.",
            )

    def backend(self, identity: Identity, keep_truncated: bool, thinking: bool) -> Backend:
        """The model or the endpoint, noted."""
        from neuroglot.generation.endpoint import Endpoint
        from neuroglot.generation.local import LocalBackend
        from neuroglot.generation.protocol import secret

        if self.model is not None:
            return LocalBackend(
                *self.load_model(identity, self.model), keep_truncated=keep_truncated, thinking=thinking
            )
        assert self.endpoint is not None
        assert self.endpoint_model is not None
        endpoint = Endpoint(
            self.endpoint, self.endpoint_model, self.key_variable, chat=not self.completions,
            keep_truncated=keep_truncated, concurrency=self.concurrency, timeout=self.timeout,
        )  # fmt: skip
        secret(self.key_variable)  # refuses before anything is asked
        identity.note("endpoint", endpoint.signature)
        return endpoint

    def keeping_answers(self, backend: Backend, run: Run) -> Backend:
        """The same; an endpoint keeps its answers."""
        from neuroglot.generation.endpoint import Cache, Endpoint

        if not isinstance(backend, Endpoint):
            return backend
        return replace(backend, cache=Cache(self.answers or run.kept("answers").folder))
