"""What a rehearsal has of the engine is taken away, whoever killed it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.containers.conftest import YEARS, Machine, nameless
from tests.e2e.system import wait_until


def kill_with_servers(machine: Machine, *, and_who_watches: bool) -> Path:
    """``kill -9`` of a rehearsal as soon as one of its servers runs; returns its directory."""
    process = machine.start(*machine.rehearse("--only", "back"))
    try:
        wait_until(lambda: any(kind == "ps" for kind, _ in machine.left()) or process.poll() is not None, 120)
        for pid in watching(machine) if and_who_watches else ():
            os.kill(pid, signal.SIGKILL)
    finally:
        process.kill()
        said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said
    (directory,) = (machine.home / "rehearsals").iterdir()
    return directory


def watching(machine: Machine) -> list[int]:
    """Processes that wait to take a rehearsal of this home away."""
    found = []
    for pid in machine.running():
        with suppress(OSError):
            if b"rehearsal.reaper" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def test_killed_in_the_middle(machine: Machine) -> None:
    """Whoever watches it takes everything away, unasked."""
    directory = kill_with_servers(machine, and_who_watches=False)
    wait_until(lambda: not directory.exists(), 60)
    wait_until(lambda: not machine.running(), 60)
    assert machine.left() == []


def test_killed_with_who_watches_it(machine: Machine) -> None:
    """Then the next rehearsal does, even one that needs no engine."""
    directory = kill_with_servers(machine, and_who_watches=True)
    assert machine.left()
    assert machine.runbook("rehearse", "--faults", "none", "--only", "forward").code == 0
    assert machine.left() == []
    assert not directory.exists()


def test_volumes_that_nobody_named(machine: Machine, made_of: Callable[..., str]) -> None:
    """An image may ask for volumes of its own: those of its servers, and of all that helps to make them, go too."""
    for year in YEARS:
        machine.take(year, made_of("VOLUME /scratch", year))
    before = nameless(machine.docker)
    assert machine.runbook(*machine.rehearse("--only", "forward")).code == 0
    assert nameless(machine.docker) - before == set()


def test_only_the_engine_knows_of_it(machine: Machine) -> None:
    """The very directory was deleted by somebody: --clean asks the engine what belongs to this home."""
    directory = kill_with_servers(machine, and_who_watches=True)
    shutil.rmtree(directory)
    assert machine.left()
    done = machine.runbook("rehearse", "--clean")
    assert (done.code, machine.left()) == (0, [])
    assert directory.name in done.out
