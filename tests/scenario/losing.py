"""Nights that ended on the new setup, where users wrote since; and a person who goes back all the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook.commands import losing, runs
from runbook.commands.losing import Weighed
from runbook.events import Kind
from runbook.states import RunState
from tests.scenario.night import Night

BOTH = pytest.mark.parametrize("strategy", ["side-by-side", "scripts"])
TWO = ("Contacts", "Archive")


def night_of(directory: Path, strategy: str) -> Night:
    """Two databases, so that thousands of nights do not take for ever."""
    night = Night(directory, strategy, databases=TWO)
    night.world.site.databases = TWO
    return night


def upgraded(directory: Path, strategy: str, writes: int = 1) -> Night:
    """A night that ended on the new setup, where users wrote so many rows into each table since."""
    night = night_of(directory, strategy)
    assert night.drive() is RunState.UPGRADED
    for number in range(writes):
        write(night, f"since {number}")
    return night


def asides(night: Night) -> dict[str, str]:
    """The backups that keep what is lost: path -> content."""
    shelves = night.world.disk.places.values()
    found = [(path, made) for shelf in shelves for path, made in shelf.backups.items()]
    return {path: str(made.content.plain()) for path, made in found if f"{night.run_id}-" in path and "-aside" in path}


def serving(night: Night) -> str:
    return "new" if night.strategy == "side-by-side" else "old"


def write(night: Night, text: str, database: str = "") -> None:
    """Users insert a row into a table of each database of the plan."""
    for name in (database,) if database else TWO:
        assert night.world.users_write(serving(night), name, text=text), f"{name}: users cannot write"


def weighed(night: Night) -> Weighed:
    found = runs.weigh(night.executor(), night.run_id)
    assert found is not None
    return found


def accept(night: Night, more: int = 0) -> None:
    """A person confirms what is counted now; nobody drives it yet."""
    losing.accept(night.executor(), replace(weighed(night), more=more), "it is slow")


def go_back(night: Night, more: int = 0) -> RunState:
    found = replace(weighed(night), more=more)
    return runs.revert(night.executor(), night.run_id, "it is slow", weighed=found)[1]


def when(night: Night, kind: Kind, step: str, act: Any) -> Any:
    """An executor with which something happens once, after that event."""
    executor, done = night.executor(), []

    def listen(event: Any) -> None:
        if (event.kind, event.step or "") == (kind, step) and not done:
            done.append(event)
            act()

    executor.listeners.append(listen)
    return executor
