"""The checks on fakes: in the usual world all hold and nothing is touched; each finds what it is there for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runbook.api import (
    EVERY_CHECK,
    Block,
    DatabaseState,
    Decision,
    NotSupported,
    Pass,
    Phase,
    PinnedIdentities,
    RecoveryModel,
    Skip,
    Step,
    UserAccess,
)
from runbook.plan.hosts import Host, name_hosts
from runbook.plan.models import Exchange
from runbook.registry import step_kinds
from runbook.testing import World
from runbook.testing.bench import BenchContext, StepBench
from runbook.testing.containerhost import ContainerHost
from runbook.testing.disk import GIB
from runbook.testing.enginehost import EngineHost
from runbook.testing.plans import mailer_plan
from runbook.testing.world import differences
from steps.preflight.check_backups import CheckBackups
from steps.preflight.check_checkdb import CheckCheckdb
from steps.preflight.check_checks import CheckChecks
from steps.preflight.check_clock import CheckClock
from steps.preflight.check_container import CheckContainer
from steps.preflight.check_features import CheckFeatures
from steps.preflight.check_front import CheckFront
from steps.preflight.check_held import CheckHeld
from steps.preflight.check_hosts import CheckHosts
from steps.preflight.check_jobs import CheckJobs
from steps.preflight.check_packages import CheckPackages
from steps.preflight.check_path import CheckPath
from steps.preflight.check_permissions import CheckPermissions
from steps.preflight.check_programs import CheckPrograms
from steps.preflight.check_services import CheckServices
from steps.preflight.check_setup import CheckSetup
from steps.preflight.check_space import CheckSpace
from steps.preflight.check_standby import CheckStandby
from steps.preflight.pin_identity import PinIdentity

CHECKS = (
    PinIdentity,
    CheckPath,
    CheckPermissions,
    CheckFeatures,
    CheckSpace,
    CheckBackups,
    CheckJobs,
    CheckCheckdb,
    CheckClock,
    CheckFront,
    CheckChecks,
    CheckHosts,
    CheckPackages,
    CheckSetup,
    CheckContainer,
    CheckPrograms,
    CheckServices,
    CheckHeld,
    CheckStandby,
)


WEB = Host.model_validate({"address": "ssh://deploy@web"})


class Afternoon:
    """A world, a plan, and one way to ask a check."""

    def __init__(self, directory: Path, strategy: str = "side-by-side", **options: str) -> None:
        self.world = World.mailer()
        self.plan = mailer_plan(directory, strategy, databases=("Contacts", "Archive"), **options)  # type: ignore[arg-type]
        hosts = {**self.plan.hosts, **name_hosts({"web1": WEB, "web2": WEB})}
        self.plan = self.plan.model_copy(update={"hosts": hosts})
        self.engine_host = EngineHost.of(self.world, "db", "old") if self.plan.in_place else None
        self.container_host = ContainerHost.of(self.world, "db", "old") if self.plan.container else None
        self.world.add_host("web1")
        self.world.add_host("web2")
        self.bench = StepBench(BenchContext(self.world, self.plan))

    def ask(self, kind: type[Step]) -> Decision:
        """The decision, of the first key."""
        return self.bench.do(kind(self.plan, next(iter(kind.keys(self.plan)))))

    def blocked(self, kind: type[Step]) -> str:
        """Why it blocks."""
        found = self.ask(kind)
        assert isinstance(found, Block), found
        return found.reason

    @property
    def notes(self) -> str:
        """Everything noted, on one line."""
        return " | ".join(self.bench.ctx.notes)


class ContainerAfternoon(Afternoon):
    """The server is one in a container."""

    container_host: ContainerHost


@pytest.fixture
def afternoon(tmp_path: Path) -> Afternoon:
    return Afternoon(tmp_path)


@pytest.mark.parametrize("strategy", ["side-by-side", "scripts", "in-place", "container"])
def test_the_usual_world_passes_untouched(tmp_path: Path, strategy: str) -> None:
    """All checks hold, and nothing anywhere was changed by asking."""
    afternoon = Afternoon(tmp_path, strategy)
    before = [afternoon.world.content(role) for role in ("old", "new")], afternoon.world.site.page
    for kind in (one for one in CHECKS if strategy in one.strategies):
        for key in kind.keys(afternoon.plan):
            assert isinstance(afternoon.bench.do(kind(afternoon.plan, key)), Pass)
    assert not differences(before[0][0], afternoon.world.content("old"))
    assert not differences(before[0][1], afternoon.world.content("new"))
    assert afternoon.world.site.page is before[1]
    assert not afternoon.bench.ctx.log.effects()


def test_no_check_is_forgotten() -> None:
    """Every step of the phase that only looks is in this file."""
    looking = {kind.name for kind in step_kinds() if kind.phase == "preflight" and kind.Intent is None}
    assert looking == {kind.name for kind in CHECKS}


def test_a_host_that_does_not_answer_is_one_finding(afternoon: Afternoon) -> None:
    """The others are looked at all the same; what is wrong with them is said in the same breath."""
    afternoon.world.hosts["web1"].down = True
    afternoon.world.hosts["web2"].may_become_root = False
    reason = afternoon.blocked(CheckHosts)
    assert "web1: nobody answers" in reason
    assert "runbook may not become root on web2" in reason


def test_the_clock_of_a_host_is_looked_at(afternoon: Afternoon) -> None:
    """Its log and the record of the night are to be read side by side."""
    afternoon.world.hosts["web2"].skew = timedelta(seconds=60)
    assert "the clock of web2 is 60.0 s ahead" in afternoon.blocked(CheckHosts)


@pytest.fixture
def contained(tmp_path: Path) -> ContainerAfternoon:
    return ContainerAfternoon(tmp_path, "container")


def test_all_that_lies_in_the_volume_is_copied(contained: ContainerAfternoon) -> None:
    """Old backups beside the databases count, and so do those that the night makes there before the copy."""
    contained.container_host.besides = 8_000_000_000
    held = f"{contained.container_host.held()} are in it"
    assert contained.container_host.held() > 8_000_000_000
    for directory, said in (
        ("/backups", f"{held}, times 1.2"),
        ("/var/opt/mssql/backup/", "of backups come and are copied too, times 1.2"),
    ):
        contained.plan = contained.plan.model_copy(update={"exchange": Exchange(source=directory)})
        contained.bench = StepBench(BenchContext(contained.world, contained.plan))
        reason = contained.blocked(CheckContainer)
        assert held in reason
        assert said in reason


def test_a_volume_that_cannot_be_measured(contained: ContainerAfternoon) -> None:
    """A file that goes while it is counted is none; anything else that is not counted is said."""
    contained.container_host.du_says = "du: cannot access '/var/opt/mssql/log/x.trc': No such file or directory\n"
    assert isinstance(contained.ask(CheckContainer), Pass)
    contained.container_host.du_says += "du: cannot read directory '/var/opt/mssql/data': Permission denied\n"
    assert "cannot be measured: du: cannot read directory" in contained.blocked(CheckContainer)


def test_a_host_is_pinned_by_the_id_that_check_prints(afternoon: Afternoon) -> None:
    """As servers are by their names."""
    assert isinstance(afternoon.ask(CheckHosts), Pass)
    assert "web1 is machine machine-web1" in afternoon.notes
    pinned = WEB.model_validate({"address": "ssh://web", "expect": {"machine_id": "another"}})
    hosts = name_hosts({"web1": pinned, "web2": WEB})
    afternoon.bench.ctx.plan = afternoon.plan = afternoon.plan.model_copy(update={"hosts": hosts})
    assert "web1 is machine machine-web1, the plan expects another" in afternoon.blocked(CheckHosts)


def test_pins_are_kept(afternoon: Afternoon) -> None:
    """Servers and databases are remembered as they are read again later."""
    afternoon.ask(PinIdentity)
    kept = afternoon.bench.ctx.kept("pin-identity", PinnedIdentities)
    contacts = afternoon.world.servers["old"].get("Contacts")
    assert kept.servers["new"].server_name == "NEWSQL"
    assert next((one.name, one.family_guid) for one in kept.databases) == ("Contacts", contacts.family_guid)


def test_a_stranger_answers(afternoon: Afternoon) -> None:
    """Another server than the one that was pinned."""
    afternoon.world.servers["new"].server_name = "PRODSQL"
    assert afternoon.blocked(PinIdentity) == "new says it is PRODSQL, the plan expects NEWSQL"


def test_unpinned_servers_are_noted(tmp_path: Path) -> None:
    """What to paste into the plan is said."""
    afternoon = Afternoon(tmp_path, "scripts")
    bare = afternoon.plan.servers["old"].model_copy(update={"expect": type(afternoon.plan.servers["old"].expect)()})
    afternoon.bench.ctx.plan = afternoon.plan = afternoon.plan.model_copy(update={"servers": {"old": bare}})
    assert isinstance(afternoon.ask(PinIdentity), Pass)
    assert "add expect: {server_name: OLDSQL, version: 2019}" in afternoon.notes


def test_a_server_that_does_not_answer(afternoon: Afternoon) -> None:
    """Both are named at once."""
    afternoon.world.kill_server("old")
    afternoon.world.kill_server("new")
    reason = afternoon.blocked(PinIdentity)
    assert "old does not answer" in reason
    assert "new does not answer" in reason


Change = Callable[[World], object]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda w: setattr(w.servers["old"].get("Contacts"), "state", DatabaseState.SUSPECT),
            "Contacts on old is SUSPECT",
        ),
        (lambda w: w.servers["old"].get("Contacts").set(is_read_only=True), "(3415)"),
        (lambda w: w.servers["old"].get("Contacts").set(user_access=UserAccess.SINGLE_USER), "SINGLE_USER"),
        (lambda w: w.servers["old"].get("Contacts").set(compatibility_level=90), "level 90"),
        (lambda w: w.servers["old"].remove(w.servers["old"].get("Contacts")), "Contacts is not on old"),
        (lambda w: setattr(w.servers["old"].get("Contacts"), "name", "CONTACTS"), "spelled CONTACTS"),
        (
            lambda w: w.servers["new"].create_database("Contacts", w.servers["old"].get("Contacts").content),
            "on new already",
        ),
        (lambda w: w.servers["new"].logins.update(mailer_app=_other_sid(w)), "mailer_app exists with another SID"),
    ],
)
def test_what_is_in_the_way(afternoon: Afternoon, change: Change, reason: str) -> None:
    """Each is named."""
    change(afternoon.world)
    assert reason in afternoon.blocked(CheckPath)


def _other_sid(world: World) -> object:
    return replace(world.servers["old"].logins["mailer_app"], sid="0xBEEF")


def test_logins_that_nobody_carries_cannot_clash(tmp_path: Path) -> None:
    """carry: {logins: false} asks nothing of them."""
    afternoon = Afternoon(tmp_path, more="carry: {logins: false}\n")
    afternoon.world.servers["new"].logins["mailer_app"] = _other_sid(afternoon.world)  # type: ignore[assignment]
    assert isinstance(afternoon.ask(CheckPath), Pass)


def test_differences_worth_knowing_are_noted(afternoon: Afternoon) -> None:
    """Another collation, another platform, a database only administrators may enter: noted, not refused."""
    new, old = afternoon.world.servers["new"], afternoon.world.servers["old"]
    new.collation = "Latin1_General_100_CI_AS"
    new.platform = "Windows"
    old.get("Archive").set(user_access=UserAccess.RESTRICTED_USER)
    assert isinstance(afternoon.ask(CheckPath), Pass)
    for what in ("(468)", "old runs on Linux, new on Windows", "Archive is RESTRICTED_USER"):
        assert what in afternoon.notes


def test_a_login_without_rights(afternoon: Afternoon) -> None:
    """What is missing is named, with the server."""
    afternoon.world.servers["new"].missing_permissions = ("sysadmin",)
    assert afternoon.blocked(CheckPermissions) == "the login on new lacks sysadmin"


@pytest.mark.parametrize("feature", ["availability-group", "mirroring", "replication", "cdc", "log-shipping"])
@pytest.mark.parametrize("strategy", ["side-by-side", "scripts"])
def test_features_without_a_way_back(tmp_path: Path, strategy: str, feature: str) -> None:
    """Neither strategy can take them there and back."""
    afternoon = Afternoon(tmp_path, strategy)
    afternoon.world.servers["old"].get("Contacts").features = frozenset({feature})
    assert afternoon.blocked(CheckFeatures).startswith("Contacts ")


def test_a_snapshot_in_the_way(afternoon: Afternoon) -> None:
    """It would keep the database from being restored or reverted."""
    afternoon.bench.ctx.server("old").create_snapshot("Contacts", "Contacts_morning")
    found = afternoon.ask(CheckFeatures)
    assert isinstance(found, Block)
    assert "Contacts_morning" in found.hint


def test_encryption_is_noted(afternoon: Afternoon) -> None:
    """The seed proves the certificate before users are kept out."""
    afternoon.world.servers["old"].get("Contacts").features = frozenset({"tde"})
    assert isinstance(afternoon.ask(CheckFeatures), Pass)
    assert "certificate" in afternoon.notes


@pytest.mark.parametrize("kind", [CheckFeatures, CheckCheckdb])
def test_what_is_not_open_is_left_to_check_path(afternoon: Afternoon, kind: type[Step]) -> None:
    """One finding is enough."""
    afternoon.world.servers["old"].get("Contacts").state = DatabaseState.OFFLINE
    assert isinstance(afternoon.ask(kind), Skip)


def test_no_room_for_the_restored_files(afternoon: Afternoon) -> None:
    """Data and log files of all databases, with headroom, on the new server's volume."""
    afternoon.world.disk.place("new data").used_elsewhere = 99 * GIB
    assert "new: /var/opt/mssql/data has 1 GiB free and needs 2.4 GiB" in afternoon.blocked(CheckSpace)


