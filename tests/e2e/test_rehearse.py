"""``runbook rehearse`` as it is typed: real processes on throwaway servers, and nothing of it left."""

from __future__ import annotations

import json
import signal
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.disks import MIB, mounted
from tests.e2e.desk import Desk
from tests.e2e.system import wait_until


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_rehearsal_that_is_right(desk: Desk, tmp_path: Path) -> None:
    """Forward, back, steps that fail, ones that hang, an executor that is killed, a row that was changed: each ends
    where it must; the plan's own servers are not even there afterwards, nothing runs on, and execute still refuses,
    because only a part was rehearsed."""
    junit = tmp_path / "junit.xml"
    only = [
        "back",
        "fail:recover-*",
        "fail:enable-jobs",
        "hang:compare-*",
        "hang:check-clock",
        "kill:upgrade",
        "kill:guard-too",
        "kill:way-back",
        "data:*",
    ]
    done = desk.runbook(
        "rehearse", "--json", "--junit", str(junit), *(word for one in only for word in ("--only", one))
    )
    found = done.json
    assert {one["scenario"]: (one["ending"], one["wrong"]) for one in found["scenarios"]} == {
        "forward": ("new setup", []),
        "back": ("old setup", []),
        "hang:check-clock": ("refused", []),
        "hang:compare-proof[Alpha]": ("old setup", []),
        "fail:recover-database[Alpha]": ("old setup", []),
        "fail:enable-jobs": ("held, then new setup", []),
        "kill:upgrade": ("new setup", []),
        "kill:guard-too": ("new setup", []),
        "kill:way-back": ("old setup", []),
        "data:Alpha": ("old setup", []),
    }
    assert done.code == 0
    assert ET.parse(junit).getroot().get("tests") == "10"
    assert found["measured"]["steps"]["cut-database[Alpha]"].keys() == {"do_s", "undo_s"}
    assert found["measured"]["sizes"]
    assert not (desk.home / "sandbox").exists(), "the plan's own servers were started"
    assert not (desk.directory / "clients").exists(), "the plan's own commands ran in the plan's own directory"
    assert desk.running() == []
    assert list((desk.home / "rehearsals").iterdir()) == []
    refused = desk.runbook("execute", "--yes")
    assert refused.code == 30
    assert "in part only" in refused.err


def test_a_result_that_cannot_be_written(desk: Desk, tmp_path: Path) -> None:
    """Said before anything is started, not after all of it was played."""
    done = desk.runbook("rehearse", "--junit", str(tmp_path / "none" / "junit.xml"))
    assert done.code == 2
    error, hint = done.err.strip().splitlines()
    assert error.endswith("none/junit.xml cannot be written: No such file or directory")
    assert hint == "HINT: Name a file in a directory that is there."
    assert not desk.home.exists()


def test_more_rows(desk: Desk) -> None:
    """Both nights once more with a table grown: what was measured then, and for which sizes, is kept beside the rest,
    and plan computes with both."""
    done = desk.runbook("rehearse", "--json", "--only", "back", "--grow", "1024")
    assert done.code == 0, done.out + done.err
    found = done.json
    assert [one["scenario"] for one in found["scenarios"]] == ["forward", "back", "forward-grown", "back-grown"]
    small, grown = found["measured"], found["measured"]["grown"]
    assert grown["sizes"]["alpha"] > small["sizes"]["alpha"]
    assert grown["steps"].keys() == small["steps"].keys()
    outline = desk.runbook("plan", "--offline")
    assert outline.code == 0, outline.err
    assert any(line.split()[0] == "close-gate" and " rehearsed " in line for line in outline.out.splitlines())
    assert any("steps: rehearsed" in line and "today, error up to" in line for line in outline.out.splitlines())


def test_a_way_back_that_does_not_work(desk: Desk) -> None:
    """A command that should point clients back and fails: the rehearsal ends with 20 and says what that means and at
    which step, what is left of that night can be read, and execute refuses the plan, rehearsed like this or not."""
    desk.change('back: [sh, -c, "echo old > clients"]', 'back: [sh, -c, "exit 3"]')
    never = desk.runbook("execute", "--yes")
    assert (never.code, "was never rehearsed here" in never.err) == (30, True), never.err
    done = desk.runbook("rehearse", "--only", "back")
    assert done.code == 20, done.out + done.err
    assert "at repoint: held" in done.out
    assert done.out.splitlines()[-2].startswith("exit code 20: a night needed a person")
    evidence = next((desk.home / "rehearsals").glob("*/evidence/back"))
    assert (evidence / "journal.db").exists()
    assert desk.running() == []
    wrong = desk.runbook("execute", "--yes")
    assert (wrong.code, "went wrong" in wrong.err) == (30, True), wrong.err


