"""A night on which a Windows server is upgraded by its setup program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from runbook.testing.enginehost import EngineHost
from runbook.testing.plans import WINDOWS
from runbook.testing.setuphost import AGENT, ENGINE, SetupHost
from tests.scenario.night import Night

WINDOW = 4 * 3600.0


class WindowsNight(Night):
    """Such a night; what must hold of the machine is asserted with what must hold of the data."""

    platform = "Windows"

    def __init__(self, directory: Path, in_place: str = WINDOWS, **plan: object) -> None:
        super().__init__(directory, "in-place", window=WINDOW, in_place=in_place, **plan)
        self.services = dict(self.host.services)
        self.old_build = self.host.build

    def machine(self) -> EngineHost:
        """A Windows machine, and its hypervisor."""
        self.host = SetupHost.of(self.world, "db", "old")
        return self.host

    def when(self, where: str, act: Callable[[], object]) -> None:
        """``act`` at the first moment with that name."""
        acts = [act]

        def look(effect: object) -> bool:
            if where in str(effect) and acts:
                acts.pop()()
            return False

        self.world.pull_plug_when(look)

    def in_setup(self, act: Callable[[], object], after: float = 30.0) -> None:
        """``act`` some seconds after setup has begun."""
        self.when("after db: start_unit[setup]", lambda: self.world.later(after, act))

    def assert_old(self) -> None:
        super().assert_old()
        assert self.world.servers["old"].identity().version == self.old_build
        self._assert_machine(self.old_build)

    def assert_new(self) -> None:
        super().assert_new()
        self._assert_machine(self.host.to_build)

    def _assert_machine(self, build: str) -> None:
        host = self.host
        assert (host.build, host.torn, host.pending) == (build, False, ())
        assert host.services == self.services, "services start and run as they did"
        assert {host.services[ENGINE].state, host.services[AGENT].state} == {"Running"}
        assert not host.ran_on_foreign_files, "an engine ran while it was copied or replaced"
        assert not [path for path in host.machine.files if path.endswith(".ini")], "secrets are left on the machine"
