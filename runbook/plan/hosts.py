"""The hosts of a plan: machines, and how each is reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, PrivateAttr, WithJsonSchema
from pydantic_core import PydanticCustomError

from runbook.plan.document import Finding, Node
from runbook.plan.sections import Model
from runbook.plan.types import LocalPath, Reference, Text, quote, reject, text_of

SSH_HINT = "Write ssh://HOST, ssh://USER@HOST:PORT, or local for this machine."
OVER_SSH = ("identity_file", "known_hosts", "ssh_config", "jump", "password", "agent")
"""Keys that say how a connection is made."""


@dataclass(frozen=True)
class HostUrl:
    """Where a host is; ``host`` is empty for this machine. User and port that are left out come from ssh_config."""

    text: str
    host: str = ""
    user: str | None = None
    port: int | None = None

    @property
    def is_local(self) -> bool:
        """This very machine."""
        return not self.host

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``local`` or ``ssh://[USER@]HOST[:PORT]``."""
        if text == "local":
            return cls(text)
        if not text.startswith("ssh://"):
            raise reject(f"{quote(text)} is not the address of a host", SSH_HINT)
        user, host, port = _parts(text.removeprefix("ssh://"), text)
        return cls(text, host, user, port)

    def __str__(self) -> str:
        return self.text


def _parts(rest: str, text: str) -> tuple[str | None, str, int | None]:
    """User, host and port of ``[USER@]HOST[:PORT]``."""
    if ":" in rest.rpartition("@")[0]:
        raise reject("a password inside the address", "Use a key, or the key password: env:NAME or file:PATH.")
    found = re.fullmatch(r"(?:([\w.\\-]+)@)?(\[[0-9A-Fa-f:]+\]|[\w][\w.-]*)(?::([0-9]{1,5}))?/?", rest)
    if not found:
        raise reject(f"{quote(text)} is not the address of a host", SSH_HINT)
    user, host, port = found.groups()
    if port and not 0 < int(port) < 65536:
        raise reject(f"{port} is not a port", "Use a port from 1 to 65535, or leave it out for 22.")
    return user, host.strip("[]"), int(port) if port else None


def _host_url(value: Any) -> HostUrl:
    return HostUrl.parse(text_of(value))


def _jump(value: Any) -> str:
    text = text_of(value)
    _parts(text, text)
    return text


def _host_name(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,29}", text):
        raise reject(f"{quote(text)} cannot name a host here", "Use a short word of your own, such as web1.")
    return text


HostAddress = Annotated[
    HostUrl,
    PlainValidator(_host_url),
    WithJsonSchema({"type": "string", "examples": ["ssh://deploy@web1"], "pattern": "^(local|ssh://.+)$"}),
]
HostName = Annotated[
    str,
    PlainValidator(_host_name),
    WithJsonSchema({"type": "string", "examples": ["web1"], "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,29}$"}),
]
Jump = Annotated[
    str, PlainValidator(_jump), WithJsonSchema({"type": "string", "examples": ["admin@bastion:22"], "minLength": 1})
]


class HostPins(Model):
    """What the host must turn out to be."""

    machine_id: Text | None = Field(
        default=None,
        description="/etc/machine-id there (Windows: MachineGuid); `runbook check` prints it.",
        examples=["3d1219c7c4c5404aaa1f6d2a48adfda4"],
    )


class Host(Model):
    """One machine that commands are run on."""

    address: HostAddress = Field(description="Where it is: ssh://[USER@]HOST[:PORT], or local for this machine.")
    shell: Literal["posix", "powershell"] = Field(
        default="posix", description="What is spoken there: posix, or powershell on Windows.", examples=["powershell"]
    )
    become: Literal["sudo", "none"] = Field(
        default="sudo", description="How root is had where it is needed; sudo must not ask.", examples=["none"]
    )
    identity_file: LocalPath | None = Field(
        default=None, description="The private key, relative to the plan; by default those that ssh would use."
    )
    known_hosts: LocalPath | None = Field(
        default=None, description="The file that knows its host key; by default those that ssh reads."
    )
    ssh_config: LocalPath | None = Field(
        default=None, description="The configuration; by default ~/.ssh/config and /etc/ssh/ssh_config."
    )
    jump: Jump | None = Field(default=None, description="[USER@]HOST[:PORT] to go through.")
    password: Reference | None = Field(
        default=None, description="Where the password (or the key's passphrase) is: env:NAME or file:PATH."
    )
    agent: bool = Field(default=True, description="Use ssh-agent and the keys of ~/.ssh.", examples=[False])
    expect: HostPins = Field(default=HostPins(), description="Identity pins; `runbook check` prints them to paste.")
    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The plan's own name of the host."""
        return self._name

    def named(self, name: str) -> Self:
        """Return a copy that knows its name, and whose password reference knows its key."""
        known = {"password": replace(self.password, key=f"hosts.{name}.password")} if self.password else {}
        host = self.model_copy(update=known)
        host._name = name
        return host


def name_hosts(hosts: dict[str, Host]) -> dict[str, Host]:
    """Every host knows its name."""
    return {name: host.named(name) for name, host in hosts.items()}


def check_hosts(root: Node) -> Iterator[Finding]:
    """The rule: what goes with what."""
    for host in root["hosts"]:
        try:
            is_local = HostUrl.parse(host["address"].text or "").is_local
        except PydanticCustomError:
            continue
        for key in OVER_SSH if is_local else ():
            if host[key].present:
                yield Finding(host[key].home, host[key].path, "not for this machine", "Remove the key.")
        if is_local and host["shell"].text == "powershell":
            hint = "Run the tool on Linux and reach the Windows host over ssh://, or use kind: command on Windows."
            yield Finding(host["shell"].mark, host["shell"].path, "not supported on this machine", hint)
        if host["shell"].text == "powershell" and host["become"].present:
            hint = "Remove the key: an account that is an administrator there acts as one."
            yield Finding(host["become"].home, host["become"].path, "not for Windows, which has no sudo", hint)
