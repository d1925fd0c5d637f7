"""The section ``in_place`` for Windows: setup.exe or a cumulative update, and the declared hook that goes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from runbook.plan.document import Finding, Node
from runbook.plan.inplace import NOT_RECOMMENDED, SUPPORTED, Measured
from runbook.plan.sections import Model
from runbook.plan.types import Arguments, Reference, Text, quote, reject, text_of

VERSION = r"(\d+)\.(\d+)\.(\d+)\.(\d+)"
LEAST_SOURCE: dict[int, dict[int, int]] = {
    14: {13: 0},
    15: {13: 5026, 14: 0},
    16: {13: 6300, 14: 0, 15: 0},
    17: {13: 6300, 14: 0, 15: 0, 16: 0},
}
"""Major version -> the major versions that setup upgrades to it, and the least build of each (2016: SP2, SP3)."""
OWN = frozenset(
    {
        "ACTION", "INSTANCENAME", "INSTANCEID", "ALLINSTANCES", "Q", "QS", "QUIET", "QUIETSIMPLE", "UIMODE",
        "IACCEPTSQLSERVERLICENSETERMS", "CONFIGURATIONFILE", "X", "EXTRACT", "HELP", "INDICATEPROGRESS",
    }
)  # fmt: skip
"""Parameters that this program gives, or that would make setup do something else."""
SECRET = re.compile(r"PID|PRODUCTKEY|.*(PWD|PASSWORD|PASSPHRASE)")
WAY_BACK = ("on", "probe", "back", "off")


def _program(value: Any) -> str:
    text = text_of(value)
    path = PureWindowsPath(text)
    if not path.is_absolute() or path.suffix.lower() != ".exe" or not text.isprintable() or '"' in text:
        hint = "Write it in full, as the host sees it: D:\\setup.exe, or C:\\updates\\SQLServer2022-KB5050771-x64.exe."
        raise reject(f"{quote(text)} is no program of Windows", hint)
    return text


def _instance(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$#]{0,15}", text):
        hint = "Write MSSQLSERVER for the default instance, or its name of up to 16 letters and digits."
        raise reject(f"{quote(text)} cannot name an instance", hint)
    return text


def _version(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(VERSION, text):
        hint = "Write it whole, as SERVERPROPERTY('ProductVersion') shows it, such as 16.0.4165.4."
        raise reject(f"{quote(text)} is no version of SQL Server", hint)
    return text


def _parameter(value: Any) -> str:
    text = text_of(value)
    name = parameter_name(text)
    if name is None or not text.isprintable() or '"' in text:
        hint = 'Write it as setup takes it, without quotes: "/UpdateSource=D:\\updates"; blanks are taken care of.'
        raise reject(f"{quote(text)} is no parameter of setup", hint)
    if SECRET.fullmatch(name):  # the value is not repeated
        hint = f"Put it under secrets: {{{name}: env:NAME}}; it goes to setup in a file that only administrators read."
        raise reject(f"{quote(name)} on a command line, where everybody on the host can read it", hint)
    if name in OWN:
        raise reject(f"{quote(name)} is given by the run itself", "Remove it.")
    return text


def _secret_name(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"[A-Z]{2,40}", text) or text in OWN:
        hint = "Write it in capitals, as setup's documentation does: PID, ISSVCPASSWORD."
        raise reject(f"{quote(text)} is no parameter of setup that holds a secret", hint)
    return text


def parameter_name(text: str) -> str | None:
    """``/UpdateSource=D:\\x`` is UPDATESOURCE; None for what is no parameter."""
    found = re.fullmatch(r"/([A-Za-z]+)(=.*)?", text)
    return found[1].upper() if found else None


def _named(secrets: dict[str, Any]) -> dict[str, Any]:
    return {name: replace(ref, key=f"in_place.secrets.{name}") for name, ref in secrets.items()}


def _schema(example: str, pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example], "pattern": pattern})


Program = Annotated[str, PlainValidator(_program), _schema("D:\\setup.exe", r"^[A-Za-z]:\\.+\.[eE][xX][eE]$|^\\\\.+$")]
Instance = Annotated[str, PlainValidator(_instance), _schema("MSSQLSERVER", "^[A-Za-z_][A-Za-z0-9_$#]{0,15}$")]
EngineVersion = Annotated[str, PlainValidator(_version), _schema("16.0.4165.4", f"^{VERSION}$")]
Parameter = Annotated[str, PlainValidator(_parameter), _schema("/UpdateSource=D:\\updates", "^/[A-Za-z]+(=.*)?$")]
SecretName = Annotated[str, PlainValidator(_secret_name), _schema("PID", "^[A-Z]{2,40}$")]


class Build(Model):
    """One version of the engine."""

    version: EngineVersion = Field(description="The engine's version, whole.")

    @property
    def product(self) -> str:
        """As the engine itself tells it."""
        return self.version

    @property
    def major(self) -> int:
        """16 is 2022."""
        return int(self.version.partition(".")[0])


class WayBack(Model):
    """How the machine goes back: a snapshot of it or of its volumes, by commands; {run} in them is the run's id."""

    host: str = Field(
        min_length=1,
        description="Where the commands run, by its name in hosts: the machine of the hypervisor or of the storage, "
        "never the one that is put back.",
        examples=["hyper"],
    )
    on: Arguments = Field(
        description="Takes the snapshot, of everything: system drive, programs, databases; the engine is stopped then.",
        examples=[["/opt/snapshots/take", "sql01", "{run}"]],
    )
    probe: Arguments = Field(
        description="Looks: exit 0 it is there, 1 it is not.", examples=[["/opt/snapshots/has", "sql01", "{run}"]]
    )
    back: Arguments = Field(
        description="Puts the machine back to it and starts the machine; may be run again.",
        examples=[["/opt/snapshots/revert", "sql01", "{run}"]],
    )
    off: Arguments = Field(
        description="Removes it. No night does that by itself: the record names the command for the day when nobody "
        "wants to go back any more.",
        examples=[["/opt/snapshots/drop", "sql01", "{run}"]],
    )


