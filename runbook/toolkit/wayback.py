"""The way back that a plan declares: commands that take a snapshot of a machine, tell of it, go back to it.

Nobody's word is taken for it. After ``on`` the ``probe`` must say that it is there, and before users are kept out that
it is not. Whether ``back`` went back is seen on the machine itself: in every directory with files of the engine, and on
the system drive, lies a mark that said ``before`` when the snapshot was taken and says ``after`` since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PureWindowsPath

from runbook.errors import HostError, StepFailed
from runbook.hosting import UnitPhase
from runbook.step import Context, ReadContext
from runbook.toolkit.enginehost import carry_out, setup_of

PROBE_WITHIN = 120.0
"""Seconds the probe may take."""
TAKE, GO_BACK = "take-way-back", "go-back"
"""Units on the hook's host."""
SYSTEM_DRIVE = "C:/ProgramData"
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Hook:
    """The commands, with the run's id filled in, and the host they run on, by the plan's name of it."""

    host: str
    on: tuple[str, ...]
    probe: tuple[str, ...]
    back: tuple[str, ...]
    off: tuple[str, ...]


def hook_of(ctx: ReadContext) -> Hook:
    """What the plan declares, for this run."""
    found = setup_of(ctx.plan).way_back

    def filled(argv: Sequence[str]) -> tuple[str, ...]:
        return tuple(argument.replace("{run}", ctx.run_id) for argument in argv)

    return Hook(found.host, filled(found.on), filled(found.probe), filled(found.back), filled(found.off))


def is_there(ctx: ReadContext, hook: Hook) -> bool:
    """What the probe says. HostError when it says neither yes (0) nor no (1)."""
    found = ctx.host_reader(hook.host).ask(hook.probe, timeout=PROBE_WITHIN, root=True)
    if found.exit_code not in (0, 1):
        raise HostError(
            f"the probe of the way back ended with {found.exit_code} on {hook.host}: {found.said() or 'nothing said'}",
            host=hook.host,
            hint="It must end with 0 when the way back is there, with 1 when it is not.",
        )
    return found.exit_code == 0


def take(ctx: Context, hook: Hook) -> None:
    """Have it taken, unless it is there, and have the probe say so; one that is being taken is waited for."""
    busy = ctx.host_reader(hook.host).unit(TAKE).phase is UnitPhase.RUNNING
    if busy or not is_there(ctx, hook):
        carry_out(ctx, hook.host, TAKE, hook.on)
    if not is_there(ctx, hook):
        raise StepFailed(
            f"the way back was taken on {hook.host}, but its probe says that it is not there",
            hint="Look there what way_back.on did; without a way back nothing is upgraded.",
        )


def go_back(ctx: Context, hook: Hook) -> None:
    """Have the machine put back; one that is being put back is waited for."""
    if not is_there(ctx, hook):
        raise StepFailed(
            f"the way back is not there any more on {hook.host}",
            hint="Find out who removed it. What is left are the backups of this run: see its record.",
        )
    carry_out(ctx, hook.host, GO_BACK, hook.back)


# --- marks ------------------------------------------------------------------------------------------------------------


def directories(paths: Sequence[str]) -> tuple[str, ...]:
    """The directories of these files, and one on the system drive, each once."""
    found = {PureWindowsPath(path).parent.as_posix(): None for path in paths}
    return tuple(dict.fromkeys([SYSTEM_DRIVE, *sorted(found)]))


def mark(ctx: Context, host: str, places: Sequence[str], content: str) -> None:
    """Write it in all of them."""
    for place in places:
        ctx.host(host).write(_mark(ctx, place), content.encode(), root=True)


def marks(ctx: ReadContext, host: str, places: Sequence[str]) -> dict[str, str]:
    """What stands in each; empty where there is none."""
    found = {place: ctx.host_reader(host).read(_mark(ctx, place), root=True) for place in places}
    return {place: (content or b"").decode("utf-8", "replace") for place, content in found.items()}


def not_back(ctx: ReadContext, host: str, places: Sequence[str]) -> tuple[str, ...]:
    """The directories that are not what they were when the way back was taken."""
    return tuple(place for place, said in marks(ctx, host, places).items() if said != BEFORE)


def _mark(ctx: ReadContext, place: str) -> str:
    return f"{place}/runbook-{ctx.run_id}.mark"
