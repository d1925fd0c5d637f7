"""The world survives the process, tells what happened to it, and fails in every way a real one does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest

from runbook.errors import Cancelled, HostError, ServerError
from runbook.front import GateState
from runbook.ports import DatabaseState, ProofLevel, UserAccess
from runbook.testing import (
    FakeClock,
    FakeCommands,
    FakeGate,
    FakePointer,
    FakeServices,
    FakeSqlServer,
    FakeWeb,
    ImpossibleWorld,
    PowerCut,
    StatementLog,
    StepBench,
    Stoppable,
    World,
    differences,
    mailer_plan,
)
from runbook.testing.bench import BenchContext
from tests.unit.testing.test_backups import refused

OWNER = ("Contacts", "sa")


@pytest.fixture
def world():
    return World.mailer()


@pytest.fixture
def old(world):
    return FakeSqlServer(world, "old")


# -- the plug


def test_every_moment_of_an_effect_can_be_the_last(world, old):
    """Before: nothing happened. After: it happened, and nobody was told."""
    for moment, owner in (("before", "old_admin"), ("after", "sa")):
        world.pull_plug(name="set_owner", moment=moment)
        with pytest.raises(PowerCut):
            FakeSqlServer(world, "old").set_owner(*OWNER)
        world.next_process()
        assert FakeSqlServer(world, "old").database("Contacts").owner == owner
    assert [str(effect) for effect in world.effects] == [
        "before old: set_owner[Contacts]",
        "before old: set_owner[Contacts]",
        "after old: set_owner[Contacts]",
    ]
    assert world.trace == ["old: ALTER AUTHORIZATION ON DATABASE::Contacts TO sa"]


def test_the_plug_can_be_pulled_by_number(world, old):
    """For crash tests that try every moment of a run."""
    world.pull_plug(3)
    old.set_option("Contacts", "AUTO_CLOSE", "ON")
    with pytest.raises(PowerCut, match="after old: set_option"):
        old.set_option("Contacts", "AUTO_SHRINK", "ON")
    assert len(world.effects) == 4


def test_a_dead_process_changes_nothing_more(world, old):
    """Its ``finally`` blocks and its old handles raise again; a new process starts clean."""
    gate = FakeGate(world)
    world.pull_plug(0)
    with pytest.raises(PowerCut):
        old.set_owner(*OWNER)
    for call in (old.databases, gate.observe, lambda: gate.close("x"), lambda: old.kill(51)):
        with pytest.raises(PowerCut):
            call()
    world.next_process()
    with pytest.raises(PowerCut):
        old.databases()
    assert FakeGate(world).observe() is GateState.OPEN


def test_no_except_clause_survives_a_power_cut():
    """It is no Exception."""
    assert not issubclass(PowerCut, Exception)


def test_the_timers_of_a_dead_process_are_gone(world):
    """What happens in the world still happens."""
    fired = []
    world.clock.call_after(5, lambda: fired.append("process"))
    world.later(5, lambda: fired.append("world"))
    world.next_process()
    world.clock.advance(10)
    assert fired == ["world"]


# -- time


def test_effects_take_their_time_by_the_most_exact_entry(world, old):
    """Method, method with key, server with method."""
    for entry, seconds in (("set_owner", 1), ("old: set_owner", 2), ("set_owner[Contacts]", 3)):
        world.durations[entry] = seconds
        before = world.clock.monotonic()
        old.set_owner(*OWNER)
        assert world.clock.monotonic() - before == pytest.approx(seconds)


def test_looks_take_time_only_when_told_to(world, old):
    """Proving a table may take an hour."""
    table = old.tables("Contacts")[0]
    before = world.clock.monotonic()
    old.prove_table("Contacts", table, ProofLevel.CONTENT)
    assert world.clock.monotonic() == before
    world.durations["prove_table"] = 3600
    old.prove_table("Contacts", table, ProofLevel.CONTENT)
    assert world.clock.monotonic() - before == pytest.approx(3600)


def test_waiting_for_what_never_comes_is_an_impossible_world():
    """A real clock would hang; this one says so."""
    with pytest.raises(ImpossibleWorld, match="waits for ever"):
        FakeClock().wait(Event(), None)


def test_a_timer_that_repeats_without_time_is_found():
    """A busy loop in the program."""
    clock = FakeClock()

    def again():
        clock.call_after(0, again)

    clock.call_after(0, again)
    with pytest.raises(ImpossibleWorld, match="without time passing"):
        clock.advance(1)


def test_a_step_of_the_wall_clock_does_not_move_the_monotonic_one():
    """A wait lasts as long as it lasts; timers count seconds, whatever the wall clock says."""
    clock, fired = FakeClock(), []
    clock.call_after(3600, lambda: fired.append("timer"))
    before = clock.monotonic()
    clock.step(7200)
    assert (clock.monotonic(), fired) == (before, [])
    clock.step(-7200)
    clock.wait(Event(), 10)
    assert clock.monotonic() - before == pytest.approx(10)


@pytest.mark.parametrize("seconds", [0.1, 1 / 3, 1e-7, 86400.1])
def test_waits_end_whatever_the_fraction(seconds):
    """Floating point neither creeps nor stands still."""
    clock = FakeClock()
    for _ in range(200):
        clock.wait(Event(), seconds)
    assert clock.monotonic() - 1000 == pytest.approx(200 * seconds)


# -- faults


def test_fail_refuses_and_changes_nothing(world, old):
    """Number 50998, once."""
    fault = world.fault("old", "fail", "AUTHORIZATION")
    refused(50998, old.set_owner, *OWNER)
    assert old.database("Contacts").owner == "old_admin"
    assert fault.hits == ["ALTER AUTHORIZATION ON DATABASE::Contacts TO sa"]
    old.set_owner(*OWNER)


def test_lie_answers_success_without_effect(world, old):
    """Only a look finds it."""
    world.fault("old", "lie", "authorization")
    old.set_owner(*OWNER)
    assert old.database("Contacts").owner == "old_admin"


def test_lost_and_drop_are_both_in_doubt(world, old):
    """Once it happened, once it did not: the caller cannot tell."""
    for kind, owner in (("drop", "old_admin"), ("lost", "sa")):
        world.fault("old", kind, "AUTHORIZATION")
        with pytest.raises(ServerError) as caught:
            old.set_owner(*OWNER)
        assert (caught.value.in_doubt, caught.value.number) == (True, None)
        assert old.database("Contacts").owner == owner


def test_hang_lasts_until_cancelled(world):
    """Time passes up to the watchdog; nothing is done."""
    stop = Stoppable(world.clock)
    old = FakeSqlServer(world, "old", cancellation=stop)
    world.fault("old", "hang", "AUTHORIZATION")
    world.clock.later(3600, stop.stop)
    begun = world.clock.now()
    with pytest.raises(Cancelled):
        old.set_owner(*OWNER)
    assert world.clock.now() - begun == timedelta(hours=1)
    assert world.servers["old"].login_of(world.servers["old"].get("Contacts").settings.owner_sid) == "old_admin"


def test_a_hang_nobody_would_end_is_an_impossible_world(world, old):
    """The test forgot the watchdog, or the program did."""
    world.fault("old", "hang")
    with pytest.raises(ImpossibleWorld, match="hangs for ever"):
        old.databases()


def test_slow_takes_longer_and_ends_well(world, old):
    """Seconds on top."""
    world.fault("old", "slow", seconds=50)
    before = world.clock.monotonic()
    old.set_owner(*OWNER)
    assert world.clock.monotonic() - before >= 50
    assert old.database("Contacts").owner == "sa"


def test_corrupt_changes_one_row_after_the_effect(world, old):
    """The counts stay, the proof does not."""
    table = old.tables("Contacts")[0]
    before = old.prove_table("Contacts", table, ProofLevel.CONTENT)
    world.fault("old", "corrupt", "AUTHORIZATION")
    old.set_owner(*OWNER)
    after = old.prove_table("Contacts", table, ProofLevel.CONTENT)
    assert (after.rows, after.digest != before.digest) == (before.rows, True)


def test_a_full_disk_has_the_right_number(world, old):
    """3202 for BACKUP; no file stays."""
    world.fault("old", "disk-full", "BACKUP")
    refused(3202, old.backup_full, "Contacts", "/exchange/c.bak", name="c", copy_only=True)
    assert old.backup_header("/exchange/c.bak") is None


def test_a_server_killed_in_the_middle(world, old):
    """The statement is in doubt, the half backup is no backup, the server is down."""
    world.fault("old", "kill", "BACKUP")
    with pytest.raises(ServerError) as caught:
        old.backup_full("Contacts", "/exchange/c.bak", name="c", copy_only=True)
    assert caught.value.in_doubt
    assert world.servers["old"].down
    world.start_server("old")
    assert old.backup_header("/exchange/c.bak") is None


def test_faults_strike_gate_and_pointer_too(world):
    """HostError there, in doubt when the answer was lost."""
    world.fault("gate", "fail")
    with pytest.raises(HostError, match="injected"):
        FakeGate(world).close("x")
    world.fault("pointer", "lost")
    with pytest.raises(HostError) as caught:
        FakePointer(world).forward()
    assert caught.value.in_doubt
    assert FakePointer(world).observe() == "target"


def test_a_refusal_of_any_number_can_be_injected(world, old):
    """A lost deadlock, for one."""
    world.fault("old", "fail", "AUTHORIZATION", number=1205)
    refused(1205, old.set_owner, *OWNER)
    world.fault("old", "fail", "AUTHORIZATION", number=7777)
    refused(7777, old.set_owner, *OWNER)


def test_looks_are_not_struck_by_what_only_effects_can_do(world, old):
    """A lie waits for the effect; a lost answer strikes a look too."""
    lie = world.fault("old", "lie")
    old.databases()
    assert lie.hits == []
    old.set_owner(*OWNER)
    assert len(lie.hits) == 1
    world.fault("old", "lost", "sys.databases")
    with pytest.raises(ServerError) as caught:
        old.databases()
    assert caught.value.in_doubt


def test_a_server_may_not_notice_that_the_executor_died(world):
    """Its statement goes on to the end, nobody else gets at the database meanwhile; ending its session ends it."""
    world.lingering = True
    for ended in (False, True):
        name = f"/exchange/{ended}.bak"
        world.durations["backup_full"] = 60
        world.pull_plug(name="backup_full", moment="middle")
        with pytest.raises(PowerCut):
            FakeSqlServer(world, "old").backup_full("Contacts", name, name="c", copy_only=True)
        world.next_process()
        old = FakeSqlServer(world, "old")
        refused(3101, old.set_owner, *OWNER)
        assert not ended or old.end_sessions_of("run", 2) == 1
        world.clock.advance(120)
        assert (old.backup_header(name) is None) is ended
        old.set_owner(*OWNER)
    assert world.trace[2].endswith("(went on after the power cut)")


def test_databases_recover_after_a_start(world, old):
    """922 for a while, then open; the application's pool is back."""
    world.kill_server("old")
    world.start_server("old", recovering=30)
    assert old.database("Contacts").state is DatabaseState.RECOVERING
    refused(922, old.tables, "Contacts")
    assert world.public() == "broken"
    world.clock.advance(40)
    assert old.database("Contacts").state is DatabaseState.ONLINE
    assert len(old.sessions("Contacts")) == 1
    assert world.public() == "old"


