"""Wrong command lines: exit 2 or 30, what is wrong and what to do, never a traceback, nothing touched."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook.cli import main
from runbook.events import Draft, Kind
from runbook.journal.log import RunLog
from runbook.journal.store import open_store
from tests.unit.journal.books import RUN, Book

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in an empty folder, through the entry point of the console script."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNBOOK_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("RUNBOOK_JOURNAL", raising=False)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["runbook", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run


WRONG = [
    (["exekute"], 2, "exekute"),
    (["execute", "no-such.yaml", "--yes"], 2, "no-such.yaml"),
    (["execute", "empty.yaml", "--yes"], 30, "empty.yaml:1"),
    (["execute", "tabs.yaml", "--yes"], 30, "tabs.yaml:2"),
    (["execute", "list.yaml", "--yes"], 30, "list.yaml:1"),
    (["execute", "good.yaml"], 2, "confirmation"),
    (["execute", "empty.yaml"], 30, "empty.yaml:1"),
    (["execute", "no-such.yaml"], 2, "no plan file no-such.yaml"),
    (["execute", "--window", "soon", "--yes"], 2, "soon"),
    (["execute", "--window", "-4h", "--yes"], 2, "-4h"),
    (["execute", "--window", "0s", "--yes"], 2, "0s"),
    (["check", "--window", "0h0m", "good.yaml"], 2, "0h0m"),
    (["execute", "--window"], 2, "--window"),
    (["execute", "a.yaml", "b.yaml", "--yes"], 2, "b.yaml"),
    (["check", "no-such.yaml"], 2, "no-such.yaml"),
    (["plan", "empty.yaml"], 30, "empty.yaml:1"),
    (["plan", "--sequel"], 2, "--sequel"),
    (["status"], 2, "journal"),
    (["status", "2026"], 2, "journal"),
    (["resume"], 2, "run"),
    (["guard"], 2, "run"),
    (["guard", "nobody"], 2, "nobody"),
    (["guard", "--install"], 2, "no journal"),
    (["resume", "nobody"], 2, "nobody"),
    (["revert", "--yes"], 2, "run"),
    (["revert"], 2, "no journal"),
    (["hold"], 2, "run"),
    (["declare", "sideways", "--yes"], 2, "sideways"),
    (["declare", "old"], 2, "no journal"),
    (["declare", "old", "--yes"], 2, "run"),
    (["audit", "verify", "nobody"], 2, "journal"),
    (["audit", "forge"], 2, "forge"),
    (["sandbox", "start", "no-such.yaml"], 2, "no-such.yaml"),
    (["sandbox", "reset", "no-such.yaml"], 2, "no-such.yaml"),
    (["sandbox", "reset", "good.yaml"], 2, "confirmation"),
    (["sandbox", "fault", "old", "explode"], 2, "explode"),
    (["sandbox", "fault", "older", "hang", "--plan", "good.yaml"], 2, "older"),
    (["init", "empty.yaml"], 2, "exists"),
    (["--journal", "nonsense", "runs"], 30, "journal"),
]


@pytest.mark.parametrize(("arguments", "code", "named"), WRONG, ids=[" ".join(one[0]) for one in WRONG])
def test_a_wrong_command_line(tmp_path: Path, run: Run, arguments: list[str], code: int, named: str) -> None:
    """The code, the thing that is wrong, and a line of remedy; no traceback, no state left behind."""
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    (tmp_path / "tabs.yaml").write_text("runbook: 1\n\tname: x\n", encoding="utf-8")
    (tmp_path / "list.yaml").write_text("- runbook\n", encoding="utf-8")
    (tmp_path / "good.yaml").write_text(_good(), encoding="utf-8")
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert named in done.stderr
    assert "HINT: " in done.stderr
    assert not list((tmp_path / "state").glob("sandbox/*")), "no server was started"


def _good() -> str:
    plan = (ROOT / "examples" / "mailer" / "runbook.yaml").read_text(encoding="utf-8")
    return plan.replace("  content: maintenance.html\n", "  text: planned maintenance\n")


def test_help_names_every_verb() -> None:
    """And none that does not work yet."""
    done = subprocess.run([sys.executable, "-m", "runbook", "--help"], capture_output=True, text=True, check=True)
    verbs = "init check plan rehearse execute status resume revert hold declare runs guard audit sandbox schema"
    for verb in verbs.split(" "):
        assert f"\n  {verb} " in done.stdout
    for verb in ("report", "approve", "extend", "finalize"):
        assert f"\n  {verb} " not in done.stdout


def test_the_schema_is_one(run: Run) -> None:
    """``runbook schema`` prints a JSON Schema that knows the plan's keys."""
    schema = json.loads(run("schema").stdout)
    assert {"servers", "databases", "gate", "window"} <= set(schema["properties"])


