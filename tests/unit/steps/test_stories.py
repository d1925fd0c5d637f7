"""What goes wrong in real nights, one claim each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runbook.api import Block, Outcome, Pass, ServerError, Skip, StepFailed, UserAccess
from runbook.errors import Unreachable
from runbook.testing import World
from runbook.testing.content import Content
from runbook.testing.world import differences
from tests.unit.steps.night import Night


def slip_in(night: Night, role: str, database: str = "Contacts") -> None:
    """Somebody inserts a row past the gate."""
    found = night.world.servers[role].get(database)
    found.write(found.content.with_row(f"dbo.{database}", "slipped in"))


def kept_files(night: Night, kind: str) -> list[Content]:
    """The content of the backups of one kind, wherever they lie."""
    shelves = night.world.disk.places.values()
    return [made.content for shelf in shelves for path, made in shelf.backups.items() if f"-{kind}" in path]


# --- the new server ------------------------------------------------------------------------------------------------


def test_a_dead_new_server_does_not_keep_the_old_one_away(tmp_path: Path) -> None:
    """With the new server gone, everything up to the old system's return is undone; what is left there is not
    forgotten, it fails loudly and succeeds once the server answers."""
    night = Night.of(tmp_path)
    before = Night(World.mailer(), night.plan)
    before.go_offline()
    night.until("", inclusive=True)
    night.world.kill_server("new")

    late = ("carry-jobs", "carry-logins", "seed-restore[Contacts]")
    for identity in reversed(night.bench.undos):
        if identity not in late:
            night.bench.undo(night.step(identity))
    assert not differences(before.world.content("old"), night.world.content("old"))
    assert night.world.pointed_at() == "old"
    for identity in late:
        with pytest.raises((ServerError, Unreachable)):
            night.bench.undo(night.step(identity))

    night.world.start_server("new")
    for identity in late:
        night.bench.undo(night.step(identity))
    assert not differences(before.world.content("new"), night.world.content("new"))


def test_a_row_that_slipped_in_is_noticed_named_and_kept(tmp_path: Path) -> None:
    """The last look blocks and names the table; on the way back the database is kept in a file before it is dropped."""
    night = Night.of(tmp_path).until("last-look")
    slip_in(night, "new")

    decision = night.bench.look(night.step("last-look[Contacts]"))
    assert isinstance(decision, Block)
    assert "dbo.Contacts: rows 5 -> 6" in decision.reason
    night.back()

    assert any("dbo.Contacts: rows 5 -> 6" in note for note in night.ctx.notes)
    (aside,) = kept_files(night, "aside")
    assert "slipped in" in str(aside.plain())
    assert night.world.servers["new"].find("Contacts") is None


def test_a_changed_row_is_kept_as_well(tmp_path: Path) -> None:
    """Counts do not tell of a row that was changed; the proof does, and the copy is made."""
    night = Night.of(tmp_path).until("last-look")
    found = night.world.servers["new"].get("Contacts")
    found.write(found.content.corrupted())
    night.back()
    (aside,) = kept_files(night, "aside")
    assert "(corrupt)" in str(aside.plain())


def test_nothing_written_nothing_kept(tmp_path: Path) -> None:
    """Without foreign writes no file is left behind beside the seed and the cut."""
    night = Night.of(tmp_path).until("", inclusive=True)
    night.back()
    assert not kept_files(night, "aside")


def test_once_users_were_in_a_copy_is_always_made(tmp_path: Path) -> None:
    """A person reverts after the pivot: whatever users wrote is in a file, even if the proof should not see it."""
    night = Night.of(tmp_path).until("", inclusive=True)
    night.do("open-gate")
    night.back()
    assert len(kept_files(night, "aside")) == 1


def test_what_cannot_be_read_is_kept_as_it_is(tmp_path: Path) -> None:
    """A table that cannot be read tells nothing of what was written: the copy is made to be on the safe side."""
    night = Night.of(tmp_path).until("last-look")
    night.world.fault("new", "fail", "PROVE Contacts dbo.Contacts ")
    night.back()
    assert len(kept_files(night, "aside")) == 1
    assert any("cannot be read to its end" in note for note in night.ctx.notes)


def test_a_full_disk_keeps_the_database_instead(tmp_path: Path) -> None:
    """When the copy cannot be written, the database is not dropped: the way back fails and can be tried again."""
    night = Night.of(tmp_path).until("last-look")
    slip_in(night, "new")
    night.world.fault("new", "disk-full", "BACKUP DATABASE Contacts")
    with pytest.raises(ServerError):
        night.back()
    assert night.world.servers["new"].find("Contacts") is not None
    night.bench.undo(night.step("seed-restore[Contacts]"))
    assert len(kept_files(night, "aside")) == 1


def test_a_foreign_database_is_never_dropped(tmp_path: Path) -> None:
    """Somebody replaced the restored database by one of their own: it stays, and that is said."""
    night = Night.of(tmp_path).until("carry-logins")
    new = night.world.servers["new"]
    new.remove(new.get("Contacts"))
    new.create_database("Contacts", Content())
    night.bench.undo(night.step("seed-restore[Contacts]"))
    assert new.find("Contacts") is not None
    assert any("is not the one this run restored" in note for note in night.ctx.notes)


def test_administrators_in_the_new_database_do_not_keep_it(tmp_path: Path) -> None:
    """A monitoring tool that always comes back is put out before the drop."""
    night = Night.of(tmp_path).until("", inclusive=True)
    night.world.servers["new"].connect("Contacts", login="sa", privileged=True)
    night.back()
    assert night.world.servers["new"].find("Contacts") is None


# --- the proof -------------------------------------------------------------------------------------------------------


def test_a_change_by_the_upgrade_is_named_table_by_table(tmp_path: Path) -> None:
    """One row changed while the database was converted: the comparison names it."""
    night = Night.of(tmp_path).until("recover-database")
    night.world.fault("new", "corrupt", "WITH RECOVERY")
    night.do("recover-database[Contacts]", "carry-options[Contacts]")
    decision = night.bench.look(night.step("compare-proof[Contacts]"))
    assert isinstance(decision, Block)
    assert "dbo.Contacts: content differs (5 rows both)" in decision.reason


def test_a_gap_in_numbers_is_noted_and_no_more(tmp_path: Path) -> None:
    """SQL Server hands out identity values in blocks: one that went on while no row differs stops nothing."""
    night = Night.of(tmp_path).until("compare-proof")
    found = night.world.servers["new"].get("Contacts")
    found.content = replace(found.content, positions={**found.content.positions, "identity dbo.Contacts": "1004"})
    assert isinstance(night.do("compare-proof[Contacts]"), Pass)
    assert any("position 5 -> 1004" in note for note in night.ctx.notes)


def test_a_number_that_went_back_is_no_gap(tmp_path: Path) -> None:
    """An identity that stands lower would hand out keys twice."""
    night = Night.of(tmp_path).until("compare-proof")
    found = night.world.servers["new"].get("Contacts")
    found.content = replace(found.content, positions={**found.content.positions, "identity dbo.Contacts": "3"})
    decision = night.bench.look(night.step("compare-proof[Contacts]"))
    assert isinstance(decision, Block)
    assert "identity dbo.Contacts: position 5 -> 3" in decision.reason


def test_a_weaker_proof_is_said(tmp_path: Path) -> None:
    """The record says of each table how it was proven, and why by less."""
    night = Night.of(tmp_path)
    level = '[{table: dbo.ContactsHistory, level: count, reason: "insert-only"}]'
    text = night.plan.path.read_text().replace("  - name: Contacts\n", f"  - {{name: Contacts, proof: {level}}}\n")
    night.plan.path.write_text(text)
    night = Night(World.mailer(), type(night).plan_at(night.plan.path)).until("compare-proof")
    decision = night.do("compare-proof[Contacts]")
    assert isinstance(decision, Pass)
    assert "1 by content, 1 by count" in decision.reason
    assert any("dbo.ContactsHistory is not proven by its content: insert-only" in note for note in night.ctx.notes)


def test_rows_that_went_missing_hold_the_way_back(tmp_path: Path) -> None:
    """The old database came back with fewer rows than it had: nobody says it is back."""
    night = Night.of(tmp_path).until("cut-database")
    old = night.world.servers["old"].get("Contacts")
    old.write(Content(**{**vars(old.content), "tables": {}}))
    with pytest.raises(StepFailed, match=r"missing \(had 5 rows\)"):
        night.bench.undo(night.step("prove-reference[Contacts]"))


def test_rows_that_were_added_stay_and_are_named(tmp_path: Path) -> None:
    """This run never writes to the old database: what is there in addition is somebody's work."""
    night = Night.of(tmp_path).until("cut-database")
    slip_in(night, "old")
    night.bench.undo(night.step("prove-reference[Contacts]"))
    assert any("keeps it: dbo.Contacts: rows 5 -> 6" in note for note in night.ctx.notes)


