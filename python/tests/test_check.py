"""`nemesis plugin check` and `plugin describe` on plugins in Python, as whole commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from test_methods import BROKEN, TEMPLATE
from test_run import ROOT, program


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`nemesis plugin …` with this Python."""
    words = [str(program()), "plugin", *(str(argument) for argument in arguments), "--python", sys.executable]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def outcomes(printed: str) -> dict[str, str]:
    """What each check said, by its id."""
    lines = [line.split() for line in printed.splitlines() if line[:4] in ("ok  ", "FAIL", "skip")]
    return {line[1]: line[0] for line in lines}


@pytest.mark.long
def test_the_template_passes_all_checks() -> None:
    done = command("check", TEMPLATE / "sparse_prompt.py")
    found = outcomes(done.stdout)
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in found.values()
    # Those of the C interface, which a plugin in Python does not have.
    assert list(found.values()).count("ok") > 25
    assert set(BROKEN) <= {check for check, outcome in found.items() if outcome == "ok"}


@pytest.mark.long
@pytest.mark.parametrize("check", BROKEN)
def test_the_right_check_fails(check: str, tmp_path: Path) -> None:
    before, after = BROKEN[check]
    plugin = tmp_path / "sparse_prompt.py"
    plugin.write_text((TEMPLATE / "sparse_prompt.py").read_text().replace(before, after))
    # A method that only this check can find fault with passes others that come before and behind it.
    done = command("check", plugin, "--only", f"descriptor,{check},options-unknown")
    assert done.returncode == 1, done.stdout + done.stderr
    assert outcomes(done.stdout) == {"entry": "ok", "descriptor": "ok", check: "FAIL", "options-unknown": "ok"}
    assert done.stdout.splitlines()[-1] == "3 passed, 1 failed, 0 skipped"


@pytest.mark.long
def test_a_plugin_that_does_not_load_fails_the_first_check(tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text((TEMPLATE / "sparse_prompt.py").read_text() + "\nraise ValueError('while it is imported')\n")
    done = command("check", plugin, "--only", "loss")
    assert done.returncode == 1, done.stdout + done.stderr
    assert outcomes(done.stdout) == {"entry": "FAIL", "loss": "skip"}
    assert "ValueError: while it is imported" in done.stdout


def test_describe_names_the_towers() -> None:
    done = command("describe", ROOT / "python/examples/vpt.py")
    assert done.returncode == 0, done.stderr
    assert "\n  needs   pixels, the image and text towers\n" in done.stdout
