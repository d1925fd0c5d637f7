"""(a) What a step costs: the journal, and engine and journal, in ratio to bare durable commits; and against DBOS."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import toys
from benchmarks.measure import Samples, child, rounds, scratch
from runbook.events import Draft, Kind
from runbook.journal.reading import COLUMNS, Row, SqliteReader

STEPS = 150
DBOS_STEPS = 200
PLAIN, SPEAKING = "step", "step with one statement"


def against_bare(samples: Samples, seconds: float) -> None:
    """The same rows in the same number of commits, in turns on the same disk."""
    for number in rounds(seconds, at_least=5, at_most=25):
        for statements, name in enumerate((PLAIN, SPEAKING)):
            with scratch() as directory:
                toys.ROOM.statements = statements
                ours = runbook_seconds(directory / "journal.db", STEPS)
                commits = _commits(directory / "journal.db")
                bare = bare_seconds(directory / "bare.db", commits)
                written = journal_seconds(directory / "again.db", commits)
            if number:  # the first round warms up
                samples.add(name, ours / STEPS, bare / STEPS)
                samples.add(f"journal of a {name}", written / STEPS, bare / STEPS)
    toys.ROOM.statements = 0


def runbook_seconds(file: Path, steps: int) -> float:
    """A chain of steps from the first to the last."""
    with toys.engine(file, toys.chain(steps)) as engine:
        begun = time.perf_counter()
        engine.drive()
        return time.perf_counter() - begun


def journal_seconds(file: Path, commits: Sequence[Sequence[Row]]) -> float:
    """The journal alone: the same events in the same commits, checked, chained, made durable and folded."""
    drafts = [[Draft(Kind(row.kind), row.step or None, json.loads(row.body)) for row in rows] for rows in commits]
    with toys.engine(file, toys.chain(STEPS)) as engine:
        begun = time.perf_counter()
        for *buffered, last in drafts:
            for draft in buffered:
                engine.log.buffer(draft)
            engine.log.append(last)
        return time.perf_counter() - begun


def _commits(file: Path) -> list[list[Row]]:
    """The rows that became durable together: what is only recorded goes with the next that is not."""
    reader = SqliteReader(file)
    rows = reader.rows(reader.run_ids()[0], 2)
    reader.close()
    found: list[list[Row]] = [[]]
    for row in rows:
        found[-1].append(row)
        if row.kind not in ("step-looking", "statement-ended"):
            found.append([])
    return [one for one in found[:-1] if one]


def bare_seconds(file: Path, commits: Sequence[Sequence[Row]]) -> float:
    """Plain sqlite3: a table without keys, WAL, synchronous=FULL."""
    connection = sqlite3.connect(file, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        f"CREATE TABLE bare ({', '.join(COLUMNS)})",
    ):
        connection.execute(statement)
    insert = f"INSERT INTO bare VALUES ({', '.join('?' * len(COLUMNS))})"
    begun = time.perf_counter()
    for rows in commits:
        connection.execute("BEGIN IMMEDIATE")
        for row in rows:
            connection.execute(insert, row)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return seconds


def against_dbos(samples: Samples, seconds: float) -> None:
    """A workflow of as many steps with the same effect, each in its own process, in turns."""
    for _ in rounds(seconds, at_least=3, at_most=7):
        ours = child("benchmarks.journal", str(DBOS_STEPS))["seconds"]
        theirs = child("benchmarks.with_dbos", str(DBOS_STEPS))["seconds"]
        samples.add("dbos", theirs / DBOS_STEPS, ours / DBOS_STEPS)


if __name__ == "__main__":
    with scratch() as here:
        runbook_seconds(here / "warm.db", 30)
        print(json.dumps({"seconds": runbook_seconds(here / "journal.db", int(sys.argv[1]))}))
