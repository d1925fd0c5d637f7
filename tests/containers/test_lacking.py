"""What containers can lack: each is one line and a hint, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable

from tests.containers.conftest import Machine


def refused(machine: Machine, message: str, hint: str) -> None:
    """It ends with 30 and exactly that, and leaves nothing."""
    done = machine.runbook(*machine.rehearse())
    assert done.code == 30, done.out + done.err
    assert len(done.err.strip().splitlines()) == 2, done.err
    error, advice = done.err.strip().splitlines()
    assert message in error
    assert hint in advice
    assert machine.left() == []
    assert machine.running() == []
    assert list((machine.home / "rehearsals").iterdir()) == []


def test_an_image_that_cannot_be_pulled(machine: Machine) -> None:
    """Named, with what the registry said."""
    machine.take("2022", "127.0.0.1:1/nowhere:1")  # nobody is asked for it outside of this machine
    refused(
        machine,
        "the image 127.0.0.1:1/nowhere:1 for new is not here and cannot be pulled",
        "rehearsal.containers.new.image",
    )


def test_a_container_that_ends_at_once(machine: Machine, made_of: Callable[[str], str]) -> None:
    """With its exit code and its last words."""
    machine.take("2022", made_of('ENTRYPOINT ["/bin/sh", "-c", "echo no room for me; exit 7"]'))
    refused(machine, "the container for new ended with 7 before it answered a query: no room for me", "by hand")


def test_a_container_that_never_becomes_healthy(machine: Machine, made_of: Callable[[str], str]) -> None:
    """It runs, and answers no query within the time that the plan gives it."""
    machine.take("2022", made_of('ENTRYPOINT ["/bin/sleep", "600"]'))
    machine.change("rehearsal: {", "rehearsal: {containers: {new: {patience: 2s}}, ")
    refused(machine, "the container for new does not answer a query within 2 s", "rehearsal.containers.new.patience")


def test_an_engine_with_too_little_memory(machine: Machine) -> None:
    """A night needs more than its machine has: said before anything is started."""
    machine.change("rehearsal: {", "rehearsal: {containers: {new: {memory_gib: 4000}}, ")
    done = machine.runbook(*machine.rehearse())
    assert done.code == 30
    assert "need 4002.0 GiB of memory together, and the engine's machine has" in done.err
    assert not (machine.home / "rehearsals").exists()
