"""An executor that was overtaken without any journal telling it: the instances refuse it."""

from __future__ import annotations

import shutil
import signal

import pytest

from tests.e2e.system import System, is_stopped, wait_until

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")


def test_a_stopped_executor_with_a_journal_of_its_own_does_nothing_more(sandbox: System) -> None:
    """Stopped before its statement is sent; another machine finishes with a copy of the journal. Woken, the first one
    is told by the servers alone: it ends, and their logs hold no further statement of it that changes anything."""
    before = sandbox.content("old")
    sandbox.variables["RUNBOOK_FAILPOINTS"] = r"effect.before~^BACKUP LOG=stop@3"
    first = sandbox.begin("execute", str(sandbox.plan), "--window", "10m", "--yes")
    wait_until(lambda: is_stopped(first.pid), 120)
    kept = sandbox.home / "elsewhere"
    kept.mkdir()
    for file in sandbox.home.glob("journal.db*"):
        shutil.copy(file, kept / file.name)
    sandbox.variables |= {"RUNBOOK_JOURNAL": f"sqlite:///{kept / 'journal.db'}", "RUNBOOK_HOST": "elsewhere"}
    sandbox.variables["RUNBOOK_FAILPOINTS"] = ""
    wait_until(lambda: sandbox.status()["state"] == "interrupted", 60)
    second = sandbox.runbook("resume")
    assert second.code == 0, second.out + second.err
    sent = sandbox.sent_by(1)
    first.send_signal(signal.SIGCONT)
    out, _ = first.communicate(timeout=120)
    assert first.returncode == 40, out
    assert "executor 2" in out
    assert sandbox.sent_by(1) == sent
    assert sandbox.serves_from() == "NEWSQL"
    assert sandbox.get("/")[0] == 200
    assert sandbox.content("new") == before
