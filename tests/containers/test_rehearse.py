"""``runbook rehearse --on container`` of the example, on images that stand for SQL Server's own."""

from __future__ import annotations

from pathlib import Path

from tests.containers.conftest import Machine

PLAN = Path(__file__).parents[2] / "examples" / "mailer" / "runbook.yaml"
ONLY = ("back", "fail:recover-*", "kill:upgrade", "data:*")


def test_both_ways_and_faults(machine: Machine) -> None:
    """Forward, back, a step that fails, the executor killed, a row that is another one after the upgrade: each ends
    where it must, proven row by row; the result says on what; neither containers nor volumes nor networks are left."""
    only = (word for one in ONLY for word in ("--only", one))
    done = machine.runbook("rehearse", str(PLAN), *machine.rehearse("--json", *only)[1:])
    assert done.out, done.err
    assert {one["scenario"]: (one["ending"], one["wrong"]) for one in done.json["scenarios"]} == {
        "forward": ("new setup", []),
        "back": ("old setup", []),
        "fail:recover-database[Contacts]": ("old setup", []),
        "kill:upgrade": ("new setup", []),
        "data:Contacts": ("old setup", []),
    }
    assert (done.code, done.json["on"]) == (0, "container")
    assert machine.left() == []
