"""Work that is held while the databases are away: accepted now, processed later, and never lost."""

from __future__ import annotations

from pydantic import Field

from runbook.plan.durations import Duration
from runbook.plan.hosts import HostName
from runbook.plan.sections import Model
from runbook.plan.types import Arguments, KebabName, PositiveSpan, Span


class Held(Model):
    """One queue, scheduler or job: held, counted, and released in both endings."""

    name: KebabName = Field(description="What it is called here; impacts refer to it.", examples=["replies"])
    host: HostName = Field(description="Where its commands run: one of the plan's hosts, or local.", examples=["local"])
    hold: Arguments = Field(description="Holds it: from then on nothing of it is processed.", examples=[["q", "hold"]])
    release: Arguments = Field(description="The way back: lets it be processed again.", examples=[["q", "release"]])
    probe: Arguments = Field(description="Looks: exit 0 held, 1 not held.", examples=[["q", "is-held"]])
    count: Arguments = Field(description="Prints one number: how much waits.", examples=[["q", "length"]])
    first: Arguments | None = Field(
        default=None,
        description="What must have run before anything held is released, such as the opt-outs; it may run again after "
        "an interruption.",
        examples=[["/opt/mailer/apply-opt-outs"]],
    )
    timeout: PositiveSpan = Field(default=Duration(seconds=30), description="How long each command may take.")
    drains: Span = Field(
        default=Duration(seconds=60),
        description="How long to wait after the release until no more waits than before it was held; what is left is "
        "named.",
    )
