"""Services under a real systemd, over a real sshd, stopped and put back exactly; and work that is really held."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.adapters.clock import SystemClock
from runbook.adapters.host.opening import Hosts
from runbook.cancel import CancelToken
from runbook.errors import StepFailed
from runbook.hosting import Host as HostPort
from runbook.step import Block, Pass
from runbook.testing import World
from runbook.testing.bench import BenchContext, StepBench
from runbook.testing.plans import mailer_plan
from steps.offline.count_held import CountHeld
from steps.offline.hold_work import HoldWork
from steps.offline.prove_stopped import ProveStopped
from steps.offline.stop_services import StopServices
from steps.online.release_work import ReleaseWork
from steps.preflight.check_services import CheckServices
from tests.hosts.host import LOOPBACK, Fleet, Host

UNITS = {
    "runs": "enabled",
    "stands-by": "disabled",
    "runs-by-hand": "disabled",
    "is-masked": "masked",
}
UNIT = """\
[Service]
ExecStart=/bin/sleep infinity
Restart=always
RestartSec=100ms
[Install]
WantedBy=multi-user.target
"""
STUBBORN = """\
[Service]
ExecStart=/bin/sh -c 'trap "" TERM; while :; do sleep 1; done'
TimeoutStopSec=30
"""
QUEUE = """\
#!/bin/sh
set -eu
cd /var/lib/queue
case $1 in
    hold) touch held ;;
    release) rm held; echo released >> log; echo 0 > waiting ;;
    is-held) test -e held ;;
    count) cat waiting ;;
    first) sleep 2; echo opt-outs >> log ;;
esac
"""
HELD = """\
held:
  - {name: mail, host: web, hold: [/usr/bin/q, hold], release: [/usr/bin/q, release], probe: [/usr/bin/q, is-held],
     count: [/usr/bin/q, count], first: [/usr/bin/q, first]}
"""


class RealTime(BenchContext):
    """The steps' context on a host that is there: the rest of the world is the fake one."""

    reached: Hosts

    def host(self, host: str) -> HostPort:
        return self.reached.open(host, CancelToken(SystemClock()), self.log, self.run_id)


@pytest.fixture(scope="module")
def web(hosts: Fleet) -> Iterator[Host]:
    """A host with units of every kind."""
    host = hosts.start("web")
    for name in UNITS:
        host.write(f"/usr/lib/systemd/system/{name}.service", UNIT)
    host.write("/usr/lib/systemd/system/stubborn.service", STUBBORN)
    host.write("/etc/systemd/system/own.service", UNIT)
    host.write("/usr/bin/q", QUEUE, "755")
    host.root("mkdir", "-p", "/var/lib/queue")
    host.root("systemctl", "daemon-reload")
    host.enable("runs.service")
    host.root("systemctl", "start", "runs-by-hand", "stubborn", "own")
    host.root("systemctl", "mask", "--quiet", "is-masked")
    yield host
    hosts.remove(host)


def bench(web: Host, folder: Path, services: str) -> StepBench:
    known = folder / "known_hosts"
    known.write_text(web.known_hosts, encoding="ascii")
    plan = mailer_plan(
        folder,
        more=f"services:\n{services}{HELD}",
        hosts=f"  web: {{address: 'ssh://dba@{LOOPBACK}:{web.ssh_port}', identity_file: {web.keys.private},"
        f" known_hosts: {known}, agent: false}}\n",
    )
    ctx = RealTime(World.mailer(), plan)
    ctx.reached = Hosts(plan.hosts)
    ctx.sleep = time.sleep
    return StepBench(ctx)


def services(*names: str, during: str = "stopped", within: str = "20s") -> str:
    return "".join(
        f"  - {{name: {name}, kind: systemd, unit: {name}.service, hosts: [web], during: {during}, within: {within}}}\n"
        for name in names
    )


def found(web: Host) -> dict[str, tuple[str, str]]:
    """As systemd itself says."""
    return {name: (web.state(name), web.text("systemctl", "is-enabled", name)) for name in UNITS}


