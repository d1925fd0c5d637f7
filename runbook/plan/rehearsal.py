"""What a plan says about its rehearsal: what throwaway servers are filled with, and what stands in for the rest."""

from __future__ import annotations

from pydantic import Field

from runbook.plan.durations import Duration
from runbook.plan.sections import Model
from runbook.plan.types import Arguments, HttpUrl, LocalPath, PositiveSpan, ServerName, Text

PLACES = "{python}, {plan} (the directory of the plan), {source.json}, {target.json} (how to reach a server) and {port}"


class Application(Model):
    """A copy of the application that is started for every scenario and ended after it."""

    run: Arguments = Field(
        description=f"Starts it, and goes on as long as it runs; {PLACES} are replaced.",
        examples=[["{python}", "{plan}/app.py", "--port", "{port}"]],
    )
    stands_for: HttpUrl = Field(
        description="The address that probes and checks of the plan begin with; the rehearsal asks its copy instead.",
        examples=["http://127.0.0.1:8095"],
    )


class Container(Model):
    """The container that stands for one server."""

    image: Text | None = Field(
        default=None,
        description="Its image; by default Microsoft's of the version. RUNBOOK_IMAGE_OLD (the server's name) or "
        "RUNBOOK_IMAGE_2019 (its version) in the environment come first.",
        examples=["mssql-masked:2019"],
    )
    memory_gib: float = Field(
        default=2,
        gt=0,
        le=4096,
        allow_inf_nan=False,
        description="Most memory it may use, in GiB; SQL Server does not start with less than 2.",
        examples=[4],
    )
    cpus: float = Field(
        default=2, ge=0.1, le=1024, allow_inf_nan=False, description="Most cores it may use.", examples=[2]
    )

    patience: PositiveSpan = Field(
        default=Duration(minutes=3), description="How long it may take until it answers a query."
    )

    @property
    def memory(self) -> int:
        """In bytes."""
        return int(self.memory_gib * 1024**3)


class Rehearsal(Model):
    """What `runbook rehearse` needs to know. It is no part of what is rehearsed: it may change at any time."""

    required: bool = Field(
        default=False,
        description="Refuse to execute without a fresh rehearsal on sandbox servers too; on real servers that is so "
        "anyway.",
        examples=[True],
    )
    max_age: PositiveSpan = Field(
        default=Duration(days=14), description="How old a rehearsal may be for execute to take it."
    )
    seed: Arguments | None = Field(
        default=None,
        description=f"Fills the throwaway source: a script, the restore of a backup, a masked copy; {PLACES} are "
        "replaced. It runs in a directory of the rehearsal.",
        examples=[["{python}", "{plan}/seed.py", "--server-json", "{source.json}"]],
    )
    scripts: tuple[LocalPath, ...] = Field(
        default=(),
        description="T-SQL files that fill the throwaway source, after `seed`.",
        examples=[["rehearsal/databases.sql"]],
    )
    prepare: tuple[Arguments, ...] = Field(
        default=(),
        description=f"Run for every scenario before its night, in the copy of the plan's files; {PLACES} are replaced.",
        examples=[[["{python}", "{plan}/prepare.py", "--port", "{port}"]]],
    )
    containers: dict[ServerName, Container] = Field(
        default={},
        description="With `--on container`: what stands for a server.",
        examples=[{"old": {"memory_gib": 4}}],
    )
    application: Application | None = Field(
        default=None, description="A copy of the application; without one, probes and pages are not rehearsed."
    )
    run_commands: bool = Field(
        default=False,
        description="Run the commands of the gate and of repoint in the rehearsal too, with RUNBOOK_REHEARSAL set: "
        "only where they touch nothing but the directory they are started in.",
        examples=[True],
    )
