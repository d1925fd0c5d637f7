"""The gate of a plan: what keeps users out, where, and what proves it from outside."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from runbook.plan.durations import Duration
from runbook.plan.hosts import HostName
from runbook.plan.sections import Model, Probe
from runbook.plan.types import Arguments, LocalPath, PositiveSpan, Text, quote, reject, text_of

KEPT_BY = {"file": "the maintenance file", "nginx": "the page", "iis": "the page"}
"""Kinds that show a text of the plan, and what findings call it."""
SHELLS = {"nginx": "posix", "haproxy": "posix", "iis": "powershell"}
"""What is spoken on the hosts of each kind."""


def _posix_path(value: Any) -> str:
    text = text_of(value)
    if not PurePosixPath(text).is_absolute() or not text.isprintable():
        raise reject(f"{quote(text)} is not a full path", "Write it as the host sees it, beginning with /.")
    return text


def _windows_path(value: Any) -> str:
    text = text_of(value)
    if not PureWindowsPath(text).is_absolute() or not text.isprintable():
        raise reject(
            f"{quote(text)} is not a full path of Windows", "Write it as the host sees it: C:\\inetpub\\mailer."
        )
    return text


def _include(value: Any) -> str:
    text = _posix_path(value)
    if not text.endswith(".conf") or '"' in text or "$" in text:
        raise reject(f"{quote(text)} cannot be an include of nginx", "Name a file that ends in .conf, without quotes.")
    return text


def _path_schema(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example], "minLength": 1})


PosixPath = Annotated[str, PlainValidator(_posix_path), _path_schema("/run/haproxy/admin.sock")]
WindowsPath = Annotated[str, PlainValidator(_windows_path), _path_schema("C:\\inetpub\\mailer")]
Include = Annotated[str, PlainValidator(_include), _path_schema("/etc/nginx/runbook/mailer.conf")]
Unreachable = Literal["refuse", "accept"]

HOSTS = "The hosts it is on, by the plan's names; the gate is closed when it is closed on all of them."
UNREACHABLE = "A host that does not answer: refuse, or accept where it gets no users then; a finding, looked at again."
PROBES = "Pages that prove from outside that the gate works."
CONTENT = "The file that is put there; {closes_at} and {message} in it are replaced."
WRITTEN_OUT = "The same, written out."


class FileGate(Model):
    """A maintenance file that the front end honours."""

    kind: Literal["file"] = Field(description="A file that keeps users out while it exists.", examples=["file"])
    path: LocalPath = Field(description="Where the file is put, relative to the plan; in full where hosts are named.")
    hosts: tuple[HostName, ...] = Field(default=(), description=f"{HOSTS} Without: this machine.", examples=[["web1"]])
    unreachable: Unreachable = Field(default="refuse", description=UNREACHABLE, examples=["accept"])
    content: LocalPath | None = Field(default=None, description=CONTENT)
    text: Text | None = Field(default=None, description=WRITTEN_OUT, examples=["Planned work until {closes_at}."])
    probes: tuple[Probe, ...] = Field(default=(), description=PROBES)


class NginxGate(Model):
    """nginx answers with the page, and with what the impacts say; its sites include a file that is there meanwhile."""

    kind: Literal["nginx"] = Field(description="An include that the server blocks of a site have.", examples=["nginx"])
    hosts: tuple[HostName, ...] = Field(min_length=1, description=HOSTS, examples=[["web1", "web2"]])
    include: Include = Field(
        description="The file that is there while the gate is closed: the server blocks say `include` with its name "
        "and a star before .conf, so that nothing is wrong when it is not. Pages are put beside it."
    )
    content: LocalPath | None = Field(default=None, description=CONTENT)
    text: Text | None = Field(default=None, description=WRITTEN_OUT, examples=["Planned work until {closes_at}."])
    test: Arguments = Field(
        default=("nginx", "-t"), description="Judges the configuration before it is loaded.", examples=[["nginx", "-t"]]
    )
    reload: Arguments = Field(
        default=("systemctl", "reload", "nginx"),
        description="Loads the configuration without losing a request.",
        examples=[["systemctl", "reload", "nginx"]],
    )
    unreachable: Unreachable = Field(default="refuse", description=UNREACHABLE, examples=["accept"])
    probes: tuple[Probe, ...] = Field(default=(), description=PROBES)


class HaproxyGate(Model):
    """HAProxy sends nobody to the servers of some backends: they are set to maint over the runtime socket."""

    kind: Literal["haproxy"] = Field(description="Servers of backends, set to maint.", examples=["haproxy"])
    hosts: tuple[HostName, ...] = Field(min_length=1, description=HOSTS, examples=[["lb1", "lb2"]])
    socket: PosixPath = Field(
        default="/run/haproxy/admin.sock", description="The runtime socket there, of level admin; socat speaks to it."
    )
    backends: tuple[Text, ...] = Field(
        min_length=1, description="The backends whose servers are set to maint.", examples=[["mailer"]]
    )
    unreachable: Unreachable = Field(default="refuse", description=UNREACHABLE, examples=["accept"])
    probes: tuple[Probe, ...] = Field(default=(), description=PROBES)


class IisGate(Model):
    """IIS answers with app_offline.htm while it is in the directory of the application (ASP.NET)."""

    kind: Literal["iis"] = Field(description="app_offline.htm on Windows hosts.", examples=["iis"])
    hosts: tuple[HostName, ...] = Field(min_length=1, description=HOSTS, examples=[["iis1"]])
    directory: WindowsPath = Field(description="The directory of the application there.")
    content: LocalPath | None = Field(default=None, description=CONTENT)
    text: Text | None = Field(default=None, description=WRITTEN_OUT, examples=["Planned work until {closes_at}."])
    unreachable: Unreachable = Field(default="refuse", description=UNREACHABLE, examples=["accept"])
    probes: tuple[Probe, ...] = Field(default=(), description=PROBES)


class CommandGate(Model):
    """A command that keeps users out, and one that lets them in again."""

    kind: Literal["command"] = Field(
        description="Commands that close and open, run on this machine.", examples=["command"]
    )
    on: Arguments = Field(description="Closes the gate.", examples=[["systemctl", "stop", "mailer"]])
    off: Arguments = Field(description="The way back: opens the gate.", examples=[["systemctl", "start", "mailer"]])
    probe: Arguments = Field(description="Looks: exit 0 closed, 1 open.", examples=[["/opt/mailer/is-closed"]])
    timeout: PositiveSpan = Field(default=Duration(seconds=30), description="How long each command may take.")
    probes: tuple[Probe, ...] = Field(default=(), description=PROBES)


class NoGate(Model):
    """Nothing keeps users out: writes during the window are lost by a revert."""

    kind: Literal["none"] = Field(description="No gate.", examples=["none"])
    i_have_no_gate: Literal[True] = Field(
        description="Says that nobody keeps users out, and that you know what a revert then loses.", examples=[True]
    )


Gate = Annotated[FileGate | NginxGate | HaproxyGate | IisGate | CommandGate | NoGate, Field(discriminator="kind")]
Paged = FileGate | NginxGate | IisGate
"""Gates that show a text of the plan."""


def hosts_of(gate: Gate) -> tuple[str, ...]:
    """The hosts that the gate is on; none when it is on this machine."""
    return () if isinstance(gate, CommandGate | NoGate) else gate.hosts


def template_of(gate: Gate) -> str | None:
    """What the plan says users read, with its placeholders; None where it says nothing. OSError for a file that cannot
    be read."""
    if not isinstance(gate, Paged):
        return None
    return gate.text if gate.content is None else Path(gate.content).read_text(encoding="utf-8")
