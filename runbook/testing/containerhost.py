"""A machine with a container engine on it: containers, volumes and images, of which one container is a server."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

from runbook.testing.enginehost import OF_THE_FILES
from runbook.testing.errors import ImpossibleWorld
from runbook.testing.instance import Instance
from runbook.testing.machine import DISK, Machine, Program
from runbook.testing.model import BUILDS
from runbook.testing.world import World

DATA, ROOT = "/var/opt/mssql", "/var/lib/docker/volumes"
OLD, NEW = "sql01", "sql01-2022"
IMAGES = {"mssql:2019": 2019, "mssql:2022": 2022}
RUN = "runbook.run"


@dataclass
class FakeContainer:
    """One container; ``year`` of the engine in its image, 0 where a script runs instead."""

    name: str
    year: int
    volumes: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)
    restart: str = "no"
    status: str = "created"
    exit_code: int = 0
    host_name: str = ""
    vanishes: bool = False

    def shown(self) -> dict[str, Any]:
        """What inspect says."""
        policy, _, most = self.restart.partition(":")
        return {
            "Id": f"id-of-{self.name}",
            "Image": f"sha256:{self.year}",
            "State": {"Running": self.status == "running", "Status": self.status, "ExitCode": self.exit_code},
            "Config": {"Hostname": self.host_name, "Labels": self.labels},
            "HostConfig": {
                "RestartPolicy": {"Name": policy, "MaximumRetryCount": int(most or 0)},
                "AutoRemove": self.vanishes,
            },
            "Mounts": [{"Type": "volume", "Destination": at, "Name": name} for at, name in self.volumes.items()],
        }


@dataclass
class ContainerHost:
    """Makes a machine of the world run one of its servers in a container; knows what is asked of docker."""

    world: World
    machine: Machine
    instance: Instance
    boxes: dict[str, FakeContainer] = field(default_factory=dict)
    volumes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Name -> labels."""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Volume -> what lies in it while no engine runs on it."""
    images: dict[str, int] = field(default_factory=lambda: dict(IMAGES))
    copies_in: float = 60.0
    copy_fails: bool = False
    starts_in: float = 3.0
    converts_in: float = 30.0
    besides: int = 0
    """Bytes of files in the server's volume that are no databases."""
    du_says: str = ""
    """What ``du`` complains about."""
    script_fails: bool = False
    """The new engine ends while it converts."""
    wrote_foreign: bool = False
    """Two engines on one volume, or one that copied from a volume on which an engine ran: never may that be."""
    _starts: int = 0

    @classmethod
    def of(cls, world: World, name: str, role: str) -> ContainerHost:
        """The machine of a server of the world."""
        machine = world.add_host(name)
        instance = world.servers[role]
        found = cls(world, machine, instance)
        machine.knows.append(found.program)
        found.volumes[f"{OLD}-data"] = {}
        machine.directories |= {ROOT, f"{ROOT}/{OLD}-data"}
        old = FakeContainer(OLD, instance.year, {DATA: f"{OLD}-data"}, restart="unless-stopped", status="running")
        old.host_name = instance.server_name.lower()
        found.boxes[OLD] = old
        return found

    @property
    def serving(self) -> FakeContainer | None:
        """The container whose engine runs."""
        return next((one for one in self.boxes.values() if one.year and one.status == "running"), None)

    # -- what people do to it

    def reboot(self, seconds: float = 20.0) -> None:
        """The machine goes down with everything on it; what is to be restarted is started when it is back."""
        for one in [one for one in self.boxes.values() if one.status == "running"]:
            self._ends(one, 137)
        self.machine.reboot()
        self.machine.down = True

        def up() -> None:
            self.machine.down = False
            for one in self.boxes.values():
                if one.status == "exited" and one.restart in ("always", "unless-stopped"):
                    self._begins(one)

        self.world.clock.later(seconds, up)

    # -- the program on it

    def program(self, argv: tuple[str, ...]) -> Program | None:
        """What an argument list does there; None for what is not asked of docker."""
        return self._docker(argv) if argv[0] == "docker" else None

    def _docker(self, argv: tuple[str, ...]) -> Program:  # noqa: PLR0911 - one command a line
        match argv[1:]:
            case ("container" | "volume" | "image" as kind, "inspect", name):
                return self._inspected(kind, name)
            case ("logs", *_, name):
                return Program(stdout=f"{name} says: login failed\n")
            case ("exec", "--user", "0:0", name, *words):
                return self._inside(name, words)
            case ("update", "--restart", policy, name):
                return self._on(name, lambda box: setattr(box, "restart", policy))
            case ("stop", "--time", _, name):
                return self._on(name, lambda box: self._ends(box, 0))
            case ("start", name):
                return self._on(name, self._begins)
            case ("rm", "--force", name) | ("rm", "--force", "--volumes", name):
                return self._on(name, self._removed)
            case ("volume", "create", "--label", label, name):
                return Program(effect=lambda: self._made(name, label))
            case ("volume", "rm", name):
                return Program(effect=lambda: self._volume_removed(name))
            case ("create", *words):
                return Program(effect=lambda: self._created(list(words)))
            case ("run", "--detach", *words):
                return Program(effect=lambda: self._copying(list(words)))
        raise ImpossibleWorld(f"{self.machine.name} does not know this of docker: {argv}")

    def _inspected(self, kind: str, name: str) -> Program:
        box = self._box(name)
        known: dict[str, Any] | None = None
        if kind == "container" and box:
            known = box.shown()
        elif kind == "volume" and name in self.volumes:
            known = {"Labels": self.volumes[name] or None, "Mountpoint": f"{ROOT}/{name}"}
        elif kind == "image" and name in self.images:
            known = {"Id": f"sha256:{self.images[name]}"}
        if known is None:
            return Program(exit_code=1, stdout="[]\n", stderr=f"Error response from daemon: No such {kind}: {name}\n")
        return Program(stdout=json.dumps([known]))

    def held(self) -> int:
        """Bytes in the server's volume."""
        return self.besides + sum(file.size_bytes for one in self.instance.databases.values() for file in one.files)

    def _inside(self, name: str, words: list[str]) -> Program:
        box = self._box(name)
        if box is None or box.status != "running":
            return Program(exit_code=1, stderr=f"Error response from daemon: container {name} is not running\n")
        match words:
            case ["du", "-s", "-x", "--block-size=1", place]:
                said = f"{self.held()}\t{place}\n"
                return Program(exit_code=int(bool(self.du_says)), stdout=said, stderr=self.du_says)
            case ["df", "--block-size=1", "--output=avail", _]:
                return Program(stdout=f"Avail\n{0 if self.machine.full else max(0, DISK - self.held())}\n")
        raise ImpossibleWorld(f"{name} does not know this: {words}")

    def _box(self, name: str) -> FakeContainer | None:
        return self.boxes.get(name.removeprefix("id-of-"))

    def _on(self, name: str, act: Any) -> Program:
        if self._box(name) is None:
            return Program(exit_code=1, stderr=f"Error response from daemon: No such container: {name}\n")
        return Program(effect=lambda: act(self._box(name)))

    def _made(self, name: str, label: str) -> None:
        key, _, value = label.partition("=")
        self.volumes.setdefault(name, {key: value})
        self.machine.directories.add(f"{ROOT}/{name}")

    def _volume_removed(self, name: str) -> None:
        if any(name in one.volumes.values() for one in self.boxes.values()):
            raise ImpossibleWorld(f"{name} is in use: docker would not remove it")
        self.volumes.pop(name, None)
        self.files.pop(name, None)

    def _created(self, words: list[str]) -> None:
        """``--name X --hostname Y --label L --volume V:AT ... IMAGE``."""
        said = {words[at]: words[at + 1] for at in range(0, len(words) - 1, 2)}
        volume, _, at = said["--volume"].partition(":")
        key, _, value = said["--label"].partition("=")
        box = FakeContainer(
            said["--name"], self.images[words[-1]], {at: volume}, {key: value}, said.get("--restart", "no")
        )
        box.host_name = said["--hostname"]
        self.boxes.setdefault(box.name, box)

    def _copying(self, words: list[str]) -> None:
        name, label = words[1], words[3]
        key, _, value = label.partition("=")
        binds = [words[at + 1] for at, word in enumerate(words) if word == "--volume"]
        source, target = (bind.partition(":")[0] for bind in binds)
        box = FakeContainer(name, 0, {"/from": source, "/to": target}, {key: value}, status="running")
        self.boxes[name] = box

        def end() -> None:
            if self.boxes.get(name) is not box or box.status != "running":
                return
            box.status, box.exit_code = "exited", int(self.copy_fails)
            self.wrote_foreign |= self.serving is not None
            if not self.copy_fails:
                self.files[target] = copy.deepcopy(self.files[source])

        self.world.clock.later(self.copies_in, end)

    def _removed(self, box: FakeContainer) -> None:
        if box.status == "running" and box.year:
            self._ends(box, 137)
        self.boxes.pop(box.name)

    # -- engines

    def _ends(self, box: FakeContainer, code: int) -> None:
        if box.status != "running":
            return
        box.status, box.exit_code = "exited", code
        self._starts += 1
        if box.year:
            self.files[box.volumes[DATA]] = self._live()
            self.world.kill_server(self.instance.role)

    def _live(self) -> dict[str, Any]:
        return copy.deepcopy({name: getattr(self.instance, name) for name in OF_THE_FILES})

    def _begins(self, box: FakeContainer) -> None:
        """The files are opened by whatever engine is in the image."""
        if box.status == "running":
            return
        self.wrote_foreign |= self.serving is not None
        box.status = "running"
        self._starts += 1
        for name, value in copy.deepcopy(self.files[box.volumes[DATA]]).items():
            setattr(self.instance, name, value)
        newest = max((one.internal_version for one in self.instance.databases.values()), default=0)
        if newest > BUILDS[box.year][1]:
            box.status, box.exit_code = "exited", 1
            return
        converts, start = newest < BUILDS[box.year][1], self._starts
        if converts:
            for database in self.instance.databases.values():
                database.internal_version = BUILDS[box.year][1]
        self.world.clock.later(
            self.converts_in if converts else self.starts_in, lambda: self._up(box, start, converts=converts)
        )

    def _up(self, box: FakeContainer, start: int, *, converts: bool) -> None:
        if start != self._starts:
            return
        if converts and self.script_fails:
            box.status, box.exit_code = "exited", 1
            self.files[box.volumes[DATA]] = self._live()
            return
        self.instance.year = box.year
        self.world.start_server(self.instance.role)
