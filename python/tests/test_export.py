"""What `nemesis export` writes, as CoOp's code reads it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import torch
from test_run import program


def test_pytorch_loads_what_is_exported(tmp_path: Path, painted: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mini").symlink_to(painted)

    def command(words: str) -> str:
        arguments = [str(program()), *words.split()]
        return subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    command("run --datasets eurosat --methods coop --shots 1 --seeds 1 --jobs 1")
    file = tmp_path / command("export --dataset eurosat --method coop --shots 1 --seed 1 --to exported")
    # As `load_model` of its trainers/coop.py does, but with the reader that executes nothing.
    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    assert file.name == f"model.pth.tar-{checkpoint['epoch']}"
    state = checkpoint["state_dict"]
    context = torch.nn.Parameter(torch.zeros_like(state["ctx"]))
    learner = torch.nn.Module()
    learner.register_parameter("ctx", context)
    learner.register_buffer("token_prefix", torch.zeros(1))
    problems = learner.load_state_dict(state, strict=False)
    assert problems.missing_keys == ["token_prefix"]
    assert problems.unexpected_keys == []

    # What was learned, in the raw numbers of a safetensors file.
    (learned,) = (out / "states").glob("*.safetensors")
    content = learned.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    described = json.loads(content[8:start])["ctx"]
    assert described["dtype"] == "F64", "the mini suite computes in double precision"
    begin, end = (start + offset for offset in described["data_offsets"])
    raw = torch.frombuffer(bytearray(content[begin:end]), dtype=torch.float64)
    assert torch.equal(context.detach().flatten(), raw.to(context.dtype))
