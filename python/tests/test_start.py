"""How a run is started, listened to and ended, with a program in the place of `nemesis`."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import nemesis
import pytest
from nemesis._run import _argument

#: Reads the file that `--tell` names, and tells of a run in `/somewhere`.
HEAD = """#!/bin/sh
while [ $# -gt 0 ]; do
    case "$1" in --tell) echo '{"out": "/somewhere", "cells": ["1", "2"]}' > "$2";; esac
    shift
done
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs lines of shell as `nemesis run`."""

    def start(lines: str, **options: Any) -> nemesis.Run:
        program = tmp_path / "program"
        program.write_text(HEAD + lines)
        program.chmod(0o755)
        monkeypatch.setattr("nemesis._run._command", lambda: [str(program)])
        monkeypatch.chdir(tmp_path)
        return nemesis.run(**{"progress": False, **options})

    return start


def test_what_a_run_says_is_kept_whatever_its_bytes(start: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "printf 'warning: \\377\\n  help: none\\n100 %%  done\\nall done\\n' >&2; echo; echo TABLE"
    run = start(lines, progress=True)
    assert (str(run), repr(run), run.out, run.failed) == ("TABLE", "TABLE", Path("/somewhere"), False)
    assert run.cells == {"1", "2"}
    assert run.messages == "warning: \ufffd\n  help: none\nall done"
    shown = capsys.readouterr().err
    assert "warning: \ufffd" in shown
    assert "help: none" in shown
    assert "all done" not in shown


def test_a_run_does_not_wait_for_what_it_has_started(start: Any) -> None:
    # What was started keeps standard error open, and is ended by the signal of an alarm at the latest.
    assert str(start("sleep 120 & echo $! > started; echo TABLE")) == "TABLE"
    os.kill(int(Path("started").read_text()), signal.SIGKILL)


def test_how_a_run_ended_is_said(start: Any) -> None:
    with pytest.raises(nemesis.NemesisError, match="^so far\nnemesis was ended by SIGKILL$"):
        start("echo so far >&2; kill -9 $$")
    with pytest.raises(nemesis.NemesisError, match="^no such suite$"):
        start("echo error: no such suite >&2; exit 2")
    with pytest.warns(UserWarning, match="finished with failures:\nfailed: one"):
        assert start("echo failed: one >&2; exit 1").failed


def test_signals_reach_a_run_once_and_it_is_waited_for(start: Any) -> None:
    heard = """
trap 'echo INT >> heard' INT
trap 'echo TERM >> heard' TERM
kill -{signal} $PPID
until [ -e heard ]; do sleep 0.01; done
echo ended >> heard
exit 130
"""
    with pytest.raises(KeyboardInterrupt):
        start(heard.format(signal="INT"))
    assert Path("heard").read_text() == "INT\nended\n"
    Path("heard").unlink()
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        with pytest.raises(nemesis.NemesisError, match="exit code 130"):
            start(heard.format(signal="TERM"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]
    assert Path("heard").read_text() == "TERM\nended\n"


def test_options_become_what_the_command_reads() -> None:
    given = {"m.a": None, "m.b": "none", "m.c": "1e-3", "m.d": True, "m.e": 0.5}
    told = ["m.a=null", 'm.b="none"', 'm.c="1e-3"', "m.d=true", "m.e=0.5"]
    assert _argument("set", given) == [part for one in told for part in ("--set", one)]
    numpy = pytest.importorskip("numpy")
    assert _argument("set", {"m.n": numpy.int64(3)}) == ["--set", "m.n=3"]
    assert _argument("seeds", range(1, 4)) == ["--seeds", "1,2,3"]
    assert _argument("no_wait", True) == ["--no-wait"]
    assert _argument("no_wait", False) == _argument("out", None) == []
    for name in ("wait", "zero_shot"):
        with pytest.raises(nemesis.NemesisError, match=f"`{name}` is False"):
            _argument(name, False)
    with pytest.raises(nemesis.NemesisError, match=r"`m\.x` cannot be set to nan"):
        _argument("set", {"m.x": float("nan")})
