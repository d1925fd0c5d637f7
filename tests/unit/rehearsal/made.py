"""Pictures, nights and plans to judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from runbook.adapters.sqlserver.picture import Picture
from runbook.plan.load import read_plan
from runbook.plan.models import Plan
from runbook.ports import Login
from runbook.rehearsal.judging import Measure, Observed, World
from runbook.rehearsal.scenarios import Ending, Family, Scenario
from runbook.states import RunState

ONLINE = ("ONLINE", "MULTI_USER", "FULL", False, 150, "sa")
FENCED = ("RESTORING", "MULTI_USER", "FULL", False, 150, "sa")
TABLES = {("Contacts", "dbo.Contact"): (3, "aa"), ("Contacts", "dbo.List"): (1, "bb")}
APP = Login("app", "S", "0xAA", "0x0200", "Contacts", is_disabled=False, check_policy=True, check_expiration=False)
FULL = Picture({"Contacts": ONLINE}, TABLES, {"send": True, "report": False}, {"app": APP})
EMPTY = Picture({}, {}, {}, {})
LEFT = Picture({"Contacts": FENCED}, {}, {"send": False, "report": False}, {"app": APP})
MOVE = Measure("old", "new", ("Contacts",), {"old": FULL, "new": EMPTY})
SCRIPTS = Measure("old", None, ("Contacts",), {"old": FULL}, {**TABLES, ("Contacts", "dbo.List"): (9, "cc")})
BACK = World({"old": FULL, "new": EMPTY}, clients="old")
MOVED = World({"old": LEFT, "new": FULL}, clients="new")


def scenario(ending: Ending, name: str = "fail:cut-database[Contacts]", **more: object) -> Scenario:
    made = Scenario(name, Family.FAIL, ending, "cut-database[Contacts]", "step.before-effect=fail")
    return replace(made, **more)  # type: ignore[arg-type]


def night(state: RunState | None, world: World, *codes: int, **more: object) -> Observed:
    made = Observed(codes or (0,), state, "", "cut-database[Contacts]", True, "", world, seconds=2.5)
    return replace(made, **more)  # type: ignore[arg-type]


HEAD = """\
runbook: 1
name: small
strategy: side-by-side
window: {length: 2m}
servers:
  old: {url: "mssql://sql01.example", user: sa, password: "env:WD", expect: {server_name: SQL01, version: 2019}}
  new: {url: "mssql://sql02.example", user: sa, password: "env:WD", expect: {server_name: "SQL02\\\\X", version: 2022}}
source: old
target: new
databases: [{name: Contacts}]
"""
GATE = "gate: {kind: file, path: app/closed.html, text: Planned work}\n"
POINT = 'repoint: {kind: file, path: app/db.ini, replace: [{from: "s = old", to: "s = new"}]}\n'


def plan_of(directory: Path, text: str) -> Plan:
    return read_plan(text, directory / "runbook.yaml")
