"""What confirms a loss on the command line, and what does not."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from runbook.cli.losing import accepted, lines
from runbook.commands.losing import Weighed
from runbook.errors import Refused, UsageError
from runbook.toolkit.loss import Loss, TableLoss

VIEW: Any = SimpleNamespace(run_id="20260321-100000-0001", pivot_at=datetime(2026, 3, 21, 12, tzinfo=UTC))
ADDED = TableLoss("Contacts", "dbo.Contact", added=3, digest="a")
LOSS = Loss("new", (ADDED, TableLoss("Archive", "dbo.Old", changed=True)), ("job weekly: new",))
LOG: Any = None
WEIGHED = Weighed(VIEW, LOSS, LOG)


@pytest.mark.parametrize(("given", "more", "left"), [(4, 0, 0), (4, 9, 9), (2, 9, 7), (2, 2, 0)])
def test_the_number_that_is_counted_or_less_by_what_may_come(given: int, more: int, left: int) -> None:
    """What came on top of the number given is taken off what may still come."""
    assert accepted(WEIGHED, given, more, yes=False, as_json=False).more == left


@pytest.mark.parametrize(("given", "more"), [(3, 0), (5, 0), (5, 9), (0, 3)])
def test_any_other_number_is_refused(given: int, more: int) -> None:
    """A script cannot confirm a loss that it has not seen, whatever else it says."""
    with pytest.raises(Refused, match=f"would lose 4 rows, not {given}") as refused:
        accepted(WEIGHED, given, more, yes=True, as_json=False)
    assert f"--accept-loss 4{f' --more {more}' if more else ''}" in refused.value.hint


@pytest.mark.parametrize(("yes", "as_json"), [(True, False), (False, True), (False, False)])
def test_without_a_number_and_a_terminal_it_is_refused(
    yes: bool, as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--yes`` least of all; what would be lost is told all the same."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(Refused, match="would lose 4 rows"):
        accepted(WEIGHED, None, 0, yes=yes, as_json=as_json)
    said = capsys.readouterr().out
    assert ('"total": 4' in said) == as_json
    assert ("Contacts.dbo.Contact  3 rows added" in said) != as_json


class Terminal(io.StringIO):
    """Somebody sits there."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "confirms"), [("4", True), (VIEW.run_id, True), ("y", False), ("yes", False), ("3", False)]
)
def test_a_terminal_asks_for_the_number(typed: str, confirms: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the run's id; a yes that comes by habit confirms nothing."""
    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    if confirms:
        assert accepted(WEIGHED, None, 1, yes=False, as_json=False).more == 1
        return
    with pytest.raises(UsageError, match="nothing was done"):
        accepted(WEIGHED, None, 0, yes=False, as_json=False)


def test_the_table_names_what_changed() -> None:
    """One line each, and the total."""
    assert [line.split("  ")[0] for line in lines(LOSS)] == [
        "Contacts.dbo.Contact",
        "Archive.dbo.Old",
        "job weekly: new",
        "total: 4 rows in 2 tables",
    ]


def test_what_is_recorded_is_read_back() -> None:
    """The second count is compared with it."""
    assert Loss.from_json(LOSS.to_json()) == LOSS


def test_more_than_accepted() -> None:
    """Rows on top, other rows than those, a table more; what was deleted since is more as well, nothing is none."""
    (first, *rest) = LOSS.tables
    for now, more in (
        (first, 0),
        (replace(first, added=5, digest="b"), 2),
        (replace(first, digest="b"), 1),
        (replace(first, added=2, digest="b"), 1),
    ):
        assert sum(Loss("new", (now, *rest)).beyond(LOSS).values()) == more
    new = TableLoss("Billing", "dbo.Invoice", removed=7)
    assert Loss("new", (*LOSS.tables, new)).beyond(LOSS) == {new: 7}
    assert Loss("new", ()).beyond(LOSS) == {}