# -- people


def test_a_job_writes_until_it_is_disabled(world, old):
    """The Agent is an administrator: restricting the database does not keep it out."""
    world.beating_job("old", "scheduled-sends", "Contacts", every=5, lasts=2)
    old.set_user_access("Contacts", UserAccess.RESTRICTED_USER)
    job = old.jobs()[0]
    world.clock.advance(11)
    assert old.tables("Contacts")[0].rows == 7
    assert old.jobs()[0].running
    old.set_job_enabled(job.job_id, enabled=False)
    world.clock.advance(60)
    assert old.tables("Contacts")[0].rows == 7
    assert not old.jobs()[0].running


def test_the_application_needs_its_login(world, old):
    """A login that is missing, disabled or of another SID is no login."""
    world.servers["old"].logins["mailer_app"] = replace(world.servers["old"].logins["mailer_app"], sid="0x77")
    assert world.public() == "broken"
    old.map_user("Contacts", "mailer_app", "mailer_app")
    world.site.databases = ("Contacts",)
    assert world.public() == "old"


def test_users_write_only_where_they_get_in(world, old):
    """Closed doors are closed, also to the test."""
    old.set_user_access("Contacts", UserAccess.RESTRICTED_USER)
    assert world.users_write() == ["old Campaigns dbo.Campaigns", "old Archive dbo.Archive"]
    assert world.users_write(privileged=True)[0] == "old Contacts dbo.Contacts"


