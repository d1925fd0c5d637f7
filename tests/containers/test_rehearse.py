"""``runbook rehearse --on container``, on images that stand for SQL Server's own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.containers.conftest import Machine
from tests.e2e.system import Outcome

EXAMPLE = Path(__file__).parents[2] / "examples" / "mailer" / "runbook.yaml"


def rehearsed(machine: Machine, *only: str, plan: tuple[str, ...] = (), timeout: float = 500) -> Outcome:
    """All of it done, right or wrong, and nothing left."""
    words = (word for one in only for word in ("--only", one))
    done = machine.runbook(*machine.rehearse(*plan, "--json", *words), timeout=timeout)
    assert done.out, done.err
    assert machine.left() == []
    assert machine.running() == []
    return done


def test_the_example(machine: Machine) -> None:
    """Forward, back, every step failing and hanging, the executor killed in every phase, a row that is another one
    after the upgrade: each ends where it must, proven row by row; the result says on what; neither containers nor
    volumes nor networks are left."""
    done = rehearsed(machine, plan=(str(EXAMPLE),), timeout=2400)
    scenarios = done.json["scenarios"]
    assert [one for one in scenarios if one["wrong"]] == []
    ended = {one["scenario"]: one["ending"] for one in scenarios}
    assert (ended["forward"], ended["back"], ended["data:Contacts"]) == ("new setup", "old setup", "old setup")
    assert Counter(name.partition(":")[0] for name in ended) == {
        "forward": 1, "back": 1, "fail": 42, "hang": 42, "kill": 8, "data": 1,
    }  # fmt: skip
    assert (done.code, done.json["on"]) == (0, "container")
    assert done.json["measured"]["steps"]["cut-database[Contacts]"].keys() == {"do_s", "undo_s"}


def test_faults(machine: Machine) -> None:
    """A step that fails, one that hangs, the executor killed, before the pivot and after it."""
    done = rehearsed(machine, "fail:recover-*", "hang:compare-*", "kill:upgrade", "fail:enable-jobs")
    assert {one["scenario"]: (one["ending"], one["wrong"]) for one in done.json["scenarios"]} == {
        "forward": ("new setup", []),
        "hang:compare-proof[Alpha]": ("old setup", []),
        "fail:recover-database[Alpha]": ("old setup", []),
        "fail:enable-jobs": ("held, then new setup", []),
        "kill:upgrade": ("new setup", []),
    }
    assert done.code == 0
