"""A small CLIP with random weights, and class names of different lengths."""

from __future__ import annotations

import pytest
import torch
from plain import Clip

NAMES = ["tabby_cat", "great white shark", "cat", "hot air balloon", "school bus", "yellow lady's slipper", "warplane"]


@pytest.fixture(scope="session")
def clip() -> Clip:
    torch.manual_seed(1)
    return Clip()


@pytest.fixture(scope="session")
def names() -> list[str]:
    return NAMES