def test_no_room_for_the_backups(afternoon: Afternoon) -> None:
    """Both servers see the same full directory."""
    afternoon.world.disk.place("exchange").used_elsewhere = 100 * GIB
    assert afternoon.blocked(CheckSpace).count("/exchange has 0 bytes free") == 2


def test_no_room_for_the_way_back_of_scripts(tmp_path: Path) -> None:
    """One backup before, one of what the scripts made, and one that begins the new log chain (not in SIMPLE)."""
    afternoon = Afternoon(tmp_path, "scripts")
    afternoon.world.disk.place("old backup").used_elsewhere = 98 * GIB
    assert "has 2 GiB free and needs 3 GiB" in afternoon.blocked(CheckSpace)


def test_a_volume_nobody_can_measure_is_noted(tmp_path: Path) -> None:
    """Not knowing stops nobody, silently it does not pass either."""
    afternoon = Afternoon(tmp_path)
    del afternoon.world.servers["old"].mounts["/exchange"]
    assert isinstance(afternoon.ask(CheckSpace), Pass)
    assert "old cannot tell how much room there is at /exchange" in afternoon.notes


def test_a_backup_that_runs(afternoon: Afternoon) -> None:
    """Somebody else's, of one of ours."""
    afternoon.world.servers["old"].foreign_backups = [("BACKUP DATABASE", "Archive"), ("BACKUP LOG", "Payroll")]
    assert afternoon.blocked(CheckBackups) == "BACKUP DATABASE of Archive runs on old (session 60, 42 %)"


