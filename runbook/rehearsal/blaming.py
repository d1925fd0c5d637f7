"""Which way back to look at first, when nights end between although every way back says that it worked. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from runbook.rehearsal.judging import BETWEEN, RIGHT, Verdict

MOST = 3
"""More steps than that would be no answer."""


def suspects(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """Steps whose way back was gone in every night that ended between, and in no right one; none when the nights that
    were played do not tell them apart."""
    found = list(verdicts)
    wrong = [one.undone for one in found if one.code == BETWEEN and one.undone]
    if not wrong:
        return ()
    right = [one.undone - {one.scenario.step} for one in found if one.code == RIGHT]  # its effect never happened there
    cleared = frozenset[str]().union(*right)
    left = wrong[0].intersection(*wrong) - cleared
    return tuple(sorted(left)) if len(left) <= MOST else ()


def sentence(steps: tuple[str, ...]) -> str:
    """For a person."""
    return (
        f"look at the way back of {', '.join(steps)}: it was gone in every night that ended neither old nor new, "
        "and in no right one"
    )
