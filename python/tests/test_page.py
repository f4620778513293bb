"""The listings of `docs/python.md` run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nemesis
import pytest
import torch
from nemesis.testing import Toy
from plain import Clip
from test_run import program
from torch import nn
from torch.nn import functional

ROOT = Path(__file__).parents[2]


def listing(of: str) -> str:
    page = (ROOT / "docs/python.md").read_text()
    (found,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.S) if of in block]
    return str(found)


def test_the_drop_in_trains(clip: Clip, names: list[str]) -> None:
    class Image(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.flatten(1)[:, :96]

    space: dict[str, Any] = {"nn": nn, "torch": torch, "F": functional, "nemesis": nemesis}
    exec(listing("class CustomCLIP"), space)
    clip.dtype = torch.float32  # type: ignore[assignment]
    model = space["CustomCLIP"](names, clip)
    model.image_encoder = Image()
    labels = torch.arange(len(names))
    pixels = torch.randn(len(names), 3, 8, 8)
    optimiser = torch.optim.SGD([model.ctx], lr=0.1)
    losses = []
    for _ in range(3):
        loss = functional.cross_entropy(model(pixels), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[2] < losses[0]


def test_kg_coop_is_the_one_of_the_examples() -> None:
    from dataclasses import dataclass

    space: dict[str, Any] = {"dataclass": dataclass, "nemesis": nemesis, "__name__": "__main__"}
    exec(compile(listing("class KgCoOp"), "page", "exec", dont_inherit=True), space)
    example: dict[str, Any] = {"__name__": "__main__"}
    source = (ROOT / "python/examples/kg_coop.py").read_text()
    exec(compile(source, "example", "exec", dont_inherit=True), example)
    toy = Toy(classes=4)
    batch = toy.batch(images=8)
    losses = [toy.create(found["KgCoOp"]).loss(batch, toy.host) for found in (space, example)]
    assert torch.equal(losses[0], losses[1])


def test_images_samples_and_results(tmp_path: Path, painted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for needed in ("PIL", "numpy", "pandas"):
        pytest.importorskip(needed)
    found = program()
    monkeypatch.setattr("nemesis._run._command", lambda: [str(found)])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    for link in ("DATA", "out/mini"):
        (tmp_path / link).symlink_to(painted)
    template = (ROOT / "nemesis-core/sdk/scaffold/python/sparse_prompt.py").read_text()
    (tmp_path / "my_idea.py").write_text(template.replace("sparse-prompt", "my-idea"))
    text = listing("nemesis.few_shot")
    assert "shots=[1, 16]" in text
    space: dict[str, Any] = {"nemesis": nemesis}
    exec(text.replace("shots=[1, 16]", "shots=[1], seeds=[1], jobs=1, progress=False"), space)
    assert space["pixels"].shape == (len(space["sample"].train), 3, 224, 224)
    assert {method for _, method, _, _ in space["means"].index} == {"coop", "my-idea"}
    assert space["context"].dim() == 2
    assert len(space["predicted"]) == space["tested"].total