def test_a_first_plan_says_what_is_left_to_fill_in(run: Run) -> None:
    """``init`` writes a plan that ``check`` refuses only for what nobody but a person knows."""
    assert run("init").returncode == 0
    done = run("check")
    assert done.returncode == 30
    assert "fill" in done.stderr


def test_a_journal_without_its_tables_holds_no_run(tmp_path: Path, run: Run) -> None:
    """Asked in the moment in which a first run is being opened, status says that there is none."""
    (tmp_path / "state").mkdir()
    sqlite3.connect(tmp_path / "state" / "journal.db").execute("CREATE TABLE other (x int)").connection.close()
    done = run("status")
    assert done.returncode == 2
    assert "no run" in done.stderr


@pytest.mark.parametrize(
    ("url", "driver", "said", "hint"),
    [
        ("mysql://x/y", "MySQLdb", "mysql is not a supported journal", "sqlite"),
        ("oracle+oracledb://x/y", "oracledb", "oracle is not a supported journal", "sqlite"),
        ("postgresql+psycopg2://u:topsecret@x/y", "psycopg2", "psycopg2 is missing", "pip install psycopg2-binary"),
        ("postgresql+psycopg://x/y", "psycopg", "psycopg is missing", "pip install 'psycopg[binary]'"),
        ("postgresql://u:topsecret@x/y", "psycopg", "psycopg is missing", "pip install 'psycopg[binary]'"),
    ],
)
@pytest.mark.parametrize("verb", [["runs"], ["status"], ["audit", "verify"], ["hold"]], ids=" ".join)
def test_a_journal_that_cannot_be_used(
    run: Run, monkeypatch: pytest.MonkeyPatch, verb: list[str], url: str, driver: str, said: str, hint: str
) -> None:
    """Another database, or one whose driver is not installed: said as such, with what to do."""
    monkeypatch.setitem(sys.modules, driver, None)
    done = run("--journal", url, *verb)
    assert done.returncode == 30
    assert said in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[1].startswith("HINT: ")
    assert hint in done.stderr
    assert "topsecret" not in done.stderr


@pytest.mark.parametrize(
    "verb", ["status", "runs", "audit show", "audit verify", "audit export", "status --watch", "hold"]
)
def test_a_journal_that_is_no_database(tmp_path: Path, run: Run, verb: str) -> None:
    """A damaged file, or one that was never a journal, is named."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.db").write_text("a shopping list, and a long one at that\n" * 200, encoding="utf-8")
    done = run(*verb.split(" "))
    assert done.returncode in (20, 30)
    assert "journal.db" in done.stderr
    assert "file is not a database" in done.stderr
    assert "HINT: " in done.stderr


@pytest.mark.parametrize("verb", ["status", "runs", "audit show"])
def test_a_journal_that_is_a_folder_or_shut(tmp_path: Path, run: Run, verb: str) -> None:
    """What keeps SQLite from opening the file is said."""
    (tmp_path / "state" / "journal.db").mkdir(parents=True)
    done = run(*verb.split(" "))
    assert done.returncode == 2
    assert "journal.db" in done.stderr


@pytest.mark.parametrize("verb", ["status", "runs", "audit show", "audit export"])
def test_a_journal_of_another_make(tmp_path: Path, run: Run, verb: str) -> None:
    """Tables of that name with other columns are somebody else's."""
    (tmp_path / "state").mkdir()
    other = sqlite3.connect(tmp_path / "state" / "journal.db")
    other.executescript("CREATE TABLE runbook_head (run_id); CREATE TABLE runbook_event (run_id);")
    other.execute("INSERT INTO runbook_head VALUES ('r1')").connection.commit()
    other.close()
    done = run(*verb.split(" "))
    assert done.returncode == 20
    assert "journal.db" in done.stderr
    assert "no such column" in done.stderr


@pytest.mark.parametrize(("group", "listed"), [([], "execute"), (["audit"], "verify"), (["sandbox"], "reset")])
def test_a_group_alone_prints_its_help(run: Run, group: list[str], listed: str) -> None:
    """On standard output, as lines; the exit code says that nothing was done."""
    done = run(*group)
    assert done.returncode == 2
    assert done.stderr == ""
    assert f"\n  {listed} " in done.stdout
    assert "\\n" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["execute", "--windo", "4h"], "runbook execute --help"),
        (["audit", "verify", "--exp", "a", "b", "c"], "runbook audit verify --help"),
        (["audit", "forge"], "runbook audit --help"),
        (["exekute"], "runbook --help"),
    ],
)
def test_the_hint_names_the_help_that_helps(run: Run, arguments: list[str], hint: str) -> None:
    """That of the command which was given wrongly."""
    assert f"HINT: {hint} " in run(*arguments).stderr


