"""The story of the false page, on a real nginx: somebody overwrites what the public reads, and it is put right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.adapters.clock import SystemClock
from runbook.front import Gate
from runbook.gatewatch import EVERY, GateWatch, on_a_thread
from runbook.journal.log import RunLog
from runbook.ports import Cancellation, Recorder
from runbook.publictext import public_rules, public_text
from runbook.testing import FakeServices, PowerCut
from tests.contract.front.test_nginxdoor import Bench
from tests.nginx import Nginx
from tests.scenario.night import Night


class OnNginx(FakeServices):
    """The fakes, but for the gate."""

    bench: Bench

    def gate(self, cancellation: Cancellation, recorder: Recorder) -> Gate:
        del cancellation, recorder
        return self.bench.gate()


@pytest.fixture
def web() -> Iterator[Bench]:
    nginx = Nginx()
    try:
        nginx.start()
        yield Bench(nginx)
    finally:
        nginx.stop()


def closed_night(directory: Path) -> tuple[Night, RunLog]:
    """A run that has closed its gate, and whose journal this process may write."""
    night = Night(directory)
    night.world.pull_plug(name="old: cut_tail")
    with pytest.raises(PowerCut):
        night.drive()
    night.world.next_process()
    fence = night.view.fence
    return night, RunLog.load(night.store, night.run_id, actor="test", now=night.world.clock.now, fence=fence)


@pytest.mark.parametrize("what", ["page", "include"])
def test_the_false_page_is_gone_within_ten_seconds_and_on_record(tmp_path: Path, web: Bench, what: str) -> None:
    """Overwritten by hand in the middle of the window: users read the truth again in less than ten seconds."""
    night, log = closed_night(tmp_path)
    services = OnNginx(night.world, night.plan, night.run_id)
    services.bench = web
    now = night.world.clock.now
    web.gate().close(public_text(log.view, now(), night.plan), public_rules(log.view, now(), night.plan))
    told = web.shown()
    assert told == (503, "planned maintenance, back by 11:00 UTC")
    watch = GateWatch(log, services, SystemClock(), now)
    with on_a_thread(watch.look, EVERY):
        begun = time.monotonic()
        if what == "page":
            page = next(path for path in web.nginx.include.parent.iterdir() if path.suffix == ".page")
            page.write_text("Down for planned maintenance until Monday")
            assert web.shown()[1].startswith("Down")
        else:
            web.nginx.include.unlink()
        web.nginx.wait_until(lambda: web.shown() == told and web.nginx.include.exists())
        assert time.monotonic() - begun < 10
    log.flush()
    (finding,) = night.view.findings[-1:]
    assert "it was put right" in finding
    assert str(web.nginx.include.parent) in finding
