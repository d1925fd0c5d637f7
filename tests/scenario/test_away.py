"""A server, or the machine with it, restarts at any moment of a night: it is waited for where the night needs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.states import RunState
from tests.scenario.night import Night
from tests.scenario.test_in_place import InPlace

WINDOW = 4 * 3600.0
BAD_HEALTH = ("http://127.0.0.1:8090/health?bypass=1", (500, "no"))
RESTART = 60.0
"""Seconds; a machine takes about as long."""


class Restarted:
    """One night in which that happens once, at the n-th moment after the checks."""

    def __init__(self, night: Night, restart: Callable[[], object], at: int) -> None:
        self.night = night
        self.struck = ""
        self._restart = restart
        self._left = at
        self._touched = False
        night.world.pull_plug_when(self._look)

    def _look(self, effect: object) -> bool:
        text = str(effect)
        self._touched = self._touched or "step-started" in text
        self._left -= self._touched
        if self._left == 0:
            self.struck = text
            self._restart()
        return False

    def ends(self) -> None:
        """New or old, proven. A server that is away just as users are let in may need a person, who resumes."""
        state = self.night.drive()
        if state is RunState.HELD:
            assert "after the gate opened" in self.night.view.held, (self.struck, self.night.view.held)
            self.night.world.clock.advance(RESTART)
            state = self.night.drive()
        assert state in (RunState.UPGRADED, RunState.REVERTED), (self.struck, self.night.view.held)
        self.night.world.clock.advance(RESTART)
        self.night.assert_ending(state)


def away(night: Night, server: str, seconds: float = RESTART) -> Callable[[], None]:
    """Nobody answers there for a while; what it holds stays."""
    found = night.world.servers[server]

    def begin() -> None:
        found.down = True
        night.world.clock.later(seconds, lambda: setattr(found, "down", False))

    return begin


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
@pytest.mark.parametrize(("strategy", "server"), [("side-by-side", "old"), ("side-by-side", "new"), ("scripts", "old")])
def test_a_server_restarts_anywhere(tmp_path: Path, strategy: str, server: str, back: bool) -> None:
    """Not one ends between."""
    for at in range(1, 10_000, 11):
        directory = tmp_path / str(at)
        directory.mkdir()
        night = Night(directory, strategy, window=WINDOW)
        if back:
            night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
        restarted = Restarted(night, away(night, server), at)
        restarted.ends()
        if not restarted.struck:
            return


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_the_machine_that_is_upgraded_reboots_anywhere(tmp_path: Path, back: bool) -> None:
    """The host and the engine on it."""
    for at in range(1, 10_000, 11):
        directory = tmp_path / str(at)
        directory.mkdir()
        night = InPlace(directory)
        if back:
            night.world.site.overrides[BAD_HEALTH[0]] = BAD_HEALTH[1]
        restarted = Restarted(night, night.host.reboot, at)
        restarted.ends()
        if not restarted.struck:
            return
