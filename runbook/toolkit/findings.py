"""What checks find: problems, each with its remedy, and remarks that stop nobody but are worth keeping."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runbook.step import Block, Pass, ReadContext
from runbook.toolkit.proof import named_lines


@dataclass(frozen=True)
class Finding:
    """One problem: ``what`` was found (lowercase, no full stop), ``remedy`` a sentence that says what to do."""

    what: str
    remedy: str


def judged(problems: Iterable[Finding], passed: str, keep: Any = None) -> Pass | Block:
    """Pass when nothing was found; else one Block that names everything, each remedy once."""
    found = tuple(dict.fromkeys(problems))
    if not found:
        return Pass(passed, keep)
    remedies = dict.fromkeys(one.remedy for one in found)
    return Block(named_lines([one.what for one in found]), " ".join(remedies))


def noted(ctx: ReadContext, remarks: Iterable[str]) -> None:
    """Keep remarks with the record of the step."""
    for remark in dict.fromkeys(remarks):
        ctx.note(remark)
