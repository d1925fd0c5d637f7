"""sp_getapplock across all sessions of the instance."""

from __future__ import annotations

from dataclasses import dataclass

from runbook.sandbox.contract import LanguageSession
from runbook.sandbox.instance.gate import Gate

MODES = ("IntentShared", "Shared", "Update", "IntentExclusive", "Exclusive")
COMPATIBLE = {
    "IntentShared": {"IntentShared", "Shared", "Update", "IntentExclusive"},
    "Shared": {"IntentShared", "Shared", "Update"},
    "Update": {"IntentShared", "Shared"},
    "IntentExclusive": {"IntentShared", "IntentExclusive"},
    "Exclusive": set[str](),
}
PARAMETER_ERROR = -999


@dataclass
class Hold:
    """One granted lock; ``owner`` is session or transaction, ``count`` how often it was taken."""

    spid: int
    mode: str
    owner: str
    count: int = 1


class AppLocks:
    """All application locks by resource name. Uses the gate's condition, so that one wake-up serves both."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._held: dict[str, list[Hold]] = {}

    def get(self, session: LanguageSession, resource: str, mode: str, owner: str, timeout_ms: int) -> int:
        """0 granted, 1 granted after waiting, -1 timeout, -999 wrong parameter; negative timeout waits for ever."""
        wanted = next((m for m in MODES if m.lower() == mode.lower()), None)
        if wanted is None or owner.lower() not in ("session", "transaction"):
            return PARAMETER_ERROR
        with self._gate.changed:
            if self._blocked(session.spid, resource, wanted):
                timeout = None if timeout_ms < 0 else timeout_ms / 1000
                if not self._gate.wait(session, lambda: not self._blocked(session.spid, resource, wanted), timeout):
                    return -1
                self._take(session.spid, resource, wanted, owner.lower())
                return 1
            self._take(session.spid, resource, wanted, owner.lower())
            return 0

    def would_grant(self, spid: int, resource: str, mode: str) -> bool:
        """APPLOCK_TEST: would the lock be granted at once?"""
        wanted = next((m for m in MODES if m.lower() == mode.lower()), None)
        with self._gate.changed:
            return wanted is not None and not self._blocked(spid, resource, wanted)

    def _blocked(self, spid: int, resource: str, mode: str) -> bool:
        return any(h.spid != spid and h.mode not in COMPATIBLE[mode] for h in self._held.get(resource, ()))

    def _take(self, spid: int, resource: str, mode: str, owner: str) -> None:
        holds = self._held.setdefault(resource, [])
        for hold in holds:
            if (hold.spid, hold.mode, hold.owner) == (spid, mode, owner):
                hold.count += 1
                return
        holds.append(Hold(spid, mode, owner))

    def release(self, session: LanguageSession, resource: str) -> int:
        """0 released, -999 when the session holds no such lock. No resource: all of the session's."""
        if not resource:
            self.forget(session.spid)
            return 0
        with self._gate.changed:
            holds = self._held.get(resource, [])
            mine = next((h for h in reversed(holds) if h.spid == session.spid), None)
            if mine is None:
                return PARAMETER_ERROR
            mine.count -= 1
            if mine.count == 0:
                holds.remove(mine)
            self._gate.changed.notify_all()
            return 0

    def mode_of(self, spid: int, resource: str) -> str:
        """APPLOCK_MODE: the strongest mode a session holds, or NoLock."""
        with self._gate.changed:
            mine = [h.mode for h in self._held.get(resource, ()) if h.spid == spid]
        return max(mine, key=MODES.index, default="NoLock")

    def release_transaction(self, spid: int) -> None:
        """The session's transaction ended: its transaction-owned locks go."""
        self._drop(spid, "transaction")

    def forget(self, spid: int) -> None:
        """The session is gone: all its locks go."""
        self._drop(spid, None)

    def _drop(self, spid: int, owner: str | None) -> None:
        with self._gate.changed:
            for resource, holds in list(self._held.items()):
                kept = [h for h in holds if h.spid != spid or (owner is not None and h.owner != owner)]
                if kept:
                    self._held[resource] = kept
                else:
                    del self._held[resource]
            self._gate.changed.notify_all()

    def holds(self) -> list[tuple[str, Hold]]:
        """Every granted lock with its resource, for sys.dm_tran_locks."""
        with self._gate.changed:
            return [(resource, hold) for resource, holds in self._held.items() for hold in holds]
