"""What is said of weights that do not say it themselves."""

from __future__ import annotations

import os


def configuration(given: str | os.PathLike[str] | None) -> str | None:
    """A configuration of weights as the native module takes it. A file is named by its whole path, which still leads to it
    once the working directory is another."""
    if given is None:
        return None
    path = os.path.expanduser(given)
    # `openai` is a name, whatever lies in the working directory.
    return os.path.abspath(path) if path != "openai" and os.path.isfile(path) else path
