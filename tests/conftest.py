"""Fixtures shared by all tests."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
settings.register_profile("noisy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("noisy machine")

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # two workers share two cores


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """A folder of the real data: under $NEUROGLOT_DATA, else under `shared/data` beside the checkout."""

    def folder(name: str) -> Path:
        root = Path(os.environ.get("NEUROGLOT_DATA", CHECKOUT.parent / "shared" / "data"))
        if not (root / name).is_dir():
            pytest.skip(f"{root / name} is not there; set NEUROGLOT_DATA to the folder with the real data")
        return root / name

    return folder
