"""A run on a journal file, and hands that reach into the file past the program."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from runbook.events import Draft, Kind
from runbook.graph import Graph, Limits, Node
from runbook.journal.log import RunLog
from runbook.journal.reading import SqliteReader
from runbook.journal.store import SqlStore, open_store
from runbook.journal.verifying import Verdict, verify_run
from runbook.journal.whole import read_whole
from runbook.testing import FakeClock

RUN = "20260321-100000-0001"


class Book:
    """A journal file with one run in it: four steps of which two are done, eight rows."""

    def __init__(self, file: Path) -> None:
        self.file = file
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

    def another_store(self) -> SqlStore:
        """As another process has one."""
        return open_store(f"sqlite:///{self.file}")

    def another_log(self, fence: int | None = None) -> RunLog:
        """As another process reads the run."""
        return RunLog.load(self.another_store(), RUN, actor="other@host/2", now=self.clock.now, fence=fence)

    @contextmanager
    def forced(self) -> Iterator[sqlite3.Connection]:
        """Somebody with the file and a tool for SQLite, who takes the triggers away first."""
        connection = sqlite3.connect(self.file)
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER runbook_event_no_{verb}")
        yield connection
        connection.commit()
        connection.close()

    def verdict(self, expect: str = "") -> Verdict:
        """What ``audit verify`` says of the run."""
        reader = SqliteReader(self.file)
        try:
            return verify_run(RUN, read_whole(reader, RUN), expect)
        finally:
            reader.close()
