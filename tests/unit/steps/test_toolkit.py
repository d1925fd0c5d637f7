"""What steps share: names of files, comparison of proofs, probes, logins, previews."""

from __future__ import annotations

import codecs
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook.api import (
    LoginMark,
    Page,
    ProofLevel,
    ProofSet,
    Sizes,
    StepFailed,
    TableProof,
    WebAnswer,
    answers,
    await_pages,
    backup_file,
    backup_name,
    clash,
    differences,
    free_path,
    gaps,
    gate_pages,
    grave,
    is_local,
    join,
    moved_files,
    read_script,
    same_file,
    seconds,
    snapshot_name,
    sound_attempt,
)
from runbook.ports import DatabaseFile, ServerIdentity
from runbook.testing import World
from runbook.testing.bench import BenchContext
from runbook.testing.plans import mailer_plan
from runbook.toolkit.probes import complaint
from tests.unit.steps.night import KINDS, Night

RUN = "20260321-100000-7f3a"


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("/backup", "/backup/x.bak"),
        ("/backup/", "/backup/x.bak"),
        ("C:\\Backup", "C:\\Backup\\x.bak"),
        ("C:\\Backup\\", "C:\\Backup\\x.bak"),
        ("\\\\share\\x", "\\\\share\\x\\x.bak"),
        ("C:/Backup", "C:/Backup/x.bak"),
    ],
)
def test_join(directory: str, expected: str) -> None:
    """A path is written the way its directory is."""
    assert join(directory, "x.bak") == expected


@pytest.mark.parametrize("path", ["/backup/x.bak", "C:\\Backup\\x.bak", "\\\\share\\a b\\x.bak"])
def test_the_same_file_seen_from_elsewhere(path: str) -> None:
    """Only the name of the file is the same on both servers."""
    assert same_file(path, "/mnt/exchange") == "/mnt/exchange/x.bak"


def test_names_of_files() -> None:
    """By run, database and kind; what a file system refuses is replaced, and two names stay two."""
    assert backup_file(RUN, "Contacts", "tail") == f"{RUN}-Contacts-tail.trn"
    odd = {backup_file(RUN, name, "full") for name in ("a/b", "a\\b", "a:b", "a_b", "a*b", "a b")}
    assert len(odd) == 6
    assert not [name for name in odd if set(name) & set('/\\:*?"<>| ')]
    assert len(backup_name(RUN, "rebase")) <= 128


@pytest.mark.parametrize("name", ["Contacts", "x" * 123, "é" * 123])
def test_names_of_snapshots(name: str) -> None:
    """At most 128 characters, and different for names that begin alike."""
    made = snapshot_name(name, RUN)
    assert len(made) <= 128
    assert made.endswith("_rb_20260321_100000_7f3a")
    assert made != snapshot_name(name[:-1] + "z", RUN)


def test_a_file_is_never_written_twice(tmp_path: Path) -> None:
    """Neither over a backup nor over what is none."""
    night = Night.of(tmp_path)
    server = night.ctx.server("old")
    assert free_path(server, "/backup", "x.bak") == "/backup/x.bak"
    server.backup_full("Contacts", "/backup/x.bak", name="n", copy_only=True)
    night.world.disk.place("old backup").strangers["x-2.bak"] = 10
    assert free_path(server, "/backup", "x.bak") == "/backup/x-3.bak"
    assert sound_attempt(server, "/backup/x.bak", name="n", kind="full", database="contacts") == "/backup/x.bak"
    assert not sound_attempt(server, "/backup/x.bak", name="other", kind="full", database="Contacts")


def test_restored_files_collide_with_nothing() -> None:
    """Every file gets a path of this run's own, data and log in their places."""
    identity = ServerIdentity("S", "S", "16.0.1.1", "E", 3, "c", "Windows", "\\", "D:\\data\\", "L:\\log\\", "B:\\")
    files = (
        DatabaseFile("a", "x", "ROWS", 1),
        DatabaseFile("b", "x", "ROWS", 1),
        DatabaseFile("l", "x", "LOG", 1),
        DatabaseFile("m", "x", "LOG", 1),
    )
    assert moved_files(files, "Db", RUN, identity, None) == {
        "a": f"D:\\data\\Db_{RUN}.mdf",
        "b": f"D:\\data\\Db_{RUN}_2.ndf",
        "l": f"L:\\log\\Db_{RUN}_log.ldf",
        "m": f"L:\\log\\Db_{RUN}_log_2.ldf",
    }
    assert moved_files(files[:1], "Db", RUN, identity, "E:\\own")["a"] == f"E:\\own\\Db_{RUN}.mdf"


# --- proofs ----------------------------------------------------------------------------------------------------------


