"""Judges how a night on real processes ended: old or new to the last row, in time, by one hand, with nothing left."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from runbook.commands.audit import verify
from runbook.home import Home
from runbook.runview import RunView
from runbook.states import RunState
from tests.chaos.processes.record import body
from tests.chaos.processes.telling import Night
from tests.statements import changes_nothing

CODES = {0, 2, 10, 20, 30, 40, -9}


class Judge:
    """Of one night that has come to its end."""

    def __init__(self, night: Night) -> None:
        self._night, self._system, self._tale = night, night.system, night.tale
        self._record = night.record

    def judge(self) -> None:
        """Everything."""
        self._record.look()
        views = self._record.views()
        meant = [view for view in views if view.ending is not RunState.REFUSED]
        self._night.told.ending = str(meant[0].ending) if meant else "refused"
        if len(meant) > 1:
            self._breaks(f"{len(meant)} runs were not refused")
        if any(view.ending is None for view in meant):
            return
        ending = meant[0].ending if meant else RunState.REVERTED
        self._the_record(views)
        self._one_hand(meant)
        self._in_service()
        if ending is RunState.UPGRADED:
            self._new() if self._tale.strategy == "side-by-side" else self._upgraded_in_place()
        else:
            self._old()
        if meant:
            self._deadline(meant[0])

    def _breaks(self, text: str) -> None:
        self._night.breaks(text)

    def _same(self, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            self._breaks(f"{what}: {found!r} instead of {expected!r}")

    # --- the record ------------------------------------------------------------------------------------------------

    def _the_record(self, views: list[RunView]) -> None:
        home = Home(self._system.home, f"sqlite:///{self._system.journal}")
        if views:
            for verdict in verify(home):
                if not verdict.ok:
                    self._breaks(f"the record of {verdict.run_id} does not hold: {verdict.problem}")
        for view in views:
            fences = [body(row)["fence"] for row in self._record.all(view.run_id, "executor-started")]
            self._same("fencing numbers", fences, sorted(set(fences)))
            written = [row.fence for row in self._record.rows[view.run_id] if row.fence]
            self._same("numbers of the rows", written, sorted(written))
            typed = {str(command.pid) for command in self._night.commands}
            began = self._record.all(view.run_id, "executor-started")
            by_guards = [row for row in began if row.actor.rpartition("/")[2] not in typed]
            self._night.told.tried["taken over by a guard"] += len(by_guards)
        for command in self._night.commands:
            if "Traceback" in command.said:
                self._breaks(f"command {command.number} says: {command.said[-1500:]}")
            if command.process.poll() not in CODES:
                self._breaks(f"command {command.number} ended with {command.process.poll()}: {command.said[-600:]}")
        for log in (self._system.home / "guard").glob("*.log"):
            if "Traceback" in log.read_text(encoding="utf-8", errors="replace"):
                self._breaks(f"a guard says: {log.read_text(encoding='utf-8', errors='replace')[-1500:]}")

    def _one_hand(self, meant: list[RunView]) -> None:
        """By the servers' own logs: once an executor has had an effect somewhere, no older one has any there."""
        for view in meant:
            for role in self._system.roles:
                newest = 0
                for entry in self._system.log(role):
                    name = entry.get("app", "").split()
                    if entry["event"] != "start" or name[:2] != ["runbook", view.run_id]:
                        continue
                    if changes_nothing(entry["sql"]):
                        continue
                    if int(name[2]) < newest:
                        self._breaks(
                            f"{role}: executor {name[2]} after {newest} at {entry['at']}: {entry['sql'][:300]}"
                        )
                    elif "runbook_marker" not in entry["sql"]:
                        newest = int(name[2])

    # --- the system ------------------------------------------------------------------------------------------------

    def _in_service(self) -> None:
        if not self._system.is_open:
            self._breaks("the gate is closed")
            return
        self._system.server(self._system.points_to)
        give_up_at = time.monotonic() + 8
        while not self._night.users.write():
            if time.monotonic() > give_up_at:
                self._breaks(f"users cannot write: {self._night.users.why}")
                return
            time.sleep(0.05)
        self._night.users.leave()

    def _rows(self, role: str, found: dict[str, Any]) -> None:
        """What was there, and what users were told is saved; nothing else but what nobody was told of."""
        users = self._night.users
        for name in self._system.databases:
            if name not in found["rows"]:
                self._breaks(f"{role}: {name} is not online: {found['databases'].get(name)}")
                continue
            before = self._system.before["old"]["rows"][name]
            rows = found["rows"][name]
            wanted = {**before, **{number: f"user {number}" for number in users.saved[name]}}
            lost = {number: text for number, text in wanted.items() if rows.get(number) != text}
            if lost:
                self._breaks(f"{role}: {name} lost rows: {lost}")
            more = {number: text for number, text in rows.items() if number not in wanted}
            if set(more) - users.unclear[name]:
                self._breaks(f"{role}: {name} has rows of nobody: {more}")

    def _old(self) -> None:
        """Exactly as before, with the rows of users on top."""
        self._same("clients go to", self._system.points_to, "old")
        found, before = self._system.picture("old"), self._system.before["old"]
        for what in ("databases", "columns", "jobs", "logins"):
            self._same(f"old: {what}", found[what], before[what])
        self._own_tables("old", found)
        self._rows("old", found)
        if "new" in self._system.roles:
            found, before = self._system.picture("new"), self._system.before["new"]
            for what in ("databases", "jobs", "logins"):
                self._same(f"new: {what}", found[what], before[what])
            self._own_tables("new", found)

    def _own_tables(self, role: str, found: dict[str, Any]) -> None:
        """The program's own are gone, unless it was killed between the ending and that."""
        last = [rows[-1].kind for rows in self._record.rows.values() if rows]
        if "run-finished" in last and found["msdb"]:
            self._night.told.tried["killed between the ending and giving the instances back"] += 1
        else:
            self._same(f"{role}: msdb", found["msdb"], self._system.before[role]["msdb"])

    def _new(self) -> None:
        """On the new server, as it was on the old one; the old one is fenced."""
        self._same("clients go to", self._system.points_to, "new")
        before = self._system.before["old"]
        found, old = self._system.picture("new"), self._system.picture("old")
        meant = self._system.databases
        self._same("new: databases", found["databases"], {name: before["databases"][name] for name in meant})
        for what in ("jobs", "logins"):
            self._same(f"new: {what}", found[what], before[what])
        self._rows("new", found)
        self._same("old: jobs", old["jobs"], dict.fromkeys(before["jobs"], False))
        for name, options in before["databases"].items():
            state = old["databases"][name][0]
            self._same(f"old: state of {name}", state, "RESTORING" if name in meant else options[0])

    def _upgraded_in_place(self) -> None:
        """With the new column, and everything else as before; the snapshots stay."""
        found, before = self._system.picture("old"), self._system.before["old"]
        own = {name: options for name, options in found["databases"].items() if "_rb_" not in name}
        self._same("databases", own, before["databases"])
        for what in ("jobs", "logins"):
            self._same(what, found[what], before[what])
        for name, count in before["columns"].items():
            more = 1 if name in self._system.databases else 0
            self._same(f"columns of {name}", found["columns"].get(name), count + more)
        self._rows("old", found)

    # --- the deadline ----------------------------------------------------------------------------------------------

    def _deadline(self, view: RunView) -> None:
        told = self._night.told
        back_at = view.pivot_at or view.ended_at
        late = (back_at - view.closes_at).total_seconds() if back_at else 0.0
        excuse = self._excuse(view)
        if late <= 0:
            told.promised = "kept"
        elif excuse:
            told.promised = f"late, not promised: {excuse}"
        else:
            told.promised = "broken"
            self._breaks(f"users were back {late:.1f} s after the window closed")

    def _excuse(self, view: RunView) -> str:
        if self._night.helped:
            return "a person had to be called"
        began: dict[str, datetime] = {}
        for row in self._record.rows[view.run_id]:
            if row.kind == "undo-started":
                began[row.step] = datetime.fromisoformat(row.at)
            elif row.kind == "undo-failed":
                return "a way back failed"
            elif row.kind == "undo-done" and row.step in began:
                took = (datetime.fromisoformat(row.at) - began[row.step]).total_seconds()
                if took > view.graph[row.step].undo_budget:
                    return "a way back took longer than its budget"
        return ""
