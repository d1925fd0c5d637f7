"""The tests notice: each mistake is made in a copy of the tree, and a narrow selection of tests has to go red there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mistakes.mistakes import MISTAKES, Mistake

ROOT = Path(__file__).parents[2]
TREES = ("runbook", "steps", "rollback", "tests")
ALL = pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name.replace(" ", "-"))
RED = 1
"""What pytest says when tests failed; anything else (none found, an error of ours) proves nothing."""


@ALL
def test_it_can_be_made(mistake: Mistake) -> None:
    """The old text is in the product once: a rewrite has to take the mistake along."""
    assert (ROOT / mistake.file).read_text(encoding="utf-8").count(mistake.old) == 1


@ALL
def test_it_is_noticed(mistake: Mistake, tmp_path: Path) -> None:
    """Red, because a test failed and not because the copy cannot run."""
    for tree in TREES:
        shutil.copytree(ROOT / tree, tmp_path / tree, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / mistake.file
    file.write_text(file.read_text(encoding="utf-8").replace(mistake.old, mistake.new), encoding="utf-8")
    found = _pytest(tmp_path, mistake)
    assert found.returncode == RED, found.stdout
    assert f"{mistake.noticed_by_word}" in found.stdout, found.stdout


def _pytest(directory: Path, mistake: Mistake) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *mistake.noticed_by],
        cwd=directory,
        env={**plain, "PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
