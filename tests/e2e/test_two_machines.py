"""Two machines share a journal on PostgreSQL: what one began and died over, the other one ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.system import System, wait_until
from tests.postgresql import Cluster, running


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """The journal's server, which may be stopped."""
    with running() as cluster:
        yield cluster


@pytest.fixture
def first(sandbox: System, server: Cluster) -> System:
    """The machine on which the night begins."""
    sandbox.variables.update(RUNBOOK_JOURNAL=server.database(), RUNBOOK_HOST="first")
    return sandbox


@pytest.fixture
def second(first: System, tmp_path: Path) -> Iterator[System]:
    """Another one: a home of its own, the same servers and web root under another path."""
    home = tmp_path / "second"
    home.mkdir()
    for shared in ("sandbox", "mailer"):
        (home / shared).symlink_to(first.home / shared)
    variables = {**first.variables, "RUNBOOK_HOST": "second"}
    plan = home / "mailer" / first.plan.name
    made = replace(first, home=home, plan=plan, variables=variables, started=[])
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


def rows(system: System, kind: str) -> list[dict[str, Any]]:
    """Of the record."""
    return [row for row in system.runbook("audit", "show", "--json").json if row["kind"] == kind]


FORWARD = r"effect.after~RESTORE DATABASE \[Surveys\] WITH RECOVERY"
BACK = r"journal.after-append~undo-started cut-database\[Billing\]"


@pytest.mark.parametrize(("point", "code"), [(FORWARD, 0), (BACK, 10)], ids=["forward", "back"])
def test_the_other_machine_ends_it(first: System, second: System, point: str, code: int) -> None:
    """Killed on the first; the second waits for the lease, goes on with the plan where it lies there, and both agree
    on what happened and that the record holds."""
    before, jobs = first.content("old"), first.jobs("old")
    role, name = ("old", "OLDSQL") if code else ("new", "NEWSQL")
    if point == BACK:
        first.servers.fault("new", "corrupt", r"RESTORE DATABASE \[Contacts\] WITH RECOVERY", times=1)
    first.variables["RUNBOOK_FAILPOINTS"] = f"{point}=kill"
    killed = first.execute()
    assert killed.code == -9, killed.out + killed.err
    del first.variables["RUNBOOK_FAILPOINTS"]
    early = second.runbook("resume", "--plan", str(second.plan))
    assert (early.code, "under way" in early.err) == (2, True), "from here nobody can tell that it is dead"
    wait_until(lambda: second.status()["state"] == "interrupted", 40)
    done = second.runbook("resume", "--plan", str(second.plan))
    assert done.code == code, done.out + done.err
    assert (first.serves_from(), first.content(role), first.jobs(role)) == (name, before, jobs)
    assert first.get("/")[0] == 200
    begun = rows(first, "executor-started")
    assert [row["fence"] for row in begun] == [1, 2]
    assert ["first" in begun[0]["actor"], "second" in begun[1]["actor"]] == [True, True]
    assert first.runbook("audit", "export").out == second.runbook("audit", "export").out
    for machine in (first, second):
        assert machine.runbook("audit", "verify").code == 0
        assert not (machine.home / "journal.db").exists()


def test_two_that_begin_in_the_same_second(first: System, second: System) -> None:
    """One does the night; the other one is told who, and touches nothing."""
    before = first.content("old")
    both = [one.begin("execute", str(one.plan), "--window", "10m", "--yes") for one in (first, second)]
    said = [process.communicate(timeout=240)[0] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes == [0, 30], said
    assert (first.serves_from(), first.content("new")) == ("NEWSQL", before)
    states = [one["state"] for one in second.runbook("runs", "--json").json]
    assert (states.count("upgraded"), set(states) <= {"upgraded", "refused"}) == (1, True), states
    assert first.runbook("audit", "verify").code == 0


def test_the_journals_server_restarts_in_the_middle(first: System, server: Cluster) -> None:
    """It crashes twice and comes back: the run goes on as if nothing had been."""
    before = first.content("old")
    process = first.begin("execute", str(first.plan), "--window", "10m", "--yes")
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(process.communicate()[0]))
    reader.start()
    for step in ("cut-database[Contacts]", "recover-database[Billing]"):
        wait_until(lambda step=step: state_of(first, step) in ("started", "done"), 120)
        server.stop(signal.SIGQUIT)
        server.start()
    reader.join(240)
    assert process.returncode == 0, said
    assert (first.serves_from(), first.content("new")) == ("NEWSQL", before)
    assert first.runbook("audit", "verify").code == 0
    assert len(rows(first, "executor-started")) == 1


def state_of(system: System, step: str) -> str:
    """Of a step of the newest run; empty while there is none."""
    found = system.runbook("status", "--json")
    steps = found.json["steps"] if found.code == 0 else []
    return next((one["state"] for one in steps if one["id"] == step), "")


def test_a_journal_that_stays_away_interrupts_the_night(first: System, server: Cluster) -> None:
    """After half a minute, with exit code 40 and nothing done that is not on record; once it is back, ``resume`` ends
    it."""
    before = first.content("old")
    process = first.begin("execute", str(first.plan), "--window", "10m", "--yes")
    wait_until(lambda: state_of(first, "cut-database[Contacts]") in ("started", "done"), 120)
    server.stop(signal.SIGQUIT)
    try:
        said = process.communicate(timeout=120)[0]
    finally:
        server.start()
    assert process.returncode == 40, said
    assert "the journal cannot be written" in said
    done = first.runbook("resume")
    assert done.code == 0, done.out + done.err
    assert (first.serves_from(), first.content("new")) == ("NEWSQL", before)
    assert first.runbook("audit", "verify").code == 0
