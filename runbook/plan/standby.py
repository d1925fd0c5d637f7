"""What is said to be there when something fails, and how that is tried before anything is touched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runbook.plan.durations import Duration
from runbook.plan.hosts import HostName
from runbook.plan.sections import Model
from runbook.plan.types import Arguments, HttpUrl, KebabName, PositiveSpan, Text

PAGE = "A page that it must serve"


class UrlStandby(Model):
    """One that answers all the time, at an address of its own."""

    name: KebabName = Field(description="What it is called here.", examples=["second-front-end"])
    kind: Literal["url"] = Field(description="A page of its own.", examples=["url"])
    url: HttpUrl = Field(description=f"{PAGE}.")
    status: int = Field(default=200, ge=100, le=599, description="The HTTP status.", examples=[200])
    contains: Text | None = Field(default=None, description="Text the page must hold.", examples=["web2"])


class CommandStandby(Model):
    """One that has to be brought to do the work, for a moment."""

    name: KebabName = Field(description="What it is called here.", examples=["address"])
    kind: Literal["command"] = Field(description="Commands that bring it to do the work, and back.")
    host: HostName = Field(description="Where they run: one of the plan's hosts, or local.", examples=["lb1"])
    exercise: Arguments = Field(description="Brings the standby to do the work.", examples=[["vip", "move", "lb2"]])
    back: Arguments = Field(description="The way back; always run, and verified.", examples=[["vip", "move", "lb1"]])
    probe: Arguments = Field(
        description="Looks: exit 0 the standby does the work, 1 it does not.", examples=[["vip", "is-at", "lb2"]]
    )
    url: HttpUrl | None = Field(default=None, description=f"{PAGE} while it does the work.")
    status: int = Field(default=200, ge=100, le=599, description="The HTTP status.", examples=[200])
    contains: Text | None = Field(default=None, description="Text the page must hold.", examples=["lb2"])
    within: PositiveSpan = Field(default=Duration(seconds=30), description="How long each way may take.")


Standby = Annotated[UrlStandby | CommandStandby, Field(discriminator="kind")]
