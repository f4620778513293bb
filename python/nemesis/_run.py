"""Starts a suite, with a progress bar."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemesis._native import NemesisError
from nemesis._results import records

#: A line of progress, as `nemesis run` writes it if nobody watches its standard error.
_PROGRESS = re.compile(r"^\s*(\d+) % {2}(.*)$")

#: Options whose values are one list; others are given once for each value.
_LISTS = ("datasets", "methods", "shots", "seeds", "split_seeds")


@dataclass(frozen=True)
class Run:
    """How a run ended."""

    tables: str
    """The tables, as the command prints them."""
    out: Path
    """The folder of the records and tables."""
    failed: bool
    """Whether some cells failed; what they said is in `messages`."""
    messages: str
    """What the command said besides its progress."""

    def records(self) -> Any:
        """The records of the folder, of this run and of all others in it: see `nemesis.records`."""
        return records(self.out)

    def __str__(self) -> str:
        return self.tables


def run(suite: str | os.PathLike[str] | None = None, *, progress: bool = True, **options: Any) -> Run:
    """Computes what a suite's table needs, as `nemesis run` does, and returns the table.

    `run("few-shot", data="~/DATA", weights={"RN50": "RN50.pt"}, datasets=["eurosat"], shots=[1, 16], seeds=range(1, 4),
    plugin="my_method.py", set={"my-method.alpha": 2})`

    Parameters
    ----------
    suite
        A suite's name or file; without it, the few-shot table.
    progress
        Whether to show a progress bar.
    options
        The options of `nemesis run`, with underscores in place of hyphens. A list gives several values, a dict `NAME=VALUE`
        pairs, `True` an option without a value.

    Raises
    ------
    NemesisError
        If the run cannot be started, with the command's message. Cells that fail do not raise; see `Run.failed`.
    """
    arguments = [*_command(), "run"] + ([] if suite is None else ["--suite", os.fspath(suite)])
    options.setdefault("python", sys.executable)
    for name, value in options.items():
        arguments += _argument(name, value)
    messages: list[str] = []
    bar = _Bar(progress)
    # Tables may be longer than a pipe holds, and are printed while standard error is read.
    printed = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (closed below)
    process = subprocess.Popen(arguments, stdout=printed, stderr=subprocess.PIPE, text=True, bufsize=1)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            found = _PROGRESS.match(line)
            if found:
                bar.show(int(found[1]), found[2])
            else:
                messages.append(line)
        code = process.wait()
        printed.seek(0)
        tables = printed.read()
    except BaseException:
        # The run ends in its own way: what it has recorded stays.
        process.terminate()
        process.wait()
        raise
    finally:
        printed.close()
        bar.close()
    said = "".join(messages).strip()
    if code not in (0, 1):
        raise NemesisError(said.removeprefix("error: ") or f"nemesis ended with the exit code {code}")
    if code == 1:
        warnings.warn(f"the run finished with failures:\n{said}", stacklevel=2)
    return Run(tables.strip(), Path(options.get("out", "out")).expanduser(), code == 1, said)


def _command() -> list[str]:
    """The command `nemesis`: that beside this Python, else that of the shell, else this Python itself."""
    beside = Path(sys.executable).parent / "nemesis"
    found = str(beside) if beside.exists() else shutil.which("nemesis")
    return [found] if found else [sys.executable, "-m", "nemesis"]


def _argument(name: str, value: Any) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if isinstance(value, Mapping):
        return [part for key, one in value.items() for part in (flag, f"{key}={_text(one)}")]
    if isinstance(value, (str, os.PathLike)) or not isinstance(value, Iterable):
        return [flag, _text(value)]
    values = [_text(one) for one in value]
    return [flag, ",".join(values)] if name in _LISTS else [part for one in values for part in (flag, one)]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    return str(Path(text).expanduser()) if text.startswith("~") else text


class _Bar:
    """A bar of tqdm's, which a notebook draws, or a line that is written over."""

    def __init__(self, shown: bool) -> None:
        self._bar: Any = None
        self._line = shown
        if shown:
            try:
                from tqdm.auto import tqdm

                self._bar = tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {postfix}")
            except ImportError:
                pass

    def show(self, percent: int, told: str) -> None:
        if self._bar is not None:
            self._bar.update(percent - self._bar.n)
            self._bar.set_postfix_str(told)
        elif self._line:
            print(f"\r{percent:3} %  {told:60}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._line:
            print(file=sys.stderr)
