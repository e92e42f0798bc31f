"""COMET by unbabel-comet: a model's judgement of each row (Rei et al. 2022)."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neuroglot import extras
from neuroglot.errors import ConfigError
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts
from neuroglot.signature import Signature

BATCH = 16
OWN_ENVIRONMENT = "unbabel-comet 2.2 asks for transformers < 5: if pip refuses, run its comet-score by itself."


def comet(options: TextOptions) -> TextMetric:
    """The mean over rows of a COMET model's score with the best reference; counts are the score and 1.

    The library loads checkpoints by pickle: take only models that you trust. Raises `MissingExtraError` without it.
    """
    comet = extras.require("comet", package="unbabel-comet", note=OWN_ENVIRONMENT)

    @cache
    def loaded() -> Any:
        name = options.comet_model
        try:
            return comet.load_from_checkpoint(name if Path(name).is_file() else comet.download_model(name))
        except Exception as error:  # whatever the library raises of network, gate or format
            raise ConfigError(
                f"The COMET model {name!r} could not be loaded: {error}.",
                "Expected a model of the hub, or a checkpoint file with hparams.yaml in the folder above.",
            ) from error

    def counts(texts: Texts) -> Tensor:
        assert texts.sources is not None
        model = loaded()
        gpus = int(torch.cuda.is_available())
        columns = []
        for references in texts.references:
            rows = zip(texts.sources, texts.hypotheses, references)
            samples = [{"src": source, "mt": hypothesis, "ref": reference} for source, hypothesis, reference in rows]
            predicted = model.predict(samples, batch_size=BATCH, gpus=gpus, progress_bar=False)
            columns.append(torch.tensor(predicted.scores, dtype=torch.float64))
        best = torch.stack(columns).amax(0)
        return torch.stack([best, torch.ones_like(best)], dim=1)

    def value(counts: Tensor) -> Tensor:
        return counts[..., 0] / counts[..., 1]

    def signature(texts: Texts) -> Signature:
        return Signature.of(
            nrefs=len(texts.references), model=options.comet_model, average="row",
            version=f"unbabel-comet {version('unbabel-comet')}",
        )  # fmt: skip

    return TextMetric(counts, value, signature)
