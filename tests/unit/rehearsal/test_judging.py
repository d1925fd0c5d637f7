"""The verdict on a rehearsed night: what is there counts, and every wrong ending is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runbook.adapters.sqlserver.picture import Picture
from runbook.plan.sections import Carry
from runbook.rehearsal.judging import Observed, World, judge
from runbook.rehearsal.scenarios import Ending
from runbook.states import RunState
from tests.unit.rehearsal.made import (
    APP,
    BACK,
    EMPTY,
    FULL,
    LEFT,
    MOVE,
    MOVED,
    ONLINE,
    SCRIPTS,
    TABLES,
    night,
    scenario,
)

OLD, NEW = RunState.REVERTED, RunState.UPGRADED


@pytest.mark.parametrize(
    ("ending", "seen"),
    [
        (Ending.NEW, night(NEW, MOVED, 0)),
        (Ending.OLD, night(OLD, BACK, 10)),
        (Ending.REFUSED, night(RunState.REFUSED, BACK, 30)),
        (Ending.HELD, night(NEW, MOVED, 20, 0)),
    ],
)
def test_the_right_ending(ending: Ending, seen: Observed) -> None:
    """Each expected ending is right when everything is there, with a proof that counts rows."""
    found = judge(scenario(ending), seen, MOVE)
    assert (found.code, found.wrong, found.ending) == (0, (), ending.value)
    assert "4 rows of 2 tables" in found.proof


def pictured(picture: Picture, **more: object) -> Picture:
    return replace(picture, **more)  # type: ignore[arg-type]


CHANGED = {**TABLES, ("Contacts", "dbo.Contact"): (3, "zz")}
BETWEEN = {
    "a row was changed": (BACK, "old", pictured(FULL, tables=CHANGED), "Contacts.dbo.Contact"),
    "a table is gone": (BACK, "old", pictured(FULL, tables={}), "3 rows before, no now"),
    "a database is locked": (
        BACK,
        "old",
        pictured(FULL, databases={"Contacts": ("ONLINE", "RESTRICTED_USER", *ONLINE[2:])}),
        "RESTRICTED_USER",
    ),
    "a job stays off": (BACK, "old", pictured(FULL, jobs={"send": False, "report": False}), "the job send is disabled"),
    "a job is on": (BACK, "old", pictured(FULL, jobs={"send": True, "report": True}), "the job report is enabled"),
    "a job is left": (BACK, "new", pictured(EMPTY, jobs={"send": False}), "the job send is there, it was not"),
    "a login is left": (
        BACK,
        "old",
        pictured(FULL, logins={"app": APP, "x": replace(APP, name="x")}),
        "other logins: x",
    ),
    "something stays on new": (BACK, "new", pictured(EMPTY, databases={"Contacts": ONLINE}), "Contacts"),
}


@pytest.mark.parametrize("case", BETWEEN)
def test_not_quite_old(case: str) -> None:
    """A run that says it reverted, and did not put everything back, is neither old nor new: 20."""
    world, role, picture, said = BETWEEN[case]
    found = judge(scenario(Ending.OLD), night(OLD, replace(world, servers={**world.servers, role: picture})), MOVE)
    assert (found.code, found.ending) == (20, "neither old nor new")
    assert any(said in wrong for wrong in found.wrong), found.wrong


NEARLY_NEW = {
    "a row was changed": ({"new": pictured(FULL, tables=CHANGED)}, {}, "Contacts.dbo.Contact"),
    "the old one takes writes": ({"old": FULL}, {}, "can still be written to"),
    "a login is missing": ({"new": pictured(FULL, logins={})}, {}, "logins are missing: app"),
    "clients stay": ({}, {"clients": "old"}, "clients are sent to old"),
    "the gate is closed": ({}, {"gate_closed": True}, "the gate is closed"),
    "a page is wrong": ({}, {"pages": {"http://x/": "status 503"}}, "http://x/"),
}


@pytest.mark.parametrize("case", NEARLY_NEW)
def test_not_quite_new(case: str) -> None:
    """The same for a run that says it upgraded."""
    servers, more, said = NEARLY_NEW[case]
    world = World({**MOVED.servers, **servers}, **{"clients": "new", **more})  # type: ignore[arg-type, dict-item]
    found = judge(scenario(Ending.NEW), night(NEW, world), MOVE)
    assert found.code == 20
    assert any(said in wrong for wrong in found.wrong), found.wrong


OTHER = {
    "another principal": ({"sid": "0xBB"}, "the login app has another SID"),
    "another password": ({"password_hash": "0x0201"}, "the login app has another password"),
    "disabled": ({"is_disabled": True}, "the login app is disabled, it was not"),
    "another database": (
        {"default_database": "master"},
        "the login app has another default database (master, before: Contacts)",
    ),
    "another role": (
        {"roles": ("dbcreator", "sysadmin")},
        "the login app has other server roles (dbcreator sysadmin, before: none)",
    ),
    "another policy": ({"check_policy": False}, "the login app has another password policy"),
    "several": ({"sid": "0xBB", "password_hash": "0x0201"}, "the login app has another SID, has another password"),
}


@pytest.mark.parametrize("case", OTHER)
@pytest.mark.parametrize("setup", ["old", "new"])
def test_a_login_that_is_another_one(case: str, setup: str) -> None:
    """Of the same name, and somebody cannot log in, or may do more: named with what is different, and no hash."""
    change, said = OTHER[case]
    login = replace(APP, **change)  # type: ignore[arg-type]
    other = pictured(FULL, logins={"app": login})
    if setup == "old":
        found = judge(scenario(Ending.OLD), night(OLD, replace(BACK, servers={**BACK.servers, "old": other})), MOVE)
    else:
        found = judge(scenario(Ending.NEW), night(NEW, replace(MOVED, servers={**MOVED.servers, "new": other})), MOVE)
    assert (found.code, found.wrong) == (20, (f"{setup}: {said}",))


def test_a_login_on_the_new_server() -> None:
    """Its default database stays where it is when that was not moved; who Windows says somebody is it says there too,
    and what one of the servers does not show is no difference."""
    before = {"app": replace(APP, default_database="Elsewhere"), "W": replace(APP, name="W", kind="U", sid="0x1")}
    after = {
        "app": replace(APP, default_database="master", password_hash=None),
        "W": replace(APP, name="W", kind="U", sid="0x2"),
    }
    measure = replace(MOVE, before={**MOVE.before, "old": pictured(FULL, logins=before)})
    world = replace(MOVED, servers={**MOVED.servers, "new": pictured(FULL, logins=after)})
    assert judge(scenario(Ending.NEW), night(NEW, world), measure).wrong == ()


LOCAL = replace(APP, name="OLDBOX\\svc", kind="U")
STAYS = {
    "the plan carries no logins": ({"app": APP}, {}, Carry(logins=False), {}, ""),
    "a login of the new server, and none is carried": ({}, {"app": APP}, Carry(logins=False), {}, "missing: app"),
    "an account of the old machine": ({LOCAL.name: LOCAL}, {}, Carry(), {}, ""),
    "a login that was there, with rights of its own": (
        {"app": APP},
        {"APP": replace(APP, name="APP", roles=("sysadmin",))},
        Carry(),
        {"APP": replace(APP, name="APP", roles=("sysadmin",))},
        "",
    ),
    "a login that was there is gone": ({}, {"monitor": APP}, Carry(), {}, "missing: monitor"),
    "a login that was there may do more": (
        {},
        {"monitor": replace(APP, name="monitor")},
        Carry(),
        {"monitor": replace(APP, name="monitor", roles=("sysadmin",))},
        "the login monitor has other server roles",
    ),
}


@pytest.mark.parametrize("case", STAYS)
def test_logins_that_are_not_carried(case: str) -> None:
    """What a plan leaves to its owner is not missed; what was on the new server must be as it was."""
    before, there, carry, after, said = STAYS[case]
    old = pictured(FULL, logins=before, machine="OldBox")
    measure = replace(MOVE, before={"old": old, "new": pictured(EMPTY, logins=there)}, carry=carry)
    world = replace(MOVED, servers={**MOVED.servers, "new": pictured(FULL, logins=after)})
    found = judge(scenario(Ending.NEW), night(NEW, world), measure).wrong
    assert any(said in wrong for wrong in found) if said else found == ()


JOBS = {
    "the plan carries no jobs": ({"send": True}, {}, Carry(jobs=False), {}, ""),
    "one that every server has": (
        {"syspolicy_purge_history": False},
        {"syspolicy_purge_history": True},
        Carry(),
        {"syspolicy_purge_history": True},
        "",
    ),
    "one of the new server is on": ({}, {"own": False}, Carry(), {"own": True}, "the job own is enabled"),
    "one that was there as well stays off": (
        {"send": True},
        {"SEND": False},
        Carry(),
        {"SEND": False},
        "the job SEND is disabled",
    ),
}


@pytest.mark.parametrize("case", JOBS)
def test_jobs_that_are_not_carried(case: str) -> None:
    """The same for jobs."""
    before, there, carry, after, said = JOBS[case]
    old = pictured(FULL, jobs=before)
    measure = replace(MOVE, before={"old": old, "new": pictured(EMPTY, jobs=there)}, carry=carry)
    world = replace(MOVED, servers={**MOVED.servers, "new": pictured(FULL, jobs=after)})
    found = judge(scenario(Ending.NEW), night(NEW, world), measure).wrong
    assert any(said in wrong for wrong in found) if said else found == ()


def test_a_record_that_does_not_hold() -> None:
    """However right the servers are: 20."""
    assert judge(scenario(Ending.OLD), night(OLD, BACK, record="row 7 was changed"), MOVE).code == 20


@pytest.mark.parametrize("state", [RunState.HELD, RunState.INTERRUPTED, None])
def test_a_person_is_needed(state: RunState | None) -> None:
    """A night that is held, or did not come to an end, says why and at which step: 20."""
    found = judge(scenario(Ending.OLD), night(state, World({}), 20, reason="the way back of repoint failed"), MOVE)
    assert (found.code, found.step) == (20, "cut-database[Contacts]")
    assert "the way back of repoint failed" in found.wrong[0]


@pytest.mark.parametrize("code", [2, 30, 40])
def test_a_night_that_could_not_begin(code: int) -> None:
    """The disk under its journal was full, say: nothing was touched, and it shows nothing about any way back."""
    found = judge(scenario(Ending.OLD), night(None, World({}), code, reason="the disk is nearly full"), MOVE)
    assert (found.code, found.ending) == (30, "not played")
    assert found.wrong == ("no run was opened: the disk is nearly full",)


def test_a_server_that_cannot_be_looked_at() -> None:
    """Whatever the run says, a database that does not answer is not in service: 20."""
    found = judge(scenario(Ending.OLD), night(OLD, World({}, unreadable="old cannot be reached")), MOVE)
    assert found.code == 20
    assert "old cannot be reached" in found.wrong[0]


def test_refused_for_old_only_where_nothing_was_touched() -> None:
    """A step before which nothing has an effect may end in a refusal; a later one may not."""
    refused = night(RunState.REFUSED, BACK, 30)
    assert judge(scenario(Ending.OLD, early=True), refused, MOVE).code == 0
    assert judge(scenario(Ending.OLD), refused, MOVE).code == 10


def test_elsewhere_than_expected() -> None:
    """Old and proven, where it should have gone forward, is 10: in service, but not as planned."""
    found = judge(scenario(Ending.NEW), night(OLD, BACK, 10, reason="run-queries: 1 is not 2"), MOVE)
    assert (found.code, found.ending) == (10, "old setup")
    assert "run-queries" in found.wrong[0]


def test_a_fault_that_did_not_strike_shows_nothing() -> None:
    """A night in which nothing went wrong is no proof that the fault would have ended well."""
    assert judge(scenario(Ending.OLD), night(OLD, BACK, struck=False), MOVE).code == 10


def test_nobody_was_called() -> None:
    """After the pivot a person has to be called: an exit code 0 at once is wrong."""
    assert judge(scenario(Ending.HELD), night(NEW, MOVED, 0), MOVE).code == 10


def test_back_too_late() -> None:
    """Users back after the window closed is wrong, unless a way back of a crowded night took longer than its budget."""
    late = night(OLD, BACK, late=3.0)
    assert judge(scenario(Ending.OLD), late, MOVE).code == 10
    assert judge(scenario(Ending.OLD), replace(late, overdue=("repoint (9 s of 1 s)",)), MOVE).code == 0


def test_a_database_beside_the_plan_whose_name_goes_on() -> None:
    """``Contacts.Archive`` is no part of ``Contacts``: nobody looks for its tables on the new server."""
    both = pictured(
        FULL,
        databases={**FULL.databases, "Contacts.Archive": ONLINE},
        tables={**TABLES, ("Contacts.Archive", "dbo.Contact"): (7, "dd")},
    )
    measure = replace(MOVE, before={"old": both, "new": EMPTY})
    found = judge(scenario(Ending.NEW), night(NEW, MOVED), measure)
    assert (found.code, found.wrong) == (0, ())
    assert "4 rows of 2 tables" in found.proof


def test_scripts_are_measured_by_the_night_forward() -> None:
    """Where scripts change the data, new is what the night forward left (of the tables it changed, as many rows: they
    may hold the time of the night), and old is what was there before."""
    upgraded = pictured(FULL, tables=SCRIPTS.upgraded)
    assert judge(scenario(Ending.NEW), night(NEW, World({"old": upgraded}, clients="new")), SCRIPTS).code == 0
    assert judge(scenario(Ending.NEW), night(NEW, World({"old": FULL}, clients="new")), SCRIPTS).code == 20
    assert judge(scenario(Ending.OLD), night(OLD, World({"old": FULL})), SCRIPTS).code == 0
    for key, what, code in (("List", (9, "later"), 0), ("List", (8, "cc"), 20), ("Contact", (3, "zz"), 20)):
        other = pictured(upgraded, tables={**upgraded.tables, ("Contacts", f"dbo.{key}"): what})
        assert judge(scenario(Ending.NEW), night(NEW, World({"old": other}, clients="new")), SCRIPTS).code == code
    assert LEFT.databases  # the picture of a server that was left is not one of scripts
