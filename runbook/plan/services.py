"""The services of a plan: programs that must not run while the databases are away, and when they come back."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from runbook.plan.durations import Duration
from runbook.plan.gates import Unreachable
from runbook.plan.hosts import HostName
from runbook.plan.sections import Model
from runbook.plan.types import Arguments, KebabName, PositiveSpan, quote, reject, text_of

LOCAL = "local"
"""This machine: known without being listed under ``hosts``."""
SHELLS = {"systemd": "posix", "windows-service": "powershell", "iis-site": "powershell", "iis-pool": "powershell"}
"""What is spoken on the hosts of each kind; any, where nothing is said."""
NAMES = {
    "systemd": "unit",
    "windows-service": "service",
    "iis-site": "site",
    "iis-pool": "pool",
    "container": "container",
}
"""The key of each kind that says which one is meant."""
START = Literal["before-checks", "after-opening"]


def _unit(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"[A-Za-z0-9@_.\\:-]+\.[a-z]+", text) or text.startswith("-"):
        raise reject(f"{quote(text)} cannot name a unit", "Write it as systemd does, such as mailer-worker.service.")
    return text


def _windows_name(value: Any) -> str:
    text = text_of(value)
    if len(text) > 256 or not text.isprintable() or any(c in text for c in "/\\*?[]`\"'\u2018\u2019\u201a\u201b"):
        hint = "Write the name itself, not what is displayed, without quotes, stars and brackets."
        raise reject(f"{quote(text)} cannot name that on Windows", hint)
    return text


def _container(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", text):
        raise reject(f"{quote(text)} cannot name a container", "Write its name, as docker ps shows it.")
    return text


def _schema(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example], "minLength": 1})


UnitName = Annotated[str, PlainValidator(_unit), _schema("mailer-worker.service")]
ServiceName = Annotated[str, PlainValidator(_windows_name), _schema("MailerWorker")]
IisName = Annotated[str, PlainValidator(_windows_name), _schema("mailer")]
ContainerName = Annotated[str, PlainValidator(_container), _schema("mailer-worker")]
During = Literal["stopped", "disabled"]

DURING = "stopped, or disabled: stopped, and nothing starts it by itself either, also not a reboot."


class OnHosts(Model):
    """What every kind of service has."""

    name: KebabName = Field(description="What it is called here.", examples=["worker"])
    hosts: tuple[HostName, ...] = Field(
        min_length=1, description="The hosts it is on, by the plan's names; or local.", examples=[["web1", "web2"]]
    )
    start: START = Field(
        default="after-opening",
        description="When it comes back on the new setup: before-checks where the checks need it; else after-opening, "
        "as one that writes before that spoils the way back.",
        examples=["before-checks"],
    )
    within: PositiveSpan = Field(default=Duration(seconds=60), description="How long it may take to stop or to start.")
    unreachable: Unreachable = Field(
        default="refuse",
        description="A host that does not answer: refuse, or accept as long as another one does; a finding, looked at "
        "again.",
        examples=["accept"],
    )


class SystemdService(OnHosts):
    """A unit of systemd."""

    kind: Literal["systemd"] = Field(description="A unit of systemd.", examples=["systemd"])
    unit: UnitName = Field(description="The unit.")
    during: During = Field(default="stopped", description=f"{DURING} A unit is masked then.", examples=["disabled"])


class WindowsService(OnHosts):
    """A service of Windows."""

    kind: Literal["windows-service"] = Field(description="A service of Windows.", examples=["windows-service"])
    service: ServiceName = Field(description="Its name (not the one displayed).")
    during: During = Field(
        default="stopped", description=f"{DURING} Its start type is Disabled then.", examples=["disabled"]
    )


class IisSite(OnHosts):
    """A site of IIS."""

    kind: Literal["iis-site"] = Field(description="A site of IIS.", examples=["iis-site"])
    site: IisName = Field(description="The site.")
    during: During = Field(
        default="stopped", description=f"{DURING} serverAutoStart is off then.", examples=["disabled"]
    )


class IisPool(OnHosts):
    """An application pool of IIS."""

    kind: Literal["iis-pool"] = Field(description="An application pool of IIS.", examples=["iis-pool"])
    pool: IisName = Field(description="The application pool.")
    during: During = Field(default="stopped", description=f"{DURING} autoStart is off then.", examples=["disabled"])


class ContainerService(OnHosts):
    """A container of Docker or Podman."""

    kind: Literal["container"] = Field(description="A container.", examples=["container"])
    container: ContainerName = Field(description="Its name.")
    engine: Literal["docker", "podman"] = Field(default="docker", description="The program.", examples=["podman"])
    during: During = Field(
        default="stopped", description=f"{DURING} Its restart policy is no then.", examples=["disabled"]
    )


class CommandService(OnHosts):
    """Whatever commands stop and start."""

    kind: Literal["command"] = Field(description="Commands that stop and start.", examples=["command"])
    off: Arguments = Field(description="Stops it.", examples=[["/opt/mailer/worker", "stop"]])
    on: Arguments = Field(description="The way back: starts it.", examples=[["/opt/mailer/worker", "start"]])
    probe: Arguments = Field(description="Looks: exit 0 running, 1 stopped.", examples=[["/opt/mailer/worker", "runs"]])
    during: Literal["stopped"] = Field(default="stopped", description="stopped.", examples=["stopped"])


Service = Annotated[
    SystemdService | WindowsService | IisSite | IisPool | ContainerService | CommandService,
    Field(discriminator="kind"),
]
