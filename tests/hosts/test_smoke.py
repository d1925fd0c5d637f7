"""What the tests of the host tier stand on: hosts that boot, are reached over SSH and run the packaged engine."""

from __future__ import annotations

import json
import shlex
import subprocess
import urllib.request
from typing import Any

import pyodbc
import pytest

from runbook.adapters.sqlserver.driver import find_driver, odbc
from tests.hosts import package
from tests.hosts.host import LOOPBACK, Fleet, Host, greets

PASSWORD = "Aa1.of-the-tests"


def ssh(host: Host, account: str, *command: str, known: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command through OpenSSH's client, as a person would."""
    line = ssh_line(host, account, *command, known=known)
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)


def ssh_line(host: Host, account: str, *command: str, known: str | None = None) -> list[str]:
    """What a person would type."""
    file = host.keys.folder / "known_hosts"
    file.write_text(host.known_hosts if known is None else known, encoding="ascii")
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={file}", "IdentitiesOnly=yes"]
    line = ["ssh", "-F", "none", "-i", str(host.keys.private), "-p", str(host.ssh_port)]
    for option in options:
        line += ["-o", option]
    return [*line, f"{account}@{LOOPBACK}", shlex.join(command)]


def connect(host: Host) -> pyodbc.Connection:
    """To the engine on the host, from outside."""
    return odbc().connect(
        f"DRIVER={{{find_driver().name}}};SERVER={LOOPBACK},{host.ports[1433]};DATABASE=master;UID=sa;PWD={{{PASSWORD}}};"
        "Encrypt=yes;TrustServerCertificate=yes;ConnectRetryCount=0",
        autocommit=True,
        timeout=5,
    )


def asked(host: Host, sql: str) -> object:
    """The first value of a query's answer."""
    connection = connect(host)
    try:
        return connection.execute(sql).fetchval()
    finally:
        connection.close()


def fabric_to(host: Host, account: str) -> Any:
    """A fabric connection that trusts nothing but the host's known key."""
    fabric, paramiko = pytest.importorskip("fabric"), pytest.importorskip("paramiko")
    file = host.keys.folder / "known_hosts.fabric"
    file.write_text(host.known_hosts, encoding="ascii")
    options = {"key_filename": str(host.keys.private), "look_for_keys": False, "allow_agent": False, "timeout": 10}
    config = fabric.Config(overrides={"load_ssh_configs": False, "run": {"in_stream": False, "hide": True}})
    line = fabric.Connection(LOOPBACK, account, host.ssh_port, config=config, connect_kwargs=options)
    line.client.load_host_keys(str(file))
    line.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    return line


