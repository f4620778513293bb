"""A small CLIP with random weights, and class names of different lengths."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
from plain import Clip

NAMES = ["tabby_cat", "great white shark", "cat", "hot air balloon", "school bus", "yellow lady's slipper", "warplane"]


@pytest.fixture(scope="session")
def clip() -> Clip:
    torch.manual_seed(1)
    return Clip()


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mini suite's pictures, which take seconds to paint."""
    from test_run import program

    root = tmp_path_factory.mktemp("painted") / "mini"
    subprocess.run([str(program()), "mini", "data", "--out", str(root)], check=True)
    return root


@pytest.fixture(scope="session")
def names() -> list[str]:
    return NAMES