def test_chains_are_noted(afternoon: Afternoon) -> None:
    """One that has not begun, and one that cannot."""
    contacts = afternoon.world.servers["old"].get("Contacts")
    contacts.log_backup_lsn = None
    assert isinstance(afternoon.ask(CheckBackups), Pass)
    assert "the log chain of Contacts has not begun" in afternoon.notes
    assert "Archive is in SIMPLE recovery" in afternoon.notes
    assert contacts.settings.recovery_model is RecoveryModel.FULL


def test_a_database_never_checked(afternoon: Afternoon) -> None:
    """Damage must not be carried along."""
    afternoon.world.servers["old"].get("Contacts").last_checkdb = None
    assert "never found sound" in afternoon.blocked(CheckCheckdb)


def test_a_database_checked_long_ago(afternoon: Afternoon) -> None:
    """The plan says how long ago is too long."""
    afternoon.world.servers["old"].get("Contacts").last_checkdb = afternoon.world.clock.now() - timedelta(days=8)
    assert "older than 7 days" in afternoon.blocked(CheckCheckdb)


@pytest.mark.parametrize(("seconds", "way"), [(6, "6.0 s ahead of"), (-6, "6.0 s behind")])
def test_a_clock_that_is_off(afternoon: Afternoon, seconds: int, way: str) -> None:
    """Either way."""
    afternoon.world.servers["new"].skew = timedelta(seconds=seconds)
    assert afternoon.blocked(CheckClock) == f"the clock of new is {way} this machine's"


