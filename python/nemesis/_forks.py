"""Forks a process for each command that `nemesis` asks for: to import torch takes seconds, to fork takes milliseconds."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from typing import Any

#: How often, in seconds, to see whether a process has ended.
_OFTEN = 0.005


def serve() -> list[str] | None:
    """Forks until standard input ends, and returns `None` then. In each forked process it returns that one's command."""
    children: set[int] = set()
    unread = b""
    _say("ready")
    while True:
        if select.select([0], [], [], _OFTEN if children else None)[0]:
            got = os.read(0, 1 << 16)
            if not got:
                for child in children:
                    os.killpg(child, signal.SIGKILL)
                return None
            *lines, unread = (unread + got).split(b"\n")
            for line in lines:
                request = json.loads(line)
                child = os.fork()
                if child == 0:
                    _enter(request["out"], request["err"])
                    arguments: list[str] = request["arguments"]
                    return arguments
                _lead_a_group(child)
                children.add(child)
                _say({"started": child})
        for child in sorted(children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                children.remove(child)
                _say({"ended": [child, status]})


def _say(message: Any) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def _lead_a_group(child: int) -> None:
    """Both sides do this, so that it is done before either goes on."""
    # It may have ended by now.
    with contextlib.suppress(OSError):
        os.setpgid(child, child)


def _enter(out: str, err: str) -> None:
    """Gives the forked process its own group and streams."""
    os.setpgid(0, 0)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for stream, (file, how) in enumerate([(os.devnull, os.O_RDONLY), (out, flags), (err, flags)]):
        opened = os.open(file, how, 0o644)
        os.dup2(opened, stream)
        os.close(opened)
