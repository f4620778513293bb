"""Whole runs with methods in Python, and what they leave."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nemesis
import pytest

ROOT = Path(__file__).parents[2]
MISBEHAVING = Path(__file__).parent / "misbehaving.py"

#: What `benchmarks/protocols/mini.yaml` says of VPT.
MINI_VPT = {"learning_rate": 0.005, "batch_size": 16, "epochs": 4, "views": 4}


def program() -> Path:
    """The command `nemesis`, with its plugins beside it."""
    beside = Path(sys.executable).parent / "nemesis"
    for found in (beside, ROOT / "target/release/nemesis", ROOT / "target/debug/nemesis"):
        if found.exists():
            return found.resolve()
    pytest.skip("the command `nemesis` is not built")


@pytest.fixture(autouse=True)
def the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    found = program()
    monkeypatch.setattr("nemesis._run._command", lambda: [str(found)])


@pytest.fixture
def out(tmp_path: Path, painted: Path) -> Path:
    """A folder of records in which a run finds them."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "mini").symlink_to(painted)
    return out


def outcomes(out: Path, method: str) -> dict[tuple[str, str, int, int], Any]:
    rows = nemesis.records(out, frame=False)
    return {
        (row["kind"], row["dataset"], row["shots"], row["seed"]): row["record"]["outcome"]
        for row in rows
        if row["method"] == method
    }


def test_kg_coop_in_python_leaves_the_records_of_the_compiled_one(out: Path) -> None:
    compiled = program().parent / "libnemesis_example_kg_coop.so"
    if not compiled.exists():
        pytest.skip("the compiled KgCoOp is not built")
    run = nemesis.run(
        plugin=[compiled, ROOT / "python/examples/kg_coop.py"],
        methods=["kg-coop", "kg-coop-py"],
        datasets=["eurosat"],
        shots=[1],
        seeds=[1],
        jobs=1,
        out=out,
        progress=False,
    )
    assert "KgCoOp (Python)" in run.tables
    ours, theirs = outcomes(out, "kg-coop-py"), outcomes(out, "kg-coop")
    # Losses, reported values, the hash of the state; accuracy, the hash of the predictions.
    assert ours == theirs
    assert len(ours) == 2

    rows = {row["kind"]: row for row in nemesis.records(out, frame=False) if row["method"] == "kg-coop-py"}
    training, evaluation = rows["training"], rows["evaluation"]
    assert evaluation["training"] == training["id"]
    assert len(training["losses"]) == len(training["reported"]["distance"]) == 40
    context = nemesis.learned(evaluation["id"], out)["ctx"]
    assert context.shape == (8, 64)
    predicted = nemesis.predictions(evaluation["id"], out)
    assert predicted.shape == (evaluation["total"],)
    assert evaluation["accuracy"] == pytest.approx(100 * evaluation["correct"] / evaluation["total"])
    pandas = pytest.importorskip("pandas")
    assert isinstance(run.records(), pandas.DataFrame)


def test_vpt_in_python_computes_what_the_compiled_one_computes(out: Path) -> None:
    compiled = program().parent / "libnemesis_method_vpt.so"
    if not compiled.exists():
        pytest.skip("the compiled VPT is not built")
    nemesis.run(
        plugin=ROOT / "python/examples/vpt.py",
        methods=["vpt", "vpt-py"],
        # The mini suite trains the compiled one more briefly than was published.
        set={f"vpt-py.protocol.{key}": value for key, value in MINI_VPT.items()},
        datasets=["eurosat"],
        shots=[1],
        seeds=[1],
        jobs=1,
        limit=20,
        out=out,
        progress=False,
    )
    ours, theirs = outcomes(out, "vpt-py"), outcomes(out, "vpt")
    assert len(ours) == len(theirs) == 2
    for key, outcome in ours.items():
        # What is learned has other names, so the hash of the state differs.
        assert {**outcome, "state": None} == {**theirs[key], "state": None}