# --- the cut ---------------------------------------------------------------------------------------------------------


def test_a_log_backup_in_between_is_found_before_the_cut(tmp_path: Path) -> None:
    """Somebody backed up the log after the last look: the chain would have a gap, so nothing is cut."""
    night = Night.of(tmp_path).until("cut-database")
    night.ctx.server("old").backup_log("Contacts", "/backup/theirs.trn", name="theirs")
    decision = night.bench.look(night.step("cut-database[Contacts]"))
    assert isinstance(decision, Block)
    assert "/backup/theirs.trn" in decision.reason


def test_an_administrators_tool_does_not_stop_the_cut(tmp_path: Path) -> None:
    """3101 changes nothing: whoever is in there is put out and the cut is tried again."""
    night = Night.of(tmp_path).until("cut-database")
    night.world.servers["old"].connect("Contacts", login="sa", privileged=True)
    night.do("cut-database[Contacts]")
    assert any("WITH NORECOVERY !3101" in line for line in night.world.trace)


@pytest.mark.parametrize("database", ["Contacts", "Archive"])
def test_a_cut_that_failed_leaves_the_database_open(tmp_path: Path, database: str) -> None:
    """A full disk at the cut: untouched or half done, and the way back opens it again, restricted."""
    night = Night.of(tmp_path, databases=(database,)).until("cut-database")
    night.world.fault("old", "disk-full", "BACKUP")
    with pytest.raises(ServerError):
        night.do(f"cut-database[{database}]")
    outcome = night.bench.verify(night.step(f"cut-database[{database}]"))
    assert outcome is (Outcome.UNTOUCHED if database == "Contacts" else Outcome.PARTIAL)
    night.bench.undo(night.step(f"cut-database[{database}]"))
    assert night.world.servers["old"].get(database).settings.user_access is UserAccess.RESTRICTED_USER


