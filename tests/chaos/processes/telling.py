"""Lets one night on real processes happen: strikes where it was drawn, and is the person who is called when nobody
else goes on."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from datetime import UTC, datetime

from runbook.guard import TakeOver, Wait, judge
from runbook.journal.reading import Row
from runbook.runview import RunView
from runbook.sandbox import manage
from tests.chaos.graphs import Told
from tests.chaos.processes import hands
from tests.chaos.processes.hands import Command
from tests.chaos.processes.record import Record
from tests.chaos.processes.system import System
from tests.chaos.processes.tale import SHORT, Strike, Tale
from tests.chaos.processes.users import Users

LOOK = 0.03
"""Seconds between two looks."""
GIVE_UP = 150.0
"""Seconds of a night that does not come to an end."""
GUARD_PATIENCE = 25.0
"""Seconds after which a guard that ought to act is said not to."""
PERSONS = 8
MENDED_AT = 3
"""From this call on a person puts right whatever was made wrong, before anything is tried again."""
FAULTS = {
    "drop": "connection cut in a statement",
    "kill": "server died in a statement",
    "disk-full": "disk full under a server",
    "fail": "statement refused",
    "lie": "server lied",
    "corrupt": "row changed by a restore",
    "hang": "statement hung",
}


class Night:
    """One night, from the beginning to where nobody works for it any more."""

    def __init__(self, tale: Tale, told: Told) -> None:
        self.tale, self.told = tale, told
        self.began = time.monotonic()
        self.system = System(tale)
        self.record = Record(self.system.journal)
        self.users = Users(self.system)
        self.commands: list[Command] = []
        self.persons = 0
        self.life = 0
        self.helped = False
        """A person had to act: nobody promised to be in time."""
        self._seen: Counter[Strike] = Counter()
        self._faults: dict[str, tuple[str, str, int]] = {}
        self._later: list[tuple[float, list[str]]] = []
        self._ought_since: float | None = None
        self._idle_since: float | None = None

    # --- what happens ----------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Into the story's trace, with the seconds since it began."""
        self.told.trace.append(f"{time.monotonic() - self.began:6.2f} {text}")

    def breaks(self, text: str) -> None:
        """A promise."""
        self.told.broken.append(text)
        self.say(f"BROKEN: {text}")

    def tell(self) -> None:
        """Until every run has ended and nobody works any more."""
        self._set_faults()
        self.users.start()
        self._people("execute", str(self.system.plan), "--window", f"{self.tale.window:.0f}s", "--yes")
        while not self._is_over():
            if time.monotonic() - self.began > GIVE_UP:
                self.breaks(f"it did not come to an end in {GIVE_UP:.0f} s")
                break
            time.sleep(LOOK)
        self._wake()
        left = hands.wait_until_gone(self.system.home, 12)
        if left:
            self.breaks(f"processes {sorted(left)} go on for nothing")
        self._count()

    def _is_over(self) -> bool:
        self._look()
        if any(command.is_at_work for command in self.commands):
            self._idle_since = None
            return False
        open_runs = [view for view in self.record.views() if view.ending is None]
        if not open_runs:
            return True
        held = any(self.record.is_held_by_somebody(view.run_id) for view in open_runs)
        if held or self._guard_goes_on(open_runs[0]):
            return False
        self._end_who_keeps_the_journal()
        if self.persons >= PERSONS:
            self.breaks(f"after {PERSONS} calls a person gave up: {open_runs[0].state} {open_runs[0].held}")
            return True
        self._person(open_runs[0])
        return False

    def _look(self) -> None:
        for row in self.record.look():
            if row.kind not in ("statement", "statement-ended"):
                self.say(f"row {row.n} {row.kind} {row.step} fence {row.fence}{_shown(row)}")
            for strike in self.tale.of("event"):
                self._meet(strike, row)
        for at, words in list(self._later):
            if time.monotonic() >= at:
                self._later.remove((at, words))
                self._begin(words)

    # --- people ----------------------------------------------------------------------------------------------------

    def _people(self, *words: str) -> None:
        """As many as there are, in the same moment."""
        more = self._failpoints()
        for _ in range(self.tale.operators):
            self._begin([*words, *([] if self.tale.guarded else ["--no-guard"])], more)
        if self.tale.operators > 1:
            self.told.tried["two operators at the same time"] += 1
        self.life += 1

    def _begin(self, words: list[str], more: dict[str, str] | None = None) -> None:
        self.say(f"somebody types: runbook {' '.join(words)} {more or ''}")
        self.commands.append(Command(self.system, len(self.commands), words, more or {}))

    def _failpoints(self) -> dict[str, str]:
        """For the next command, and for the guard that it starts."""
        mine = [one.at for one in self.tale.of("failpoint") if one.whom == "command" and one.life == self.life]
        guards = [one.at for one in self.tale.of("failpoint") if one.whom == "guard"]
        if self.persons >= MENDED_AT:
            mine = guards = []
        more = {"RUNBOOK_FAILPOINTS": ";".join(mine), "RUNBOOK_GUARD_FAILPOINTS": ";".join(guards)}
        if self.tale.elsewhere and self.life == 0:
            more["RUNBOOK_HOST"] = "elsewhere"
        return more

    def _person(self, view: RunView) -> None:
        """Nobody goes on: somebody is called, and after the third time finds out what is wrong."""
        self.persons += 1
        self.helped = True
        if self.persons >= MENDED_AT or view.held:
            self._count_faults()
            self.system.mend()
        if view.held:
            self._judge_hold(view)
        (self.system.journal.parent / "ballast").unlink(missing_ok=True)
        self.told.tried["resumed by a person"] += 1
        self._people("resume", view.run_id)
        self._ought_since = self._idle_since = None

    def _judge_hold(self, view: RunView) -> None:
        """Something must have struck; after that a person is needed, and is told why."""
        self.say(f"held: {view.held}")
        if not self.told.tried and not (self.system.home / "struck").exists():
            self.breaks(f"held for nothing: {view.held}")
        self.told.tried["held, and mended by a person"] += 1

    def _end_who_keeps_the_journal(self) -> None:
        """Stopped while it wrote, under another machine's name: nobody but a person can tell that it must be ended."""
        if "database is locked" in self.commands[-1].said:
            for command in self.commands:
                if command.is_stopped and command.send(signal.SIGKILL):
                    self.told.tried["stopped while it wrote, ended by a person"] += 1

    def _guard_goes_on(self, view: RunView) -> bool:
        """Whether there is a guard, and it will act, so that a person waits for it."""
        guards = hands.working_for(self.system.home) - {command.pid for command in self.commands}
        if not guards:
            return False
        found = judge(view, gone=True, on_loss=self.tale.on_loss, now=datetime.now(UTC))  # type: ignore[arg-type]
        if isinstance(found, TakeOver):
            self._ought_since = self._ought_since or time.monotonic()
            if time.monotonic() - self._ought_since < GUARD_PATIENCE:
                return True
            self._blame_the_guard(found.why)
        if isinstance(found, Wait) and view.stopped and self.tale.window <= SHORT:
            return True  # until the turn-back point
        self._idle_since = self._idle_since or time.monotonic()
        return time.monotonic() - self._idle_since < 0.5

    def _blame_the_guard(self, why: str) -> None:
        text = f"the guard ought to act for {GUARD_PATIENCE:.0f} s and does not: {why}"
        if text not in self.told.broken:
            self.breaks(text)

    # --- what goes wrong -------------------------------------------------------------------------------------------

    def _set_faults(self) -> None:
        for strike in self.tale.strikes:
            if strike.what.startswith("fault ") and strike.whom in self.system.roles:
                kind = strike.what.partition(" ")[2]
                made = manage.fault(self.system.directory(strike.whom), kind, strike.at, times=strike.nth)
                self._faults[made.id] = (strike.whom, kind, strike.nth)

    def _count_faults(self) -> None:
        left = {
            one.id: one.times or 0
            for role in self.system.roles
            for one in manage.list_faults(self.system.directory(role))
        }
        for identity, (_, kind, times) in list(self._faults.items()):
            struck = times - left.get(identity, 0)
            if struck:
                self.told.tried[FAULTS[kind]] += struck
            del self._faults[identity]

    def _meet(self, strike: Strike, row: Row) -> None:
        if not re.search(strike.at, f"{row.kind} {row.step}"):
            return
        self._seen[strike] += 1
        if self._seen[strike] == strike.nth:
            self.say(f"strikes: {strike.words()}")
            self._strike(strike)

    def _strike(self, strike: Strike) -> None:
        match strike.whom.split():
            case ["both"]:
                guards = hands.working_for(self.system.home) - {command.pid for command in self.commands}
                commands = [command for command in self.commands if command.send(signal.SIGKILL)]
                if hands.kill(guards) and commands:
                    self.told.tried["kill -9 of executor and guard together"] += 1
                elif commands:
                    self.told.tried["kill -9 of the executor, by a row"] += 1
            case ["kill", "server", role] if self.system.kill_server(role):
                self.told.tried[f"kill -9 of the {role} server"] += 1
            case ["restart", "server", role] if manage.stop(self.system.directory(role)):
                self.system.server(role)
                self.told.tried[f"restart of the {role} server"] += 1
            case ["disk"] if self.system.fill_disk():
                self.told.tried["disk full under the journal"] += 1
            case ["term"]:
                if [command for command in self.commands if command.send(signal.SIGTERM)]:
                    self.told.tried["SIGTERM"] += 1
            case ["hold"]:
                self._begin(["hold"])
                self._later.append((time.monotonic() + 1.5, ["resume", "--no-guard"]))
                self.told.tried["a person holds it"] += 1
            case ["revert"]:
                self._begin(["revert", "--yes", *([] if self.tale.guarded else ["--no-guard"])])
                self.told.tried["a person wants to go back"] += 1

    def _wake(self) -> None:
        """Those who were stopped find out that they were overtaken: they end, with the exit code that says so."""
        self.record.look()
        for command in self.commands:
            if not command.is_stopped:
                continue
            self.say(f"command {command.number} wakes")
            command.woken = True
            command.process.send_signal(signal.SIGCONT)
            try:
                code = command.process.wait(30)
            except Exception:  # noqa: BLE001
                self.breaks(f"command {command.number} was woken and does not end")
                continue
            self.say(f"command {command.number} ended with {code}")
            self.told.tried["stopped, woken when all was over"] += 1

    def _count(self) -> None:
        """What really struck, by the log of the failpoints and by how processes ended."""
        self._count_faults()
        log = self.system.home / "struck"
        mine = {command.pid for command in self.commands}
        for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
            pid, name, action, said = (*line.split(" ", 3), "")[:4]
            whom = "the executor" if int(pid) in mine else "the guard"
            self.say(f"failpoint: {whom} {pid} {name} {action} {said[:150]}")
            what = {"kill": "kill -9 of", "stop": "SIGSTOP of", "full": "disk full in"}[action]
            self.told.tried[f"{what} {whom}"] += 1
            self.told.tried[f"at {name}"] += 1
        for command in self.commands:
            self.say(f"command {command.number} ({' '.join(command.words[:1])}) ended with {command.process.poll()}")

    def end(self) -> None:
        """Everything it started."""
        self.users.leave()
        for command in self.commands:
            if not command.is_over:
                command.process.kill()
            command.process.wait()
        hands.kill(hands.working_for(self.system.home))
        self.system.end(keep=bool(self.told.broken))


TOLD = frozenset(
    ("note", "turned-back", "held", "run-finished", "requested", "step-failed", "undo-failed", "step-blocked")
)
"""Rows of which the trace shows what they say."""


def _shown(row: Row) -> str:
    return f": {row.body[:300]}" if row.kind in TOLD else ""