def test_the_public_meets_what_gate_pointer_and_servers_make_of_it(world, old):
    """Old, closed, broken; behind the gate with the bypass."""
    web = FakeWeb(world)
    assert world.public() == "old"
    FakePointer(world).forward()
    assert world.public() == "broken"
    assert web.get("http://127.0.0.1:8090/").status == 503
    FakePointer(world).back('{"config": "server = old\\n"}')
    FakeGate(world).close("planned maintenance")
    assert world.public() == "closed"
    assert web.get("http://127.0.0.1:8090/health?bypass=1").status == 200
    world.site.overrides["http://127.0.0.1:8090/"] = (200, "cached")
    assert web.get("http://127.0.0.1:8090/").body == "cached"


def test_commands_must_be_taught(world):
    """What they do is in the world; an unknown one is the test's mistake."""
    world.commands["lb", "drain"] = lambda: (0, "drained")
    commands = FakeCommands(world)
    result = commands.run(["lb", "drain"], timeout=5, effect=True)
    assert (result.exit_code, result.stdout, world.trace) == (0, "drained", ["commands: lb drain"])
    with pytest.raises(ImpossibleWorld):
        commands.run(["rm", "-rf"], timeout=5, effect=True)


# -- comparing and recording


def test_content_ignores_what_an_untouched_server_may_change(world, old):
    """A log backup and reading change nothing that counts; an option does, and is named."""
    before = world.content("old")
    old.backup_log("Contacts", "/exchange/c.trn", name="c")
    assert differences(before, world.content("old")) == []
    old.set_option("Contacts", "AUTO_CLOSE", "ON")
    world.users_write(text="slipped in")
    assert differences(before, world.content("old"))[0] == ("/databases/Contacts/options/AUTO_CLOSE: 'OFF' -> 'ON'")


