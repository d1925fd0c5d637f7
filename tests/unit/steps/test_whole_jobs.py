"""A job that is carried is made whole or not at all: half of one would pass for the whole by its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.adapters.sqlserver.tsql import agent, session
from tests.unit.adapters.sqlserver.samples import JOB
from tests.unit.sandbox.test_language_support import Client, FakeInstance

PROCEDURES = {
    "sp_add_job": "@job_name sysname, @enabled tinyint, @description nvarchar(512), @owner_login_name sysname,"
    " @job_id uniqueidentifier OUTPUT",
    "sp_add_jobstep": "@job_id uniqueidentifier, @step_id int, @step_name sysname, @subsystem nvarchar(40),"
    " @command nvarchar(max), @database_name sysname = NULL, @on_success_action tinyint, @on_fail_action tinyint,"
    " @retry_attempts int, @retry_interval int",
    "sp_update_job": "@job_id uniqueidentifier, @start_step_id int",
    "sp_add_jobschedule": "@job_id uniqueidentifier, @name sysname, @enabled tinyint, "
    + ", ".join(f"@{column} int" for column in agent.SCHEDULE_NUMBERS),
    "sp_add_jobserver": "@job_id uniqueidentifier, @server_name sysname",
}
"""The procedures as far as they are used, and their parameters."""


def with_msdb(client: Client, failing: str = "") -> None:
    """Procedures that write down what they do, as those of msdb raise errors: RAISERROR, then RETURN 1."""
    client.ok("CREATE TABLE msdb.dbo.done (what sysname)")
    client.ok("USE msdb")
    for name, parameters in PROCEDURES.items():
        made = "SET @job_id = NEWID();" if name == "sp_add_job" else ""
        refused = "RAISERROR(N'refused', 16, 1); RETURN 1;" if name == failing else ""
        client.ok(
            f"CREATE PROCEDURE dbo.{name} {parameters} AS BEGIN {refused} {made} INSERT dbo.done VALUES ('{name}') END"
        )
    client.ok("USE Contacts")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A session as the program has it, on a server with a msdb of its own."""
    instance = FakeInstance(tmp_path)
    instance.add("msdb")
    made = Client(instance)
    made.ok(session.settings())
    yield made
    made.session.close()


def test_it_is_made_whole(client: Client) -> None:
    """Every part is there when nothing is refused."""
    with_msdb(client)
    client.run(agent.create(JOB))
    assert {row[0] for row in client.rows("SELECT what FROM msdb.dbo.done")} == set(PROCEDURES)
    assert client.value("SELECT @@TRANCOUNT") == 0


@pytest.mark.parametrize("failing", PROCEDURES)
def test_nothing_is_left_when_a_part_is_refused(client: Client, failing: str) -> None:
    """Whichever procedure raises an error, nothing stays, the error comes through, and no transaction is left open."""
    with_msdb(client, failing)
    assert client.fails(agent.create(JOB)) == [50000]
    assert client.rows("SELECT what FROM msdb.dbo.done") == []
    assert client.value("SELECT @@TRANCOUNT") == 0
