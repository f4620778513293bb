"""Starts a suite, with a progress bar."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from nemesis._native import NemesisError
from nemesis._results import table

#: A line of progress, as `nemesis run` writes it if nobody watches its standard error.
_PROGRESS = re.compile(r"^\s*(\d+) % {2}(.*)$")

#: What begins a message that is shown at once. What is indented behind it belongs to it.
_URGENT = re.compile(r"^(warning|failed|waiting)\b")

#: Options whose values are one list; others are given once for each value.
_LISTS = ("datasets", "methods", "shots", "seeds", "split_seeds")

#: Options that need no value.
_FLAGS = ("no_wait", "split_seeds")

#: For how many seconds to listen to what the run has started, once the run itself has ended.
_LISTEN_ON = 0.5


@dataclass(frozen=True, repr=False)
class Run:
    """How a run ended."""

    tables: str
    """The tables, as the command prints them."""
    out: Path
    """The folder of the records and tables, absolute."""
    failed: bool
    """Whether some cells failed; what they said is in `messages`."""
    messages: str
    """What the command said besides its progress."""
    cells: frozenset[str] = field(default=frozenset(), compare=False)
    """The ids of all cells that the run asked for, those included that were there before or failed."""

    def records(self, *, frame: bool | None = None) -> Any:
        """The records of what this run asked for, and of nothing else that is in the folder: see `nemesis.records`."""
        return table(self.out, sorted(self.cells), frame=frame)

    def __repr__(self) -> str:
        return self.tables

    def __str__(self) -> str:
        return self.tables


def run(suite: str | os.PathLike[str] | None = None, *, progress: bool = True, **options: Any) -> Run:
    """Computes what a suite's table needs, as `nemesis run` does, and returns the table.

    `run("few-shot", data="~/DATA", weights={"RN50": "RN50.pt"}, datasets=["eurosat"], shots=[1, 16], seeds=range(1, 4),
    plugin="my_method.py", set={"my-method.alpha": 2})`

    Ctrl-C ends the run in its own way: what it has recorded stays, and the same call resumes. A second one does not wait.

    Parameters
    ----------
    suite
        A suite's name or file; without it, the few-shot table.
    progress
        Whether to show a progress bar, and warnings and failures as they come.
    options
        The options of `nemesis run`, with underscores in place of hyphens. A list gives several values, a dict `NAME=VALUE`
        pairs, `True` an option without a value. `None` leaves an option out. Values of `set` keep their types: `None` is
        null, and `"none"` a text.

    Raises
    ------
    NemesisError
        If the run cannot be started, with the command's message. Cells that fail do not raise; see `Run.failed`.
    """
    arguments = [*_command(), "run"] + ([] if suite is None else ["--suite", _text(suite)])
    if options.get("python") is None:
        options["python"] = sys.executable
    for name, value in options.items():
        arguments += _argument(name, value)
    messages = _Messages(progress)
    with _passing_on() as started, tempfile.TemporaryDirectory(prefix="nemesis-") as folder:
        told, printed = Path(folder) / "cells.json", Path(folder) / "printed"
        # Tables may be longer than a pipe holds, and are printed while standard error is read.
        with contextlib.closing(messages), printed.open("wb") as output:
            process = _start([*arguments, "--tell", str(told)], output)
            started(process)
            code = _attend(process, messages)
        tables = printed.read_text(encoding="utf-8", errors="replace").strip()
        cells = json.loads(told.read_text(encoding="utf-8")) if told.exists() else None
    said = messages.text()
    if code == 2 and said:
        raise NemesisError(said.removeprefix("error: "))
    if code not in (0, 1):
        raise NemesisError(f"{said}\n{_how_it_ended(code)}".strip())
    if cells is None:
        raise NemesisError(f"nemesis ran nothing, but printed this:\n{tables or said}")
    if code == 1:
        details = ", which `Run.messages` has" if progress else f":\n{said}"
        warnings.warn(f"the run finished with failures{details}", stacklevel=2)
    return Run(tables, Path(cells["out"]), code == 1, said, frozenset(cells["cells"]))


def _start(arguments: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Starts the run in a process group of its own. Ctrl-C in a terminal reaches all processes of a group, and the run would
    take it and the signal that it is sent from here for two, of which the second does not wait."""
    apart: dict[str, Any] = {"process_group": 0} if sys.version_info >= (3, 11) else {"start_new_session": True}
    return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, **apart)


def _attend(process: subprocess.Popen[bytes], messages: _Messages) -> int:
    """Hands on what a process says, and returns how it ended, as `subprocess` has it."""
    assert process.stderr is not None
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process.stderr, lines), daemon=True).start()
    try:
        _hand_on(process, lines, messages)
        return process.wait()
    except BaseException:
        # The run ends in its own way: what it has recorded stays.
        process.terminate()
        process.wait()
        raise