def table(name: str, rows: int = 10, digest: str = "aa", level: ProofLevel = ProofLevel.CONTENT) -> TableProof:
    return TableProof(name, level, rows, digest)


BEFORE = ProofSet(
    "Db",
    (table("dbo.A"), table("dbo.B")),
    {"identity dbo.A": "10", "sequence dbo.S": "7"},
    {"view dbo.v": "d1", "index dbo.A.ix": "d2"},
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ()),
        ({"tables": (table("dbo.B"), table("dbo.A"))}, ()),
        ({"tables": (table("dbo.A", digest="bb"), table("dbo.B"))}, ("dbo.A: content differs (10 rows both)",)),
        ({"tables": (table("dbo.A", 11), table("dbo.B"))}, ("dbo.A: rows 10 -> 11",)),
        ({"tables": (table("dbo.A"),)}, ("dbo.B: missing (had 10 rows)",)),
        ({"tables": (*BEFORE.tables, table("dbo.C", 0))}, ("dbo.C: new (0 rows)",)),
        (
            {"tables": (table("dbo.A", level=ProofLevel.COUNT, digest=""), table("dbo.B"))},
            ("dbo.A: proven by content before, by count now",),
        ),
        ({"positions": {"identity dbo.A": "10"}}, ("sequence dbo.S: missing",)),
        ({"positions": {"identity dbo.A": "9", "sequence dbo.S": "7"}}, ("identity dbo.A: position 10 -> 9",)),
        ({"positions": {"identity dbo.A": "", "sequence dbo.S": "7"}}, ("identity dbo.A: position 10 -> ",)),
        ({"objects": {"view dbo.v": "dX", "index dbo.A.ix": "d2"}}, ("view dbo.v: definition differs",)),
        ({"objects": {"view dbo.v": "d1"}}, ("index dbo.A.ix: missing",)),
        ({"objects": {**BEFORE.objects, "user x": "d"}}, ("user x: new",)),
    ],
)
def test_differences(change: dict[str, object], expected: tuple[str, ...]) -> None:
    """Every kind of difference is found and named."""
    assert grave(differences(BEFORE, replace(BEFORE, **change))) == expected  # type: ignore[arg-type]


def test_gaps_in_numbers() -> None:
    """Further on with every row in place: a gap. Further on beside a changed table: what somebody wrote."""
    further = replace(BEFORE, positions={"identity dbo.A": "1010", "sequence dbo.S": "57"})
    assert gaps(differences(BEFORE, further)) == (
        "identity dbo.A: position 10 -> 1010",
        "sequence dbo.S: position 7 -> 57",
    )
    written = replace(further, tables=(table("dbo.A", 11), table("dbo.B")))
    assert grave(differences(BEFORE, written)) == ("dbo.A: rows 10 -> 11", "identity dbo.A: position 10 -> 1010")


def test_what_is_lost() -> None:
    """Fewer rows, a table or an object that is gone: lost. More rows: not."""
    lost = {one.what: one.lost for one in differences(BEFORE, replace(BEFORE, tables=(table("dbo.A", 9),), objects={}))}
    assert set(lost.values()) == {True}
    more = differences(BEFORE, replace(BEFORE, tables=(table("dbo.A", 12), table("dbo.B"))))
    assert [one.lost for one in more] == [False]


# --- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (WebAnswer(503, {}, "planned maintenance"), ""),
        (WebAnswer(200, {}, "planned maintenance"), "x: http://a/ answers 200, not 503"),
        (WebAnswer(503, {}, "Service Unavailable"), "x: http://a/ answers 503 without 'planned maintenance'"),
        (WebAnswer(0, {}, "connection refused"), "x: http://a/ does not answer: connection refused"),
    ],
)
def test_complaints(answer: WebAnswer, expected: str) -> None:
    """A page shows what it must, or it is said what it shows instead."""
    assert complaint(Page("http://a/", 503, "planned maintenance", "x"), answer) == expected


def test_pages_are_awaited_no_longer_than_allowed(tmp_path: Path) -> None:
    """It looks again until the front end has noticed, and gives up in time."""
    night = Night.of(tmp_path)
    pages = gate_pages(night.plan, "closed")
    begun = night.world.clock.now()
    assert await_pages(night.ctx, pages, 5.0)
    assert 5.0 <= (night.world.clock.now() - begun).total_seconds() < 6.5
    night.world.later(2.0, lambda: setattr(night.world.site, "page", "planned maintenance"))
    assert await_pages(night.ctx, pages, 5.0) == ()


# --- logins and servers ----------------------------------------------------------------------------------------------


