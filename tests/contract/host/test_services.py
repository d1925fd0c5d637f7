"""Services of every kind are stopped and put back exactly as they were, on the fake and in the words of PowerShell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.adapters.clock import SystemClock
from runbook.adapters.host.opening import Hosts
from runbook.adapters.host.shellhost import ShellHost
from runbook.adapters.host.windows import WINDOWS
from runbook.errors import NotPermitted, StepFailed, Unreachable
from runbook.hosting import Host as HostPort
from runbook.plan.hosts import Host
from runbook.step import Apply, Block, Outcome, Pass
from runbook.testing import PowerCut, Program, StatementLog, Stoppable, World
from runbook.testing.bench import BenchContext, StepBench
from runbook.testing.plans import mailer_plan
from runbook.testing.servicehost import FakeService, ServiceHost
from steps.offline.stop_services import StopServices
from steps.preflight.check_services import CheckServices
from tests.contract.host.scripted import ScriptedPowerShell

SYSTEMD = "kind: systemd, unit: worker.service"
PLAIN = ("enabled", "disabled", "static", "masked")
KINDS = {
    SYSTEMD: PLAIN,
    "kind: windows-service, service: worker": ("Auto", "Delayed", "Manual", "Disabled"),
    "kind: iis-site, site: worker": ("True", "False"),
    "kind: iis-pool, pool: worker": ("True", "False"),
    "kind: container, container: worker": ("always", "unless-stopped", "on-failure:3", "no"),
    "kind: container, container: worker, engine: podman": ("always", "no"),
}
WINDOWS_KINDS = ("windows-service", "iis-site", "iis-pool")
COMMANDS = 'kind: command, "off": [worker, stop, worker], "on": [worker, start, worker], probe: [worker, runs, worker]'


class Hall:
    """One service on one host, and steps on it."""

    def __init__(self, directory: Path, kind: str, during: str, service: FakeService) -> None:
        self.world = World.mailer()
        windows = any(name in kind for name in WINDOWS_KINDS)
        self.host = ServiceHost.on(self.world.add_host("web1"), worker=service)
        self.service = service
        shell = ", shell: powershell" if windows else ""
        self.plan = mailer_plan(
            directory,
            more=f"services:\n  - {{name: w, {kind}, hosts: [web1], during: {during}, within: 20s}}\n",
            hosts=f'  web1: {{address: "ssh://deploy@web1"{shell}}}\n',
        )
        self.bench = StepBench(BenchContext(self.world, self.plan))
        if windows:
            self.bench.ctx.host = self.played  # type: ignore[method-assign]

    def played(self, name: str) -> HostPort:
        """PowerShell's words, to a host that is played."""
        shell = ScriptedPowerShell(self.world, name, Stoppable(self.world.clock))
        return ShellHost(name, shell, self.bench.ctx.log, "r1", WINDOWS)

    @property
    def step(self) -> StopServices:
        return StopServices(self.plan)

    def check(self) -> str:
        """What speaks against it, empty when nothing does."""
        found = self.bench.do(CheckServices(self.plan))
        assert isinstance(found, Pass | Block)
        return found.reason if isinstance(found, Block) else ""


@pytest.fixture
def hall(tmp_path: Path) -> Callable[..., Hall]:
    def made(kind: str = SYSTEMD, during: str = "stopped", **service: object) -> Hall:
        return Hall(tmp_path, kind, during, FakeService(**service))  # type: ignore[arg-type]

    return made


def every() -> list[object]:
    """Kinds, what starts them by themselves, whether they run, and what is wanted."""
    kinds = [(kind, start, during) for kind, starts in KINDS.items() for start in starts for during in WANTED]
    kinds.append((COMMANDS, "enabled", "stopped"))
    return [
        pytest.param(kind, start, during, running, id=f"{kind.partition(',')[0][6:]}-{start}-{during}-{running}")
        for kind, start, during in kinds
        for running in (True, False)
    ]


WANTED = ("stopped", "disabled")


@pytest.mark.parametrize(("kind", "start", "during", "running"), every())
def test_stopped_and_put_back(hall: Callable[..., Hall], kind: str, start: str, during: str, running: bool) -> None:
    """Running or not, started by itself or not: afterwards it is what it was, whatever it was meanwhile."""
    made = hall(kind, during, start=start, running=running)
    assert made.check() == ""
    decision = made.bench.do(made.step)
    assert not made.service.running
    if isinstance(decision, Apply):
        made.bench.undo(made.step)
    made.world.clock.advance(5)
    assert (made.service.running, made.service.start) == (running, start)
    assert made.service.starts == (1 if running else 0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "container" not in kind])
