"""What users meet while the gate is closed, service by service, and what proves it from outside."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from runbook.plan.durations import Duration
from runbook.plan.sections import HttpExpectation, Model
from runbook.plan.types import HttpUrl, PositiveSpan, Text, quote, reject, text_of

Kind = Literal["unavailable", "degraded", "unaffected", "held", "pass-through"]
ANSWERED = ("unavailable", "degraded")
"""Impacts with an answer of the front end's own; all others reach the application."""
RETRY_AFTER = Duration(minutes=10)
"""What machines are told when the plan says nothing."""
HTML = "text/html; charset=utf-8"


def _path(value: Any) -> str:
    text = text_of(value)
    if not text.startswith("/") or not text.isprintable() or any(c in text for c in ' "$?#'):
        raise reject(f"{quote(text)} is not how a path begins", "Write /images/, without query, quote or dollar sign.")
    return text


def _name(value: Any) -> str:
    text = text_of(value)
    if not text.isascii() or not text.replace("-", "").replace(".", "").isalnum():
        raise reject(f"{quote(text)} is not the name of a site", "Write it as browsers ask for it: t.example.com.")
    return text


def _type(value: Any) -> str:
    text = text_of(value)
    if not text.isascii() or not text.isprintable() or "/" not in text or any(c in text for c in '"$\\'):
        raise reject(f"{quote(text)} is not a content type", "Write it as HTTP has it: application/json.")
    return text


def _schema(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example], "minLength": 1})


UrlPath = Annotated[str, PlainValidator(_path), _schema("/images/")]
SiteName = Annotated[str, PlainValidator(_name), _schema("t.example.com")]
ContentType = Annotated[str, PlainValidator(_type), _schema("application/json")]


class ImpactAnswer(Model):
    """What the front end says instead of the application."""

    status: int = Field(default=503, ge=200, le=599, description="The HTTP status; 503 for machines.", examples=[503])
    retry_after: PositiveSpan | None = Field(
        default=None, description="When to come back, as a header; by default 10m with status 503."
    )
    type: ContentType = Field(default=HTML, description="The content type of the body.")
    body: str | None = Field(
        default=None,
        description="What it says, {closes_at} and {message} in it replaced; by default the page of the gate.",
        examples=['{"error": "{message}"}'],
    )


class ImpactProbe(Model):
    """A page of the service, looked at from outside."""

    url: HttpUrl = Field(description="The page.")
    during: HttpExpectation = Field(description="What it shows while the gate is closed.", examples=[{"status": 200}])
    after: HttpExpectation = Field(description="What it shows in service.", examples=[{"status": 200}])


class Impact(Model):
    """One service, and what its users meet; a request belongs to the first one that fits."""

    name: Text = Field(description="What users call the service.", examples=["images in sent mails"])
    impact: Kind = Field(
        description="unavailable, degraded, unaffected, held (accepted now, done later) or pass-through.",
        examples=["unaffected"],
    )
    paths: tuple[UrlPath, ...] = Field(
        default=(), description="How the paths begin, as the application sees them; without: every path."
    )
    sites: tuple[SiteName, ...] = Field(
        default=(), description="Names of sites as browsers ask for them; without: any."
    )
    answer: ImpactAnswer | None = Field(
        default=None, description="unavailable, degraded: what is said there (kind nginx).", examples=[{"status": 503}]
    )
    held: Text | None = Field(
        default=None, description="held: what keeps the work, by name; without: the application.", examples=["replies"]
    )
    probes: tuple[ImpactProbe, ...] = Field(default=(), description="Pages that prove it from outside.")
