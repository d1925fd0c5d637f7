"""The dated record of a rehearsal, bound to the fingerprint of its plan: what ``execute`` asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from runbook.adapters import files
from runbook.errors import HostError, Refused, UsageError
from runbook.home import Home
from runbook.plan.durations import format_duration
from runbook.plan.fingerprint import fingerprint
from runbook.plan.models import Plan
from runbook.rehearsal.judging import NOT_PLAYED
from runbook.rehearsal.place import said

FORMAT = 1
SKEW = timedelta(minutes=5)
"""So far the clock of the machine that wrote a record may be ahead; what is dated later counts for nothing."""


@dataclass(frozen=True)
class Certificate:
    """A rehearsal that is on record; ``right`` when every ending was, ``whole`` when nothing was left out by choice."""

    path: Path
    plan: str
    fingerprint: str
    at: datetime
    on: str
    right: bool
    whole: bool
    not_rehearsed: tuple[str, ...] = ()
    unplayed: bool = False
    """Nights could not be played, and none of the others went wrong: it shows nothing, neither good nor bad."""

    @property
    def counts(self) -> bool:
        """It says that the plan works, all of it."""
        return self.right and self.whole


def directory_of(home: Home) -> Path:
    """Where the records are."""
    return home.directory / "rehearsed"


def write(home: Home, identity: str, record: dict[str, Any]) -> Path:
    """Keep a record; HostError when it cannot be written."""
    path = directory_of(home) / f"{identity}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"cannot write {path}: {said(error)}") from error
    files.write(path, json.dumps({"format": FORMAT, **record}, indent=1, ensure_ascii=False).encode())
    return path


class Took(BaseModel):
    """What was measured: seconds by step and ``do_s``, ``look_s`` or ``undo_s``, bytes by database."""

    steps: Mapping[str, Mapping[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]]
    sizes: Mapping[str, int]
    grown: Took | None = None


class Record(BaseModel, strict=True):
    """What a file must hold that counts for anything; ``measured`` is empty where nothing was."""

    plan: str
    fingerprint: str
    at: AwareDatetime
    on: str
    right: bool
    whole: bool
    not_rehearsed: list[str]
    code: int | None = None
    measured: Took | Annotated[Mapping[str, Any], Field(max_length=0)] = {}


def certificates(home: Home) -> Iterator[Certificate]:
    """All, newest first; a file that is none is passed over."""
    for path, one in _files(home):
        if isinstance(one, Record):
            left_out, unplayed = tuple(one.not_rehearsed), one.code == NOT_PLAYED
            yield Certificate(path, one.plan, one.fingerprint, one.at, one.on, one.right, one.whole, left_out, unplayed)


def records(home: Home, plan: str) -> Iterator[tuple[datetime, str, Took]]:
    """When a plan of that name was rehearsed, on what, and what was measured; newest first, whatever came of it."""
    for _, one in _files(home):
        if isinstance(one, Record) and one.plan == plan and isinstance(one.measured, Took):
            yield one.at, one.on, one.measured
            if one.measured.grown:
                yield one.at, one.on, one.measured.grown


def _files(home: Home) -> Iterator[tuple[Path, Record | str]]:
    """Newest first; for one that is no record, why."""
    for path in sorted(directory_of(home).glob("*.json"), reverse=True):
        try:
            yield path, Record.model_validate_json(path.read_bytes())
        except OSError as error:
            yield path, said(error)
        except ValidationError:
            yield path, f"it is no record of a rehearsal: {path}"


def is_fresh(at: datetime, now: datetime, age: timedelta) -> bool:
    """Neither older than that nor from the future."""
    return -SKEW <= now - at <= age


def is_asked_for(plan: Plan) -> bool:
    """Whether execute wants one: on real servers always, on sandbox servers (which are throwaway servers themselves)
    when the plan says so."""
    return plan.rehearsal.required or any(one.url.scheme != "sandbox" for one in plan.servers.values())


def finding(home: Home, plan: Plan, unrehearsed: str | None, now: datetime) -> str:
    """What the record of a run says of its rehearsal; Refused when there is none that counts and nobody said that it
    is to go without."""
    if unrehearsed is not None and not unrehearsed.strip():
        raise UsageError(
            "no reason is given for going unrehearsed", hint="Write it: --unrehearsed 'what makes it safe'."
        )
    if not is_asked_for(plan):
        return f"not rehearsed: {unrehearsed}" if unrehearsed else ""
    why, found = _missing(home, plan, now)
    if found:
        left_out = f"; not rehearsed: {'; '.join(found.not_rehearsed)}" if found.not_rehearsed else ""
        return f"rehearsed on {found.on} at {found.at:%Y-%m-%d %H:%M} UTC{left_out}"
    if unrehearsed is None:
        raise Refused(
            why, hint=f"Rehearse it: runbook rehearse {plan.path.name}; or say why not: --unrehearsed REASON."
        )
    return f"not rehearsed ({why}): {unrehearsed}"


def lacking(home: Home, plan: Plan, now: datetime) -> str:
    """Why execute would refuse this plan now; empty when it would not."""
    return _missing(home, plan, now)[0] if is_asked_for(plan) else ""


def _missing(home: Home, plan: Plan, now: datetime) -> tuple[str, Certificate | None]:
    """The certificate that counts, or why there is none."""
    digest = fingerprint(plan).digest
    of_plan = [one for one in certificates(home) if one.plan == plan.name]
    if not of_plan:
        unread = next((f"; a record cannot be read: {one}" for _, one in _files(home) if isinstance(one, str)), "")
        return f"the plan {plan.name} was never rehearsed here{unread}", None
    same = [one for one in of_plan if one.fingerprint == digest]
    if not same:
        return f"the plan {plan.name} was changed since it was rehearsed at {of_plan[0].at:%Y-%m-%d %H:%M} UTC", None
    return _newest(plan, same, now)


def _newest(plan: Plan, same: Sequence[Certificate], now: datetime) -> tuple[str, Certificate | None]:
    """Of those of the plan as it is now, newest first."""
    age = plan.rehearsal.max_age
    wrong = [one for one in same if not (one.right or one.unplayed)]
    whole = [one for one in same if one.counts or one in wrong]  # a part clears nothing that went wrong
    early = [one for one in whole if one.right and one.at > now + SKEW]
    good = next((one for one in whole if one not in early), None)
    if good and not good.right:
        return f"the rehearsal of {plan.name} at {good.at:%Y-%m-%d %H:%M} UTC went wrong", None
    if good and is_fresh(good.at, now, age):
        return "", good
    if early:
        return (
            f"the rehearsal of {plan.name} is dated in the future: {early[0].at:%Y-%m-%d %H:%M} UTC, and it is "
            f"{now:%Y-%m-%d %H:%M}; the clock of this machine is wrong, or that of the one that wrote it was"
        ), None
    if good is None and any(one.unplayed for one in same):
        return f"nights of the plan {plan.name} could not be played when it was rehearsed", None
    if good is None:
        return f"the plan {plan.name} was rehearsed in part only", None
    return f"the rehearsal of {plan.name} is older than {format_duration(age)}: {good.at:%Y-%m-%d %H:%M} UTC", None