def _read(stream: IO[bytes], lines: queue.SimpleQueue[str | None]) -> None:
    """Reads what the run writes until all ends of the pipe are closed. A process that a method has started may keep one, so
    nobody waits for this."""
    with stream:
        for line in stream:
            lines.put(line.decode("utf-8", errors="replace"))
    lines.put(None)


def _hand_on(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[str | None], messages: _Messages) -> None:
    """Hands on lines until there are no more, or shortly after the process has ended."""
    until: float | None = None
    while until is None or time.monotonic() < until:
        try:
            line = lines.get(timeout=0.1)
        except queue.Empty:
            line = ""
        if line is None:
            return
        if line:
            messages.take(line)
        if until is None and process.poll() is not None:
            until = time.monotonic() + _LISTEN_ON


@contextlib.contextmanager
def _passing_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Passes signals that would end this process on to the run. They have their effect here once the run has ended."""
    process: subprocess.Popen[bytes] | None = None
    received: list[int] = []
    before: dict[int, Any] = {}

    def pass_on(number: int, frame: object) -> None:
        received.append(number)
        if process is not None:
            process.send_signal(number)

    def pass_on_to(started: subprocess.Popen[bytes]) -> None:
        nonlocal process
        process = started
        for number in received:
            process.send_signal(number)

    # Only the main thread may choose what a signal does. One that is ignored, or is not Python's, stays as it is.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if handler is not None and handler is not signal.SIG_IGN:
                before[number] = signal.signal(number, pass_on)
    try:
        yield pass_on_to
    finally:
        for changed, handler in before.items():
            signal.signal(changed, handler)
        if received:
            signal.raise_signal(received[0])


def _how_it_ended(code: int) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"nemesis was ended by {name}"
    return f"nemesis ended with the exit code {code}"


def _command() -> list[str]:
    """The command `nemesis`: that beside this Python, else that of the shell, else this Python itself."""
    beside = Path(sys.executable).parent / "nemesis"
    found = str(beside) if beside.exists() else shutil.which("nemesis")
    return [found] if found else [sys.executable, "-m", "nemesis"]


def _argument(name: str, value: Any) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if value is None:
        return []
    if value is False and name not in _FLAGS:
        hint = "`no_wait=True` is what does not wait" if name == "wait" else "`None` leaves an option out"
        raise NemesisError(f"`{name}` is False, but {flag} is nothing that can be switched off\n  help: {hint}")
    if value is False:
        return []
    if value is True:
        return [flag]
    if name == "set" and isinstance(value, Mapping):
        return [part for key, one in value.items() for part in (flag, f"{key}={_typed(key, one)}")]
    if isinstance(value, Mapping):
        return [part for key, one in value.items() for part in (flag, f"{key}={_text(one)}")]
    if isinstance(value, (str, os.PathLike)) or not isinstance(value, Iterable):
        return [flag, _text(value)]
    values = [_text(one) for one in value]
    return [flag, ",".join(values)] if name in _LISTS else [part for one in values for part in (flag, one)]


def _typed(key: str, value: Any) -> str:
    """A value of an option as JSON, which the command reads as YAML: it keeps its type."""

    def plain(value: Any) -> Any:
        # Numbers of numpy and torch have a method for this.
        if callable(getattr(value, "item", None)):
            return value.item()
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        raise TypeError(f"a {type(value).__name__}")

    try:
        return json.dumps(value, default=plain, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        expected = "a number, a text, true or false, None, or lists of these"
        raise NemesisError(f"`{key}` cannot be set to {value!r}: {error}\n  expected: {expected}") from None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    return os.path.expanduser(text) if text.startswith("~") else text


class _Messages:
    """What the run says: its progress moves a bar, and the rest is kept."""

    def __init__(self, shown: bool) -> None:
        self._bar = _Bar(shown)
        self._lines: list[str] = []
        self._urgent = False

    def take(self, line: str) -> None:
        found = _PROGRESS.match(line)
        if found:
            self._bar.show(int(found[1]), found[2])
            return
        self._lines.append(line)
        self._urgent = bool(_URGENT.match(line)) or (self._urgent and line.startswith(" "))
        if self._urgent:
            self._bar.write(line.rstrip("\n"))

    def text(self) -> str:
        return "".join(self._lines).strip()

    def close(self) -> None:
        self._bar.close()


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

    def write(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        elif self._line:
            print(f"\r{line:70}", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._line:
            print(file=sys.stderr)
