"""The machine whose containers are the servers: what the container engine there says of them, and long work in one.

What runs in a container outlives a cut connection; its name makes its start idempotent, and its end is on record as
its exit code. Everything that a run makes carries the run's id as a label: nothing else is ever removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runbook.errors import HostError, ServerError, StepFailed, Unreachable
from runbook.hosting import CommandResult, last_line
from runbook.plan.incontainer import ContainerUpgrade
from runbook.plan.models import Plan
from runbook.step import Context, ReadContext

SHORT = 60.0
"""Seconds a short command may take."""
MEASURED_WITHIN = 600.0
"""Seconds it may take to count what is in a volume."""
VANISHED = "No such file or directory"
"""Said of a file that went while it was counted."""
STOPS_WITHIN = 600
"""Seconds the engine gets to write all that it has in memory, before its container is killed."""
POLL, LONGEST_POLL, POLL_SHARE = 1.0, 10.0, 0.05
"""Seconds between two looks at long work; the longer it takes the fewer, as every look is on the record."""
RUN = "runbook.run"
"""Label: the run that made it."""

COPY = """\
set -eu
export LC_ALL=C.UTF-8
tree() { find . -printf '%P|%y|%m|%U|%G|%l\\n' | sort; }
find /to -mindepth 1 -delete
cp -a --reflink=auto /from/. /to/
cd /from
find . -type f -print0 | sort -z | xargs -0 -r sha256sum -b > /tmp/manifest
tree > /tmp/tree
cd /to
sha256sum --check --quiet --strict /tmp/manifest
tree | cmp - /tmp/tree
sync -f /to
"""


@dataclass(frozen=True)
class Boxes:
    """Both containers of an upgrade; ``server`` and ``host`` are the plan's names, ``run`` is whose the new one is."""

    server: str
    host: str
    engine: tuple[str, ...]
    old: str
    old_volume: str
    new: str
    new_volume: str
    run: str

    @property
    def copier(self) -> str:
        """The container that copies."""
        return f"runbook-{self.run}-copy"

    @property
    def label(self) -> str:
        """On everything that the run makes."""
        return f"{RUN}={self.run}"


@dataclass(frozen=True)
class Seen:
    """A container as it is. ``restart`` as `docker update --restart` takes it; ``volumes``: place -> volume; ``other``:
    places that are mounted from elsewhere; ``began``: it was started at least once; ``vanishes``: the container engine
    removes it as soon as it ends (`--rm`)."""

    id: str
    image: str
    runs: bool
    began: bool
    exit_code: int
    restart: str
    host_name: str
    run: str = ""
    volumes: Mapping[str, str] | None = None
    other: tuple[str, ...] = ()
    vanishes: bool = False

    def mounts_below(self, place: str) -> tuple[str, ...]:
        """What lies in a mount of its own below that place, and so is not in the volume that is mounted there."""
        return tuple(sorted(at for at in (*(self.volumes or {}), *self.other) if at.startswith(f"{place}/")))


def container_of(plan: Plan) -> ContainerUpgrade:
    """The plan's section; only an upgrade of containers has one."""
    if plan.container is None:
        raise StepFailed("the plan has no section container", hint="Steps of the strategy container need it.")
    return plan.container


def boxes_of(ctx: ReadContext) -> Boxes:
    """The containers that this run is about."""
    found = container_of(ctx.plan)
    old, new = found.from_, found.to
    return Boxes(
        ctx.plan.source, found.host, tuple(found.engine), old.name, old.volume, new.name, new.volume, ctx.run_id
    )


def asked(ctx: ReadContext, boxes: Boxes, *words: str) -> CommandResult:
    """A question to the container engine."""
    return ctx.host_reader(boxes.host).ask((*boxes.engine, *words), timeout=SHORT)


def told(ctx: Context, boxes: Boxes, *words: str, timeout: float = SHORT) -> str:
    """Something it shall do; HostError when it does not."""
    done = ctx.host(boxes.host).run((*boxes.engine, *words), timeout=timeout, effect=True)
    if done.exit_code:
        raise HostError(
            f"{boxes.engine[-1]} on {boxes.host} does not {' '.join(words[:2])}: {done.said()}",
            host=boxes.host,
            hint=f"Look there: {' '.join(boxes.engine)} ps -a.",
        )
    return done.stdout.strip()


def inspected(ctx: ReadContext, boxes: Boxes, kind: str, name: str) -> Mapping[str, Any] | None:
    """What it knows of a container, volume or image; None when there is none of that name."""
    found = asked(ctx, boxes, kind, "inspect", name)
    if found.exit_code == 0:
        known: Mapping[str, Any] = json.loads(found.stdout)[0]
        return known
    if f"no such {kind}" in found.said().lower():  # an engine that is away says "no such file", of its socket
        return None
    raise HostError(f"{boxes.engine[-1]} on {boxes.host} does not answer: {found.said()}", host=boxes.host)


def seen(ctx: ReadContext, boxes: Boxes, name: str) -> Seen | None:
    """One container; None when there is none of that name (or id)."""
    found = inspected(ctx, boxes, "container", name)
    if found is None:
        return None
    state, config, policy = found["State"], found["Config"], found["HostConfig"].get("RestartPolicy") or {}
    retries = policy.get("MaximumRetryCount") or 0
    restart = policy.get("Name") or "no"
    mounts = found.get("Mounts") or []
    return Seen(
        id=found["Id"],
        image=found["Image"],
        runs=bool(state["Running"]),
        began=state["Status"] != "created",
        exit_code=int(state.get("ExitCode") or 0),
        restart=f"{restart}:{retries}" if restart == "on-failure" and retries else restart,
        host_name=config.get("Hostname") or "",
        run=(config.get("Labels") or {}).get(RUN, ""),
        volumes={one["Destination"]: one["Name"] for one in mounts if one.get("Type") == "volume"},
        other=tuple(sorted(one["Destination"] for one in mounts if one.get("Type") != "volume")),
        vanishes=bool(found["HostConfig"].get("AutoRemove")),
    )