STEP = """\
from dataclasses import dataclass
from extra.rollback.offline.let_watch import StopWatching
from runbook.api import Apply, Outcome, Phase, Step

@dataclass(frozen=True)
class Goal:
    server: str

class LetWatch(Step):
    \"\"\"Let somebody watch the old server meanwhile.\"\"\"
    phase = Phase.OFFLINE
    after = ("prove-quiet",)
    undoes_with = (StopWatching,)
    Intent = Goal

    def observe(self, ctx):
        return ctx.plan.source

    def decide(self, facts):
        return Apply(Goal(facts), StopWatching(facts))

    def apply(self, ctx, intent):
        ctx.server(intent.server).run_batch("Alpha", "CREATE LOGIN watcher WITH PASSWORD = N'Looks.on.1'")

    def verify(self, ctx, intent):
        logins = {login.name for login in ctx.reader(intent.server).logins()}
        return Outcome.REACHED if "watcher" in logins else Outcome.UNTOUCHED
"""
NEXT = """\
from runbook.api import Finding, LightStep, Phase, judged

class LookOn(LightStep):
    \"\"\"See whether somebody watches.\"\"\"
    phase = Phase.OFFLINE
    after = ("let-watch",)

    def observe(self, ctx):
        return {login.name for login in ctx.reader(ctx.plan.source).logins()}

    def decide(self, facts):
        return judged(
            () if "watcher" in facts else (Finding("nobody watches", "let somebody"),), "somebody watches"
        )
"""
UNDO = """\
from dataclasses import dataclass
from runbook.api import Outcome, Undo

@dataclass(frozen=True)
class StopWatching(Undo):
    \"\"\"Nobody watches any more.\"\"\"
    server: str

    def run(self, ctx):
        return None

    def verify(self, ctx):
        return Outcome.REACHED
"""


def third_party(directory: Path) -> None:
    """Somebody else's package with two steps, as an entry point makes them known."""
    for place, text in (
        ("steps/offline/let_watch", STEP),
        ("steps/offline/look_on", NEXT),
        ("rollback/offline/let_watch", UNDO),
    ):
        path = directory / "extra" / f"{place}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for package in ("extra", "extra/steps", "extra/rollback", "extra/steps/offline", "extra/rollback/offline"):
        (directory / package / "__init__.py").touch()
    known = directory / "extra-1.0.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n", encoding="utf-8")
    (known / "entry_points.txt").write_text("[runbook.steps]\nextra = extra:steps\n", encoding="utf-8")


def test_a_way_back_that_only_says_it_worked(desk: Desk, tmp_path: Path) -> None:
    """A step of somebody else leaves a login behind, and its undo claims that it is gone: the look at the end finds
    it, the exit code is 20 with its meaning, and the nights that were right and wrong tell which step it is."""
    third_party(tmp_path / "site")
    desk.more_path = str(tmp_path / "site")
    only = ("back", "fail:let-watch", "fail:look-on")
    done = desk.runbook("rehearse", *(word for one in only for word in ("--only", one)))
    assert done.code == 20, done.out + done.err
    lines = done.out.splitlines()
    assert any("old: other logins: watcher" in line for line in lines), done.out
    hint = next(line for line in lines if line.startswith("look at the way back of "))
    # what ran beside it in every one of them is named with it
    assert "let-watch" in hint.partition(":")[0].removeprefix("look at the way back of ").split(", "), hint
    assert "exit code 20: a night needed a person, or ended neither old nor new" in lines
    assert [line.split()[:2] for line in lines if line.startswith("! ")] == [
        ["!", "back"],
        ["!", "fail:look-on"],
    ]
    refused = desk.runbook("execute", "--yes")
    assert (refused.code, "went wrong" in refused.err) == (30, True), refused.err