def test_a_slow_answer_is_not_a_wrong_clock(afternoon: Afternoon) -> None:
    """The time the answer took is nobody's skew."""
    afternoon.world.durations["utcnow"] = 30.0
    assert isinstance(afternoon.ask(CheckClock), Pass)


def test_a_strangers_page(afternoon: Afternoon) -> None:
    """The system is closed by somebody else."""
    afternoon.world.site.page, afternoon.world.site.page_by = "closed for stocktaking", "somebody"
    reason = afternoon.blocked(CheckFront)
    assert reason.startswith("something that this run did not put there")
    assert "answers 503, not 200" in reason


def test_a_system_that_is_not_in_service(afternoon: Afternoon) -> None:
    """What does not answer before cannot be shown to answer afterwards."""
    afternoon.world.site.down = True
    assert afternoon.blocked(CheckFront) == "not in service: http://127.0.0.1:8090/ answers 502, not 200"


def test_a_hiccup_of_the_application(afternoon: Afternoon) -> None:
    """A page that answers on the second try is in service."""
    afternoon.world.site.down = True
    afternoon.world.later(2, lambda: setattr(afternoon.world.site, "down", False))
    assert isinstance(afternoon.ask(CheckFront), Pass)


def test_clients_that_are_there_already(afternoon: Afternoon) -> None:
    """The pointer must be at the source."""
    afternoon.world.site.config = "server = new\n"
    assert "clients are sent to the target already" in afternoon.blocked(CheckFront)


