"""The dated record of a rehearsal, bound to the fingerprint of its plan: what ``execute`` asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from runbook.adapters import files
from runbook.errors import HostError, Refused, UsageError
from runbook.home import Home
from runbook.plan.durations import format_duration
from runbook.plan.fingerprint import fingerprint
from runbook.plan.models import Plan
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


def certificates(home: Home) -> Iterator[Certificate]:
    """All, newest first; a file that is none is passed over."""
    for path in sorted(directory_of(home).glob("*.json"), reverse=True):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            yield Certificate(
                path,
                data["plan"],
                data["fingerprint"],
                _instant(data["at"]),
                data["on"],
                data["right"],
                data["whole"],
                tuple(data["not_rehearsed"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue


def records(home: Home, plan: str) -> Iterator[tuple[datetime, str, Mapping[str, Any]]]:
    """When a plan of that name was rehearsed, on what, and what was measured; newest first, whatever came of it."""
    for path in sorted(directory_of(home).glob("*.json"), reverse=True):
        with suppress(OSError, ValueError, KeyError, TypeError):
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["plan"] == plan and data["measured"]:
                at = _instant(data["at"])
                yield at, data["on"], data["measured"]
                if data["measured"].get("grown"):
                    yield at, data["on"], data["measured"]["grown"]


def _instant(text: str) -> datetime:
    """ValueError for one that does not say of which zone it is."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


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


def _missing(home: Home, plan: Plan, now: datetime) -> tuple[str, Certificate | None]:
    """The certificate that counts, or why there is none."""
    digest = fingerprint(plan).digest
    of_plan = [one for one in certificates(home) if one.plan == plan.name]
    if not of_plan:
        return f"the plan {plan.name} was never rehearsed here", None
    same = [one for one in of_plan if one.fingerprint == digest]
    if not same:
        return f"the plan {plan.name} was changed since it was rehearsed at {of_plan[0].at:%Y-%m-%d %H:%M} UTC", None
    return _newest(plan, same, now)


def _newest(plan: Plan, same: Sequence[Certificate], now: datetime) -> tuple[str, Certificate | None]:
    """Of those of the plan as it is now, newest first."""
    age = plan.rehearsal.max_age
    whole = [one for one in same if one.counts or not one.right]  # a part clears nothing that went wrong
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
    if good is None:
        return f"the plan {plan.name} was rehearsed in part only", None
    return f"the rehearsal of {plan.name} is older than {format_duration(age)}: {good.at:%Y-%m-%d %H:%M} UTC", None