def test_a_check_that_cannot_hold(desk: Desk) -> None:
    """A night that turns back where it should go forward: 10, and the step that was the reason."""
    desk.change("equals: 2", "equals: 3")
    done = desk.runbook("rehearse", "--json")
    assert done.code == 10
    (one,) = done.json["scenarios"]
    assert (one["scenario"], one["ending"], one["step"]) == ("forward", "old setup", "run-queries")


def test_a_night_that_cannot_be_played(desk: Desk) -> None:
    """What a night is played on does not come up: that is its verdict, the others are played, and it ends with 30."""
    twice = "n=$(cat {plan}/n 2>/dev/null || echo 0); echo $((n + 1)) > {plan}/n; test $n != 1"
    desk.change("run_commands: true", f'run_commands: true, prepare: [[sh, -c, "{twice}"]]')
    done = desk.runbook("rehearse", "--json", "--only", "back", "--only", "fail:check-clock")
    assert {one["scenario"]: (one["ending"], one["code"]) for one in done.json["scenarios"]} == {
        "forward": ("new setup", 0),
        "back": ("not played", 30),
        "fail:check-clock": ("refused", 0),
    }
    assert "rehearsal.prepare ended with 1" in done.json["scenarios"][1]["wrong"][0]
    assert done.code == 30
    assert desk.running() == []


def with_a_page(desk: Desk, *rehearsal: str) -> None:
    """The gate shows a file that the plan names; more keys of how it is rehearsed."""
    (desk.directory / "page.html").write_text("Planned work\n", encoding="utf-8")
    desk.change("text: Planned work", "content: page.html")
    desk.change("run_commands: true", ", ".join(("run_commands: true", *rehearsal)))


EDIT = '[sh, -c, "echo more >> {plan}/page.html"]'


def test_a_file_that_is_edited_meanwhile(desk: Desk) -> None:
    """What was rehearsed is not what is there at the end: every night is told as it was, the change is named, and
    there is no record that would let the plan begin."""
    with_a_page(desk, f"prepare: [{EDIT}]")
    done = desk.runbook("rehearse", "--json", "--only", "back")
    assert [(one["scenario"], one["code"]) for one in done.json["scenarios"]] == [("forward", 0), ("back", 0)]
    assert done.json["changed"] == ["contents of page.html changed"]
    assert (done.code, done.json["right"]) == (30, False)
    refused = desk.runbook("execute", "--yes")
    assert (refused.code, "was never rehearsed here" in refused.err) == (30, True), refused.err


def test_a_file_that_is_edited_while_servers_are_filled(desk: Desk) -> None:
    """Nothing was played yet: said at once, in place of a rehearsal that would count for nothing."""
    with_a_page(desk, f"seed: {EDIT}")
    done = desk.runbook("rehearse", "--only", "back")
    assert (done.code, done.out) == (30, "")
    error, hint = done.err.strip().splitlines()[-2:]
    assert error == "error: the plan was changed while throwaway servers were filled: contents of page.html changed"
    assert hint == "HINT: Rehearse it again, as it is now."
    assert list((desk.home / "rehearsals").iterdir()) == []


def test_killed_and_cleaned(desk: Desk) -> None:
    """kill -9 of the rehearsal in the middle of a night: --clean ends every process and deletes every file of it."""
    process = subprocess.Popen(
        desk.words("rehearse", "--only", "back"), env=desk.environment, cwd=desk.directory,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    rehearsals = desk.home / "rehearsals"
    wait_until(lambda: any(rehearsals.glob("*/nights/*/home/journal.db")) or process.poll() is not None, 120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert desk.running() != [], "there was nothing to clean"
    assert desk.runbook("rehearse", "--clean").code == 0
    wait_until(lambda: desk.running() == [], 60)  # whoever watched it looks a few times more
    assert list(rehearsals.iterdir()) == []


def test_stopped_while_it_is_filled(desk: Desk) -> None:
    """A seed that takes an hour is not waited for: it is ended, and nothing of the rehearsal is left."""
    desk.change("scripts: [seed.sql]", "seed: [sh, -c, 'touch begun; sleep 3600']")
    process = subprocess.Popen(
        desk.words("rehearse"), env=desk.environment, cwd=desk.directory,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    rehearsals = desk.home / "rehearsals"
    wait_until(lambda: any(rehearsals.glob("*/template/seed/begun")) or process.poll() is not None, 60)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-1]) == (40, "interrupted: nothing of it is left")
    assert desk.running() == []
    assert list(rehearsals.iterdir()) == []


def test_stopped_while_a_night_is_prepared(desk: Desk) -> None:
    """The command before a night hangs: Ctrl-C ends it, and the rehearsal with it, also where a script started that in
    the background, for which shells have the signal ignored."""
    desk.change("run_commands: true", "run_commands: true, prepare: [[sh, -c, 'touch begun; sleep 3600']]")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = desk.start("rehearse")
    finally:
        signal.signal(signal.SIGINT, before)
    rehearsals = desk.home / "rehearsals"
    wait_until(lambda: any(rehearsals.glob("*/nights/*/plan/begun")) or process.poll() is not None, 60)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-1]) == (40, "interrupted: nothing of it is left")
    assert desk.running() == []
    assert list(rehearsals.iterdir()) == []


