"""The fingerprint: what changes it, what does not, and how a change is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runbook.errors import Refused
from runbook.plan.fingerprint import Fingerprint, diff, fingerprint
from runbook.plan.load import load_plan

GOOD = Path(__file__).parents[2] / "cases" / "plans" / "good"


def taken(folder: Path) -> Fingerprint:
    return fingerprint(load_plan(folder / "runbook.yaml"))


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "runbook.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(GOOD / "side-by-side", tmp_path / "plan")
    return tmp_path / "plan"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    shutil.copytree(GOOD / "scripts", tmp_path / "scripts")
    return tmp_path / "scripts"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# every key that a side-by-side plan with files can have", "# something else"),
        ("jobs: {running: wait, wait: 5m}", "jobs:\n  wait: 300s\n  running: 'wait'"),
        ("source: old\ntarget: new", "target: new\n\nsource: old"),
        ("    encrypt: true\n", ""),
        ("limits: {workers: 8}", "limits:"),
        ("journal_copy: ../copies", "journal_copy: none"),
    ],
)
def test_layout_does_not_matter(folder: Path, old: str, new: str) -> None:
    """Comments, order, quoting, other ways to write a duration and written-out defaults change nothing, and the
    journal's second place may be moved in the middle of a run."""
    before = taken(folder)
    edit(folder, old, new)
    assert taken(folder).digest == before.digest
    assert diff(before, taken(folder)) == []


def test_place_does_not_matter(folder: Path, tmp_path: Path) -> None:
    """The same folder elsewhere has the same digest."""
    shutil.copytree(folder, tmp_path / "moved" / "plan")
    assert taken(folder).digest == taken(tmp_path / "moved" / "plan").digest


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("- name: Contacts", "- name: Kontakte", "databases[0].name: 'Contacts' -> 'Kontakte'"),
        ("  length: 4h", "  length: 3h", "window.length: '4h' -> '3h'"),
        ('  - {name: "five lists"', '  - {name: "six lists"', "checks.queries[1].name: 'five lists' -> 'six lists'"),
        ("  - name: Contacts", "  - name: First\n  - name: Contacts", "databases[0]: added 'First'"),
        ("env:OLD_PASSWORD", "env:OTHER", "servers.old.password: 'env:OLD_PASSWORD' -> 'env:OTHER'"),
        ("workers: 8", "workers: 9", "limits.workers: 8 -> 9"),
        (
            "  backup-database: 20m\n",
            "  a: 1m\n  backup-database: 20m\n",
            'budgets.a: added {"do": "1m", "undo": null}',
        ),
        ('contains: "Mailer"', 'contains: "Mail"', "gate.probes[0].open.contains: 'Mailer' -> 'Mail'"),
        ("workers: 4,", "workers: 4, reason: slow,", "proof.reason: nothing -> 'slow'"),
    ],
)
def test_changes_in_words(folder: Path, old: str, new: str, told: str) -> None:
    """A change is told by its key, with what was and what is."""
    edit(folder, "database: Contacts", "database: master")
    before = taken(folder)
    edit(folder, old, new)
    after = taken(folder)
    assert after.digest != before.digest
    assert diff(before.canonical, after.canonical) == [told]


def test_removed_item_is_one_line(folder: Path) -> None:
    """A database taken out of the middle is one line, and not one for each that moved up."""
    edit(folder, "database: Campaigns", "database: Contacts")
    before = taken(folder)
    edit(folder, "  - name: Campaigns\n", "")
    assert diff(before, taken(folder)) == ["databases[1]: removed 'Campaigns'"]


def test_content_of_files_counts(folder: Path, scripts: Path) -> None:
    """A script or maintenance page with other content is another plan."""
    before = taken(folder), taken(scripts)
    (folder / "maintenance.html").write_text("something untrue", encoding="utf-8")
    (scripts / "sql" / "002_backfill.sql").write_text("DELETE dbo.Contact;", encoding="utf-8")
    assert diff(before[0], taken(folder)) == ["contents of maintenance.html changed"]
    assert diff(before[1], taken(scripts)) == ["contents of sql/002_backfill.sql changed"]


def test_secret_is_not_part_of_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference is in the document, the secret is not, and changing the secret changes nothing."""
    monkeypatch.setenv("OLD_PASSWORD", "tr0ub4dor")
    before = taken(folder)
    monkeypatch.setenv("OLD_PASSWORD", "other")
    assert "env:OLD_PASSWORD" in before.canonical
    assert "tr0ub4dor" not in before.canonical
    assert taken(folder).digest == before.digest


def test_file_that_vanished(scripts: Path) -> None:
    """A referenced file that vanished after the plan was read is a refusal that names it."""
    plan = load_plan(scripts / "runbook.yaml")
    (scripts / "sql" / "001_add_consent.sql").unlink()
    with pytest.raises(Refused, match=r"sql/001_add_consent\.sql cannot be read"):
        fingerprint(plan)


def test_stored_document_is_the_fingerprint(folder: Path) -> None:
    """What is stored gives the same digest when it is read back."""
    first = taken(folder)
    assert Fingerprint(first.canonical).digest == first.digest
    assert first.document["plan"]["name"] == "mailer-2022"
