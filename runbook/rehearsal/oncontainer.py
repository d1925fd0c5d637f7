"""Throwaway servers in containers: SQL Server's own image, one container and one volume a server, started through
testcontainers. Everything carries labels that name the rehearsal and the home it belongs to, and listens on loopback.

A container is ready when it answers a query; what its log says is not looked at. Backups go from one server to the
other through a volume that both see.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from runbook.adapters.sqlserver import ServerTarget, picture
from runbook.errors import NotPermitted, NotSupported, Refused, Unreachable
from runbook.rehearsal.providing import Made, Wanted
from runbook.secrets import Secret

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.docker_client import DockerClient

IMAGES = "mcr.microsoft.com/mssql/server:{version}-latest"
VERSIONS = (2017, 2019, 2022, 2025)
REHEARSAL, HOME, ROLE = "runbook.rehearsal", "runbook.rehearsal.home", "runbook.rehearsal.role"
"""Labels of containers and volumes."""
PORT = 1433
DATA, EXCHANGE = "/var/opt/mssql", "/var/opt/runbook-exchange"
PASSWORD = "sa-password"  # noqa: S105 - the name of a file
READY_SECONDS, POLL = 180.0, 0.25
STOP_SECONDS = 10
MSSQL = "10001:0"
"""The account that the engine runs as in SQL Server's image."""


