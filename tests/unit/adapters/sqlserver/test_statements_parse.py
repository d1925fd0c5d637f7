"""Every T-SQL statement the program can send is one that Microsoft's own parser takes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.adapters.sqlserver import samples

MAXDOP = shutil.which("maxdop", path=str(Path(sys.executable).parent)) or shutil.which("maxdop")
OLDEST, NEWEST = "2016", "2025"


def parse(statements: list[str], version: str) -> subprocess.CompletedProcess[str]:
    batches = "\nGO\n".join(statements) + "\nGO\n"
    command = [str(MAXDOP), "--parser-version", version]
    return subprocess.run(command, input=batches, capture_output=True, text=True, timeout=120, check=False)


def test_every_builder_has_a_sample() -> None:
    """A new function that builds a statement comes with a sample, or this fails."""
    missing = [builder.__qualname__ for builder in samples.builders() if samples.calls_of(builder) is None]
    assert missing == []


@pytest.mark.skipif(MAXDOP is None, reason="maxdop is not installed")
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_statement_parses(version: str) -> None:
    """All statements in one go; only when that fails each alone, to name the one."""
    listed = list(samples.statements())
    if parse([statement for _, statement in listed], version).returncode == 0:
        return
    wrong = [
        (label, result.stderr.strip())
        for label, statement in listed
        if (result := parse([statement], version)).returncode != 0
    ]
    assert wrong == [], "statements that the parser refuses"
    pytest.fail("together the statements do not parse, though each alone does")


@pytest.mark.skipif(MAXDOP is None, reason="maxdop is not installed")
def test_the_parser_refuses_what_is_wrong() -> None:
    """The check can fail: a statement with a typing error is refused."""
    assert parse(["BACKUP DATABSE [x] TO DISK = N'y'"], NEWEST).returncode == 1
