"""`python -m nemesis.worker ENGINE COMMAND …`: a process of `nemesis` that runs methods in Python, not meant for people."""

import sys

from nemesis import _forks, _method, _native

#: Imported for forked processes, too, each of which needs it.
__all__ = ["_method", "main"]


def main() -> int:
    """Runs a command for a `nemesis` whose engine has the fingerprint ENGINE."""
    if len(sys.argv) < 3:
        print("nemesis.worker is started by `nemesis`, not by hand", file=sys.stderr)
        return 2
    engine, command = sys.argv[1], sys.argv[2:]
    try:
        if command == ["fork"]:
            _native.check_engine(sys.executable, engine)
            forked = _forks.serve()
            if forked is None:
                return 0
            command = forked
        return _native.main(sys.executable, command, engine)
    except _native.NemesisError as error:
        # The command shows the last line.
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
