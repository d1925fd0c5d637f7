"""The state of a unit from what its host tells of it: ``key=value`` lines, then ``output`` and the end of that."""

from __future__ import annotations

from datetime import UTC, datetime

from runbook.hosting import ABSENT, UnitPhase, UnitState

REBOOTED = "its host was started anew while it ran"
LOST = "it was killed, and nothing was left to note by what"
STOPPED = "it was stopped"
RESULTS = {
    "oom-kill": "it was killed because the memory ran out",
    "timeout": "it took longer than its host allows",
    "watchdog": "the watchdog killed it",
}
"""systemd's words for how a service ended, where they say more than the signal."""


def read_state(answer: str) -> UnitState:
    """Raises ValueError for an answer that is none."""
    head, _, output = answer.partition("output\n")
    found = dict(line.partition("=")[::2] for line in head.splitlines())
    if found["phase"] == "absent":
        return ABSENT
    started_at = _instant(found["at"])
    if found["phase"] == "running":
        return UnitState(UnitPhase.RUNNING, started_at=started_at, last_output=output)
    if found["phase"] == "ended":
        return _ended(found, started_at, output)
    reason = STOPPED if "stopped" in found else REBOOTED if found["phase"] == "rebooted" else LOST
    return UnitState(UnitPhase.KILLED, reason=reason, started_at=started_at, last_output=output)


def _ended(found: dict[str, str], started_at: datetime, output: str) -> UnitState:
    code, status, result, at = found["exit"].split()
    ended_at = _instant(at)
    if "stopped" in found:
        return UnitState(UnitPhase.KILLED, None, STOPPED, started_at, ended_at, output)
    if code == "exited":
        return UnitState(UnitPhase.EXITED, int(status), "", started_at, ended_at, output)
    reason = RESULTS.get(result, f"it was killed by signal {status}")
    return UnitState(UnitPhase.KILLED, None, reason, started_at, ended_at, output)


def _instant(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)