@dataclass(frozen=True)
class Shape:
    """What one container is made of. ``memory`` in bytes, ``cpus`` in cores."""

    image: str = ""
    memory: int = 2 * 1024**3
    cpus: float = 2.0


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
        if wanted.version not in VERSIONS and not self._shape(wanted).image:
            known = ", ".join(map(str, VERSIONS))
            raise NotSupported(
                f"there is no container image of SQL Server {wanted.version}, which {wanted.role} runs",
                hint=f"There are images of {known}; another is named as rehearsal.containers.{wanted.role}.image.",
            )
        with _engine():
            pass

    def start(self, home: Path, wanted: Mapping[str, Wanted]) -> Mapping[str, Made]:
        """See the port."""
        password = _password(home)
        with _engine() as docker:
            _volume(docker, home, "exchange")
            found = {role: self._started(docker, home, one, password) for role, one in wanted.items()}
            return {role: self._ready(container, wanted[role], password) for role, container in found.items()}

    def copy(self, template: Path, home: Path) -> None:
        """See the port."""
        with _engine() as docker:
            for volume in docker.client.volumes.list(filters={"label": f"{HOME}={template}"}):
                role = volume.attrs["Labels"][ROLE]
                to = _volume(docker, home, role)
                image = volume.attrs["Labels"].get("runbook.rehearsal.image")
                if image:
                    _run(docker, home, image, "cp -a /from/. /to/", {volume.name: "/from", to: "/to"})

    def corrupt(self, home: Path, wanted: Wanted, statement: str) -> None:
        """See the port."""
        del home, wanted, statement
        raise NotSupported(
            "data cannot be changed behind a server in a container", hint="Leave it out: --faults fail,hang,kill."
        )

    def has_struck(self, home: Path, wanted: Wanted) -> bool:
        """See the port."""
        del home, wanted
        return False

    def stop(self, home: Path) -> None:
        """See the port."""
        with suppress(Unreachable), _engine() as docker:
            for container in _containers(docker, HOME, home):
                _remove(container)

    def remove(self, rehearsal: Path) -> None:
        """See the port: containers, volumes, the network."""
        with suppress(Unreachable), _engine() as docker:
            for container in _containers(docker, REHEARSAL, rehearsal):
                _remove(container)
            for volume in docker.client.volumes.list(filters={"label": f"{REHEARSAL}={rehearsal}"}):
                with suppress(_errors().APIError):
                    volume.remove(force=True)
            for network in docker.client.networks.list(filters={"label": f"{REHEARSAL}={rehearsal}"}):
                with suppress(_errors().APIError):
                    network.remove()

    # --- pieces ------------------------------------------------------------------------------------------------

    def _shape(self, wanted: Wanted) -> Shape:
        return self.shapes.get(wanted.role, Shape())

    def _image(self, wanted: Wanted) -> str:
        return self._shape(wanted).image or IMAGES.format(version=wanted.version)

    def _started(self, docker: DockerClient, home: Path, wanted: Wanted, password: Secret) -> Container:
        known = [one for one in _containers(docker, HOME, home) if one.labels.get(ROLE) == wanted.role]
        if known:
            known[0].start()
            return known[0]
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - heavy: for containers only
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - as above

        testcontainers_config.ryuk_disabled = True  # it is an image of its own; what is left is found by its labels
        shape, image = self._shape(wanted), self._image(wanted)
        _have(docker, wanted, image)
        data, exchange = _volume(docker, home, wanted.role, image), _volume(docker, home, "exchange")
        _run(docker, home, image, f"chown {MSSQL} /to /exchange", {data: "/to", exchange: "/exchange"})
        made = DockerContainer(image)
        made.with_envs(ACCEPT_EULA="Y", MSSQL_SA_PASSWORD=password.reveal(), MSSQL_PID="Developer")
        made.with_env("MSSQL_MEMORY_LIMIT_MB", str(shape.memory * 4 // 5 // 1024**2))
        made.with_volume_mapping(data, DATA, "rw").with_volume_mapping(exchange, EXCHANGE, "rw")
        made.ports[f"{PORT}/tcp"] = ("127.0.0.1",)  # type: ignore[assignment]  # docker's way to say: any free one there
        made.with_kwargs(
            labels={REHEARSAL: str(_rehearsal(home)), HOME: str(home), ROLE: wanted.role},
            hostname=wanted.server_name,
            network=_network(docker, home),
            mem_limit=shape.memory,
            nano_cpus=int(shape.cpus * 1e9),
        )
        with _refused():
            return made.start().get_wrapped_container()

    def _ready(self, container: Container, wanted: Wanted, password: Secret) -> Made:
        """Once it answers a query, encrypted or, where it cannot, not."""
        last: Exception = TimeoutError()
        for _ in range(int(READY_SECONDS / POLL)):
            container.reload()
            if container.status not in ("created", "running", "restarting"):
                break
            published: list[dict[str, str]] = container.ports.get(f"{PORT}/tcp") or []
            for encrypt in (True, False) if published else ():
                target = _target(int(published[0]["HostPort"]), password, encrypt=encrypt)
                try:
                    picture.names(target)
                except NotPermitted:
                    raise
                except Exception as error:  # noqa: BLE001 - it comes up; what it says last is told
                    last = error
                else:
                    return _made(container, wanted, target, password)
            Event().wait(POLL)
        said = container.logs(tail=5).decode("utf-8", "replace").strip().splitlines()
        raise Refused(
            f"the throwaway server for {wanted.role} does not come up: {said[-1] if said else last}",
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
    return Made(wanted.role, target, entry, facts, str(container.id))


def _rehearsal(home: Path) -> Path:
    """The directory of the rehearsal that a home belongs to."""
    return next(parent for parent in home.parents if (parent / "rehearse.lock").exists())


def _password(home: Path) -> Secret:
    """One a rehearsal: the data of its servers goes from night to night."""
    path = _rehearsal(home) / PASSWORD
    with suppress(FileExistsError):
        path.touch(0o600, exist_ok=False)
        path.write_text(f"Rb-{secrets.token_hex(12)}", encoding="ascii")
    return Secret(path.read_text(encoding="ascii"))


# --- the engine ------------------------------------------------------------------------------------------------------


def _errors() -> Any:
    import docker.errors  # noqa: PLC0415 - for containers only

    return docker.errors


@contextmanager
def _engine() -> Iterator[DockerClient]:
    """The container engine. NotSupported without the library, Unreachable without an engine that answers."""
    try:
        from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415 - heavy: for containers only
    except ImportError as error:
        raise NotSupported(
            "rehearsals on containers need testcontainers", hint="Install it: pip install 'runbook[containers]'"
        ) from error
    try:
        client = DockerClient()
        client.client.ping()
    except Exception as error:
        raise Unreachable(
            f"no container engine answers: {error}",
            hint="Start Docker (or Podman with its socket), and let this account use it; DOCKER_HOST names another.",
        ) from error
    try:
        yield client
    finally:
        client.client.close()


def _containers(docker: DockerClient, label: str, value: Path) -> list[Container]:
    return docker.client.containers.list(all=True, filters={"label": f"{label}={value}"})


def _remove(container: Container) -> None:
    """Stopped as a machine is shut down, so that its data is whole; then taken away."""
    with suppress(_errors().APIError):
        container.stop(timeout=STOP_SECONDS)
    with suppress(_errors().APIError):
        container.remove(force=True, v=True)


def _volume(docker: DockerClient, home: Path, role: str, image: str = "") -> str:
    """The volume of a server (or the exchange) of this home, made when there is none."""
    labels = {REHEARSAL: str(_rehearsal(home)), HOME: str(home), ROLE: role, "runbook.rehearsal.image": image}
    for one in docker.client.volumes.list(filters={"label": [f"{HOME}={home}", f"{ROLE}={role}"]}):
        return str(one.name)
    return str(docker.client.volumes.create(labels=labels).name)


def _network(docker: DockerClient, home: Path) -> str:
    """The network of a rehearsal: its servers see each other and nobody else's."""
    rehearsal = _rehearsal(home)
    for one in docker.client.networks.list(filters={"label": f"{REHEARSAL}={rehearsal}"}):
        return str(one.name)
    name = f"runbook-rehearsal-{rehearsal.name}"
    return str(docker.client.networks.create(name, labels={REHEARSAL: str(rehearsal)}).name)


def _run(docker: DockerClient, home: Path, image: str, command: str, volumes: Mapping[str, str]) -> None:
    """A shell command as root in a container of that image, with volumes at places."""
    docker.client.containers.run(
        image,
        [command],
        entrypoint=["/bin/sh", "-c"],
        user="0:0",
        remove=True,
        labels={REHEARSAL: str(_rehearsal(home)), HOME: str(home)},
        network_mode="none",
        volumes={name: {"bind": place, "mode": "rw"} for name, place in volumes.items()},
    )


def _have(docker: DockerClient, wanted: Wanted, image: str) -> None:
    """The image is here, or is pulled. Refused when it cannot be had."""
    errors = _errors()
    try:
        try:
            docker.client.images.get(image)
        except errors.ImageNotFound:
            docker.client.images.pull(image)
    except errors.APIError as error:
        raise Refused(
            f"the image {image} for {wanted.role} is not here and cannot be pulled: {error.explanation or error}",
            hint=f"Pull it where the network lets you, or name another: rehearsal.containers.{wanted.role}.image.",
        ) from error


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except _errors().APIError as error:
        raise Refused(
            f"a throwaway server does not start: {error.explanation or error}", hint="Look at the engine's own log."
        ) from error
