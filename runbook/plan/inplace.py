"""The section ``in_place`` for Linux: whose packages are upgraded, from what to what, and how it goes back."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from runbook.plan.document import Finding, Node
from runbook.plan.sections import Model
from runbook.plan.types import quote, reject, text_of

OLDEST_SOURCE = {14: 14, 15: 14, 16: 14, 17: 14}
"""Major version -> the oldest major version that its packages upgrade on Linux (there is none before 2017)."""
SUPPORTED, NOT_RECOMMENDED = "supported", "not-recommended"
VERSION = r"(?:\d+:)?(\d+)\.\d+\.\d+\.\d+(-\d+)?"
SHARED_ROOTS = frozenset({"/", "/var", "/var/opt", "/opt", "/etc", "/usr", "/home", "/srv", "/tmp", "/root", "/boot"})  # noqa: S108
"""Directories that are never an engine's own, or a run's."""


def _host_path(value: Any) -> str:
    text = text_of(value)
    if not text.startswith("/") or posixpath.normpath(text) != text or text.startswith("//") or not text.isprintable():
        raise reject(f"{quote(text)} is no plain path of a host", "Write it from the root, such as /var/opt/mssql.")
    return text


def _own_directory(value: Any) -> str:
    text = _host_path(value)
    if text in SHARED_ROOTS:
        raise reject(f"{quote(text)} belongs to more than the engine", "Name a directory of its own.")
    return text


def _package(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", text):
        raise reject(f"{quote(text)} cannot name a package", "Write it as dpkg does, such as mssql-server.")
    return text


def _service(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"[A-Za-z0-9@_.\\:-]+\.service", text) or text.startswith("-"):
        raise reject(f"{quote(text)} cannot name a service", "Write it as systemd does, such as mssql-server.service.")
    return text


def _version(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(VERSION, text):
        hint = "Write it whole, as apt-cache policy shows it, such as 16.0.4165.4-1."
        raise reject(f"{quote(text)} is no version of SQL Server's package", hint)
    return text


def _source_line(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"deb (\[[^\]\n]*\] +)?\S+:/\S* \S+( \S+)*", text) or not text.isprintable():
        hint = 'Write one line as in /etc/apt/sources.list.d, such as "deb [arch=amd64] https://HOST/PATH jammy main".'
        raise reject("not a line for apt's sources", hint)
    return text


def _day(value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(text_of(value))
    except ValueError:
        raise reject(f"{quote(str(value))} is no day", "Write it as 2026-11-10.") from None


def _schema(example: str, pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example], "pattern": pattern})


HostPath = Annotated[str, PlainValidator(_host_path), _schema("/etc/apt/sources.list.d/mssql-server.list", "^/.+$")]
OwnDirectory = Annotated[str, PlainValidator(_own_directory), _schema("/var/opt/mssql", "^/.+$")]
Package = Annotated[str, PlainValidator(_package), _schema("mssql-server", "^[a-z0-9][a-z0-9+.-]+$")]
Service = Annotated[str, PlainValidator(_service), _schema("mssql-server.service", r"^.+\.service$")]
PackageVersion = Annotated[str, PlainValidator(_version), _schema("16.0.4165.4-1", f"^{VERSION}$")]
SourceLine = Annotated[
    str, PlainValidator(_source_line), _schema("deb https://repo.example/sql jammy main", "^deb .+$")
]
Day = Annotated[date, PlainValidator(_day), _schema("2026-11-10", r"^\d{4}-\d{2}-\d{2}$")]


class Release(Model):
    """One version of the package, and where it is had."""

    version: PackageVersion = Field(description="The package's version, whole.")
    source: SourceLine = Field(description="The line of apt's sources that offers it.")

    @property
    def product(self) -> str:
        """The engine's version: the package's without its revision, ``16.0.4165.4``."""
        return self.version.rpartition(":")[2].partition("-")[0]

    @property
    def major(self) -> int:
        """16 is 2022."""
        return int(self.product.partition(".")[0])


class Measured(Model):
    """That the way back was gone once, and how long it took."""

    seconds: float = Field(gt=0, le=7 * 86400, allow_inf_nan=False, description="How long it took.", examples=[240])
    on: Day = Field(description="The day it was measured.", examples=["2026-11-10"])


class Packages(Model):
    """An upgrade of the packages of the machine the source runs on (Linux, apt)."""

    kind: Literal["packages"] = Field(default="packages", description="Linux: apt's packages.", examples=["packages"])
    host: str = Field(
        min_length=1, description="The machine the source runs on, by its name in hosts.", examples=["db"]
    )
    package: Package = Field(default="mssql-server", description="The package.")
    service: Service = Field(default="mssql-server.service", description="Its systemd unit.")
    sources: HostPath = Field(description="The file of apt's sources that is switched; it holds one line.")
    from_: Release = Field(alias="from", description="What is installed now.")
    to: Release = Field(description="What is to be installed.")
    data: OwnDirectory = Field(
        default="/var/opt/mssql", description="All that the engine keeps: databases, secrets, configuration, logs."
    )
    copy_: OwnDirectory = Field(
        alias="copy",
        description="Where the cold copy and the packages are kept; each run has a directory in it.",
        examples=["/var/opt/mssql-runbook"],
    )
    support: Literal["supported", "not-recommended"] = Field(
        description="What Microsoft says of this upgrade, stated so that nobody can say not to have known: supported "
        "within a major version; not-recommended (Linux, in place) from one to the next, where older packages over "
        "newer data are not supported at all: only the cold copy goes back.",
        examples=["not-recommended"],
    )
    way_back_measured: Measured = Field(
        description="The way back was gone in a rehearsal: how long it took, and when. Without it there is no upgrade.",
        examples=[{"seconds": 240, "on": "2026-11-10"}],
    )

    @property
    def is_major(self) -> bool:
        """From one major version to another, which converts every database."""
        return self.from_.major != self.to.major


def check_packages(root: Node, section: Node) -> Iterator[Finding]:
    """The rule: what goes with what."""
    yield from _host(root, section["host"])
    yield from _directories(section)
    yield from _way(section)


def _host(root: Node, node: Node) -> Iterator[Finding]:
    hosts = root["hosts"]
    if node.text is None:
        return
    if node.text not in hosts.children:
        known = ", ".join(str(name) for name in hosts.children) or "none"
        yield Finding(node.mark, node.path, f"unknown host {quote(node.text)}", f"The plan's hosts are: {known}.")
        return
    host = hosts[node.text]
    if host["shell"].text == "powershell":
        hint = "Choose a Linux host, or say kind: windows-setup for Windows, which has a setup program."
        yield Finding(node.mark, node.path, "a Windows host has no such packages", hint)


def _directories(section: Node) -> Iterator[Finding]:
    data, copy = (section[key].text or "" for key in ("data", "copy"))
    data = data or "/var/opt/mssql"
    if copy and (f"{copy}/".startswith(f"{data}/") or f"{data}/".startswith(f"{copy}/")):
        node = section["copy"]
        yield Finding(node.mark, node.path, "data and copy lie one within the other", "Keep the copy beside the data.")


def _way(section: Node) -> Iterator[Finding]:
    versions = [section[key]["version"] for key in ("from", "to")]
    found = [re.fullmatch(VERSION, node.text or "") for node in versions]
    if not (found[0] and found[1]):
        return
    old, new = (tuple(int(part) for part in re.findall(r"\d+", str(node.text))) for node in versions)
    to, support = versions[1], section["support"]
    if new <= old:
        yield Finding(to.mark, to.path, "the way does not go up", "Name a newer version than the one installed.")
        return
    majors = int(found[0][1]), int(found[1][1])
    if majors[1] not in OLDEST_SOURCE or majors[0] < OLDEST_SOURCE[majors[1]]:
        yield Finding(
            to.mark, to.path, f"no packages go from {majors[0]} to {majors[1]}", "Choose versions from 2017 to 2025."
        )
    wanted = SUPPORTED if majors[0] == majors[1] else NOT_RECOMMENDED
    if support.text in {SUPPORTED, NOT_RECOMMENDED} and support.text != wanted:
        hint = f"Say support: {wanted}, if you take it."
        yield Finding(support.mark, support.path, f"the documentation of Microsoft says {wanted} of this upgrade", hint)
