"""The section ``container``: which container serves, which one shall, and where its copy of the data goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from runbook.plan.document import Finding, Node
from runbook.plan.inplace import OwnDirectory
from runbook.plan.sections import Model
from runbook.plan.types import Arguments, Text, quote, reject, text_of

NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
PRODUCT = r"(\d+)\.\d+\.\d+\.\d+"
OURS = ("--name", "--rm", "--detach", "-d", "--hostname", "-h")
"""Options of `docker create` that the program gives itself, or that would take the container away behind its back."""


def _name(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(NAME, text):
        raise reject(f"{quote(text)} cannot name a container or a volume", "Write it as docker ps or volume ls does.")
    return text


def _product(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(PRODUCT, text):
        hint = "Write it whole, as SERVERPROPERTY('ProductVersion') says it, such as 16.0.4165.4."
        raise reject(f"{quote(text)} is no version of SQL Server", hint)
    return text


Name = Annotated[
    str, PlainValidator(_name), WithJsonSchema({"type": "string", "examples": ["sql01"], "pattern": f"^{NAME}$"})
]
Product = Annotated[
    str,
    PlainValidator(_product),
    WithJsonSchema({"type": "string", "examples": ["16.0.4165.4"], "pattern": f"^{PRODUCT}$"}),
]


class OldContainer(Model):
    """The container that serves now; it stays as it is, stopped."""

    name: Name = Field(description="Its name.", examples=["sql01"])
    volume: Name = Field(description="The volume with all that the engine keeps.", examples=["sql01-data"])
    version: Product = Field(description="The engine's version.")

    @property
    def product(self) -> str:
        """The engine's version."""
        return self.version

    @property
    def major(self) -> int:
        """15 is 2019."""
        return int(self.version.partition(".")[0])


class NewContainer(OldContainer):
    """The container that shall serve; neither it nor its volume is there yet."""

    name: Name = Field(description="Its name; another one than the old one's.", examples=["sql01-2022"])
    volume: Name = Field(description="The volume that gets the copy.", examples=["sql01-2022-data"])
    image: Text = Field(
        description="Its image, pulled beforehand.", examples=["mcr.microsoft.com/mssql/server:2022-latest"]
    )
    options: Arguments = Field(
        description="What `docker create` gets besides name, host name, volume and image: the ports the old one has, "
        "limits, restart policy, the licence. Secrets belong into a file on that host: --env-file.",
        examples=[["--publish", "1433:1433", "--env", "ACCEPT_EULA=Y", "--restart", "unless-stopped"]],
    )

    @property
    def restart(self) -> str:
        """The restart policy among the options, as `docker update --restart` takes it."""
        words = [word for option in self.options for word in option.split("=", 1)]
        return words[words.index("--restart") + 1] if "--restart" in words[:-1] else "no"


class ContainerUpgrade(Model):
    """A new image on a copy of the volume."""

    host: str = Field(min_length=1, description="The machine the containers are on, by its name in hosts.",
                      examples=["db"])  # fmt: skip
    engine: Arguments = Field(
        default=("docker",),
        description="How the container engine is called there.",
        examples=[["sudo", "-n", "docker"]],
    )
    data: OwnDirectory = Field(default="/var/opt/mssql", description="Where both containers have their volume.")
    from_: OldContainer = Field(
        alias="from",
        description="What serves now.",
        examples=[{"name": "sql01", "volume": "sql01-data", "version": "15.0.4430.1"}],
    )
    to: NewContainer = Field(
        description="What shall serve.",
        examples=[
            {
                "name": "sql01-2022",
                "volume": "sql01-2022-data",
                "version": "16.0.4165.4",
                "image": "mcr.microsoft.com/mssql/server:2022-latest",
                "options": ["--publish", "1433:1433", "--env", "ACCEPT_EULA=Y"],
            }
        ],
    )

    @property
    def is_major(self) -> bool:
        """From one major version to another, which converts every database."""
        return self.from_.major != self.to.major


def check_container(root: Node) -> Iterator[Finding]:
    """The rule: what goes with what."""
    section = root["container"]
    if root["strategy"].text != "container":
        if section.present:
            hint = "Remove it, or choose strategy: container."
            yield Finding(section.home, section.path, "only for the strategy container", hint)
        return
    if not section.present:
        hint = "Add container with host, from and to."
        yield Finding(section.mark, section.path, "the strategy container needs container", hint)
        return
    host = section["host"]
    if host.text is not None and host.text not in root["hosts"].children:
        known = ", ".join(str(name) for name in root["hosts"].children) or "none"
        yield Finding(host.mark, host.path, f"unknown host {quote(host.text)}", f"The plan's hosts are: {known}.")
    for key in ("name", "volume"):
        old, new = section["from"][key], section["to"][key]
        if old.text and old.text == new.text:
            yield Finding(
                new.mark, new.path, f"the {key} of the old one", "The old container and its volume are the way back."
            )
    yield from _up(section)
    for node in section["to"]["options"]:
        yield from _option(node)


def _up(section: Node) -> Iterator[Finding]:
    nodes = [section[key]["version"] for key in ("from", "to")]
    if all(re.fullmatch(PRODUCT, node.text or "") for node in nodes):
        old, new = (tuple(int(part) for part in str(node.text).split(".")) for node in nodes)
        if new <= old:
            hint = "Name a newer version than the one that serves."
            yield Finding(nodes[1].mark, nodes[1].path, "the way does not go up", hint)


def _option(node: Node) -> Iterator[Finding]:
    text = node.text or ""
    if text.partition("=")[0] in OURS:
        yield Finding(node.mark, node.path, f"{quote(text)} is not the plan's to say", "Remove it.")
    if re.search(r"PASSWORD=.", text, re.IGNORECASE):
        hint = "Put it into a file on that host, and say --env-file; an engine that has its databases needs none."
        yield Finding(node.mark, node.path, "a secret inside an option", hint)
