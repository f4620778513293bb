"""`python -m nemesis.worker ENGINE COMMAND …`: a process of `nemesis` that runs methods in Python, not meant for people."""

import sys

from nemesis import _native


def main() -> int:
    """Runs a command for a `nemesis` whose engine has the fingerprint ENGINE."""
    if len(sys.argv) < 3:
        print("nemesis.worker is started by `nemesis`, not by hand", file=sys.stderr)
        return 2
    try:
        return _native.main(sys.executable, sys.argv[2:], sys.argv[1])
    except _native.NemesisError as error:
        # The command shows the last line.
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
