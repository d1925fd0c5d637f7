"""The in-place upgrade on a real host: apt, dpkg, systemd, sshd and the files are real, the engine is the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts import package
from tests.hosts.host import LOOPBACK, Host
from tests.hosts.test_smoke import PASSWORD, answers, asked, connect, done, internal_versions, ssh

ROOT = Path(__file__).parents[2]
SOURCES = "/etc/apt/sources.list.d/mssql-server.list"
TABLE = "CREATE TABLE dbo.Person (Id int NOT NULL PRIMARY KEY, Name nvarchar(40) NOT NULL)"
TREE = "cd /var/opt/mssql && find secrets mssql.conf -type f -print0 | sort -z | xargs -0 sha256sum"


@pytest.fixture(scope="module")
def engine(database_host: Host) -> Host:
    """The engine of 2019 as a person would have installed it, with a database."""
    host = database_host
    host.write(SOURCES, package.source("2019") + "\n")
    assert done(ssh(host, "dba", "sudo", "apt-get", "update", "-q"))
    wanted = f"mssql-server={package.version('2019')}"
    assert done(ssh(host, "dba", "sudo", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", wanted))
    told = f"export ACCEPT_EULA=Y MSSQL_SA_PASSWORD='{PASSWORD}'; exec /opt/mssql/bin/mssql-conf -n setup"
    host.root("sh", "-c", told)
    host.wait(lambda: answers(host), "answers as SQL Server")
    with connect(host) as connection:
        connection.execute("CREATE DATABASE Contacts")
        connection.execute("USE Contacts")
        connection.execute(TABLE)
        connection.execute("INSERT INTO dbo.Person (Id, Name) VALUES (1, N'Ada'), (2, N'Grace')")
        connection.execute("DBCC CHECKDB (Contacts) WITH NO_INFOMSGS")
    return host


def plan(host: Host, folder: Path) -> Path:
    known = folder / "known_hosts"
    known.write_text(host.known_hosts, encoding="ascii")
    old, new = (
        json.dumps({"version": package.version(year), "source": package.source(year)}) for year in ("2019", "2022")
    )
    path = folder / "runbook.yaml"
    path.write_text(
        f"""\
runbook: 1
name: engine-2022
strategy: in-place
window: {{length: 30m}}
servers:
  old:
    url: mssql://{LOOPBACK}:{host.ports[1433]}
    user: sa
    password: env:SA_PASSWORD
    trust_certificate: true
source: old
databases: [{{name: Contacts}}]
gate: {{kind: none, i_have_no_gate: true}}
hosts:
  db:
    address: ssh://dba@{LOOPBACK}:{host.ssh_port}
    identity_file: {host.keys.private}
    known_hosts: {known}
    agent: false
journal_copy: copies
in_place:
  host: db
  sources: {SOURCES}
  from: {old}
  to: {new}
  copy: /var/opt/mssql-runbook
  support: not-recommended
  way_back_measured: {{seconds: 60, on: 2026-11-10}}
""",
        encoding="utf-8",
    )
    (folder / "copies").mkdir(exist_ok=True)
    return path


def execute(host: Host, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RUNBOOK_HOME": str(folder), "PYTHONPATH": str(ROOT), "SA_PASSWORD": PASSWORD}
    words = [sys.executable, "-m", "runbook", "execute", str(plan(host, folder)), "--window", "30m", "--yes"]
    words += ["--unrehearsed", "a test"]
    return subprocess.run(
        words, env=environment, cwd=folder, capture_output=True, text=True, timeout=400, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def assert_machine(host: Host, year: str) -> None:
    """The package of that year, whole; its service in the state it had; the file of sources to the byte."""
    assert host.text("dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Version}", "mssql-server") == (
        f"ii |{package.version(year)}"
    )
    assert host.text("dpkg", "--audit") == ""
    assert host.read(SOURCES) == package.source(year) + "\n"
    assert host.text("systemctl", "is-enabled", "mssql-server") == "enabled"
    assert host.text("systemctl", "is-active", "mssql-server") == "active"


def rows(host: Host) -> object:
    return asked(host, "SELECT COUNT(*) FROM Contacts.dbo.Person WHERE Name IN (N'Ada', N'Grace')")


def test_a_script_upgrade_that_fails_ends_old(engine: Host, tmp_path: Path) -> None:
    """912 and 3417 are named; the old packages run on the very files they had, the machine's own ones included."""
    versions, others = internal_versions(engine), engine.root("sh", "-c", TREE).stdout
    fault = [{"kind": "fail", "match": "UPGRADE SCRIPT msdb110"}]
    engine.write("/var/opt/mssql/faults.json", json.dumps(fault), owner="mssql:mssql")
    ended = execute(engine, tmp_path)
    engine.root("rm", "-f", "/var/opt/mssql/faults.json")
    assert ended.returncode == 10, ended.stdout + ended.stderr
    assert "912" in ended.stdout + ended.stderr
    assert "3417" in ended.stdout + ended.stderr
    assert_machine(engine, "2019")
    assert internal_versions(engine) == versions
    assert engine.root("sh", "-c", TREE).stdout == others
    assert rows(engine) == 2


def test_upgraded(engine: Host, tmp_path: Path) -> None:
    """2022 answers, every database of it is converted, the data is there."""
    ended = execute(engine, tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert_machine(engine, "2022")
    assert set(internal_versions(engine).values()) == {957}
    assert rows(engine) == 2