def test_jobs_that_run_are_noted(afternoon: Afternoon) -> None:
    """At noon that is no reason to refuse."""
    old = afternoon.world.servers["old"]
    next(iter(old.jobs.values())).running_until = afternoon.world.clock.now() + timedelta(hours=1)
    assert isinstance(afternoon.ask(CheckJobs), Pass)
    assert "scheduled-sends" in afternoon.notes


def test_a_job_of_the_same_name(afternoon: Afternoon) -> None:
    """It does something else there."""
    old, new = afternoon.world.servers["old"], afternoon.world.servers["new"]
    definition = next(job.definition for job in old.jobs.values() if job.definition.name == "nightly-rollup")
    new.add_job(replace(definition, description="another one"))
    assert "nightly-rollup exists and does something else" in afternoon.blocked(CheckJobs)


def test_the_same_job_prepared_by_somebody(afternoon: Afternoon) -> None:
    """Equal and disabled it is no clash; enabled it would run in the middle of the night."""
    old, new = afternoon.world.servers["old"], afternoon.world.servers["new"]
    definition = next(job.definition for job in old.jobs.values() if job.definition.name == "nightly-rollup")
    job = new.add_job(replace(definition, enabled=False))
    assert isinstance(afternoon.ask(CheckJobs), Pass)
    job.enabled = True
    assert "nightly-rollup exists and is enabled" in afternoon.blocked(CheckJobs)


def test_the_job_every_server_has_is_no_clash(afternoon: Afternoon) -> None:
    """Setup creates it, with the name of the machine in it."""
    old, new = afternoon.world.servers["old"], afternoon.world.servers["new"]
    definition = next(job.definition for job in old.jobs.values())
    old.add_job(replace(definition, name="syspolicy_purge_history"))
    new.add_job(replace(definition, name="syspolicy_purge_history", description="another machine"))
    assert isinstance(afternoon.ask(CheckJobs), Pass)


def test_a_job_of_somebody_who_stays_behind(afternoon: Afternoon) -> None:
    """Its owner is a Windows account of the old machine: it could not be created in the night."""
    old = afternoon.world.servers["old"]
    definition = next(job.definition for job in old.jobs.values())
    account = replace(old.logins["mailer_app"], name="OLDSQL\\agent", kind="U", sid="0x0B01", password_hash=None)
    old.logins[account.name] = account
    old.add_job(replace(definition, name="local-clean-up", owner=account.name))
    assert "local-clean-up is owned by OLDSQL\\agent" in afternoon.blocked(CheckJobs)
    assert isinstance(afternoon.ask(CheckPath), Pass)
    assert "accounts of the old machine itself stay behind: OLDSQL\\agent" in afternoon.notes


def test_a_job_of_a_database_that_stays(afternoon: Afternoon) -> None:
    """Campaigns is not in this plan: its jobs would stay disabled on the old server, and that is said."""
    assert isinstance(afternoon.ask(CheckJobs), Pass)
    assert "job nightly-rollup works in Campaigns, which the plan does not move" in afternoon.notes
    assert "old-import" not in afternoon.notes