def test_a_slot_that_was_taken_is_taken_back(tmp_path: Path) -> None:
    """Cut off in SINGLE_USER, the slot goes to whoever is fastest; the way back puts him out."""
    night = Night.of(tmp_path, databases=("Archive",)).until("cut-database")
    night.world.servers["old"].connect("Archive", login="sa", privileged=True, reconnects=False)
    night.world.fault("old", "fail", "BACKUP DATABASE Archive WITH DIFFERENTIAL")
    with pytest.raises(ServerError):
        night.do("cut-database[Archive]")
    if not night.world.servers["old"].in_database("Archive"):
        night.world.servers["old"].connect("Archive", login="sa", privileged=True)
    night.bench.undo(night.step("cut-database[Archive]"))
    assert night.world.servers["old"].get("Archive").settings.user_access is UserAccess.RESTRICTED_USER


def test_a_later_way_back_is_not_taken_back(tmp_path: Path) -> None:
    """Returned once more after access was given back: users are not locked out again."""
    night = Night.of(tmp_path).until("restore-tail")
    night.bench.undo(night.step("cut-database[Contacts]"))
    night.ctx.server("old").set_user_access("Contacts", UserAccess.MULTI_USER)
    night.bench.undo(night.step("cut-database[Contacts]"))
    assert night.world.servers["old"].get("Contacts").settings.user_access is UserAccess.MULTI_USER


# --- logins and jobs -------------------------------------------------------------------------------------------------


def test_exactly_the_created_logins_are_dropped(tmp_path: Path) -> None:
    """One that was there before stays, even with the same name and SID."""
    night = Night.of(tmp_path)
    new, old = night.world.servers["new"], night.world.servers["old"]
    new.logins["mailer_app"] = old.logins["mailer_app"]
    night.until("carry-logins")
    night.do("carry-logins")
    assert set(new.logins) == {"mailer_app", "report_reader", "old_admin"}
    assert new.logins["report_reader"].password_hash == old.logins["report_reader"].password_hash
    night.bench.undo(night.step("carry-logins"))
    assert set(new.logins) == {"mailer_app"}