def test_what_cannot_be_is_said_before_the_seed(desk: Desk) -> None:
    """A scenario that is none: nobody waits until throwaway servers are filled to be told."""
    desk.change("scripts: [seed.sql]", "seed: [sh, -c, 'touch {plan}/begun']")
    done = desk.runbook("rehearse", "--only", "fail:close-gaet", timeout=60)
    assert (done.code, done.err.strip().splitlines()[-2:]) == (
        2,
        ["error: no scenario is called 'fail:close-gaet'", "HINT: Did you mean fail:close-gate?"],
    )
    assert not (desk.directory / "begun").exists()


def test_a_script_that_is_not_there(desk: Desk) -> None:
    """The seed before it may take hours."""
    desk.change("scripts: [seed.sql]", "seed: [sh, -c, 'touch {plan}/begun'], scripts: [sead.sql]")
    done = desk.runbook("rehearse", timeout=60)
    assert (done.code, done.err.splitlines()[0]) == (
        30,
        f"error: rehearsal.scripts: there is no file {desk.directory}/sead.sql",
    )
    assert not (desk.directory / "begun").exists()


def test_a_database_that_is_spelled_otherwise(desk: Desk) -> None:
    """What the throwaway source has instead is named."""
    desk.change("name: Alpha}]", "name: alpha}]")
    done = desk.runbook("rehearse", timeout=60)
    assert done.code == 30
    error, hint = done.err.strip().splitlines()[-2:]
    assert error == "error: rehearsal.seed and scripts made no database alpha on old"
    assert hint.endswith("there are Alpha."), hint


MACHINE = """\
runbook: 1
name: machine
strategy: container
window: {length: 30m}
hosts: {db: {address: "ssh://dba@sql01"}}
servers: {main: {url: "mssql://127.0.0.1:14330", expect: {version: 2019}}}
source: main
container:
  host: db
  from: {name: sql01, volume: sql01-data, version: 15.0.4430.1}
  to: {name: sql02, volume: sql02-data, version: 16.0.4165.4, image: "sql:2022", options: [--publish, "14330:1433"]}
journal_copy: copy
databases: [{name: Alpha}]
gate: {kind: none, i_have_no_gate: true}
rehearsal: {seed: [sh, -c, "touch {plan}/begun"]}
"""


def test_a_strategy_that_cannot_be_rehearsed(desk: Desk) -> None:
    """It replaces the engine of a machine: said before anything is started or filled."""
    desk.plan.write_text(MACHINE, encoding="utf-8")
    (desk.directory / "copy").mkdir()
    done = desk.runbook("rehearse", timeout=60)
    assert done.code == 30
    assert done.err.startswith("error: the strategy container cannot be rehearsed on throwaway servers"), done.err
    assert not (desk.directory / "begun").exists()
    assert not desk.home.exists()


def test_a_home_that_cannot_be_had(desk: Desk) -> None:
    """Read-only, of another account, no directory: one line and a hint."""
    desk.home.write_text("a file", encoding="utf-8")
    for words in ((), ("--clean",)):
        done = desk.runbook("rehearse", *words, timeout=60)
        assert done.code == (0 if words else 30), done.err
    error, hint = desk.runbook("rehearse", timeout=60).err.strip().splitlines()
    assert error == f"error: the rehearsal cannot go on: not a directory: {desk.home}/rehearsals"
    assert hint == f"HINT: Look at {desk.home}: its disk, its owner and its permissions."


