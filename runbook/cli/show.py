"""What the verbs print for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import click

from runbook.commands.status import Status
from runbook.runview import RunView
from runbook.states import EXIT_CODES, RunState, StepState


def emit(data: Any) -> None:
    """JSON on standard output."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def check(report: Any) -> None:
    """Findings first, then the verdict."""
    for finding in sorted(report.findings, key=lambda one: one.ok):
        click.echo(f"{'ok    ' if finding.ok else 'NO-GO '} {finding.check}: {finding.what}")
        if finding.hint:
            click.echo(f"       HINT: {finding.hint}")
    for note in report.notes:
        click.echo(f"note   {note}")
    verdict = "go" if report.go else "no-go"
    click.echo(f"{verdict} for {report.plan}, as of {report.checked_at:%Y-%m-%d %H:%M} UTC; nothing was changed")


def outline(found: Any) -> None:
    """The steps in order."""
    data = found.to_json()
    click.echo(f"{data['plan']} ({data['strategy']}): {len(data['steps'])} steps")
    click.echo(f"{'step':<44} {'budget':>8} {'back':>8}  {'from':<13} way back")
    phase = ""
    for step in data["steps"]:
        if step["phase"] != phase:
            phase = step["phase"]
            click.echo(f"-- {phase}")
        click.echo(
            f"{step['id']:<44} {_seconds(step['budget_s'])} {_seconds(step['undo_budget_s'])}  "
            f"{_origin(step['budget_from']):<13} {_way_back(step)}"
        )
    for text in _origins(data["steps"]):
        click.echo(text)
    if data["sizes_unknown"]:
        click.echo(f"sizes are not known ({data['sizes_unknown']}): budgets are those of empty databases")
    click.echo(
        f"forward {data['forward_s']:.0f} s, way back {data['way_back_s']:.0f} s, reserve {data['reserve_s']:.0f} s, "
        f"window {data['window_s']:.0f} s"
    )
    point = data["turn_back_after_s"]
    fits = "it fits" if data["fits"] else "IT DOES NOT FIT: execute would refuse it"
    click.echo(f"turn-back point at the latest {point:.0f} s after the start, with everything owed; {fits}")


def _origin(source: str) -> str:
    """In a word: rehearsed, run, rehearsed+run, stated, computed."""
    return "+".join(part.split()[0] for part in source.split("; "))


def _origins(steps: list[dict[str, Any]]) -> Iterator[str]:
    """Where the figures come from: how many of each, how old, how far they may be off."""
    found: dict[str, list[str]] = {}
    for step in steps:
        source, _, about = step["budget_from"].partition(" (")
        found.setdefault(source, []).append(about)
    for source, abouts in found.items():
        errors = [int(error) for about in abouts for error in re.findall(r"error up to (\d+)%", about)]
        more = MEANT.get(source) or f", error up to {max(errors, default=0)} %"
        yield f"budgets of {len(abouts)} step{'s' * (len(abouts) > 1)}: {source}{more}"


MEANT = {"computed": " from sizes, nothing was measured", "stated": " in the plan"}


def _way_back(step: dict[str, Any]) -> str:
    if step["pivot"]:
        return "PIVOT: nothing reverts by itself from here on"
    if step["irreversible"]:
        return "only when a person accepts the loss" if step["undo"] else "none, after the pivot"
    return ", ".join(step["undo"]) or "nothing to undo"


def _seconds(value: float) -> str:
    return f"{value:>6.1f} s" if value else f"{'-':>8}"


def statements(found: Any) -> None:
    """A T-SQL script, step by step; placeholders in angle brackets are known on the night only."""
    click.echo(
        "-- COPY_ONLY is left out of a seed backup where the database is in SIMPLE recovery or its log chain has not"
    )
    click.echo("-- begun: it could carry neither a differential nor a log otherwise.")
    step = ""
    for identity, server, text in found.statements():
        if identity != step:
            step = identity
            click.echo(f"-- {identity}")
        click.echo(f"-- on {server}")
        click.echo(f"{text}\nGO")