def test_one_that_does_not_stop_in_its_time_is_named(hall: Callable[..., Hall], kind: str) -> None:
    """After as long as the plan gives it, not for ever; then it is between, and the way back brings it up."""
    made = hall(kind, start=KINDS[kind][0], hangs=True)
    made.bench.begin(made.step)
    with pytest.raises(StepFailed, match="w on web1 did not stop within 20 s"):
        made.step.apply(made.bench.ctx, made.bench.intents["stop-services"])
    assert made.bench.verify(made.step) is Outcome.PARTIAL
    made.service.between = ""  # it turned up again
    made.bench.undo(made.step)
    assert made.service.running


@pytest.mark.parametrize("kind", [*KINDS, COMMANDS])
def test_one_that_is_not_there_is_named(hall: Callable[..., Hall], kind: str) -> None:
    """A slip in its name is found before anything is touched."""
    made = hall(kind)
    made.host.services = {"other": FakeService()} if kind != COMMANDS else made.host.services
    if kind == COMMANDS:
        made.host.machine.knows.insert(0, lambda argv: _ends_with(127) if argv[0] == "worker" else None)
    assert "web1 knows no" in made.check() or "does not tell how w stands: exit 127" in made.check()


def test_this_machine_is_known_without_being_listed() -> None:
    """``host: local`` needs no entry; one that the plan has under that name counts instead."""
    hosts = Hosts({})
    here = hosts.open("local", Stoppable(SystemClock()), StatementLog(), "r1")
    assert here.ask(["printf", "%s", "7"], timeout=10).stdout == "7"
    own = Host.model_validate({"address": "ssh://else@127.0.0.1:1", "agent": False})
    with pytest.raises((Unreachable, NotPermitted)):
        Hosts({"local": own}).open("local", Stoppable(SystemClock()), StatementLog(), "r1").facts()


def _ends_with(code: int) -> Program:
    return Program(exit_code=code)


def test_what_comes_back_by_itself_did_not_stop(hall: Callable[..., Hall]) -> None:
    """A watchdog is quicker than the look that follows the stop: named, with the state it is in."""
    made = hall(comes_back_in=0.2)
    made.bench.begin(made.step)
    with pytest.raises(StepFailed, match=r"w on web1 did not stop within 20 s: active \(running\)"):
        made.step.apply(made.bench.ctx, made.bench.intents["stop-services"])


def test_a_unit_that_cannot_be_masked_is_found_before(hall: Callable[..., Hall]) -> None:
    """Its file is where the mask would be; that it is stopped only is no trouble."""
    path = "/etc/systemd/system/worker.service"
    assert "cannot be kept from starting" in hall(during="disabled", path=path).check()
    assert hall(path=path).check() == ""


def test_what_else_starts_it_is_said(hall: Callable[..., Hall]) -> None:
    """A timer would start it in the window: a remark that names it, and both ways out."""
    made = hall(woken_by="worker.timer")
    assert made.check() == ""
    assert "w on web1 is started by worker.timer too" in made.bench.ctx.notes[0]


@pytest.mark.parametrize("kind", list(KINDS))
def test_cut_off_anywhere_it_is_settled_by_a_look(hall: Callable[..., Hall], kind: str) -> None:
    """The process dies at each of its commands: a look says what became of it, and the way back ends as before."""
    for at in range(8):
        made = hall(kind, "disabled", start=KINDS[kind][0])
        made.bench.ctx.__dict__.pop("host", None)  # the fake, which has a plug, for every kind
        before = made.service.start
        made.bench.begin(made.step)
        made.world.pull_plug(at)
        try:
            made.step.apply(made.bench.ctx, made.bench.intents["stop-services"])
        except PowerCut:
            made.bench = made.bench.crashed()
        made.world.pull_plug_when(lambda _effect: False)
        assert made.bench.verify(made.step) in set(Outcome)
        made.bench.undo(made.step)
        made.world.clock.advance(5)
        assert (made.service.running, made.service.start) == (True, before)