def test_no_hash_reaches_the_record(tmp_path: Path) -> None:
    """Nothing that is recorded of a step holds what a password could be guessed from."""
    night = Night.of(tmp_path).until("carry-logins")
    night.do("carry-logins")
    recorded = repr(night.bench.intents) + repr(night.bench.undos) + repr(night.ctx.keeps)
    hashes = [login.password_hash for login in night.world.servers["old"].logins.values()]
    assert hashes
    assert not [one for one in hashes if one and one in recorded]


def test_jobs_stay_disabled_until_users_are_in(tmp_path: Path) -> None:
    """Carried jobs run nowhere before the pivot; afterwards exactly the enabled ones do, on one server only."""
    night = Night.of(tmp_path).until("", inclusive=True)
    new, old = night.world.servers["new"], night.world.servers["old"]
    assert not [job for job in new.jobs.values() if job.enabled]
    night.do("open-gate", "probe-open", "enable-jobs")
    assert sorted(job.definition.name for job in new.jobs.values() if job.enabled) == [
        "nightly-rollup",
        "scheduled-sends",
    ]
    assert not [job for job in old.jobs.values() if job.enabled]


# --- scripts ---------------------------------------------------------------------------------------------------------


def test_a_failing_batch_is_named_by_file_and_line(tmp_path: Path) -> None:
    """The error says where; the database is put back, its log chain begins anew, the failed state is kept."""
    night = Night.of(tmp_path, "scripts").until("run-scripts")
    before = night.world.content("old")
    night.world.fault("old", "fail", "UPDATE dbo.Contacts")
    with pytest.raises(ServerError, match=r"Contacts\.sql: batch at line 3: injected failure"):
        night.do("run-scripts[Contacts]")
    night.bench.undo(night.step("run-scripts[Contacts]"))
    assert not differences(before, night.world.content("old"))
    assert night.ctx.reader("old").log_chain_starts("Contacts")
    assert len(kept_files(night, "aside")) == len(kept_files(night, "rebase")) == 1


def test_a_script_that_was_edited_is_refused(tmp_path: Path) -> None:
    """What runs is what was looked at."""
    night = Night.of(tmp_path, "scripts").until("run-scripts")
    step = night.step("run-scripts[Contacts]")
    night.bench.begin(step)
    (tmp_path / "Contacts.sql").write_text("DROP TABLE dbo.Contacts", encoding="utf-8")
    with pytest.raises(StepFailed, match=r"Contacts\.sql is not what it was"):
        step.apply(night.ctx, night.bench.intents[step.id])
    assert night.bench.verify(step) is Outcome.UNTOUCHED


def test_without_its_snapshot_nothing_is_reverted_blindly(tmp_path: Path) -> None:
    """Somebody dropped the restore point: the way back stops, and names the backup beneath it."""
    night = Night.of(tmp_path, "scripts").until("check-version")
    night.world.servers["old"].remove(night.world.servers["old"].snapshots_of("Contacts")[0])
    with pytest.raises(StepFailed) as caught:
        night.bench.undo(night.step("run-scripts[Contacts]"))
    assert "-Contacts-full.bak" in caught.value.hint


def test_a_reverted_database_is_not_reverted_again(tmp_path: Path) -> None:
    """Run once more when users are back at work, the way back of the scripts touches nothing."""
    night = Night.of(tmp_path, "scripts").until("", inclusive=True)
    night.back()
    slip_in(night, "old")
    night.bench.undo(night.step("run-scripts[Contacts]"))
    assert "slipped in" in str(night.world.servers["old"].get("Contacts").content.plain())


def test_the_second_attempt_has_a_way_back_of_its_own(tmp_path: Path) -> None:
    """Reverted, run again, reverted again: files of the first attempt are not taken for those of the second."""
    night = Night.of(tmp_path, "scripts").until("run-scripts")
    before = night.world.content("old")
    for _ in range(2):
        night.do("run-scripts[Contacts]")
        assert differences(before, night.world.content("old"))
        night.bench.undo(night.step("run-scripts[Contacts]"))
        assert not differences(before, night.world.content("old"))
        night.steps = {}
    assert len(kept_files(night, "aside")) == len(kept_files(night, "rebase")) == 2