def test_records_of_a_run_are_those_of_its_plan(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = tmp_path / "misbehaving.py"
    source = MISBEHAVING.read_text()
    runs = []
    # Where records go may be said in a variable, and a run remembers it wherever Python goes.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEMESIS_OUT", "out")
    for version in (source, source + "\nX = 1\n"):
        plugin.write_text(version)
        options: dict[str, Any] = {"datasets": ["eurosat"], "shots": [1], "seeds": [1], "limit": 2, "jobs": 1}
        runs.append(nemesis.run(plugin=plugin, methods=["misbehaving"], progress=False, **options))
    monkeypatch.chdir(out)
    assert [run.out for run in runs] == [out, out]

    def tested(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if row["kind"] == "evaluation" and row["method"] == "misbehaving"]

    (old,), (new,) = (tested(run.records(frame=False)) for run in runs)
    for column in ("id", "plugin", "recipe"):
        assert old[column] != new[column]
    assert (old["options_json"], old["engine"], old["limit"]) == (new["options_json"], new["engine"], 2)
    assert {row["id"] for row in tested(nemesis.records(out, frame=False))} == {old["id"], new["id"]}
    pandas = pytest.importorskip("pandas")
    frame = nemesis.records(out, frame=True)
    assert {str(frame[column].dtype) for column in ("shots", "seed", "total")} == {"Int64"}
    groups = frame[frame.method == "misbehaving"].groupby(["kind", "method", "options_json", "shots", "recipe"])
    assert len(groups.accuracy.mean()) == 4
    assert pandas.isna(frame[frame.method == "zero-shot"].seed).all()


def wrapper(folder: Path, name: str, lines: str) -> Path:
    """A program that runs these lines of shell, then this Python."""
    program = folder / name
    program.write_text(f'#!/bin/sh\n{lines}\nexec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.long
def test_a_python_that_cannot_run_methods_costs_their_cells_and_no_others(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "torch.py").write_text("__version__ = '2.10.0'\n")
    pythons = {
        "torch": wrapper(tmp_path, "wrong-torch", f'export PYTHONPATH="{wrong}"'),
        # One can be asked about plugins, and works then; those that are started to work end at once.
        "worker": wrapper(tmp_path, "no-worker", 'case "$*" in *" worker") exit 9;; esac'),
    }
    # All jobs begin at once.
    options: dict[str, Any] = {"datasets": ["eurosat"], "shots": [1], "seeds": [1, 2], "jobs": 6, "progress": False}
    nemesis.run(methods=["coop"], out=tmp_path / "alone", **options)
    for name, python in pythons.items():
        out = tmp_path / f"with-{name}"
        with pytest.warns(UserWarning, match="finished with failures"):
            run = nemesis.run(plugin=MISBEHAVING, methods=["misbehaving", "coop"], python=python, out=out, **options)
        assert run.failed
        assert outcomes(out, "coop") == outcomes(tmp_path / "alone", "coop")
        assert len(outcomes(out, "misbehaving")) == (0 if name == "torch" else 2)
        said = run.messages if name == "torch" else "".join(f.read_text() for f in (out / "failures").glob("*.json"))
        expected = "this is PyTorch 2.10.0" if name == "torch" else "a worker ended before it started to work"
        assert expected in said


@pytest.mark.long
def test_a_method_that_misbehaves_costs_its_cells_and_no_others(tmp_path: Path) -> None:
    misdeeds = ["none", "raise", "exit", "sys-exit", "hang", "print"]
    entries = [
        f"  - {{method: misbehaving, label: {misdeed}, options: {{misdeed: {misdeed}}}}}\n" for misdeed in misdeeds
    ]
    head = "title: T\ntable: few-shot\ndatasets: [eurosat]\nshots: [1]\nseeds: [1]\nzero_shot: false\nmethods:\n"
    (tmp_path / "with.yaml").write_text(f"name: with\n{head}  - {{method: coop}}\n{''.join(entries)}")
    (tmp_path / "without.yaml").write_text(f"name: without\n{head}  - {{method: coop}}\n")
    options: dict[str, Any] = {"jobs": 1, "cell_timeout": 20, "progress": False}
    with pytest.warns(UserWarning, match="finished with failures"):
        spoilt = nemesis.run(tmp_path / "with.yaml", plugin=MISBEHAVING, out=tmp_path / "with", **options)
    nemesis.run(tmp_path / "without.yaml", out=tmp_path / "without", **options)
    assert spoilt.failed
    assert outcomes(tmp_path / "with", "coop") == outcomes(tmp_path / "without", "coop")
    trained = [
        row["options"]["misdeed"]
        for row in nemesis.records(tmp_path / "with", frame=False)
        if row["method"] == "misbehaving" and row["kind"] == "training"
    ]
    assert sorted(trained) == ["none", "print"]
    reasons = {}
    for file in (tmp_path / "with/failures").glob("*.json"):
        failure = json.loads(file.read_text())
        if failure["cell"]["kind"] == "training":
            reasons[failure["cell"]["method"]["options"]["misdeed"]] = failure["reason"]["what"]
    assert "ValueError: in the middle" in reasons["raise"]
    assert 'misbehaving.py", line' in reasons["raise"]
    assert "in misbehave" in reasons["raise"]
    assert "SystemExit: enough" in reasons["sys-exit"]
    assert "exit status: 3" in reasons["exit"]
    assert "longer than 20 s" in reasons["hang"]


def test_a_change_of_a_plugin_or_of_its_helper_is_computed_again(tmp_path: Path, out: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text("from helper import X\n" + MISBEHAVING.read_text().replace("misbehaving", "mine"))
    question = "--methods mine --datasets eurosat --shots 1 --seeds 1"
    arguments = ["plan", "--plugin", str(plugin), *question.split()]

    def ids(helper: str) -> str:
        (tmp_path / "helper.py").write_text(helper)
        command = [str(program()), *arguments, "--python", sys.executable, "--out", str(out), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert ids("X = 1\n") == ids("X = 1\n") != ids("X = 2\n")


def test_errors_have_the_words_of_the_command(tmp_path: Path, out: Path) -> None:
    with pytest.raises(nemesis.NemesisError, match="has no option `misdead`") as caught:
        nemesis.run(plugin=MISBEHAVING, set={"misbehaving.misdead": 1}, out=out, progress=False)
    assert "the options are: n_ctx" in str(caught.value)
    with pytest.raises(nemesis.NemesisError, match="there are no records in this folder"):
        nemesis.records(tmp_path / "nothing")
    with pytest.raises(nemesis.NemesisError, match="cannot run plugins written in Python"):
        nemesis.run(
            plugin=MISBEHAVING,
            methods=["misbehaving"],
            python=shutil.which("false"),
            out=out,
            progress=False,
        )
