"""The plan of a rehearsal: the real one, with everything it could touch replaced by something of the rehearsal's own.

What cannot be replaced is left out, and named: a rehearsal says what it did not rehearse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook.errors import NotSupported
from runbook.plan.document import parse
from runbook.plan.gates import CommandGate, FileGate, NoGate
from runbook.plan.models import Plan
from runbook.plan.sections import CommandRepoint, FileRepoint

STAND_IN = "rehearsal"
"""Directory of what stands in for something else, in the directory of a rehearsed plan."""
OWN = f"{STAND_IN}/clients.ini"
OWN_GATE = f"{STAND_IN}/closed.txt"
_LEFT_OUT = {
    "hosts": "hosts are not touched",
    "services": "services are not stopped and started",
    "held": "work is not held and released",
    "standby": "standbys are not tried",
    "impacts": "what users meet service by service is not looked at",
    "exchange": "backups go through a directory of the throwaway servers",
}


@dataclass
class Rewritten:
    """The plan of a rehearsal as a document; ``files`` are copied beside it, ``not_rehearsed`` says what it leaves out.

    ``texts`` are files that stand in for something else.
    """

    document: dict[str, Any]
    files: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    not_rehearsed: list[str] = field(default_factory=list)

    def write(self, directory: Path, kept: Path | None = None) -> Path:
        """Lay everything out in a directory; returns the plan file. JSON is YAML. ``kept``: where it was laid out
        before; its files are taken from there."""
        for folder in (STAND_IN, *self.folders):
            (directory / folder).mkdir(parents=True, exist_ok=True)
        for name, path in self.files.items():
            source = kept / name if kept else path
            if source.is_file():
                _parent(directory / name).write_bytes(source.read_bytes())
        for name, text in self.texts.items():
            _parent(directory / name).write_text(text, encoding="utf-8")
        plan = directory / "runbook.yaml"
        plan.write_text(json.dumps(self.document, indent=1, ensure_ascii=False), encoding="utf-8")
        return plan


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def refuse_unfit(plan: Plan) -> None:
    """NotSupported for a strategy that upgrades a machine."""
    if plan.strategy in ("in-place", "container"):
        raise NotSupported(
            f"the strategy {plan.strategy} cannot be rehearsed on throwaway servers: it replaces a machine's engine",
            hint="Rehearse it on a machine that is a copy of the real one, with a plan that names that.",
        )


def rewrite(
    plan: Plan, text: str, entries: Mapping[str, Mapping[str, Any]], port: int, exchange: str = ""
) -> Rewritten:
    """``entries``: what stands for each server; ``port``: where the copy of the application answers; ``exchange``: the
    directory for backups, as all of them see it."""
    root, _ = parse(text)
    made = Rewritten(_plain(root.plain()))
    document = made.document
    document.pop("rehearsal", None)
    for key, why in _LEFT_OUT.items():
        if document.pop(key, None):
            made.not_rehearsed.append(why)
    if exchange and plan.strategy == "side-by-side":
        document["exchange"] = {"source": exchange}
    document["servers"] = {name: _server(dict(entry), plan, name) for name, entry in entries.items()}
    _gate(made, plan)
    _repoint(made, plan)
    _pages(made, plan, port)
    _scripts(made, plan)
    if isinstance(plan.journal_copy, Path):
        document["journal_copy"] = f"{STAND_IN}/journal-copy"
        made.folders.add(f"{STAND_IN}/journal-copy")
    return made


def _server(entry: dict[str, Any], plan: Plan, name: str) -> dict[str, Any]:
    return {**entry, "limits": {"steps": plan.servers[name].limits.steps}}


def _gate(made: Rewritten, plan: Plan) -> None:
    gate, said = plan.gate, made.document["gate"]
    if isinstance(gate, NoGate) or (isinstance(gate, CommandGate) and plan.rehearsal.run_commands):
        return
    if not isinstance(gate, FileGate) or gate.hosts:
        made.not_rehearsed.append(f"the gate ({gate.kind}) is not touched: a file stands in for it")
        made.document["gate"] = {"kind": "file", "path": OWN_GATE, "text": "A rehearsal keeps nobody out."}
        if probes := said.get("probes"):
            made.document["gate"]["probes"] = probes
        return
    said["path"] = _beside(made, plan, Path(gate.path), "gate")
    made.files.pop(said["path"])  # that it stands there today says nothing of the night
    if gate.content is not None:
        said["content"] = _beside(made, plan, gate.content, "gate-content")


def _repoint(made: Rewritten, plan: Plan) -> None:
    repoint = plan.repoint
    if isinstance(repoint, FileRepoint):
        made.document["repoint"]["path"] = _beside(made, plan, repoint.path, "repoint")
    if isinstance(repoint, CommandRepoint) and not plan.rehearsal.run_commands:
        made.not_rehearsed.append("clients are not pointed by the plan's commands: a file stands in for them")
        pair = {"from": "server = source", "to": "server = target"}
        made.document["repoint"] = {"kind": "file", "path": OWN, "replace": [pair]}
        made.texts[OWN] = "server = source\n"


def _pages(made: Rewritten, plan: Plan, port: int) -> None:
    """Probes and checks ask the copy of the application, or nobody."""
    application = plan.rehearsal.application
    start = application.stands_for.rstrip("/") if application else None

    def ours(pages: Any) -> list[Any]:
        kept = [page for page in pages or () if start and _is_below(page["url"], start)]
        for page in pages or ():
            if page not in kept:
                made.not_rehearsed.append(f"{page['url']} is not asked")
        return [{**page, "url": f"http://127.0.0.1:{port}{page['url'][len(start or '') :]}"} for page in kept]

    gate, checks = made.document["gate"], made.document.get("checks") or {}
    if "probes" in gate:
        gate["probes"] = ours(gate["probes"])
    if checks.get("http"):
        checks["http"] = ours(checks["http"])


def _is_below(url: str, start: str) -> bool:
    return url.startswith(start) and url[len(start) :][:1] in ("", "/", "?", "#")


def _scripts(made: Rewritten, plan: Plan) -> None:
    for number, (entry, said) in enumerate(zip(plan.scripts, made.document.get("scripts") or (), strict=True)):
        said["files"] = [_beside(made, plan, path, f"script-{number}-{at}") for at, path in enumerate(entry.files)]


def _beside(made: Rewritten, plan: Plan, path: Path, what: str) -> str:
    """Where a file of the plan lies in the rehearsal: at the same place below the plan, or in a directory for those
    that lie elsewhere."""
    try:
        name = path.resolve().relative_to(plan.directory.resolve()).as_posix()
    except ValueError:
        name = f"elsewhere/{what}/{path.name}"
    made.files[name] = path
    made.folders.add(str(Path(name).parent))
    return name


def _plain(value: Any) -> Any:
    """Dictionaries and lists that may be changed."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