@pytest.fixture(scope="module")
def installed(database_host: Host) -> Host:
    """The engine of 2019, installed over SSH from its repository as a person would, and set up."""
    host = database_host
    host.write("/etc/apt/sources.list.d/mssql-server.list", package.source("2019") + "\n")
    assert done(ssh(host, "dba", "sudo", "apt-get", "update", "-q"))
    wanted = f"mssql-server={package.version('2019')}"
    assert done(ssh(host, "dba", "sudo", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", wanted))
    told = f"export ACCEPT_EULA=Y MSSQL_SA_PASSWORD='{PASSWORD}'; exec /opt/mssql/bin/mssql-conf -n setup"
    host.root("sh", "-c", told)
    host.wait(lambda: answers(host), "answers as SQL Server")
    return host


def done(result: subprocess.CompletedProcess[str]) -> bool:
    """It ended well; what it said is shown otherwise."""
    assert result.returncode == 0, result.stdout + result.stderr
    return True


def answers(host: Host) -> bool:
    """Does the engine let somebody in?"""
    try:
        return asked(host, "SELECT 1") == 1
    except pyodbc.Error:
        return False


def internal_versions(host: Host) -> dict[str, int]:
    """The version inside each database that is open."""
    connection = connect(host)
    try:
        rows = connection.execute(
            "SELECT name, CAST(DATABASEPROPERTYEX(name, 'Version') AS int) FROM sys.databases ORDER BY database_id"
        )
        return {str(name): number for name, number in rows}
    finally:
        connection.close()


def upgraded(host: Host) -> subprocess.CompletedProcess[str]:
    """Switch the repository and upgrade the package, over SSH."""
    host.write("/etc/apt/sources.list.d/mssql-server.list", package.source("2022") + "\n")
    assert done(ssh(host, "dba", "sudo", "apt-get", "update", "-q"))
    return ssh(host, "dba", "sudo", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "mssql-server")


def test_a_host_boots_and_lets_in_by_key_only(database_host: Host) -> None:
    """Everything that systemd starts is up; the session's key opens, a password is not even asked for."""
    assert database_host.text("systemctl", "--failed", "--no-legend") == ""
    assert ssh(database_host, "dba", "id", "-un").stdout == "dba\n"
    assert ssh(database_host, "root", "true").returncode == 255
    offered = ssh(database_host, "nobody-here", "true").stderr
    assert "Permission denied (publickey)" in offered


def test_an_unknown_host_key_is_refused(database_host: Host) -> None:
    """The key of known_hosts is the host's own: with none, or another one, the client goes no further."""
    other = database_host.known_hosts[:-10] + "AAAAAAAAA\n"
    for known in ("", other):
        refused = ssh(database_host, "dba", "true", known=known)
        assert refused.returncode == 255
        assert "Host key verification failed" in refused.stderr


def test_accounts_differ_in_what_sudo_grants(database_host: Host) -> None:
    """dba is root without a password, plain never, asks only with one."""
    assert ssh(database_host, "dba", "sudo", "-n", "id", "-un").stdout == "root\n"
    assert ssh(database_host, "plain", "sudo", "-n", "true").returncode == 1
    assert "password is required" in ssh(database_host, "asks", "sudo", "-n", "true").stderr
    assert database_host.root("su", "asks", "-c", "sudo -S id -un", stdin="asks\n").stdout == "root\n"


def test_fabric_reaches_it_too(database_host: Host) -> None:
    """The library the host adapter is built on: known key, command, exit status."""
    with fabric_to(database_host, "dba") as line:
        assert line.run("hostname").stdout == "db\n"
        assert line.run("exit 7", warn=True).exited == 7


def test_long_work_outlives_its_connection(database_host: Host) -> None:
    """A unit started by systemd-run goes on when every SSH connection is cut, and its exit status is kept."""
    go = "/run/go-on"
    started = ssh(
        database_host,
        *("dba", "sudo", "systemd-run", "--unit=long", "--remain-after-exit", "-q"),
        *("sh", "-c", f"until [ -e {go} ]; do sleep 0.05; done; echo finished"),
    )
    assert done(started)
    line = ssh_line(database_host, "dba", "sh", "-c", "echo here; exec sleep 600")
    with subprocess.Popen(line, stdout=subprocess.PIPE) as connected:
        assert connected.stdout is not None
        assert connected.stdout.readline() == b"here\n"
        database_host.hang_up()
        try:
            assert connected.wait(20) == 255
        finally:
            connected.kill()
    assert database_host.text("pgrep", "-fx", "sleep 600"), "a dropped channel kills nothing"
    assert database_host.state("long") == "active"
    database_host.write(go, "")
    shown = ("systemctl", "show", "long", "-p", "SubState", "-p", "ExecMainStatus", "--value")
    database_host.wait(lambda: "exited" in database_host.text(*shown), "ends its unit")
    assert database_host.text(*shown).split() == ["0", "exited"]
    assert "finished" in ssh(database_host, "dba", "sudo", "journalctl", "-u", "long", "--no-pager").stdout


def test_nginx_is_a_unit_that_serves_the_outside(database_host: Host) -> None:
    """It is reached on loopback, reloaded, and stays what it was over a reboot."""
    database_host.write("/var/www/html/index.html", "open\n")
    database_host.enable("nginx")
    address = f"http://{LOOPBACK}:{database_host.ports[80]}/"
    assert urllib.request.urlopen(address, timeout=5).read() == b"open\n"
    assert done(ssh(database_host, "dba", "sudo", "systemctl", "reload", "nginx"))
    before = database_host.boot_id
    database_host.reboot()
    assert database_host.boot_id != before
    assert database_host.state("nginx") == "active"
    assert urllib.request.urlopen(address, timeout=5).read() == b"open\n"


def test_hosts_know_each_other_by_name_and_nobody_else(hosts: Fleet, database_host: Host) -> None:
    """Several boot side by side; the database host answers to ``db``; there is no way out of their network."""
    web = [hosts.create("web1", doors=2), hosts.create("web2")]
    hosts.start_all(web)
    greeting = ("bash", "-c", "read -n 4 -t 5 said </dev/tcp/db/22; echo $said")
    assert [host.text(*greeting) for host in web] == ["SSH-", "SSH-"]
    assert [greets(door) for door in web[0].doors] == [True, True]
    assert web[0].known_hosts.split()[2] != web[1].known_hosts.split()[2]
    outside = web[0].root("bash", "-c", "exec 3</dev/tcp/192.0.2.1/80", check=False, timeout=5)
    assert "unreachable" in outside.stderr
    for host in web:
        hosts.remove(host)


def test_a_cut_network_answers_nothing_and_comes_back(database_host: Host) -> None:
    """While it is cut nobody is greeted and the host goes on; afterwards everything is as before."""
    database_host.cut()
    try:
        assert not greets(database_host.ssh_port, 0.5)
        assert database_host.state("ssh") == "active"
    finally:
        database_host.mend()
    database_host.wait(lambda: greets(database_host.ssh_port), "greets again")
    assert ssh(database_host, "dba", "true").returncode == 0


def test_the_plug_is_pulled_and_a_reboot_from_inside(database_host: Host) -> None:
    """Killed, nobody answers until it is switched on; ``systemctl reboot`` as dba comes up by itself."""
    database_host.kill()
    assert not greets(database_host.ssh_port, 0.5)
    database_host.start()
    before = database_host.boot_id
    ssh(database_host, "dba", "sudo", "systemctl", "reboot")
    database_host.wait(lambda: rebooted(database_host, before), "reboots by itself")
    database_host.wait_until_up()


def rebooted(host: Host, before: str) -> bool:
    """Is it another boot? While it is down nothing can be read."""
    after = host.text("cat", "/proc/sys/kernel/random/boot_id")
    return len(after) == 36 and after != before


def test_a_repository_that_nobody_vouches_for_is_refused(installed: Host) -> None:
    """The repositories are signed, and apt checks it: without their key it will not read them."""
    unknown = package.source("2022").replace(f"signed-by={package.KEY}", "")
    installed.write("/etc/apt/sources.list.d/unknown.list", unknown + "\n")
    refused = ssh(installed, "dba", "sudo", "apt-get", "update", "-q")
    installed.root("rm", "/etc/apt/sources.list.d/unknown.list")
    assert refused.returncode == 100
    assert "NO_PUBKEY" in refused.stderr


def test_the_package_is_an_engine_that_answers(installed: Host) -> None:
    """2019 is installed by apt, runs as a unit of systemd and account mssql, and speaks TDS to the outside."""
    assert installed.state("mssql-server") == "active"
    assert asked(installed, "SELECT CAST(SERVERPROPERTY('ProductMajorVersion') AS int)") == 15
    assert asked(installed, "SELECT @@SERVERNAME") == "DB"
    assert installed.text("sh", "-c", "ps -o user= -C sqlservr | sort -u") == "mssql"
    assert installed.text("dpkg-query", "-W", "-f", "${Version}", "mssql-server") == package.version("2019")
    assert "SQL Server 2019" in installed.read("/var/opt/mssql/log/errorlog")


def test_an_upgrade_that_fails_in_its_scripts_goes_back_by_copy(installed: Host) -> None:
    """912 and 3417, the unit failed; old packages do not start on the new files; with the cold copy they do."""
    connection = connect(installed)
    connection.execute("CREATE DATABASE Contacts")
    connection.execute("CREATE TABLE Contacts.dbo.person (id int PRIMARY KEY, name nvarchar(40))")
    connection.execute("INSERT INTO Contacts.dbo.person VALUES (1, N'Ada')")
    connection.close()
    installed.root("systemctl", "stop", "mssql-server")
    installed.root("cp", "-a", "/var/opt/mssql", "/var/opt/mssql.copy")
    fault = [{"kind": "fail", "match": "UPGRADE SCRIPT msdb110"}]
    installed.write("/var/opt/mssql/faults.json", json.dumps(fault), "660", "mssql:mssql")

    assert done(upgraded(installed))
    installed.wait(lambda: installed.state("mssql-server") == "failed", "gives the engine up")
    log = installed.read("/var/opt/mssql/log/errorlog")
    assert "Error: 912, Severity: 21" in log
    assert "Error: 3417, Severity: 21" in log

    old = f"mssql-server={package.version('2019')}"
    installed.write("/etc/apt/sources.list.d/mssql-server.list", package.source("2019") + "\n")
    assert done(ssh(installed, "dba", "sudo", "apt-get", "update", "-q"))
    assert done(ssh(installed, "dba", "sudo", "apt-get", "install", "-y", "--allow-downgrades", old))
    installed.wait(lambda: installed.state("mssql-server") == "failed", "gives the engine up")
    assert "3417: Cannot recover the master database" in installed.text(
        "journalctl", "-u", "mssql-server", "--no-pager"
    )
    assert not answers(installed)

    installed.root("sh", "-c", "rm -rf /var/opt/mssql && cp -a /var/opt/mssql.copy /var/opt/mssql")
    installed.root("systemctl", "reset-failed", "mssql-server")
    installed.root("systemctl", "start", "mssql-server")
    installed.wait(lambda: answers(installed), "answers as SQL Server")
    assert set(internal_versions(installed).values()) == {904}
    assert asked(installed, "SELECT name FROM Contacts.dbo.person WHERE id = 1") == "Ada"


def test_an_upgrade_of_the_package_is_an_upgrade_of_the_engine(installed: Host) -> None:
    """apt replaces 2019 by 2022; while its scripts run logins get 18401, afterwards every database is converted."""
    fault = [{"kind": "hang", "match": "UPGRADE SCRIPT msdb110", "times": 1}]
    installed.write("/var/opt/mssql/faults.json", json.dumps(fault), "660", "mssql:mssql")
    assert done(upgraded(installed))
    assert installed.state("mssql-server") == "active"
    installed.wait(lambda: "18401" in refusal(installed), "refuses logins during its scripts")
    installed.root("systemctl", "restart", "mssql-server")
    installed.wait(lambda: answers(installed), "answers as SQL Server")
    assert asked(installed, "SELECT CAST(SERVERPROPERTY('ProductMajorVersion') AS int)") == 16
    assert set(internal_versions(installed).values()) == {957}
    before = installed.boot_id
    installed.reboot()
    installed.wait(lambda: answers(installed), "answers as SQL Server")
    assert installed.boot_id != before
    assert installed.state("mssql-server") == "active"


def refusal(host: Host) -> str:
    """What a login is told that is not let in."""
    try:
        connect(host).close()
    except pyodbc.Error as problem:
        return str(problem)
    return ""
