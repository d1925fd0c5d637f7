"""The system after a rehearsed night, for assertions of its own: what the pytest plugin hands out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook.adapters.sqlserver import ServerTarget, picture
from runbook.errors import Refused
from runbook.home import Home
from runbook.rehearsal.judging import Verdict
from runbook.rehearsal.nights import Night, NotPlayed

if TYPE_CHECKING:
    from runbook.commands.rehearsing import Opened, Rehearsal
    from runbook.rehearsal.scenarios import Scenario


BOTH = 2
"""Nights: each fixture is a server that stands until the session ends."""


@dataclass(frozen=True)
class System:
    """The server that is in service after a night, as long as the tests need it."""

    server: str
    """The plan's name for it."""
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    application: str
    """Where the copy of the application answers (``http://127.0.0.1:PORT``); empty when the plan has none."""
    verdict: Verdict
    _target: ServerTarget = field(repr=False)

    def connect(self, database: str = "master") -> Any:
        """A pyodbc connection in autocommit. Close it, or use it in ``with contextlib.closing(...)``."""
        return picture.connect(self._target, database)


def _refusal(verdict: Verdict) -> Refused:
    """A night that did not end where it had to: there is nothing to assert about."""
    where = f" at {verdict.step}" if verdict.step else ""
    return Refused(
        f"the night {verdict.scenario.name} ended: {verdict.ending}{where}: {'; '.join(verdict.wrong)}",
        hint=f"runbook rehearse --only {verdict.scenario.name} keeps what is left of it.",
    )


class Nights:
    """The night forward and the night back of one plan, each played when it is asked for, and left standing."""

    def __init__(self, rehearsal: Rehearsal, opened: Opened) -> None:
        self._rehearsal, self._opened = rehearsal, opened

    @contextmanager
    def upgraded(self) -> Iterator[System]:
        """After the night forward. Refused when it did not end upgraded and proven."""
        from runbook.commands.rehearsing import FORWARD_NIGHT  # noqa: PLC0415 - it imports what stands here

        plan = self._opened.stage.plan
        with self._after(FORWARD_NIGHT, plan.target or plan.source) as system:
            yield system

    def refuse_both(self) -> None:
        """Refused where the servers of the night forward and those of the night back cannot stand side by side."""
        if self._rehearsal.room < BOTH:
            raise Refused(
                "sqlserver_old stands beside sqlserver_new, and the memory holds the servers of one night only",
                hint="Test on a machine with more memory, or give the servers less of it where they can be given less "
                "(rehearsal.containers); tests that ask for sqlserver_new alone can go here.",
            )

    @contextmanager
    def reverted(self) -> Iterator[System]:
        """After the night back; the one forward has to be over. Refused as above."""
        with self._after(self._rehearsal.back(), self._opened.stage.plan.source) as system:
            yield system

    @contextmanager
    def _stood(self, scenario: Scenario) -> Iterator[tuple[Verdict, Night]]:
        try:
            with self._rehearsal.standing(self._opened, scenario) as found:
                yield found
        except NotPlayed as problem:
            raise Refused(f"the night {scenario.name} cannot be played: {problem}") from problem

    @contextmanager
    def _after(self, scenario: Scenario, server: str) -> Iterator[System]:
        with self._stood(scenario) as (verdict, night):
            if verdict.code:
                raise _refusal(verdict)
            facts = night.made[server].facts
            has_application = self._opened.stage.plan.rehearsal.application is not None
            yield System(
                server,
                str(facts["host"]),
                int(facts["port"]),
                str(facts["user"]),
                str(facts["password"]),
                f"http://127.0.0.1:{night.port}" if has_application else "",
                verdict,
                night.made[server].target,
            )


@contextmanager
def nights(path: Path, on: str, *, accepts_licence: bool) -> Iterator[Nights]:
    """Of the plan in that file. RunbookError when it cannot be rehearsed; nothing is left afterwards."""
    from runbook.commands.rehearsing import Rehearsal, Wish  # noqa: PLC0415 - it imports what stands here

    rehearsal = Rehearsal(Home.find(None), path, Wish(on=on, accepts_licence=accepts_licence, jobs=BOTH))
    with rehearsal.opened() as opened:
        yield Nights(rehearsal, opened)
