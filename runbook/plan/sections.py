"""The parts of a plan that face clients: probes, repoint, scripts and checks, and the base of all plan models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from runbook.plan.durations import Duration
from runbook.plan.types import (
    Arguments,
    DatabaseName,
    HttpUrl,
    LocalPath,
    PositiveSpan,
    Span,
    Text,
    Wanted,
)


class Model(BaseModel):
    """Base: nothing unknown, nothing converted, nothing changed later; an empty key counts as left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: value for key, value in data.items() if value is not None or key not in known}


class HttpExpectation(Model):
    """What a probe must see."""

    status: int = Field(ge=100, le=599, description="The HTTP status.", examples=[503])
    contains: Text | None = Field(
        default=None, description="Text the page must hold.", examples=["planned maintenance"]
    )


class Probe(Model):
    """A page looked at from outside, as users see it."""

    url: HttpUrl = Field(description="The page.")
    closed: HttpExpectation = Field(description="What it shows while users are kept out.", examples=[{"status": 503}])
    open: HttpExpectation = Field(description="What it shows in service.", examples=[{"status": 200}])


class Jobs(Model):
    """What happens to SQL Agent jobs that run when the gate closes."""

    running: Literal["wait", "stop"] = Field(
        default="wait", description="wait for them, then stop them; or stop at once.", examples=["wait"]
    )
    wait: Span = Field(default=Duration(minutes=5), description="How long to wait before they are stopped.")


class Sessions(Model):
    """What happens to connected sessions."""

    grace: Span = Field(default=Duration(seconds=10), description="How long they get to leave before they are killed.")


class Replacement(Model):
    """One exact piece of text and what takes its place; the way back is the same the other way round."""

    from_: Text = Field(alias="from", description="Text that must occur.", examples=["server = old"])
    to: Text = Field(description="Text that takes its place.", examples=["server = new"])


class FileRepoint(Model):
    """Clients find the server by a configuration file."""

    kind: Literal["file"] = Field(description="A configuration file.", examples=["file"])
    path: LocalPath = Field(description="The file, relative to the plan.")
    replace: tuple[Replacement, ...] = Field(
        min_length=1,
        description="What is replaced in it; {source.host}, {source.port} and the target's may be used.",
        examples=[[{"from": "server = old", "to": "server = new"}]],
    )


class CommandRepoint(Model):
    """Clients are pointed by a command."""

    kind: Literal["command"] = Field(description="Commands that point clients.", examples=["command"])
    forward: Arguments = Field(description="Points clients to the target.", examples=[["/opt/mailer/point", "new"]])
    back: Arguments = Field(
        description="The way back: points clients to the source.", examples=[["/opt/mailer/point", "old"]]
    )
    probe: Arguments = Field(description="Looks: exit 0 target, 1 source.", examples=[["/opt/mailer/points-to-new"]])
    timeout: PositiveSpan = Field(default=Duration(seconds=30), description="How long each command may take.")


Repoint = Annotated[FileRepoint | CommandRepoint, Field(discriminator="kind")]


class Carry(Model):
    """Server objects carried to the target."""

    logins: bool = Field(default=True, description="SQL and Windows logins.", examples=[True])
    jobs: bool = Field(default=True, description="SQL Agent jobs.", examples=[True])


class Scripts(Model):
    """Upgrade scripts of one database, run in this order."""

    database: DatabaseName = Field(description="The database they run in.")
    files: tuple[LocalPath, ...] = Field(
        min_length=1, description="T-SQL files, relative to the plan.", examples=[["sql/001_add_consent.sql"]]
    )


class QueryCheck(Model):
    """A query whose first value is checked; exactly one of `at_least` and `equals` is given."""

    name: Text = Field(description="What it shows.", examples=["contacts are there"])
    server: Text | None = Field(
        default=None,
        description="source, target or a server's name; by default target (side-by-side) or source.",
        examples=["target"],
    )
    database: Text = Field(description="The database it runs in.", examples=["Contacts"])
    sql: Text = Field(description="The query.", examples=["SELECT COUNT(*) FROM dbo.Contact"])
    at_least: int | None = Field(default=None, description="The value must be this or more.", examples=[1])
    equals: Wanted | None = Field(default=None, description="The value must be this.")


class HttpCheck(Model):
    """A page that must answer while the gate is still closed to users."""

    name: Text = Field(description="What it shows.", examples=["app answers"])
    url: HttpUrl = Field(description="The page.")
    status: int = Field(default=200, ge=100, le=599, description="The HTTP status.", examples=[200])
    contains: Text | None = Field(default=None, description="Text the page must hold.", examples=["NEWSQL"])


class Checks(Model):
    """What must hold before users are let in."""

    queries: tuple[QueryCheck, ...] = Field(default=(), description="Queries with the value they must return.")
    http: tuple[HttpCheck, ...] = Field(default=(), description="Pages that must answer.")