@pytest.mark.parametrize("during", ["stopped", "disabled"])
def test_stopped_and_put_back_exactly(web: Host, tmp_path: Path, during: str) -> None:
    """Running and enabled, running by hand, standing by, masked: afterwards each is what it was."""
    before = found(web)
    assert before["runs"] == ("active", "enabled")
    assert before["stands-by"] == ("inactive", "disabled")
    night = bench(web, tmp_path, services(*UNITS, during=during))
    assert isinstance(night.do(CheckServices(night.ctx.plan)), Pass)
    night.do(StopServices(night.ctx.plan))
    assert {state for state, _ in found(web).values()} == {"inactive"}
    if during == "disabled":
        assert {start for _, start in found(web).values()} == {"masked"}
    assert isinstance(night.do(ProveStopped(night.ctx.plan)), Pass)
    night.undo(StopServices(night.ctx.plan))
    assert found(web) == before


def test_a_reboot_starts_what_is_stopped_and_not_what_is_disabled(web: Host, tmp_path: Path) -> None:
    """The host comes back in the middle of the night: named in one case, quiet in the other, and put back in both."""
    for during in ("disabled", "stopped"):
        before = found(web)
        night = bench(web, tmp_path, services("runs", during=during))
        night.do(StopServices(night.ctx.plan))
        web.reboot()
        if during == "stopped":
            web.wait(lambda: web.state("runs") == "active", "starts what is enabled")
        verdict = night.do(ProveStopped(night.ctx.plan))
        assert isinstance(verdict, Block if during == "stopped" else Pass)
        night.undo(StopServices(night.ctx.plan))
        assert found(web)["runs"] == before["runs"]
        web.root("systemctl", "start", "runs-by-hand")


def test_what_does_not_stop_is_named_and_left_to_its_own_time(web: Host, tmp_path: Path) -> None:
    """It ignores being told: named after as long as the plan gives it; nobody kills it but systemd, in its time."""
    web.root("systemctl", "start", "stubborn")
    night = bench(web, tmp_path, services("stubborn", within="3s"))
    night.begin(StopServices(night.ctx.plan))
    with pytest.raises(StepFailed, match=r"stubborn on web did not stop within 3 s: deactivating \(stop-sigterm\)"):
        StopServices(night.ctx.plan).apply(night.ctx, night.intents["stop-services"])
    web.root("systemctl", "kill", "--signal=KILL", "stubborn")


def test_a_unit_of_the_machine_itself_cannot_be_masked(web: Host, tmp_path: Path) -> None:
    """Said before the night, as systemd would say it in the middle of it."""
    night = bench(web, tmp_path, services("own", during="disabled"))
    verdict = night.do(CheckServices(night.ctx.plan))
    assert isinstance(verdict, Block)
    assert "/etc/systemd/system/own.service" in verdict.reason
    refused = web.root("systemctl", "mask", "own", check=False)
    assert refused.returncode != 0


def test_work_is_held_counted_and_released_after_the_opt_outs(web: Host, tmp_path: Path) -> None:
    """Over SSH, with what comes first as a unit of its own; the order is what the host itself wrote down."""
    web.root("sh", "-c", "cd /var/lib/queue; rm -f log held; echo 3 > waiting")
    night = bench(web, tmp_path, services("runs"))
    plan = night.ctx.plan
    night.do(HoldWork(plan))
    night.do(CountHeld(plan))
    web.root("sh", "-c", "echo 2 > /var/lib/queue/waiting")
    lost = night.look(ReleaseWork(plan))
    assert isinstance(lost, Block)
    assert "mail: 2 wait, and 3 did when it was held" in lost.reason
    web.root("sh", "-c", "echo 7 > /var/lib/queue/waiting")
    night.do(ReleaseWork(plan))
    assert web.read("/var/lib/queue/log").split() == ["opt-outs", "released"]
