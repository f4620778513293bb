"""`python -m nemesis`: the command `nemesis`, in a process that can run methods in Python."""

import sys

from nemesis import _native


def main() -> int:
    """Runs the command line and returns the exit code."""
    return _native.main(sys.executable, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
