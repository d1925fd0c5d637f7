"""Throwaway servers in containers: SQL Server's own image, one container and one volume a server, started through
testcontainers. Everything carries labels that name the rehearsal and the home it belongs to, and listens on loopback.

A container is ready when it answers a query; what its log says is not looked at. Backups go from one server to the
other through a volume that both see.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from runbook.adapters.clock import SystemClock
from runbook.adapters.sqlserver import ServerTarget, picture
from runbook.errors import NotPermitted, NotSupported, Refused, RunbookError
from runbook.rehearsal import containers
from runbook.rehearsal.containers import HOME, IMAGE, REHEARSAL, ROLE
from runbook.rehearsal.place import LOCK
from runbook.rehearsal.providing import Made, Wanted
from runbook.secrets import Secret

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.docker_client import DockerClient

IMAGES = "mcr.microsoft.com/mssql/server:{version}-latest"
VERSIONS = (2017, 2019, 2022, 2025)
PORT = 1433
DATA, EXCHANGE = "/var/opt/mssql", "/var/opt/runbook-exchange"
PASSWORD = "sa-password"  # noqa: S105 - the name of a file
POLL = 0.25
OF_ALL = ":exchange"
"""The role of the volume that all servers of a home see; no server of a plan can be called so."""
LEAST_MEMORY = 2_000_000_000
"""Bytes without which SQL Server does not start."""
GIB = 1024**3
MSSQL = "10001:0"
"""The account that the engine runs as in SQL Server's image."""


@dataclass(frozen=True)
class Shape:
    """What one container is made of. ``memory`` in bytes, ``cpus`` in cores, ``patience`` in seconds until it answers
    a query."""

    image: str = ""
    memory: int = 2 * GIB
    cpus: float = 2.0
    patience: float = 180.0


