"""What does not answer is left behind: an instance that was stopped holds up neither the gate nor the end of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from runbook import claiming
from runbook.adapters.clock import SystemClock
from runbook.claiming import claimed
from runbook.journal.lease import Process, acquire
from runbook.journal.log import RunLog
from runbook.marker import Marker
from runbook.patience import within
from runbook.testing import FakeSqlServer
from tests.scenario.night import Night


def test_within_gives_what_the_work_gives() -> None:
    """Its result, or what it raises."""
    assert within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)


def test_within_does_not_wait_longer() -> None:
    """TimeoutError after that time, the work is left behind."""
    end = threading.Event()
    begun = monotonic()
    with pytest.raises(TimeoutError):
        within(0.1, end.wait)
    assert monotonic() - begun < 2
    end.set()


class Stopped(FakeSqlServer):
    """Answers until it is stopped, and then never."""

    stopped = threading.Event()
    free = threading.Event()

    def marker(self) -> Marker | None:
        if self.stopped.is_set():
            self.free.wait(30)
        return super().marker()

    def end_marker(self, run_id: str, fence: int, *, remove: bool) -> None:
        if self.stopped.is_set():
            self.free.wait(30)
        super().end_marker(run_id, fence, remove=remove)


@pytest.fixture
def stopped() -> Iterator[type[Stopped]]:
    Stopped.stopped.clear()
    Stopped.free.clear()
    yield Stopped
    Stopped.free.set()


def test_an_instance_that_stopped_holds_nothing_up(
    tmp_path: Path, stopped: type[Stopped], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look before the gate moves, and giving back at the end, go on without it."""
    monkeypatch.setattr(claiming, "PATIENCE", 0.1)
    monkeypatch.setattr(claiming, "LAST_PATIENCE", 0.1)
    night = Night(tmp_path)
    night.open()
    now = night.world.clock.now
    lease = acquire(night.store, night.run_id, "test", Process.here(), now)
    log = RunLog.load(night.store, night.run_id, actor="test", now=now, fence=lease.fence)
    instances = {name: lambda _token, name=name: stopped(night.world, name) for name in ("old", "new")}
    begun = monotonic()
    with claimed(log, "test", instances, SystemClock()) as claims:
        stopped.stopped.set()
        claims.refuse_if_lost()
        claims.give_back(remove=True)
    assert monotonic() - begun < 5