def status(found: Status, now: datetime) -> None:
    """Where a run stands, as plain lines."""
    view = found.view
    click.echo(f"run {view.run_id} of {view.plan_name}: {found.state.value}")
    if found.reason:
        click.echo(f"reason: {found.reason}")
    click.echo(f"gate: {view.gate}; executor: {found.owner if found.live else 'none'}")
    if found.executors:
        click.echo("driven by: " + ", then ".join(f"{owner} as executor {fence}" for fence, owner in found.executors))
    if not view.ending:
        _guards(found)
    click.echo(f"opened {view.opened_at:%Y-%m-%d %H:%M:%S} UTC, window closes {view.closes_at:%H:%M:%S} UTC "
               f"({_when(view.closes_at, now)})")  # fmt: skip
    if view.pivot_at:
        click.echo(f"pivot: the gate opened at {view.pivot_at:%H:%M:%S} UTC on the new setup")
        _given_up(view)
    elif not view.ending:
        click.echo(f"turn-back point {view.turn_back_at:%H:%M:%S} UTC ({_when(view.turn_back_at, now)})")
    _counts(found)
    _under_way(found, now)
    _troubles(found, most=MOST_NOTES)
    if found.state in (RunState.INTERRUPTED, RunState.HELD) and not found.live:
        click.echo("HINT: No executor is at work. Go on with: runbook resume, or go back with: runbook revert.")


def _guards(found: Status) -> None:
    """One that cannot be asked is no promise, and one that could not take over is none at all."""
    for one in found.guards:
        who = f"process {one.process} on {one.host}"
        unfit = f", BUT IT COULD NOT TAKE OVER: {one.unfit}" if one.unfit else ""
        if one.alive:
            click.echo(f"guard: {who} watches since {one.since:%H:%M:%S} UTC{unfit}")
        else:
            click.echo(
                f"guard: {who} said at {one.since:%H:%M:%S} UTC that it watches; ask there whether it does{unfit}"
            )
    if not found.guards:
        lost = "when the executor is lost" if found.live else "and no executor is at work"
        click.echo(f"guard: NONE watches; {lost}, nobody brings the system back: runbook guard")


def _when(at: datetime, now: datetime) -> str:
    from runbook.cli.live import span

    left = (at - now).total_seconds()
    return f"in {span(left)}" if left >= 0 else f"{span(-left)} ago"


def _counts(found: Status) -> None:
    states: dict[str, int] = {}
    for step in found.view.steps.values():
        states[step.state.value] = states.get(step.state.value, 0) + 1
    click.echo("steps: " + ", ".join(f"{count} {state}" for state, count in states.items()))


def _under_way(found: Status, now: datetime) -> None:
    if not found.live:
        return
    for identity, step in found.view.steps.items():
        if step.state in (StepState.STARTED, StepState.UNDOING):
            back = step.state is StepState.UNDOING
            node = found.view.graph[identity]
            since = step.started_at or now
            took = "" if back else f" for {(now - since).total_seconds():.0f} s, budget {node.do_budget:.0f} s"
            click.echo(f"{'going back' if back else 'running'}: {identity}{took}")


MOST_NOTES = 6
"""Notes that ``status`` shows; ``audit show`` has them all."""
_TROUBLE = (StepState.BLOCKED, StepState.FAILED, StepState.UNTOUCHED, StepState.STUCK, StepState.PARTIAL)


def _troubles(found: Status, most: int | None = None) -> None:
    if found.state is RunState.REFUSED:  # what puts the hints below in their place comes first
        _notes(found, most)
    for identity, step in found.view.steps.items():
        if step.state in _TROUBLE:
            click.echo(f"{identity} {step.state.value}: {step.why}")
            if step.hint:
                click.echo(f"HINT: {step.hint}")
    if found.state is not RunState.REFUSED:
        _notes(found, most)


def _notes(found: Status, most: int | None) -> None:
    findings = list(dict.fromkeys(found.view.findings))
    hidden = len(findings) - most if most is not None else 0
    for finding in findings[-most:] if most else findings:
        click.echo(f"note: {finding}")
    if hidden > 0:
        click.echo(f"{hidden} earlier notes: runbook audit show")


