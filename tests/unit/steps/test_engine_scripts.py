"""The scripts that an engine's machine is given, run by a real shell on directories of the test's own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from runbook.toolkit.enginescripts import COPY
from tests.disks import MIB, mounted


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """systemctl says that the engine is down."""
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text("#!/bin/sh\necho inactive\n")
    systemctl.chmod(0o755)
    return {**os.environ, "PATH": f"{systemctl.parent}:{os.environ['PATH']}"}


def copied(data: Path, kept: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = ["sh", "-c", COPY, "runbook", str(data), str(kept), "engine.service"]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_copy_that_fails_gives_the_room_back(tmp_path: Path, environment: dict[str, str]) -> None:
    """The disk is full half way: it says so, and the old engine does not begin on a disk that is full of half a copy.
    With room it is whole."""
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a.mdf", "b.mdf"):
        (data / name).write_bytes(b"x" * MIB)
    with mounted(tmp_path / "disk", 3 * MIB) as disk:
        (disk.root / "other").write_bytes(b"y" * (3 * MIB // 2))
        free = disk.free()
        failed = copied(data, disk.root / "run", environment)
        assert "No space left on device" in failed.stderr
        assert disk.free() >= free - MIB // 10
        (disk.root / "other").unlink()
        assert copied(data, disk.root / "run", environment).returncode == 0
        assert (disk.root / "run/data/b.mdf").read_bytes() == b"x" * MIB