@pytest.mark.parametrize(
    ("size", "code", "said"),
    [
        (MIB // 2, 30, "a throwaway server does not start"),
        (MIB * 3 // 2, 30, "! forward  not played"),
        (MIB * 6, 10, "at check-space: it ended refused, not upgraded: new: "),
    ],
    ids=["servers", "nights", "copies"],
)
def test_a_disk_that_is_too_small(desk: Desk, size: int, code: int, said: str) -> None:
    """What does not fit is named, nothing says that a way back does not work, and nothing runs on."""
    desk.home.mkdir()
    with mounted(desk.home, size):
        done = desk.runbook("rehearse", "--only", "back", timeout=100)
        assert (done.code, said in done.out + done.err) == (code, True), done.out + done.err
        assert desk.running() == []


def test_a_record_that_cannot_be_kept(desk: Desk, tmp_path: Path) -> None:
    """Whoever waited for it is told what came of every night all the same, and that it counts for nothing."""
    desk.home.mkdir()
    (desk.home / "rehearsed").touch()
    junit = tmp_path / "junit.xml"
    done = desk.runbook("rehearse", "--only", "forward", "--junit", str(junit))
    assert done.code == 30, done.out + done.err
    lines = done.out.splitlines()
    assert lines[2].split()[:3] == ["forward", "new", "setup"]
    assert any(line.startswith(f"no certificate: cannot write {desk.home}/rehearsed/") for line in lines)
    assert "exit code 30: the record of it could not be kept" in lines
    assert ET.parse(junit).getroot().get("errors") == "1"


def test_left_to_itself_with_nohup(desk: Desk) -> None:
    """Whoever logs out does not end it."""
    waits = "touch {plan}/begun; until test -e {plan}/go; do sleep 0.1; done; exit 3"
    desk.change("scripts: [seed.sql]", f"seed: [sh, -c, '{waits}']")
    process = subprocess.Popen(
        ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *desk.words("rehearse")], env=desk.environment,
        cwd=desk.directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    wait_until(lambda: (desk.directory / "begun").exists() or process.poll() is not None, 60)
    process.send_signal(signal.SIGHUP)
    (desk.directory / "go").touch()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-2]) == (
        30,
        "error: rehearsal.seed ended with 3: it said nothing",
    )


def test_a_seed_that_leaves_something_running(desk: Desk) -> None:
    """It is over when it has ended, and what it started in the background is ended with the rehearsal."""
    desk.change("scripts: [seed.sql]", "seed: [sh, -c, 'sleep 3600 & echo filled with nothing >&2; exit 3']")
    (desk.directory / "junit.xml").write_text("<testsuites/>", encoding="utf-8")  # of yesterday
    process = desk.start("rehearse", "--junit", "junit.xml", "--markdown", "page.md")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 30
    assert ET.parse(desk.directory / "junit.xml").getroot().get("errors") == "1"
    assert "filled with nothing" in (desk.directory / "page.md").read_text(encoding="utf-8")
    error, hint = said.strip().splitlines()[-2:]
    assert error == "error: rehearsal.seed ended with 3: filled with nothing"
    assert hint == "HINT: Try it: sh -c 'sleep 3600 & echo filled with nothing >&2; exit 3'"
    assert desk.running() == []


def test_check_says_that_it_is_not_rehearsed(desk: Desk) -> None:
    """In business hours, when there is time for it, and not only on the night."""
    try:
        found = desk.runbook("check", "--json")
        assert "execute will ask for a rehearsal: the plan small was never rehearsed here" in found.json["notes"]
    finally:
        desk.runbook("sandbox", "stop")


def test_a_reason_to_go_unrehearsed(desk: Desk) -> None:
    """Without a rehearsal execute refuses; with a reason it goes, and the record of the run holds the reason."""
    assert desk.runbook("execute", "--yes").code == 30
    begun = desk.runbook("execute", "--yes", "--unrehearsed", "tried by hand", "--no-guard", "--json")
    try:
        assert any("tried by hand" in text for text in begun.json["findings"]), json.dumps(begun.json)
    finally:
        desk.runbook("sandbox", "stop")