def test_local_accounts() -> None:
    """Windows accounts of the machine itself; not of a domain, and not SQL logins."""
    assert is_local(LoginMark("oldsql\\admin", "U", "0x1"), "OLDSQL")
    assert not is_local(LoginMark("CORP\\admin", "U", "0x1"), "OLDSQL")
    assert not is_local(LoginMark("OLDSQL\\admin", "S", "0x1"), "OLDSQL")


def test_clashes() -> None:
    """Same name, same SID: the same. Windows logins are known by their name."""
    login = LoginMark("app", "S", "0xAB")
    assert clash(login, [LoginMark("APP", "S", "0xab")]) == ""
    assert clash(login, [LoginMark("app", "S", "0xAC")]) == "app exists with another SID"
    assert clash(login, [LoginMark("x", "S", "0xAB")]) == "app has the SID of x"
    assert clash(LoginMark("C\\a", "U", "0x1"), [LoginMark("C\\A", "U", "0x2")]) == ""


def test_who_answers(tmp_path: Path) -> None:
    """A server that is down does not answer; one that refuses something does."""
    world = World.mailer()
    ctx = BenchContext(world, mailer_plan(tmp_path))
    assert answers(ctx, "new")
    world.kill_server("new")
    assert not answers(ctx, "new")


# --- scripts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        "SELECT N'Zoë'\nGO\n".encode(),
        codecs.BOM_UTF8 + "SELECT N'Zoë'\nGO\n".encode(),
        codecs.BOM_UTF16_LE + "SELECT N'Zoë'\nGO\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "SELECT N'Zoë'\r\nGO\r\n".encode("utf-16-be"),
    ],
)
def test_encodings(tmp_path: Path, raw: bytes) -> None:
    """As editors and Management Studio save them."""
    (tmp_path / "a.sql").write_bytes(raw)
    script, batches = read_script(tmp_path / "a.sql")
    assert [batch.sql.strip() for batch in batches] == ["SELECT N'Zoë'"]
    assert len(script.sha256) == 64


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("SELECT 1\nSELECT N'Zoë'".encode("cp1252"), r"a\.sql:2: not text in utf-8"),
        (b"SELECT 1\nGO;\n", r"a\.sql:2: GO is followed by a semicolon"),
        (None, r"a\.sql cannot be read: no such file"),
    ],
)
def test_scripts_that_cannot_be_read(tmp_path: Path, raw: bytes | None, message: str) -> None:
    """File, line and what to do."""
    if raw is not None:
        (tmp_path / "a.sql").write_bytes(raw)
    with pytest.raises(StepFailed, match=message) as caught:
        read_script(tmp_path / "a.sql")
    assert caught.value.hint.endswith(".")


# --- budgets and previews --------------------------------------------------------------------------------------------


def test_budgets_grow_with_size(tmp_path: Path) -> None:
    """An empty system costs seconds, a large one its size by the stated throughput."""
    assert seconds(Sizes({"contacts": 2**30}), "Contacts", 100.0) == pytest.approx(10.74)
    for strategy in ("side-by-side", "scripts"):
        plan = mailer_plan(tmp_path, strategy)
        for kind in KINDS.values():
            if strategy not in kind.strategies:
                continue
            for key in kind.keys(plan):
                budget = kind(plan, key).budget(Sizes())
                assert 0 < budget.do <= 5, kind.name
                assert 0 <= budget.undo <= 5, kind.name


class Writer:
    """Every call is written down."""

    def __init__(self, lines: list[str], server: str) -> None:
        self.lines, self.server = lines, server

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: self.lines.append(f"{self.server}: {name}")


def writers(lines: list[str]) -> Any:
    return lambda server: Writer(lines, server)


def test_previews(tmp_path: Path) -> None:
    """What the plan alone tells is shown, in the order and on the servers it will be sent to."""
    seen: dict[str, list[str]] = {}
    for strategy in ("side-by-side", "scripts"):
        plan = mailer_plan(tmp_path, strategy, databases=("Contacts",))
        seen[strategy] = []
        for name in Night.of(tmp_path, strategy).order:
            if name in KINDS:
                for key in KINDS[name].keys(plan):
                    KINDS[name](plan, key).preview(writers(seen[strategy]))
    assert seen["side-by-side"] == [
        "old: backup_full",
        "new: restore_full",
        "old: cut_tail",
        "new: restore_log",
        "new: recover",
        "new: set_user_access",
        "new: check_database",
        "new: set_user_access",
    ]
    assert seen["scripts"] == [
        "old: backup_full",
        "old: verify_backup",
        "old: create_snapshot",
        "old: run_batch",
        "old: run_batch",
        "old: check_database",
        "old: set_user_access",
    ]