def test_turned_back_before_the_reference_was_taken(tmp_path: Path) -> None:
    """Then the snapshot itself is proven on the way back, and compared."""
    night = Night.of(tmp_path, "scripts").until("prove-reference")
    night.do("run-scripts[Contacts]")
    night.back()
    assert "prove-reference[Contacts]" not in night.ctx.keeps
    assert night.ctx.reader("old").snapshots("Contacts") == ()


def test_what_a_revert_did_not_bring_back_is_named(tmp_path: Path) -> None:
    """After a revert no difference is innocent."""
    night = Night.of(tmp_path, "scripts").until("run-scripts")
    slip_in(night, "old")
    with pytest.raises(StepFailed, match=r"dbo\.Contacts: rows 5 -> 6"):
        night.bench.undo(night.step("expect-return[Contacts]"))


# --- what only seems to be done --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "step", "match"),
    [
        ("side-by-side", "seed-backup[Contacts]", "BACKUP DATABASE"),
        ("side-by-side", "seed-restore[Contacts]", "RESTORE DATABASE"),
        ("side-by-side", "carry-logins", "CREATE LOGIN report_reader"),
        ("side-by-side", "carry-jobs", "CREATE JOB old-import"),
        ("side-by-side", "cut-database[Contacts]", "BACKUP LOG"),
        ("side-by-side", "recover-database[Contacts]", "WITH RECOVERY"),
        ("side-by-side", "carry-options[Contacts]", "TRUSTWORTHY"),
        ("side-by-side", "check-database[Contacts]", "CHECKDB"),
        ("side-by-side", "release-database[Contacts]", "MULTI_USER"),
        ("scripts", "create-snapshot[Contacts]", "AS SNAPSHOT"),
    ],
)
def test_a_lie_is_seen(tmp_path: Path, strategy: str, step: str, match: str) -> None:
    """The server reports success without effect: the look that follows says so."""
    night = Night.of(tmp_path, strategy).until(step.partition("[")[0])
    for role in night.world.servers:
        night.world.fault(role, "lie", match)
    with pytest.raises(AssertionError, match="a look shows it"):
        night.do(step)


def test_a_tail_that_was_only_said_to_be_restored(tmp_path: Path) -> None:
    """RESTORING before and after: no look tells, but the comparison misses the rows."""
    night = Night.of(tmp_path).until("OFFLINE")
    slip_in(night, "old")
    night.go_offline()
    night.do("carry-jobs", "prove-reference[Contacts]", "cut-database[Contacts]")
    night.world.fault("new", "lie", "RESTORE LOG")
    night.do("restore-tail[Contacts]", "recover-database[Contacts]", "carry-options[Contacts]")
    decision = night.bench.look(night.step("compare-proof[Contacts]"))
    assert isinstance(decision, Block)
    assert "dbo.Contacts: rows 6 -> 5" in decision.reason


def test_findings_of_checkdb_are_named(tmp_path: Path) -> None:
    """A damaged copy does not go into service."""
    night = Night.of(tmp_path).until("check-database")
    night.world.servers["new"].get("Contacts").findings = ("8928: Object ID 5: page (1:77) could not be processed",)
    with pytest.raises(StepFailed, match=r"8928: Object ID 5"):
        night.do("check-database[Contacts]")
    assert night.bench.verify(night.step("check-database[Contacts]")) is Outcome.UNTOUCHED


def test_a_plan_without_extras_skips_them(tmp_path: Path) -> None:
    """No checks, no repoint, nothing carried: each says so and nothing is touched."""
    night = Night.of(tmp_path)
    plan = night.plan.model_copy(
        update={
            "repoint": None,
            "carry": night.plan.carry.model_copy(update={"logins": False, "jobs": False}),
            "checks": night.plan.checks.model_copy(update={"queries": (), "http": ()}),
        }
    )
    night = Night(World.mailer(), plan)
    night.until("", inclusive=True)
    for identity in ("carry-logins", "carry-jobs", "repoint", "run-queries", "check-http"):
        assert isinstance(night.bench.look(night.step(identity)), Skip)
