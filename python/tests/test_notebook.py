"""The example notebook runs from its first cell to its last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples/own_method.ipynb"


def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = json.loads(NOTEBOOK.read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    # Outputs would be those of some machine on some day.
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    space: dict[str, Any] = {"__name__": "__main__"}
    for at, cell in enumerate(cells):
        exec(compile(cell, f"cell {at}", "exec", dont_inherit=True), space)
    printed = capsys.readouterr().out
    assert "Smooth" in printed
    assert set(space["evaluations"]) == {"zero-shot", "coop", "smooth"}
    assert space["losses"][-1] < space["losses"][0]
