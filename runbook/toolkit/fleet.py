"""The same on many hosts: side by side; one that does not answer is a finding about that one, not the end of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from runbook.errors import HostError, NotPermitted, RunbookError, SecretMissing, Unreachable, WrongTarget
from runbook.step import ReadContext

T = TypeVar("T")
SIDE_BY_SIDE = 40
"""Hosts that are spoken to at a time: what one of them waits for costs the others nothing."""


@dataclass(frozen=True)
class FromHost(Generic[T]):
    """What came of one host: ``found``, or the ``trouble`` there was with it."""

    host: str
    found: T | None = None
    trouble: RunbookError | None = None

    def must(self) -> T:
        """What was found; raises the trouble."""
        if self.trouble is not None:
            raise self.trouble
        assert self.found is not None  # noqa: S101 - one of both is always there
        return self.found


def on_all(
    ctx: ReadContext, hosts: Sequence[str], work: Callable[[str], T], limit: int = SIDE_BY_SIDE
) -> tuple[FromHost[T], ...]:
    """``work`` for every host by its name, in the order given. Cancelled ends it; what a host does wrong does not."""

    def one(host: str) -> FromHost[T]:
        try:
            return FromHost(host, work(host))
        except (HostError, Unreachable, WrongTarget, NotPermitted, SecretMissing) as error:
            return FromHost(host, trouble=error)

    return tuple(ctx.together(one, hosts, limit))