def test_every_statement_is_recorded_with_its_end(world):
    """Effects before they are sent, looks too, each with what came of it."""
    log = StatementLog()
    old = FakeSqlServer(world, "old", recorder=log)
    old.set_owner(*OWNER)
    refused(15151, old.set_owner, "Contacts", "nobody")
    old.databases()
    assert [(entry.effect, entry.said) for entry in log.entries] == [(True, "ok"), (True, "15151"), (False, "ok")]
    assert world.trace[-1].endswith("TO nobody !15151")


def test_worlds_are_the_same_every_time():
    """Ids, times and identifiers do not depend on the machine or the hour."""
    one, two = World.mailer(), World.mailer()
    assert one.content("old") == two.content("old")
    assert one.clock.new_id() == two.clock.new_id() == "20260321-100000-0001"


# -- services and bench


@pytest.mark.parametrize("strategy", ["side-by-side", "scripts"])
def test_the_plans_fit_the_world(world, tmp_path, strategy):
    """They load, and a survey finds their databases."""
    services = FakeServices(world, mailer_plan(tmp_path, strategy))
    sizes, servers = services.survey()
    assert set(sizes.used) == {"contacts", "campaigns", "archive"}
    assert servers["old"]["name"] == "OLDSQL"


def test_the_bench_gives_read_only_handles_to_looks(world, tmp_path):
    """What changes the world is out of reach of observe and verify."""
    ctx = BenchContext(world, mailer_plan(tmp_path))
    with pytest.raises(AttributeError, match="changes the world"):
        ctx.reader("old").drop_database("Contacts")
    with pytest.raises(AttributeError, match="changes the world"):
        ctx.gate_reader.close("x")
    assert ctx.reader("old").role == "old"
    ctx.server("old").set_owner(*OWNER)
    assert StepBench(ctx).crashed().ctx.reader("old").database("Contacts").owner == "sa"
