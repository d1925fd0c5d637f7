"""Writes the pages that are made from the program: ``python docs/generate.py``. A test fails when they are stale."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from runbook import failpoints
from runbook.cli.main import cli
from runbook.plan.schema import plan_json_schema
from runbook.registry import step_kinds
from runbook.states import EXIT_CODES, TRANSITIONS

HERE = Path(__file__).resolve().parent
MADE = "<!-- made by docs/generate.py, do not edit -->\n\n"


def commands() -> str:
    """Help of every command, and the exit codes."""
    lines = ["# Commands", ""]
    for path, command in _walk(cli, ["runbook"]):
        context = click.Context(command, info_name=" ".join(path), max_content_width=100)
        lines += [f"## {' '.join(path)}", "", "```", command.get_help(context), "```", ""]
    lines += ["## Exit codes", "", "| state | code |", "|---|---|"]
    lines += [f"| {state.value} | {code} |" for state, code in EXIT_CODES.items()]
    return "\n".join([*lines, "| wrong usage | 2 |", ""])


def _walk(command: click.Command, path: list[str]) -> Iterator[tuple[list[str], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _walk(inner, [*path, name])


def steps() -> str:
    """Every kind of step: what it does, when, and its way back."""
    lines = ["# Steps", "", "In the order of phases; `runbook plan` shows the order for a plan.", ""]
    phase = ""
    for kind in step_kinds():
        if kind.phase.value != phase:
            phase = kind.phase.value
            lines += ["", f"## {phase}", "", "| step | does | after | strategies | way back |", "|---|---|---|---|---|"]
        back = ", ".join(f"`{undo.name}`" for undo in kind.undoes_with)
        if back and kind.irreversible:
            back = f"{'**the pivot**; ' * kind.pivot}only when a person accepts the loss: {back}"
        after = ", ".join(f"`{name}`" for name in kind.after)
        strategies = "all" if len(kind.strategies) == 3 else ", ".join(sorted(kind.strategies))
        cells = (f"`{kind.name}`", _first(kind), after, strategies, back or "changes nothing to undo")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _first(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0].replace("|", "/")


def states() -> str:
    """The table of allowed transitions, and as a diagram."""
    lines = ["# States of a step", "", "```mermaid", "stateDiagram-v2"]
    lines += [f"    {before.value} --> {after.value}" for before, after in TRANSITIONS]
    lines += ["```", "", "| from | to | because |", "|---|---|---|"]
    lines += [f"| {before.value} | {after.value} | {why} |" for (before, after), why in TRANSITIONS.items()]
    return "\n".join([*lines, ""])


def plan() -> str:
    """Every key of a plan."""
    schema = plan_json_schema()
    about = (
        "One YAML file, strictly checked. `runbook schema` prints its JSON Schema, `runbook init` writes a first one;"
    )
    lines = ["# The plan", "", f"{about} [examples/mailer](../examples/mailer) has two that run.", ""]
    lines += _keys("top level", schema)
    for name, definition in schema.get("$defs", {}).items():
        if "properties" in definition:
            lines += _keys(name, definition)
    return "\n".join(lines)


def _keys(name: str, model: dict[str, Any]) -> list[str]:
    lines = [f"## {name}", "", "| key | needed | meaning | default |", "|---|---|---|---|"]
    required = set(model.get("required", ()))
    for key, part in model.get("properties", {}).items():
        default = f"`{part['default']}`" if part.get("default") not in (None, {}, []) else ""
        cells = (f"`{key}`", "yes" if key in required else "", part.get("description", ""), default)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return [*lines, ""]


def failpoint_list() -> str:
    """Every failpoint, for whoever attacks a run from outside."""
    about = (failpoints.__doc__ or "").strip()
    lines = ["# Failpoints", "", about, "", "| name | what is the case there |", "|---|---|"]
    lines += [f"| `{name}` | {what} |" for name, what in failpoints.POINTS.items()]
    return "\n".join([*lines, ""])


PAGES = {
    "failpoints.md": failpoint_list,
    "commands.md": commands,
    "steps.md": steps,
    "states.md": states,
    "plan.md": plan,
}


def main() -> int:
    """Write them all; with --check say which are stale."""
    stale = []
    for name, make in PAGES.items():
        path, text = HERE / name, MADE + make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if stale:
        sys.stdout.write(f"{'stale' if '--check' in sys.argv else 'wrote'}: {', '.join(stale)}\n")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
