"""The package shares the libtorch of `import torch`, and refuses another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nemesis
import pytest
from nemesis import _native, _torch


def imported(torch: str, folder: Path) -> str:
    """The last line that `import nemesis` ends with beside a torch of this source."""
    (folder / "torch.py").write_text(torch)
    packages = Path(nemesis.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{packages}", "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "import nemesis"],
        env=environment,
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr.splitlines()[-1]


def test_another_torch_is_refused_with_both_versions(tmp_path: Path) -> None:
    said = imported("__version__ = '2.10.0+cpu'\n", tmp_path)
    assert said.startswith("ImportError: nemesis was built for PyTorch 2.11.0, but this is PyTorch 2.10.0+cpu")
    assert "pip install torch==2.11.0" in said
    said = imported("raise ImportError('no torch here')\n", tmp_path)
    assert said.startswith("ImportError: nemesis needs PyTorch: no torch here")


def test_there_is_one_libtorch_in_the_process() -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system does not list what a process has loaded")
    files = {line.split()[-1] for line in maps.read_text().splitlines() if line.endswith("libtorch_cpu.so")}
    assert len(files) == 1


def test_every_place_names_the_same_torch() -> None:
    manifest = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    (pinned,) = [line.split('"')[1] for line in manifest.splitlines() if line.startswith("dependencies")]
    assert pinned == f"torch=={_torch.TORCH}" == f"torch=={_native.built_for()[0]}"


def test_the_version_is_that_of_the_sources() -> None:
    manifest = (Path(__file__).parents[2] / "Cargo.toml").read_text()
    assert f'version = "{nemesis.__version__}"' in manifest.splitlines()