def test_jobs_that_nobody_carries(tmp_path: Path) -> None:
    """They stay disabled on the old server: said before it is so."""
    afternoon = Afternoon(tmp_path, more="carry: {jobs: false}\n")
    assert isinstance(afternoon.ask(CheckJobs), Pass)
    assert "2 enabled jobs of old are disabled and stay so" in afternoon.notes


def test_no_agent_to_carry_jobs_to(afternoon: Afternoon) -> None:
    """Express has none."""
    afternoon.world.servers["new"].agent = False
    assert "new has no SQL Server Agent" in afternoon.blocked(CheckJobs)


def test_a_job_that_cannot_be_carried(afternoon: Afternoon, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the adapter cannot read whole is found in the afternoon, not in the night."""

    def refuse(*_: object) -> None:
        raise NotSupported("old: step 1 of job import runs under a proxy", hint="Create it yourself.")

    monkeypatch.setattr("runbook.testing.reading.FakeReader.job_definition", refuse)
    assert "runs under a proxy" in afternoon.blocked(CheckJobs)


def test_a_query_nobody_understands(tmp_path: Path) -> None:
    """The table is not there, and side by side nothing will create it."""
    afternoon = Afternoon(tmp_path)
    checks = afternoon.plan.checks.queries[0].model_copy(update={"sql": "SELECT COUNT(*) FROM dbo.Nothing"})
    _ask_instead(afternoon, checks)
    assert "check 'contacts are there' on Contacts of old fails" in afternoon.blocked(CheckChecks)


def test_a_query_on_what_the_scripts_will_make(tmp_path: Path) -> None:
    """It cannot be tried yet, and that is noted."""
    afternoon = Afternoon(tmp_path, "scripts")
    checks = afternoon.plan.checks.queries[0].model_copy(update={"sql": "SELECT COUNT(*) FROM dbo.Consent"})
    _ask_instead(afternoon, checks)
    assert isinstance(afternoon.ask(CheckChecks), Pass)
    assert "cannot be tried before the scripts ran" in afternoon.notes


def test_a_query_that_would_not_hold_now(tmp_path: Path) -> None:
    """It may hold afterwards: noted."""
    afternoon = Afternoon(tmp_path)
    checks = afternoon.plan.checks.queries[0].model_copy(update={"at_least": 1000})
    _ask_instead(afternoon, checks)
    assert isinstance(afternoon.ask(CheckChecks), Pass)
    assert "returns 5, less than 1000" in afternoon.notes


def test_a_query_of_a_system_database_runs_where_it_belongs(tmp_path: Path) -> None:
    """master is on the new server already."""
    afternoon = Afternoon(tmp_path)
    checks = afternoon.plan.checks.queries[0].model_copy(update={"database": "master"})
    _ask_instead(afternoon, checks)
    assert "on master of new fails" in afternoon.blocked(CheckChecks)


def _ask_instead(afternoon: Afternoon, check: object) -> None:
    """The plan with this one query."""
    checks = afternoon.plan.checks.model_copy(update={"queries": (check,)})
    afternoon.plan = afternoon.bench.ctx.plan = afternoon.plan.model_copy(update={"checks": checks})


def test_packages_as_they_are_found(tmp_path: Path) -> None:
    """Everything that stands in the way is said at once: a lock, a version, a database nobody would convert, files
    outside of what is copied."""
    afternoon = Afternoon(tmp_path, "in-place")
    host, old = afternoon.engine_host, afternoon.world.servers["old"]
    assert host
    host.locks, host.status = ("/var/lib/dpkg/lock-frontend",), "iF"
    old.get("Campaigns").set(is_read_only=True)
    elsewhere = tuple(replace(one, path=f"/sqldata/{one.logical_name}") for one in old.get("Archive").files)
    old.get("Archive").files = elsewhere
    reason = afternoon.blocked(CheckPackages)
    for said in ("lock-frontend", "(iF)", "dpkg on db was interrupted", "Campaigns is READ_ONLY", "/sqldata/Archive"):
        assert said in reason
    assert "took 300 s when it was measured on 2026-11-10" in afternoon.notes
    assert "journal_copy: server is down" in afternoon.notes


def test_every_check_comes_before_anything_is_moved_or_left() -> None:
    """A check that is not on the list would still run while a standby is exercised, or after."""
    checks = {kind.name for kind in step_kinds() if kind.phase is Phase.PREFLIGHT}
    assert checks - {"exercise-standby", "return-standby"} == set(EVERY_CHECK)
