"""The containers: which one serves, whether its data can be copied whole, and whether the new one can be made."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runbook.api import (
    Boxes,
    Decision,
    Finding,
    LightStep,
    Phase,
    ReadContext,
    Room,
    Seen,
    boxes_of,
    container_of,
    enginefit,
    inspected,
    judged,
    measured,
    noted,
    own_directory,
    seen,
    volume_of_run,
)


@dataclass(frozen=True)
class Facts:
    """Both containers and volumes. ``new_volume``: the run that made it, None when it is not there. ``strangers``:
    files of databases that lie outside of the volume. ``held``: bytes in the old volume, ``comes``: those of backups
    that the night writes into it before it is copied; ``lacking``: why that cannot be measured. ``unfit``: database ->
    why it would not be converted."""

    boxes: Boxes
    data: str
    old: Seen | None
    new: Seen | None
    new_volume: str | None
    image: str
    has_image: bool
    version: str
    planned: str
    machine_name: str
    held: int = 0
    comes: int = 0
    room: int = 0
    lacking: str = ""
    headroom: float = 1.2
    strangers: tuple[str, ...] = ()
    unfit: Mapping[str, str] = field(default_factory=dict)
    is_major: bool = True


class CheckContainer(LightStep):
    """Check that the container that serves is the server's, can be copied whole, and that the new one can be made."""

    phase = Phase.PREFLIGHT
    after = ("pin-identity", "check-hosts")
    strategies = frozenset({"container"})

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.plan.source,)

    def observe(self, ctx: ReadContext) -> Facts:
        plan, boxes = container_of(ctx.plan), boxes_of(ctx)
        reader = ctx.reader(boxes.server)
        identity, files = reader.identity(), tuple(enginefit.engine_files(reader))
        if ctx.plan.journal_copy == "server":
            noted(
                ctx, ["journal_copy: server is down while it is upgraded; a directory would keep the journal then too"]
            )
        old = seen(ctx, boxes, boxes.old)
        room = measured(ctx, boxes, plan.data) if old and old.runs else Room()
        return Facts(
            boxes=boxes,
            data=plan.data,
            old=old,
            new=seen(ctx, boxes, boxes.new),
            new_volume=volume_of_run(ctx, boxes, boxes.new_volume),
            image=plan.to.image,
            has_image=inspected(ctx, boxes, "image", plan.to.image) is not None,
            version=identity.version,
            planned=plan.from_.product,
            machine_name=identity.machine_name,
            held=room.held,
            comes=_backups(ctx, plan.data),
            room=room.free,
            lacking=room.lacking,
            headroom=ctx.plan.preflight.headroom,
            strangers=tuple(path for path in files if not posixpath.normpath(path).startswith(f"{plan.data}/")),
            unfit=enginefit.unfit(reader),
            is_major=plan.is_major,
        )

    def decide(self, facts: Facts) -> Decision:
        boxes = facts.boxes
        what = f"{boxes.old} on {boxes.host} serves {facts.version}, {facts.held} bytes in {boxes.old_volume}"
        return judged(_problems(facts), what)


def _backups(ctx: ReadContext, data: str) -> int:
    """Bytes that the backups of the night add to the volume."""
    directory = ctx.plan.exchange_directories()[0] or own_directory(ctx, ctx.plan.source)
    if not f"{posixpath.normpath(directory)}/".startswith(f"{data}/"):
        return 0
    found = (ctx.reader(ctx.plan.source).database(one.name) for one in ctx.plan.databases)
    return sum(info.used_bytes for info in found if info is not None)


def _problems(facts: Facts) -> Iterator[Finding]:
    yield from _old(facts)
    yield from _new(facts)
    yield from enginefit.unfit_problems(facts.unfit if facts.is_major else {})


def _old(facts: Facts) -> Iterator[Finding]:
    boxes, old = facts.boxes, facts.old
    if old is None or not old.runs:
        how = "is not there" if old is None else "does not run"
        yield Finding(f"the container {boxes.old} on {boxes.host} {how}", "Correct container.from.name in the plan.")
        return
    names = [name.partition(".")[0].casefold()[: enginefit.NETBIOS] for name in (old.host_name, facts.machine_name)]
    if names[0] != names[1]:
        yield Finding(
            f"{boxes.old} is the machine {old.host_name}, the server runs on {facts.machine_name}",
            "Name the container of the server as container.from.name.",
        )
    if (old.volumes or {}).get(facts.data) != boxes.old_volume:
        there = (old.volumes or {}).get(facts.data, "no volume")
        yield Finding(
            f"{boxes.old} has {there} at {facts.data}, not {boxes.old_volume}", "Correct container.from.volume or data."
        )
    below = old.mounts_below(facts.data)
    if below:
        yield Finding(
            f"{boxes.old} has mounts of their own at {', '.join(below)}, which would not be in the copy",
            f"Have all of {facts.data} in {boxes.old_volume}, or choose side-by-side.",
        )
    if old.vanishes:
        yield Finding(
            f"{boxes.old} is removed as soon as it stops, and is the way back",
            f"Make it without --rm, on {boxes.old_volume}.",
        )
    if facts.strangers:
        yield Finding(
            f"files lie outside of {facts.data} and would not be in the copy: {', '.join(facts.strangers)}",
            "Move them, or choose side-by-side.",
        )
    if facts.version != facts.planned:
        yield Finding(
            f"{boxes.server} is {facts.version}, the plan says {facts.planned}", "Correct container.from.version."
        )


def _new(facts: Facts) -> Iterator[Finding]:
    boxes = facts.boxes
    if facts.new is not None and facts.new.run != boxes.run:
        yield Finding(f"there is a container {boxes.new} on {boxes.host}", "Choose another container.to.name.")
    if facts.new_volume is not None and facts.new_volume != boxes.run:
        yield Finding(f"there is a volume {boxes.new_volume} on {boxes.host}", "Choose another container.to.volume.")
    if not facts.has_image:
        yield Finding(
            f"{boxes.host} does not have the image {facts.image}",
            f"Pull it beforehand: {' '.join(boxes.engine)} pull {facts.image}.",
        )
    yield from _room(facts)


def _room(facts: Facts) -> Iterator[Finding]:
    """All that lies in the volume is copied, whatever it is."""
    boxes = facts.boxes
    if facts.lacking:
        yield Finding(
            f"what is in {boxes.old_volume} on {boxes.host} cannot be measured: {facts.lacking}",
            f"Look there: {' '.join(boxes.engine)} exec --user 0:0 {boxes.old} du -s {facts.data}.",
        )
    needed = int((facts.held + 2 * facts.comes) * facts.headroom)
    if facts.room < needed:
        come = f", {facts.comes} of backups come and are copied too" if facts.comes else ""
        yield Finding(
            f"{boxes.host} has room for {facts.room} bytes, the copy of {boxes.old_volume} needs {needed}: "
            f"{facts.held} are in it{come}, times {facts.headroom:g}",
            f"Make room where its volumes are, or in {boxes.old_volume}.",
        )