@dataclass
class OnContainer:
    """Implements :class:`runbook.rehearsal.providing.Provider`."""

    accepts_licence: bool = False
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    """By the plan's name for the server."""
    name = "container"
    exchange = EXCHANGE

    def refuse_unfit(self, wanted: Wanted) -> None:
        """See the port."""
        if not self.accepts_licence:
            raise Refused(
                "SQL Server's licence for containers is not accepted",
                hint="Read https://aka.ms/mssql-container-eula (and where the image is not Microsoft's, its own), then "
                "add --accept-eula.",
            )
        shape = self._shape(wanted)
        if wanted.version not in VERSIONS and not shape.image:
            known = ", ".join(map(str, VERSIONS))
            raise NotSupported(
                f"there is no container image of SQL Server {wanted.version}, which {wanted.role} runs",
                hint=f"There are images of {known}; another is named as rehearsal.containers.{wanted.role}.image.",
            )
        if shape.memory < LEAST_MEMORY:
            raise Refused(
                f"the container for {wanted.role} would have {shape.memory / GIB:g} GiB of memory, and SQL Server does "
                "not start with less than 2",
                hint=f"Give it more: rehearsal.containers.{wanted.role}.memory_gib.",
            )

    def working(self, environment: Mapping[str, str]) -> AbstractContextManager[None]:
        """See the port: nothing of the kind."""
        del environment
        return nullcontext()

    def room(self, wanted: Mapping[str, Wanted]) -> int | None:
        """See the port: by the memory of the machine that the engine runs on."""
        needed = sum(self._shape(one).memory for one in wanted.values())
        with containers.engine() as docker:
            there = containers.memory(docker)
        if not there:  # it does not say
            return None
        if there < needed:
            raise Refused(
                f"the containers of a night need {needed / GIB:.1f} GiB of memory together, and the engine's machine "
                f"has {there / GIB:.1f}",
                hint="Rehearse on a bigger machine; SQL Server needs 2 GiB a server.",
            )
        return there // needed

    def start(self, home: Path, wanted: Mapping[str, Wanted]) -> Mapping[str, Made]:
        """See the port."""
        password = _password(home)
        with containers.engine() as docker:
            found = {role: self._started(docker, home, one, password) for role, one in wanted.items()}
            return {role: self._ready(container, wanted[role], password) for role, container in found.items()}

    def copy(self, template: Path, home: Path) -> None:
        """See the port."""
        with containers.engine() as docker:
            for volume in containers.volumes(docker, HOME, template):
                labels = volume.attrs["Labels"]
                to = containers.volume(docker, _labels(home, labels[ROLE], labels[IMAGE]))
                binds = {volume.name: "/from", to: "/to"}
                containers.run(docker, labels[IMAGE], "cp -a /from/. /to/", binds, _labels(home))

    def stop(self, home: Path) -> None:
        """See the port."""
        with containers.engine() as docker:
            for container in containers.found(docker, HOME, home):
                containers.end(container, gently=True)

    def discard(self, home: Path) -> None:
        """See the port."""
        with containers.engine() as docker:
            containers.forget(docker, HOME, home)

    def remove(self, rehearsal: Path) -> None:
        """See the port: containers, volumes, the network."""
        with containers.engine() as docker:
            containers.forget(docker, REHEARSAL, rehearsal)

    def left(self, root: Path) -> set[Path]:
        """See the port."""
        with suppress(RunbookError), containers.engine() as docker:
            return {path for path in containers.of_rehearsals(docker) if path.parent == root}
        return set()

    # --- pieces ------------------------------------------------------------------------------------------------

    def _shape(self, wanted: Wanted) -> Shape:
        return self.shapes.get(wanted.role, Shape())

    def _image(self, wanted: Wanted) -> str:
        return self._shape(wanted).image or IMAGES.format(version=wanted.version)

    def _started(self, docker: DockerClient, home: Path, wanted: Wanted, password: Secret) -> Container:
        known = [one for one in containers.found(docker, HOME, home) if one.labels.get(ROLE) == wanted.role]
        if known:
            known[0].start()
            return known[0]
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - heavy: for containers only
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - as above

        testcontainers_config.ryuk_disabled = True  # it is an image of its own; what is left is found by its labels
        shape, image = self._shape(wanted), self._image(wanted)
        containers.have(docker, image, wanted.role)
        data = containers.volume(docker, _labels(home, wanted.role, image))
        exchange = containers.volume(docker, _labels(home, OF_ALL, image))
        command = f"chown {MSSQL} /to /exchange"
        containers.run(docker, image, command, {data: "/to", exchange: "/exchange"}, _labels(home))
        made = DockerContainer(image)
        made.with_envs(ACCEPT_EULA="Y", MSSQL_SA_PASSWORD=password.reveal(), MSSQL_PID="Developer")
        made.with_env("MSSQL_MEMORY_LIMIT_MB", str(shape.memory * 4 // 5 // 1024**2))
        made.with_volume_mapping(data, DATA, "rw").with_volume_mapping(exchange, EXCHANGE, "rw")
        made.ports[f"{PORT}/tcp"] = ("127.0.0.1",)  # type: ignore[assignment]  # docker's way to say: any free one there
        made.with_kwargs(
            labels=_labels(home, wanted.role),
            hostname=wanted.server_name,
            network=containers.network(docker, _rehearsal(home)),
            mem_limit=shape.memory,
            nano_cpus=int(shape.cpus * 1e9),
        )
        return made.start().get_wrapped_container()

    def _ready(self, container: Container, wanted: Wanted, password: Secret) -> Made:
        """Once it answers a query, encrypted or, where it cannot, not."""
        clock, patience = SystemClock(), self._shape(wanted).patience
        give_up_at = clock.monotonic() + patience
        last = "it does not listen"
        while clock.monotonic() < give_up_at:
            container.reload()
            if container.status not in ("created", "running", "restarting"):
                raise self._ended(container, wanted)
            published: list[dict[str, str]] = container.ports.get(f"{PORT}/tcp") or []
            for encrypt in (True, False) if published else ():
                target = _target(int(published[0]["HostPort"]), password, encrypt=encrypt)
                try:
                    picture.names(target)
                except NotPermitted:
                    raise
                except Exception as error:  # noqa: BLE001 - it comes up; what it says last is told
                    last = " ".join(str(error).split())
                else:
                    return _made(container, wanted, target, password)
            Event().wait(POLL)
        raise Refused(
            f"the container for {wanted.role} does not answer a query within {patience:.0f} s: {last}",
            hint=f"Try the image {self._image(wanted)} by hand, or give it more time: "
            f"rehearsal.containers.{wanted.role}.patience.",
        )

    def _ended(self, container: Container, wanted: Wanted) -> Refused:
        state = container.attrs["State"]
        if state.get("OOMKilled"):
            return Refused(
                f"the container for {wanted.role} ran out of memory: it has {self._shape(wanted).memory / GIB:g} GiB",
                hint=f"Give it more: rehearsal.containers.{wanted.role}.memory_gib.",
            )
        said = container.logs(tail=5).decode("utf-8", "replace").strip().splitlines()
        return Refused(
            f"the container for {wanted.role} ended with {state.get('ExitCode')} before it answered a query: "
            f"{said[-1].strip() if said else 'it said nothing'}",
            hint=f"Try the image by hand: docker run {self._image(wanted)}",
        )


def _target(port: int, password: Secret, *, encrypt: bool) -> ServerTarget:
    return ServerTarget(f"mssql://127.0.0.1:{port}", "sa", lambda: password, encrypt=encrypt, trust_certificate=encrypt)


def _made(container: Container, wanted: Wanted, target: ServerTarget, password: Secret) -> Made:
    port = int(target.url.rpartition(":")[2])
    home = Path(container.labels[HOME])
    entry = {
        "url": target.url,
        "user": "sa",
        "password": f"file:{_rehearsal(home) / PASSWORD}",
        "encrypt": target.encrypt,
        "trust_certificate": target.trust_certificate,
        "expect": {"server_name": wanted.server_name, "version": wanted.version},
    }
    facts = {"host": "127.0.0.1", "port": port, "user": "sa", "password": password.reveal(), "name": wanted.server_name}
    facts |= {"container": str(container.id), "exchange": EXCHANGE}
    return Made(wanted.role, target, entry, facts, str(container.id))


def _labels(home: Path, role: str = "", image: str = "") -> dict[str, str]:
    """Of everything that is made for a home; without a role, of what helps for a moment."""
    labels = {REHEARSAL: str(_rehearsal(home)), HOME: str(home)}
    return {**labels, **({ROLE: role} if role else {}), **({IMAGE: image} if image else {})}


def _rehearsal(home: Path) -> Path:
    """The directory of the rehearsal that a home belongs to."""
    return next(parent for parent in home.parents if (parent / LOCK).exists())


def _password(home: Path) -> Secret:
    """One a rehearsal: the data of its servers goes from night to night."""
    path = _rehearsal(home) / PASSWORD
    with suppress(FileExistsError):
        path.touch(0o600, exist_ok=False)
        path.write_text(f"Rb-{secrets.token_hex(12)}", encoding="ascii")
    return Secret(path.read_text(encoding="ascii"))
