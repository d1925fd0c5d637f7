"""What a rehearsal starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runbook.rehearsal import commands


def test_packages_beside_who_rehearses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``PYTHONPATH=.`` names the steps of a team: the nights, which are played elsewhere, have them too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", "more", "/elsewhere", ""]))
    found = commands.environment(tmp_path / "rehearsal", tmp_path / "home")["PYTHONPATH"].split(os.pathsep)
    assert found == [str(commands.ROOT), str(tmp_path), str(tmp_path / "more"), "/elsewhere"]