def test_what_is_not_a_duration_is_said_once(run: Run) -> None:
    """With the way to write one."""
    said = run("execute", "--window", "soon", "--yes").stderr
    assert said.count("not a duration") == 1
    assert "4h" in said


@pytest.mark.parametrize("verb", ["schema", "audit show", "audit export", "runs", "status", "--help"])
def test_who_stops_reading_is_told_nothing(tmp_path: Path, verb: str) -> None:
    """``| head -1`` ends the command without a word, and with a code that is no outcome of a run."""
    _opened(tmp_path / "journal.db")
    command = [sys.executable, "-m", "runbook", "--journal", f"sqlite:///{tmp_path / 'journal.db'}", *verb.split(" ")]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == 141


def test_a_confirmation_names_the_run(tmp_path: Path, run: Run) -> None:
    """A run is looked for first; then a person, or --yes, is needed."""
    _opened(tmp_path / "state" / "journal.db")
    assert "confirmation" in run("revert").stderr
    assert "confirmation" in run("declare", "old").stderr
    assert "nobody" in run("declare", "old", "nobody").stderr


def _opened(path: Path) -> None:
    """A journal with a run that was opened."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Book(path).store.close()


def _two_runs(path: Path) -> list[str]:
    """A journal with two runs; their last hashes."""
    _opened(path)
    store = open_store(f"sqlite:///{path}")
    first = RunLog.load(store, RUN, actor="other@host/2", now=lambda: datetime.now(UTC))
    opening = Draft(Kind.RUN_OPENED, None, first.view.opening)
    RunLog.open_run(store, "20990101-000000-0002", opening, actor="other@host/2", now=lambda: datetime.now(UTC))
    heads = [head.hash for head in map(store.head, store.run_ids()) if head]
    store.close()
    return heads


def test_an_expected_hash_is_that_of_one_run(tmp_path: Path, run: Run) -> None:
    """Without RUN that of the newest; the others have last hashes of their own."""
    older, newest = _two_runs(tmp_path / "state" / "journal.db")
    assert run("audit", "verify").returncode == 0
    done = run("audit", "verify", "--expect", newest)
    assert (done.returncode, done.stdout.count("ok   run")) == (0, 1)
    assert run("audit", "verify", RUN, "--expect", older).returncode == 0
    done = run("audit", "verify", "--expect", older)
    assert (done.returncode, done.stdout.count("BAD  run 20990101")) == (20, 1)


def test_a_journal_that_was_cut_whole_is_noticed_by_the_hash(tmp_path: Path, run: Run) -> None:
    """The newest run taken out with its head leaves nothing that does not hold together, but the hash was kept."""
    _, newest = _two_runs(tmp_path / "state" / "journal.db")
    with closing(sqlite3.connect(tmp_path / "state" / "journal.db")) as forced:
        forced.execute("DROP TRIGGER runbook_event_no_delete")
        for table in ("runbook_event", "runbook_head"):
            forced.execute(f"DELETE FROM {table} WHERE run_id LIKE '2099%'")
        forced.commit()
    assert run("audit", "verify").returncode == 0
    assert run("audit", "verify", "--expect", newest).returncode == 20


NOBODY = "20990101-000000-0000"
UNKNOWN = [
    ["status", NOBODY],
    ["resume", NOBODY],
    ["guard", NOBODY],
    ["guard", NOBODY, "--install"],
    ["hold", NOBODY],
    ["revert", NOBODY, "--yes"],
    ["declare", "old", NOBODY, "--yes", "--reason", "x"],
]


@pytest.mark.parametrize("arguments", UNKNOWN, ids=[" ".join(one) for one in UNKNOWN])
def test_a_run_that_is_not_there_is_named(tmp_path: Path, run: Run, arguments: list[str]) -> None:
    """Beside one that is: nobody takes that one for it, and nothing is written."""
    (tmp_path / "state").mkdir()
    book = Book(tmp_path / "state" / "journal.db")
    rows = book.store.rows(RUN)
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert f"there is no run called {NOBODY} in this journal" in done.stderr
    assert "HINT: runbook runs lists those there are" in done.stderr
    assert (book.store.rows(RUN), book.store.lease(RUN), book.store.lease(NOBODY)) == (rows, None, None)
    book.close()
