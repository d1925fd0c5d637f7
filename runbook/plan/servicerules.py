"""The rules about services, held work and standbys: what they say about hosts, impacts and each other."""

from __future__ import annotations

from collections.abc import Iterator

from runbook.plan.document import Finding, Node
from runbook.plan.findings import nearest
from runbook.plan.services import LOCAL, NAMES, SHELLS
from runbook.plan.types import quote


def known_machine(node: Node, root: Node) -> Iterator[Finding]:
    """A finding when a name is none of the plan's hosts, and not this machine either."""
    hosts = root["hosts"]
    if node.text is None or node.text == LOCAL or node.text in hosts.children:
        return
    names = [str(name) for name in hosts.children]
    near = nearest(node.text, names)
    hint = f"Did you mean {near}?" if near else f"The plan's hosts are: {', '.join([*names, LOCAL])}."
    yield Finding(node.mark, node.path, f"unknown host {quote(node.text)}", hint)


def unique_names(entries: Node, kind: str) -> Iterator[Finding]:
    """A finding for each name that is there already."""
    seen: dict[str, Node] = {}
    for entry in entries:
        name = entry["name"]
        first = seen.setdefault(name.text or "", name)
        if name.text and first is not name:
            hint = f"It is listed in line {first.mark.line} already."
            yield Finding(name.mark, name.path, f"the {kind} {quote(name.text)} is listed twice", hint)


def check_services(root: Node) -> Iterator[Finding]:
    """The rule: what goes with what."""
    yield from unique_names(root["services"], "service")
    seen: dict[tuple[str, str, str], Node] = {}
    for entry in root["services"]:
        kind = entry["kind"].text or ""
        for node in entry["hosts"]:
            yield from known_machine(node, root)
            yield from _shell(root, kind, node)
            yield from _engine(root, entry, node)
            what = entry[NAMES.get(kind, "")].text
            if what is None or node.text is None:
                continue
            first = seen.setdefault((node.text, kind, what.lower()), node)
            if first is not node:
                hint = f"Line {first.mark.line} has it already: keep one of them."
                yield Finding(node.mark, node.path, f"{quote(what)} twice on {node.text}", hint)


def _engine(root: Node, entry: Node, node: Node) -> Iterator[Finding]:
    """The engine itself is stopped and started by the strategy, when its turn has come."""
    section = root["in_place"]
    engine = section["service"].text or "mssql-server.service"
    if node.text is not None and node.text == section["host"].text and entry["unit"].text == engine:
        unit = entry["unit"]
        hint = "Remove it: the upgrade in place stops and starts the engine itself."
        yield Finding(unit.mark, unit.path, "the engine that is upgraded", hint)


def _shell(root: Node, kind: str, node: Node) -> Iterator[Finding]:
    listed = node.text in root["hosts"].children
    shell = root["hosts"][node.text or ""]["shell"].text or "posix"
    if (listed or node.text == LOCAL) and SHELLS.get(kind, shell) != shell:
        hint = f"Name hosts with shell: {SHELLS[kind]}, or choose another kind of service."
        yield Finding(node.mark, node.path, f"a host that speaks {shell} has no {kind}", hint)


def check_held(root: Node) -> Iterator[Finding]:
    """The rule: what goes with what."""
    yield from unique_names(root["held"], "held work")
    for entry in root["held"]:
        yield from known_machine(entry["host"], root)
    names = [name for entry in root["held"] if (name := entry["name"].text)]
    for impact in root["impacts"]:
        node = impact["held"]
        if node.text is None or node.text in names or impact["impact"].text not in {"held", None}:
            continue
        near = nearest(node.text, names)
        hint = f"Did you mean {near}?" if near else f"The plan holds: {', '.join(names) or 'nothing'}."
        yield Finding(node.mark, node.path, f"unknown held work {quote(node.text)}", hint)


def check_standby(root: Node) -> Iterator[Finding]:
    """The rule: what goes with what."""
    yield from unique_names(root["standby"], "standby")
    for entry in root["standby"]:
        yield from known_machine(entry["host"], root)
        for key in ("status", "contains"):
            if entry["kind"].text == "command" and entry[key].present and not entry["url"].present:
                yield Finding(entry[key].home, entry[key].path, f"{key} without url", "Add url, or remove the key.")
