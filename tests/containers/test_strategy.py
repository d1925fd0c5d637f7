"""The strategy ``container`` on a real engine: a new image on a copy of the volume; the old ones are the way back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyodbc
import pytest

from examples.mailer.mailer_data.connecting import Server
from runbook.sandbox.instance.versions import VERSIONS
from tests.containers.conftest import nameless
from tests.e2e.desk import ROOT
from tests.e2e.system import wait_until
from tests.hosts.engine import Docker
from tests.ports import free_port

PASSWORD = "Nobody.knows.1"
LABEL = "runbook.tests.strategy"
SQL = (
    "CREATE DATABASE Contacts",
    "CREATE TABLE Contacts.dbo.Person (Id int NOT NULL PRIMARY KEY, Name nvarchar(40) NOT NULL)",
    "INSERT INTO Contacts.dbo.Person (Id, Name) VALUES (1, N'Ada'), (2, N'Grace')",
    "DBCC CHECKDB (Contacts) WITH NO_INFOMSGS",
)


@dataclass
class Box:
    """A container that serves, and who upgrades it. ``name`` tells its containers and volumes from everybody's."""

    docker: Docker
    images: dict[str, str]
    name: str
    folder: Path
    port: int = 0

    @property
    def server(self) -> Server:
        return Server("127.0.0.1", self.port, "sa", PASSWORD)

    def begin(self) -> None:
        """As somebody set it up, long ago."""
        self.docker.run("volume", "create", "--label", LABEL, f"{self.name}-data")
        said = ("--env", "ACCEPT_EULA=Y", "--env", f"MSSQL_SA_PASSWORD={PASSWORD}", "--restart", "on-failure:3")
        bind = ("--volume", f"{self.name}-data:/var/opt/mssql", "--publish", f"127.0.0.1:{self.port}:1433")
        made = ("--name", self.name, "--hostname", "oldsql", "--label", LABEL, "--network", f"{self.name}-net")
        self.docker.run("network", "create", "--label", LABEL, f"{self.name}-net")
        self.docker.run("run", "-d", *made, *said, *bind, self.images["2019"])
        wait_until(self.answers)
        with self.server.connect() as connection:
            for statement in SQL:
                connection.execute(statement)

    def answers(self) -> bool:
        try:
            self.server.connect().close()
        except pyodbc.Error:
            return False
        return True

    def asked(self, sql: str) -> object:
        with self.server.connect() as connection:
            return connection.execute(sql).fetchval()

    def plan(self) -> Path:
        host = self.docker.variables.get("DOCKER_HOST")
        engine = ["docker", *(["--host", host] if host else [])]
        options = [
            "--publish",
            f"127.0.0.1:{self.port}:1433",
            "--env",
            "ACCEPT_EULA=Y",
            "--restart=always",
            "--label",
            LABEL,
        ]
        (self.folder / "copies").mkdir(exist_ok=True)
        path = self.folder / "runbook.yaml"
        plan = {
            "runbook": 1,
            "name": "box-2022",
            "strategy": "container",
            "window": {"length": "30m"},
            "servers": {
                "old": {
                    "url": f"mssql://127.0.0.1:{self.port}", "user": "sa", "password": "env:SA_PASSWORD",
                    "trust_certificate": True,
                }
            },
            "source": "old",
            "databases": [{"name": "Contacts"}],
            "gate": {"kind": "none", "i_have_no_gate": True},
            "hosts": {"box": {"address": "local"}},
            "journal_copy": "copies",
            "container": {
                "host": "box",
                "engine": engine,
                "from": {"name": self.name, "volume": f"{self.name}-data", "version": VERSIONS["2019"].product},
                "to": {
                    "name": f"{self.name}-2022",
                    "volume": f"{self.name}-2022-data",
                    "version": VERSIONS["2022"].product,
                    "image": self.images["2022"],
                    "options": [*options, "--network", f"{self.name}-net"],
                },
            },
        }  # fmt: skip
        path.write_text(json.dumps(plan), encoding="utf-8")
        return path

    def environment(self, **more: str) -> dict[str, str]:
        home = {"RUNBOOK_HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT), "SA_PASSWORD": PASSWORD}
        return {**os.environ, **home, **more}

    def runbook(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "runbook", *words], env=self.environment(**more), cwd=self.folder,
            capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def execute(self, **more: str) -> subprocess.CompletedProcess[str]:
        words = (str(self.plan()), "--yes", "--unrehearsed", "a test", "--no-guard")
        return self.runbook("execute", *words, **more)

    def there(self) -> dict[str, str]:
        """Containers of this test -> whether they run, and their restart policy; volumes."""
        shown = self.docker.text("ps", "-a", "--filter", f"name={self.name}", "--format", "{{.Names}}").split()
        form = "{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}"
        found = {one: self.docker.text("inspect", "--format", form, one) for one in shown}
        volumes = self.docker.text("volume", "ls", "-q", "--filter", f"name={self.name}").split()
        return found | dict.fromkeys(volumes, "volume")

    def end(self) -> None:
        for listing, removing in (
            ("ps -aq", "rm -f -v"),
            ("volume ls -q", "volume rm"),
            ("network ls -q", "network rm"),
        ):
            found = self.docker.text(*listing.split(), "--filter", f"name={self.name}").split()
            if found:
                self.docker.run(*removing.split(), *found, check=False)


@pytest.fixture
def box(engine: tuple[Docker, dict[str, str]], tmp_path: Path) -> Iterator[Box]:
    """2019 in a container, with a database."""
    docker, images = engine
    made = Box(docker, images, f"runbook-box-{os.getpid()}", tmp_path, free_port())
    try:
        made.begin()
        yield made
    finally:
        made.end()


def assert_old(box: Box) -> None:
    """The old container on its volume, with the restart policy it had; nothing of the new one."""
    assert box.there() == {box.name: "true on-failure:3", f"{box.name}-data": "volume"}
    assert str(box.asked("SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(40))")) == VERSIONS["2019"].product
    assert box.asked("SELECT COUNT(*) FROM Contacts.dbo.Person WHERE Name IN (N'Ada', N'Grace')") == 2


def test_there(box: Box, made_of: Callable[..., str]) -> None:
    """2022 serves on the copy; the old container is stopped, comes back by itself no more, and keeps its volume. What
    the new image asks for besides, the new container has, and whatever copied has it no more."""
    box.images = {**box.images, "2022": made_of("VOLUME /scratch")}
    before = nameless(box.docker)
    done = box.execute()
    assert done.returncode == 0, done.stdout + done.stderr
    assert box.there() == {
        box.name: "false no:0",
        f"{box.name}-data": "volume",
        f"{box.name}-2022": "true always:0",
        f"{box.name}-2022-data": "volume",
    }
    form = "{{range .Mounts}}{{.Name}} {{end}}"
    mounted = box.docker.text("inspect", "--format", form, f"{box.name}-2022").split()
    assert nameless(box.docker) - before == {*mounted} - {f"{box.name}-2022-data"}
    assert str(box.asked("SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(40))")) == VERSIONS["2022"].product
    assert box.asked("SELECT COUNT(*) FROM Contacts.dbo.Person WHERE Name IN (N'Ada', N'Grace')") == 2


def test_all_of_the_volume_is_measured(box: Box) -> None:
    """An old backup beside the databases is copied too: refused with the figures when there is no room for it, by a
    look that changes nothing."""
    plan = json.loads(box.plan().read_text(encoding="utf-8"))
    (box.folder / "runbook.yaml").write_text(json.dumps({**plan, "preflight": {"headroom": 100}}), encoding="utf-8")
    inside = ("exec", "--user", "0:0", box.name)
    free = int(box.docker.text(*inside, "df", "--output=avail", "--block-size=1", "/var/opt/mssql").split()[-1])
    box.docker.run(*inside, "fallocate", "--length", str(free // 100), "/var/opt/mssql/old.bak")
    before = box.there()
    done = box.runbook("check")
    assert done.returncode == 30, done.stdout + done.stderr
    (said,) = re.findall(rf"the copy of {box.name}-data needs (\d+): (\d+) are in it", done.stdout)
    assert int(said[0]) > free
    assert int(said[1]) > free // 100
    assert box.there() == before


def test_killed_while_it_copies_and_back(box: Box) -> None:
    """``kill -9`` while the volume is copied: the next process finds the copy and goes on; what the new engine has
    converted is given up for the old image on the old volume, which it never touched."""
    killed = box.execute(RUNBOOK_FAILPOINTS="effect.after~run --detach=kill")
    assert killed.returncode == -9, killed.stdout + killed.stderr
    done = box.runbook("resume", "--no-guard", RUNBOOK_FAILPOINTS="step.before-look~^open-gate$=fail")
    assert done.returncode == 10, done.stdout + done.stderr
    assert "start-container done" in done.stdout
    assert_old(box)