class WindowsSetup(Model):
    """An upgrade of a Windows instance by setup.exe, or by a cumulative update."""

    kind: Literal["windows-setup"] = Field(description="Windows: setup.exe or an update.", examples=["windows-setup"])
    host: str = Field(
        min_length=1, description="The machine the source runs on, by its name in hosts.", examples=["db"]
    )
    instance: Instance = Field(
        default="MSSQLSERVER", description="The instance; MSSQLSERVER is the default one.", examples=["MAIL"]
    )
    instance_id: Instance | None = Field(
        default=None, description="upgrade: the id the new version gets; by default the instance's name."
    )
    action: Literal["upgrade", "patch"] = Field(
        description="upgrade to a newer version with its setup.exe, or patch with a cumulative update.",
        examples=["upgrade"],
    )
    setup: Program = Field(description="setup.exe of the media, or the update, as the host sees it.")
    from_: Build = Field(alias="from", description="What is installed now.", examples=[{"version": "15.0.4430.1"}])
    to: Build = Field(description="What the engine will be afterwards.", examples=[{"version": "16.0.4165.4"}])
    edition: Text = Field(
        description="The edition as the registry has it (Setup, Edition); it stays the same.",
        examples=["Standard Edition"],
    )
    parameters: tuple[Parameter, ...] = Field(
        default=(),
        description="Further parameters of setup, one each; without one that says UpdateEnabled it is False.",
        examples=[["/UpdateEnabled=True", "/UpdateSource=D:\\updates"]],
    )
    secrets: Annotated[dict[SecretName, Reference], AfterValidator(_named)] = Field(
        default={},
        description="upgrade: parameters that nobody may read, by reference; they reach setup in a configuration file.",
        examples=[{"PID": "env:SQL_PID"}],
    )
    accept_license_terms: Literal[True] = Field(
        description="Says that you accept the license terms of SQL Server (/IACCEPTSQLSERVERLICENSETERMS).",
        examples=[True],
    )
    restart: Literal["refuse", "during-window"] = Field(
        default="refuse",
        description="When setup ends with 3010, a restart of the machine is wanted: refuse goes back, during-window "
        "restarts it.",
        examples=["during-window"],
    )
    way_back: WayBack = Field(description="How the machine goes back.")
    support: Literal["supported", "not-recommended"] = Field(
        description="What Microsoft says of this upgrade, stated so that nobody can say not to have known: supported, "
        "where setup takes this way at all. Of the way back it says nothing: setup has none.",
        examples=["supported"],
    )
    way_back_measured: Measured = Field(
        description="The way back was gone in a rehearsal: how long it took, and when. Without it there is no upgrade.",
        examples=[{"seconds": 600, "on": "2026-11-10"}],
    )

    @property
    def is_major(self) -> bool:
        """From one major version to another, which converts every database."""
        return self.from_.major != self.to.major


