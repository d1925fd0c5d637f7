"""A run in a journal, wherever that is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from runbook.events import Draft, Kind
from runbook.graph import Graph, Limits, Node
from runbook.journal.log import RunLog
from runbook.journal.store import SqlStore, Store
from runbook.journal.verifying import Verdict, verify_run
from runbook.journal.whole import read_whole
from runbook.testing import FakeClock
from tests.contract.journal.places import Hand, Place

RUN = "20260321-100000-0001"


class Book:
    """A journal with one run in it: four steps of which two are done, eight rows."""

    def __init__(self, place: Any) -> None:
        self.place: Place = place
        self.clock = FakeClock()
        self.store = self.another_store()
        nodes = [Node(f"s{i}", "upgrade", (f"s{i - 1}",) if i else (), ("old",), 1.0, 1.0) for i in range(4)]
        opening = {
            "plan_name": "Größe 大",
            "closes_at": (self.clock.now() + timedelta(hours=4)).isoformat(),
            "reserve": 5.0,
            "graph": Graph(nodes, Limits()).to_json(),
        }
        draft = Draft(Kind.RUN_OPENED, None, opening)
        self.log = RunLog.open_run(self.store, RUN, draft, actor="dba@host/1", now=self.clock.now)
        for step in ("s0", "s1"):
            self.log.append(Draft(Kind.STEP_STARTED, step, {"intent": step, "undo": None}))
            self.log.append(Draft(Kind.STATEMENT, step, {"text": "ALTER DATABASE [Größe] SET OFFLINE"}))
            self.log.append(Draft(Kind.STEP_DONE, step))
        self.log.append(Draft(Kind.NOTE, None, {"text": "the last row"}))

    def another_store(self) -> Store:
        """As another process has one."""
        return self.place.store()

    def another_log(self, fence: int | None = None) -> RunLog:
        """As another process reads the run."""
        return RunLog.load(self.another_store(), RUN, actor="other@host/2", now=self.clock.now, fence=fence)

    def forced(self) -> AbstractContextManager[Hand]:
        """Somebody with a tool for the database, who takes the triggers away first."""
        return self.place.forced()  # type: ignore[attr-defined, no-any-return]

    def verdict(self, expect: str = "") -> Verdict:
        """What ``audit verify`` says of the run."""
        return verify_run(RUN, read_whole(self.place.reader(), RUN), expect)


def store_of(book: Book) -> SqlStore:
    """The one that its log writes with."""
    assert isinstance(book.store, SqlStore)
    return book.store
