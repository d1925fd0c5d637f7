"""Which nights are gone through, and where each has to end."""

from __future__ import annotations

import re

import pytest

from runbook import failpoints
from runbook.errors import UsageError
from runbook.graph import Graph, Limits, Node
from runbook.rehearsal.scenarios import BACK, FAULTS, FORWARD, Ending, Family, Scenario, chosen, scenarios

NODES = [
    Node("check-space", "preflight"),
    Node("close-gate", "offline", ("check-space",), (), 1.0, 1.0),
    Node("cut-database[A;b=c]", "snapshot", ("close-gate",), ("old",), 1.0, 1.0),
    Node("cut-database[B]", "snapshot", ("close-gate",), ("old",), 1.0, 1.0),
    Node("compare-proof[B]", "validate", ("cut-database[B]",)),
    Node("open-gate", "online", ("compare-proof[B]", "cut-database[A;b=c]"), (), 1.0, 0.0, pivot=True),
    Node("enable-jobs", "online", ("open-gate",), ("new",), 1.0),
]
GRAPH = Graph(NODES, Limits())
EFFECTS = {"close-gate", "cut-database[A;b=c]", "cut-database[B]", "open-gate", "enable-jobs"}


def listed(on_loss: str = "resume") -> dict[str, Scenario]:
    return {one.name: one for one in scenarios(GRAPH, EFFECTS, on_loss, ["A]"])}  # type: ignore[arg-type]


def test_every_kind_of_step_fails_and_hangs() -> None:
    """One step of each kind; where it ends follows from where the step stands."""
    found = listed()
    for family in ("fail", "hang"):
        endings = {name.partition(":")[2]: one.ending for name, one in found.items() if one.family == family}
        assert endings == {
            "check-space": Ending.REFUSED,
            "close-gate": Ending.OLD,
            "cut-database[A;b=c]": Ending.OLD,
            "compare-proof[B]": Ending.OLD,
            "open-gate": Ending.OLD,
            "enable-jobs": Ending.HELD,
        }


def test_what_nothing_with_an_effect_precedes() -> None:
    """Only such a night may be refused instead of going back."""
    early = {name for name, one in listed().items() if one.early}
    assert early == {"fail:check-space", "hang:check-space", "fail:close-gate", "hang:close-gate"}


def test_the_executor_is_killed_in_each_phase() -> None:
    """And once with its guard, and once on the way back."""
    assert {name for name in listed() if name.startswith("kill:")} == {
        "kill:preflight", "kill:offline", "kill:snapshot", "kill:validate", "kill:online",
        "kill:guard-too", "kill:way-back",
    }  # fmt: skip


def test_after_a_loss_the_plan_decides() -> None:
    """on_loss: revert goes back where it can; before anything was touched that is a refusal."""
    found = listed("revert")
    assert found["kill:preflight"].ending is Ending.REFUSED
    assert found["kill:snapshot"].ending is Ending.OLD
    assert listed()["kill:snapshot"].ending is Ending.NEW
    assert listed("alarm")["kill:snapshot"].called


def test_failpoints_are_exact() -> None:
    """Each is understood, and names its step alone, whatever the name of a database holds."""
    for one in listed().values():
        failpoints.arm(one.failpoints)
        failpoints.arm(one.guard_failpoints)
    failpoints.arm("")
    text = listed()["fail:cut-database[A;b=c]"].failpoints
    pattern = text.partition("~")[2].rpartition("=")[0]
    assert re.search(pattern, "cut-database[A;b=c]")
    assert not re.search(pattern, "cut-database[B]")


def test_a_row_is_changed_in_the_right_database() -> None:
    """The name is quoted as a server quotes it."""
    found = listed()["data:A]"]
    pattern = found.failpoints.partition("~")[2].rpartition("=")[0]
    assert found.corrupts == "A]"
    assert re.search(pattern, "RESTORE DATABASE [A]]] WITH RECOVERY")
    assert not re.search(pattern, "RESTORE DATABASE [A] WITH RECOVERY")


def test_choosing() -> None:
    """--only takes names and patterns, --faults takes sorts; both nights are left by --faults."""
    every = list(listed().values())
    names = [one.name for one in chosen(every, ["back", "fail:open-*"], [family.value for family in FAULTS])]
    assert names == [BACK, "fail:open-gate"]
    assert [one.name for one in chosen(every, [], [])] == [FORWARD, BACK]
    assert {one.family for one in chosen(every, [], ["kill"])} == {Family.NIGHT, Family.KILL}
    assert [one.name for one in chosen(every, ["fail:cut-database[A;b=c]"], ["fail"])] == ["fail:cut-database[A;b=c]"]


@pytest.mark.parametrize(
    ("only", "faults", "error", "hint"),
    [
        (["back", "fail:opengate"], ["fail"], "no scenario is called 'fail:opengate'", "Did you mean fail:open-gate?"),
        (
            ["xyz"],
            ["fail"],
            "no scenario is called 'xyz'",
            "There are forward, back, hang:check-space, fail:check-space, kill:preflight",
        ),
        (["fail:*"], [], "--faults leaves nothing of --only", "Name the sort of fault that --only means"),
    ],
)
def test_a_name_that_is_none_is_refused(only: list[str], faults: list[str], error: str, hint: str) -> None:
    """Also beside others that are some: nobody is to take for rehearsed what was never played."""
    with pytest.raises(UsageError, match=re.escape(error)) as found:
        chosen(list(listed().values()), only, faults)
    assert found.value.hint.startswith(hint)
