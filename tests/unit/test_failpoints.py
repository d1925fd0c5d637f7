"""Failpoints: off unless armed, exact about where and when, and a wrong name is no silent nothing."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook import failpoints
from runbook.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def test_nothing_happens_unless_armed() -> None:
    """Not even at a place that is armed elsewhere."""
    failpoints.reach("effect.before", "RESTORE LOG")
    failpoints.arm("effect.after=full")
    failpoints.reach("effect.before", "RESTORE LOG")


def test_the_nth_time_that_matches() -> None:
    """Places that do not match are not counted; afterwards it is over."""
    failpoints.arm("effect.before~RESTORE LOG=full@2")
    failpoints.reach("effect.before", "RESTORE LOG [a]")
    failpoints.reach("effect.before", "BACKUP LOG [a]")
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.ENOSPC))):
        failpoints.reach("effect.before", "RESTORE LOG [b]")
    failpoints.reach("effect.before", "RESTORE LOG [c]")


@pytest.mark.parametrize(
    "text", ["effect.befor=kill", "effect.before", "effect.before=explode", "effect.before~(=kill", "lease=kill@0"]
)
def test_a_wrong_one_is_refused(text: str) -> None:
    """With the names there are: a test that breaks nothing would prove nothing."""
    with pytest.raises(UsageError) as caught:
        failpoints.arm(text)
    assert caught.value.hint


def test_by_the_environment_of_a_process() -> None:
    """As black-box tests use it: ``kill`` is a real SIGKILL, a wrong text is refused before anything is done."""
    program = "from runbook import failpoints as f; f.arm_from_environment(); f.reach('lease.before-beat'); print('on')"
    for text, code in (("", 0), ("lease.before-beat=kill", -signal.SIGKILL), ("lease.before-beat=kill@2", 0)):
        done = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, failpoints.VARIABLE: text}, cwd=ROOT, check=False
        )
        assert done.returncode == code, text


def test_what_struck_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, before it acts, also by a process that does not live to tell; nothing for what did not act."""
    log = tmp_path / "struck"
    monkeypatch.setenv(failpoints.LOG, str(log))
    failpoints.arm("effect.after~LOG=full")
    failpoints.reach("effect.after", "BACKUP DATABASE [a]")
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.ENOSPC))):
        failpoints.reach("effect.after", "BACKUP LOG [a]\n  TO DISK")
    program = "from runbook import failpoints as f; f.arm('lease.before-beat=kill'); f.reach('lease.before-beat')"
    killed = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    assert killed.wait() == -signal.SIGKILL
    expected = [f"{os.getpid()} effect.after full BACKUP LOG [a] TO DISK", f"{killed.pid} lease.before-beat kill "]
    assert log.read_text(encoding="utf-8").splitlines() == expected


def test_every_place_that_is_listed_is_somewhere_in_the_program() -> None:
    """And none is reached that is not listed."""
    calls = re.compile(r'failpoints\.reach\(\s*"([\w.-]+)"')
    found = {name for path in (ROOT / "runbook").rglob("*.py") for name in calls.findall(path.read_text("utf-8"))}
    assert found == set(failpoints.POINTS)


def test_a_failpoint_of_the_guard_that_is_none_is_refused_by_who_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard itself would say it to a file, and nobody would watch."""
    monkeypatch.setenv("RUNBOOK_GUARD_FAILPOINTS", "xx=kill")
    with pytest.raises(UsageError, match="RUNBOOK_GUARD_FAILPOINTS: 'xx=kill' is no failpoint"):
        failpoints.arm_from_environment()