def volume_of_run(ctx: ReadContext, boxes: Boxes, name: str) -> str | None:
    """The run that made a volume, empty for somebody else's; None when there is no such volume."""
    found = inspected(ctx, boxes, "volume", name)
    return None if found is None else (found.get("Labels") or {}).get(RUN, "")


@dataclass(frozen=True)
class Room:
    """Bytes in the old volume, and free bytes where it lies; ``lacking``: why that cannot be measured."""

    held: int = 0
    free: int = 0
    lacking: str = ""


def measured(ctx: ReadContext, boxes: Boxes, data: str) -> Room:
    """By the container that serves, which sees all of its volume: an account that may ask the container engine need not
    be one that may look at where that keeps volumes."""
    found = []
    for words in (("du", "-s", "-x", "--block-size=1", data), ("df", "--block-size=1", "--output=avail", data)):
        inside = (*boxes.engine, "exec", "--user", "0:0", boxes.old, *words)
        done = ctx.host_reader(boxes.host).ask(inside, timeout=MEASURED_WITHIN)
        wrong = [line for line in done.stderr.splitlines() if VANISHED not in line]
        number = re.match(r"\s*(\d+)", last_line(done.stdout))
        if number is None or (done.exit_code and wrong):
            return Room(lacking=wrong[-1].strip() if wrong else done.said() or "nothing is said")
        found.append(int(number[1]))
    return Room(held=found[0], free=found[1])


def stop_container(ctx: Context, boxes: Boxes, which: str) -> None:
    """Stop it as a machine is shut down; no boot and no restart of the container engine starts it again."""
    told(ctx, boxes, "update", "--restart", "no", which)
    told(ctx, boxes, "stop", "--time", str(STOPS_WITHIN), which, timeout=STOPS_WITHIN + SHORT)


def remove_container(ctx: Context, boxes: Boxes, name: str) -> None:
    """Take a container of this run away, running or not; one of anybody else's stays. The one that copies goes with
    the volumes that its image asks for; one that serves, or did, keeps what it wrote."""
    found = seen(ctx, boxes, name)
    if found is not None and found.run == boxes.run:
        also = ("--volumes",) if name == boxes.copier else ()
        told(ctx, boxes, "rm", "--force", *also, found.id)


def version_of(ctx: ReadContext, server: str) -> tuple[str, str]:
    """The version that answers, or why none does."""
    try:
        return ctx.reader(server).identity().version, ""
    except (Unreachable, ServerError) as error:
        return "", error.message


def await_server(ctx: ReadContext, boxes: Boxes, which: str, product: str) -> None:
    """Wait until the engine in that container answers as that version, however long its upgrade scripts take: what
    ends it is the end of the container, another version, or the turn-back point."""
    while True:
        version, why = version_of(ctx, boxes.server)
        if version == product:
            return
        if version:
            raise StepFailed(
                f"{boxes.server} answers as {version}, not as {product}", hint="Correct the version in the plan."
            )
        found = seen(ctx, boxes, which)
        if found is None or not found.runs:
            raise StepFailed(
                f"the engine in {which} on {boxes.host} does not come up: {last_words(ctx, boxes, which) or why}",
                hint=f"Look there: {' '.join(boxes.engine)} logs {which}.",
            )
        ctx.progress(0, 0, why)
        ctx.sleep(POLL)


def last_words(ctx: ReadContext, boxes: Boxes, which: str) -> str:
    """What a container said last."""
    said = asked(ctx, boxes, "logs", "--tail", "3", which)
    lines = [line.strip() for line in (said.stdout + said.stderr).splitlines() if line.strip()]
    return "; ".join(lines[-3:])


def copy_volume(ctx: Context, boxes: Boxes, image: str) -> None:
    """Copy the old volume into the new one, in a container of its own: started, or found and waited for. Told to stop,
    it is removed. StepFailed when it does not end well."""
    found = seen(ctx, boxes, boxes.copier)
    if found is not None and not found.runs and (found.exit_code or not found.began):
        remove_container(ctx, boxes, boxes.copier)
        found = None
    if found is None:
        binds = ("--volume", f"{boxes.old_volume}:/from:ro", "--volume", f"{boxes.new_volume}:/to")
        made = ("--name", boxes.copier, "--label", boxes.label, "--network", "none", "--user", "0:0")
        told(ctx, boxes, "run", "--detach", *made, *binds, "--entrypoint", "/bin/sh", image, "-c", COPY)
    try:
        ended = _await_end(ctx, boxes)
    except BaseException as error:
        if not isinstance(error, Exception):  # told to stop
            with ctx.shield():
                remove_container(ctx, boxes, boxes.copier)
        raise
    if ended is None or ended.exit_code:
        code = "it is gone" if ended is None else f"exit {ended.exit_code}"
        raise StepFailed(
            f"the copy of {boxes.old_volume} on {boxes.host} failed ({code}): {last_words(ctx, boxes, boxes.copier)}",
            hint=f"Look there: {' '.join(boxes.engine)} logs {boxes.copier}.",
        )


def _await_end(ctx: ReadContext, boxes: Boxes) -> Seen | None:
    waited = 0.0
    while True:
        found = seen(ctx, boxes, boxes.copier)
        if found is None or not found.runs:
            return found
        pause = min(LONGEST_POLL, max(POLL, POLL_SHARE * waited))
        ctx.sleep(pause)
        waited += pause