def check_setup(root: Node, section: Node) -> Iterator[Finding]:
    """The rule: what goes with what."""
    yield from _hosts(root, section)
    yield from _hook(section["way_back"])
    yield from _way(section)
    if section["action"].text == "patch":
        for key in ("secrets", "instance_id"):
            if section[key].present:
                yield Finding(section[key].home, section[key].path, "not for an update", "Remove the key.")


def _hosts(root: Node, section: Node) -> Iterator[Finding]:
    hosts, node, other = root["hosts"], section["host"], section["way_back"]["host"]
    for one in (node, other):
        if one.text is not None and one.text not in hosts.children:
            known = ", ".join(str(name) for name in hosts.children) or "none"
            yield Finding(one.mark, one.path, f"unknown host {quote(one.text)}", f"The plan's hosts are: {known}.")
    if node.text in hosts.children and hosts[node.text]["shell"].text != "powershell":
        hint = f"Say shell: powershell at hosts.{node.text}, or kind: packages for Linux."
        yield Finding(node.mark, node.path, "a host without PowerShell has no setup program", hint)
    if node.text is not None and node.text == other.text:
        hint = "Name the machine of the hypervisor or of the storage, or this one (address: local)."
        yield Finding(other.mark, other.path, "a machine cannot be put back from itself", hint)


def _hook(way_back: Node) -> Iterator[Finding]:
    for key in WAY_BACK:
        arguments = way_back[key]
        if (
            arguments.present
            and arguments.kind == "sequence"
            and not any("{run}" in (one.text or "") for one in arguments)
        ):
            hint = "Name the snapshot by the run: put {run} where its name goes."
            yield Finding(arguments.mark, arguments.path, "the snapshot of another run would be meant too", hint)


def _way(section: Node) -> Iterator[Finding]:
    nodes = [section[key]["version"] for key in ("from", "to")]
    found = [re.fullmatch(VERSION, node.text or "") for node in nodes]
    if not (found[0] and found[1]):
        return
    old, new = (tuple(int(part) for part in one.groups()) for one in found if one)
    to, support, is_major = nodes[1], section["support"], old[0] != new[0]
    if new <= old:
        yield Finding(to.mark, to.path, "the way does not go up", "Name a newer version than the one installed.")
        return
    if section["action"].text in {"upgrade", "patch"} and is_major != (section["action"].text == "upgrade"):
        wanted = "upgrade" if is_major else "patch"
        node = section["action"]
        yield Finding(node.mark, node.path, f"from {old[0]} to {new[0]} is no {node.text}", f"Say action: {wanted}.")
    least = LEAST_SOURCE.get(new[0], {}).get(old[0])
    if is_major and (least is None or old[2] < least):
        build = f"{old[0]}.{old[1]}.{old[2]}"
        hint = "Choose versions from 2016 to 2025; 2016 needs its last service pack first."
        yield Finding(to.mark, to.path, f"no setup goes from {build} to {new[0]}", hint)
    if support.text == NOT_RECOMMENDED:
        hint = f"Say support: {SUPPORTED}."
        yield Finding(support.mark, support.path, "the documentation of Microsoft says supported of this upgrade", hint)
