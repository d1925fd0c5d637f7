"""The container engine: what a rehearsal has of it, by labels, and what it says when it does not do what it is asked.

Everything of a rehearsal carries its directory as a label, so that it is found by whoever takes it away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runbook.errors import NotPermitted, NotSupported, Refused, RunbookError, Unreachable

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.docker_client import DockerClient

REHEARSAL, HOME, ROLE, IMAGE = (
    "runbook.rehearsal",
    "runbook.rehearsal.home",
    "runbook.rehearsal.role",
    "runbook.rehearsal.image",
)
"""Labels: the directory of the rehearsal; of one night's home; the server it stands for; the image a volume is of."""
SOCKET = "unix:///var/run/docker.sock"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
STOP_SECONDS = 10


@contextmanager
def engine() -> Iterator[DockerClient]:
    """The container engine. NotSupported without the library, Unreachable without an engine that answers, NotPermitted
    where this account may not use it, Refused for what it does not do."""
    try:
        from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415 - heavy: for containers only
    except ImportError as error:
        raise NotSupported(
            "rehearsals on containers need testcontainers", hint="Install it: pip install testcontainers"
        ) from error
    where = urlsplit(os.environ.get("DOCKER_HOST", ""))
    if where.scheme not in ("", "unix", "npipe") and where.hostname not in LOOPBACK:
        raise NotSupported(
            f"the container engine that DOCKER_HOST names is on another machine: {where.geturl()}",
            hint="Throwaway servers listen on the loopback of the engine's machine: rehearse there.",
        )
    from docker.errors import APIError, DockerException  # noqa: PLC0415 - as above
    from requests.exceptions import RequestException  # noqa: PLC0415 - as above

    try:
        client = DockerClient()
        client.client.ping()
    except Exception as error:
        raise _no_engine(error) from error
    try:
        yield client
    except DockerException as error:
        said = _one_line((error.explanation if isinstance(error, APIError) else "") or error)
        raise Refused(f"the container engine refuses: {said}", hint="Look at the engine's own log.") from error
    except RequestException as error:
        raise Unreachable(
            f"the container engine does not answer any more: {_one_line(error)}", hint="Look at the engine's own log."
        ) from error
    finally:
        client.client.close()


def _no_engine(error: Exception) -> RunbookError:
    where = os.environ.get("DOCKER_HOST") or SOCKET
    cause = _of_the_system(error)
    if isinstance(cause, PermissionError):
        return NotPermitted(
            f"this account may not use the container engine at {where}",
            hint="Add it to the group docker and sign in again, or run rootless Docker or Podman; DOCKER_HOST names "
            "another engine.",
        )
    said = cause.strerror if cause and cause.strerror else _one_line(error)
    return Unreachable(
        f"no container engine answers at {where}: {said}",
        hint="Install Docker (or Podman with its socket) and start it; DOCKER_HOST names another one.",
    )


def _of_the_system(error: BaseException | None) -> OSError | None:
    """The system's own error, which the client's libraries wrap several times."""
    while error is not None and not (isinstance(error, OSError) and error.errno is not None):
        error = error.__cause__ or error.__context__
    return error


def _one_line(error: object) -> str:
    return " ".join(str(error).split())


def memory(docker: DockerClient) -> int:
    """Bytes of the machine that the engine runs on."""
    return int(docker.client.info()["MemTotal"])


def have(docker: DockerClient, image: str, role: str) -> None:
    """The image is there, or is pulled. Refused when it cannot be had."""
    from docker.errors import APIError, ImageNotFound  # noqa: PLC0415 - for containers only

    try:
        try:
            docker.client.images.get(image)
        except ImageNotFound:
            docker.client.images.pull(image)
    except APIError as error:
        raise Refused(
            f"the image {image} for {role} is not here and cannot be pulled: {_one_line(error.explanation or error)}",
            hint=f"Pull it where the network lets you, or name another: rehearsal.containers.{role}.image.",
        ) from error


def found(docker: DockerClient, label: str, value: Path) -> list[Container]:
    """Containers with that label, running or not; those that vanish meanwhile are none."""
    return docker.client.containers.list(all=True, filters={"label": f"{label}={value}"}, ignore_removed=True)


def end(container: Container, *, gently: bool) -> None:
    """Stopped as a machine is shut down, so that its data is whole, or at once; then taken away."""
    if gently:
        with _gone():
            container.stop(timeout=STOP_SECONDS)
    with _gone():
        container.remove(force=True, v=True)


def volume(docker: DockerClient, labels: Mapping[str, str]) -> str:
    """The volume with these labels of home and role, made when there is none."""
    wanted = [f"{key}={labels[key]}" for key in (HOME, ROLE)]
    for one in docker.client.volumes.list(filters={"label": wanted}):
        return str(one.name)
    return str(docker.client.volumes.create(labels=dict(labels)).name)


def volumes(docker: DockerClient, label: str, value: Path) -> Sequence[Any]:
    """Volumes with that label."""
    return docker.client.volumes.list(filters={"label": f"{label}={value}"})


def network(docker: DockerClient, rehearsal: Path) -> str:
    """The network of a rehearsal: its servers see each other and nobody else's."""
    for one in docker.client.networks.list(filters={"label": f"{REHEARSAL}={rehearsal}"}):
        return str(one.name)
    name = f"runbook-rehearsal-{rehearsal.name}"
    return str(docker.client.networks.create(name, labels={REHEARSAL: str(rehearsal)}).name)


def run(docker: DockerClient, image: str, command: str, binds: Mapping[str, str], labels: Mapping[str, str]) -> None:
    """A shell command as root in a container of that image, with volumes at places; it is gone afterwards, with the
    volumes that the image asks for."""
    from docker.errors import ContainerError  # noqa: PLC0415 - for containers only

    container = docker.client.containers.create(
        image,
        [command],
        entrypoint=["/bin/sh", "-c"],
        user="0:0",
        labels=dict(labels),
        network_mode="none",
        volumes={name: {"bind": place, "mode": "rw"} for name, place in binds.items()},
    )
    try:
        container.start()
        code = container.wait()["StatusCode"]
        if code:
            raise ContainerError(
                container, code, command, image, container.logs(stdout=False).decode("utf-8", "replace")
            )
    finally:
        end(container, gently=False)


def forget(docker: DockerClient, label: str, value: Path) -> None:
    """Everything with that label at once: containers, then volumes, then networks."""
    for container in found(docker, label, value):
        end(container, gently=False)
    for one in volumes(docker, label, value):
        with _gone():
            one.remove(force=True)
    for one in docker.client.networks.list(filters={"label": f"{label}={value}"}):
        with _gone():
            one.remove()


def of_rehearsals(docker: DockerClient) -> set[Path]:
    """Directories of rehearsals, here or gone, that something is labelled with."""
    listed = [
        one.labels for one in docker.client.containers.list(all=True, filters={"label": REHEARSAL}, ignore_removed=True)
    ]
    listed += [one.attrs.get("Labels") or {} for one in docker.client.volumes.list(filters={"label": REHEARSAL})]
    listed += [one.attrs.get("Labels") or {} for one in docker.client.networks.list(filters={"label": REHEARSAL})]
    return {Path(labels[REHEARSAL]) for labels in listed if REHEARSAL in labels}


@contextmanager
def _gone() -> Iterator[None]:
    """What somebody else takes away at this moment, or has taken away, is gone either way."""
    from docker.errors import APIError  # noqa: PLC0415 - for containers only

    with suppress(APIError):
        yield