def declared(found: Status) -> None:
    """What is left as it is, for whoever has to know it."""
    view = found.view
    click.echo(f"run {view.run_id} has ended: {found.state.value}, {view.declared}")
    owed = [identity for identity, step in view.steps.items() if step.owes]
    if owed and found.state is RunState.REVERTED:
        click.echo(f"not put back by runbook: {', '.join(owed)}")
    click.echo("no database, job or gate was touched, and nothing was proven")


_SAID = {
    RunState.UPGRADED: "UPGRADED: the new setup is validated and in service",
    RunState.REVERTED: "REVERTED: the old setup is proven and in service",
    RunState.HELD: "HELD: a person is needed",
    RunState.REFUSED: "REFUSED: nothing was touched",
}


def ending(found: Status, last_hash: str) -> None:
    """How it ended, why, and the hash that seals the record."""
    view = found.view
    click.echo("")
    left = (
        f"{found.owner} is at work and was asked; see runbook status --watch"
        if found.live
        else "go on with runbook resume"
    )
    said = _SAID.get(view.state, f"{found.state.value.upper()}: {left}")
    if view.state is RunState.REVERTED and not _proven(found):
        said = "REVERTED: the old setup is in service; its data was not touched yet, so there was nothing to compare"
    click.echo(said)
    if found.reason:
        click.echo(f"reason: {found.reason}")
    if view.state is not RunState.UPGRADED or view.findings:
        _troubles(found)
    ended = view.ended_at
    _given_up(view)
    if ended and not view.accepted and view.state in (RunState.UPGRADED, RunState.REVERTED):
        spare = (view.closes_at - ended).total_seconds()
        took = (ended - view.opened_at).total_seconds()
        late = f"{spare:.0f} s before the window closed" if spare >= 0 else f"{-spare:.0f} s AFTER the window closed"
        click.echo(f"took {took:.0f} s, ended {late}")
    click.echo(f"run {view.run_id}, {view.n} rows, last hash {last_hash}")
    click.echo(f"exit code {EXIT_CODES[view.state]}")


def _given_up(view: RunView) -> None:
    """Who accepted what; the notes name the backups in which it is kept."""
    if not view.accepted:
        return
    from runbook.cli.losing import lines
    from runbook.toolkit.loss import Loss

    click.echo(f"given up by {view.accepted['by']} at {view.accepted['at'][:19]} UTC, kept in the backups noted:")
    for line in lines(Loss.from_json(view.accepted["loss"])):
        click.echo(f"  {line}")


def _proven(found: Status) -> bool:
    """The way back compared the data with a reference taken before."""
    steps = found.view.steps.values()
    return any(
        one.state is StepState.UNDONE and str((one.undo or {}).get("name", "")).startswith("prove") for one in steps
    )


def runs(found: Sequence[Status]) -> None:
    """A line a run."""
    if not found:
        click.echo("no runs yet")
    for one in found:
        view = one.view
        click.echo(f"{view.run_id}  {view.opened_at:%Y-%m-%d %H:%M} UTC  {one.state.value:<11}  {view.plan_name}")


def record(rows: Sequence[dict[str, Any]]) -> None:
    """A line a row."""
    for row in rows:
        data = {key: value for key, value in row["data"].items() if key not in _LONG}
        text = json.dumps(data, ensure_ascii=False) if data else ""
        who = f"{row['at'][:23]} #{row['fence']} {row['actor']}"
        click.echo(f"{row['n']:>6} {who} {row['kind']} {row['step'] or ''} {text}".rstrip())


_LONG = frozenset({"graph", "plan", "keep", "intent", "undo", "sizes"})


def verdicts(found: Sequence[Any]) -> None:
    """A line a run."""
    for one in found:
        if one.ok:
            click.echo(f"ok   run {one.run_id}: {one.rows} rows hold together, last hash {one.hash}")
        else:
            click.echo(f"BAD  run {one.run_id}: {one.problem}")
    if not found:
        click.echo("no runs yet")


def sandboxes(found: Sequence[dict[str, Any]]) -> None:
    """A line a server."""
    for one in found:
        where = f"127.0.0.1:{one['port']}, process {one['pid']}" if one["running"] else "not running"
        click.echo(f"{one['server']}: {one['name']} (SQL Server {one['version']}), {where}")
        for fault in one["faults"]:
            click.echo(f"  fault: {fault}")
