"""Rules that one value alone cannot break: what the parts of a plan say about each other, and about files.

The rules read the tolerant tree of the file, so they report beside whatever else is wrong. A value that the models
already refuse is passed over here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from pydantic_core import PydanticCustomError

from runbook.plan.document import Finding, Node, Part
from runbook.plan.durations import format_duration, parse_duration
from runbook.plan.findings import nearest
from runbook.plan.gaterules import check_gate, check_impacts
from runbook.plan.gates import KEPT_BY
from runbook.plan.hosts import check_hosts
from runbook.plan.incontainer import check_container
from runbook.plan.inplace import check_packages
from runbook.plan.servicerules import check_held, check_services, check_standby
from runbook.plan.setup import check_setup
from runbook.plan.types import SYSTEM_DATABASES, VERSIONS, ServerUrl, TableName, quote

SIDE_BY_SIDE_ONLY = ("target", "exchange", "repoint", "carry")
PLACEHOLDERS = ("source.host", "source.port", "target.host", "target.port")


def check(root: Node, directory: Path) -> list[Finding]:
    """Return everything the rules find, in no particular order."""
    return [finding for rule in _RULES for finding in rule(root)] + list(_files(root, directory))


def at(node: Node, message: str, hint: str) -> Finding:
    """A finding at a value that is there, or at the place where it is missing."""
    return Finding(node.mark, node.path, message, hint)


def _unique(nodes: Iterator[Node], kind: str) -> Iterator[Finding]:
    seen: dict[str, Node] = {}
    for node in nodes:
        if node.text is None:
            continue
        first = seen.setdefault(node.text.lower(), node)
        if first is not node:
            hint = f"It is listed in line {first.mark.line} already; names compare without case."
            yield at(node, f"the {kind} {quote(node.text)} is listed twice", hint)


def _databases(root: Node) -> Iterator[Finding]:
    yield from _unique((entry["name"] for entry in root["databases"]), "database")


def _servers(root: Node) -> Iterator[Finding]:
    servers = root["servers"]
    for role in ("source", "target"):
        yield from _known_server(root[role], servers)
        named = servers.children.get(role)
        if named is not None and root[role].text not in {role, None}:
            hint = f"Choose another name, or say {role}: {role}."
            yield Finding(named.home, named.path, f"a server called {role} that is not the {role}", hint)
    source, target = root["source"], root["target"]
    if source.text and target.text and _same(source.text, target.text, servers):
        yield at(target, "source and target are the same server", "Name the new server as target.")


def _known_server(node: Node, servers: Node) -> Iterator[Finding]:
    if node.text is None or node.text in servers.children or servers.kind != "mapping":
        return
    names = [str(name) for name in servers.children]
    near = nearest(node.text, names)
    hint = f"Did you mean {near}?" if near else f"The plan's servers are: {', '.join(names) or 'none'}."
    yield at(node, f"unknown server {quote(node.text)}", hint)


def _same(source: str, target: str, servers: Node) -> bool:
    addresses = [servers[name]["url"].text for name in (source, target)]
    parsed = [_address(text) for text in addresses]
    if source == target:
        return True
    return None not in parsed and len({_identity(one) for one in parsed if one is not None}) == 1


def _identity(url: ServerUrl) -> tuple[str, str, int | None, str]:
    port = 1433 if url.scheme == "mssql" and url.port is None and url.instance is None else url.port
    instance = (url.instance or "").lower()
    return url.scheme, url.host.lower(), port, "" if instance == "mssqlserver" else instance


def _address(text: str | None) -> ServerUrl | None:
    try:
        return ServerUrl.parse(text) if text else None
    except PydanticCustomError:
        return None


def _logins(root: Node) -> Iterator[Finding]:
    for server in root["servers"]:
        url = _address(server["url"].text)
        if url is None:
            continue
        if url.scheme == "sandbox":
            for key in ("user", "password", "encrypt", "trust_certificate"):
                if server[key].present:
                    yield Finding(server[key].home, server[key].path, "not for a sandbox server", "Remove the key.")
        else:
            yield from _mssql_login(server)


def _mssql_login(server: Node) -> Iterator[Finding]:
    user, password = server["user"], server["password"]
    if user.text and not password.present:
        hint = "Add password: env:NAME or file:PATH, or remove user for Windows authentication."
        yield Finding(user.home, password.path, "a user without a password reference", hint)
    if password.present and not user.present:
        hint = "Add user, or remove password for Windows authentication."
        yield Finding(password.home, user.path, "a password without a user", hint)


def _versions(root: Node) -> Iterator[Finding]:
    for server in root["servers"]:
        url, pin = _address(server["url"].text), server["expect"]["version"]
        if url is not None and url.version and pin.value in VERSIONS and pin.value != url.version:
            hint = "Make the pin and the address agree."
            yield at(pin, f"the pin says {pin.value}, the sandbox plays {url.version}", hint)
    if root["strategy"].text != "side-by-side":
        return
    old, new = (_version(root, role) for role in ("source", "target"))
    if old and new and new[0] < old[0]:
        hint = "A database file never goes back to an older version; choose a target as new as the source or newer."
        yield at(new[1], f"the way goes down, from {old[0]} to {new[0]}", hint)


def _version(root: Node, role: str) -> tuple[int, Node] | None:
    name = root[role].text
    if name is None:
        return None
    server = root["servers"][name]
    pin, url = server["expect"]["version"], _address(server["url"].text)
    if isinstance(pin.value, int) and pin.value in VERSIONS:
        return int(pin.value), pin
    return (url.version, server["url"]) if url is not None and url.version else None


def _strategy(root: Node) -> Iterator[Finding]:
    strategy = root["strategy"].text
    if strategy == "side-by-side":
        for key, hint in (
            ("target", "Name the new server as target."),
            ("repoint", "Say how clients find the new server, with kind: file or kind: command."),
        ):
            if not root[key].present:
                yield at(root[key], f"side-by-side needs {key}", hint)
        yield from _only(root["scripts"], "scripts", "Remove it, or choose strategy: scripts.")
    if strategy in {"scripts", "in-place", "container"}:
        for key in SIDE_BY_SIDE_ONLY:
            yield from _only(root[key], "side-by-side", "Remove it, or choose strategy: side-by-side.")
    if strategy in {"in-place", "container"}:
        yield from _only(root["scripts"], "scripts", "Remove it, or choose strategy: scripts.")
    if strategy == "scripts" and not root["scripts"].children:
        hint = "Add scripts: - {database: NAME, files: [FILE, ...]}."
        yield at(root["scripts"], "the strategy scripts needs scripts", hint)


def _only(node: Node, strategy: str, hint: str) -> Iterator[Finding]:
    if node.present:
        yield Finding(node.home, node.path, f"only for the strategy {strategy}", hint)


def _known_databases(root: Node) -> Iterator[Finding]:
    names = [name for entry in root["databases"] if (name := entry["name"].text)]
    known = {name.lower() for name in names}
    asked = [(entry["database"], known) for entry in root["scripts"]]
    asked += [(entry["database"], known | SYSTEM_DATABASES) for entry in root["checks"]["queries"]]
    for node, allowed in asked:
        if node.text and names and node.text.lower() not in allowed:
            near = nearest(node.text, names)
            hint = f"Did you mean {near}?" if near else f"The plan's databases are: {', '.join(names)}."
            yield at(node, f"unknown database {quote(node.text)}", hint)


def _proofs(root: Node) -> Iterator[Finding]:
    yield from _reasoned(root["proof"])
    for database in root["databases"]:
        seen: dict[str, Node] = {}
        for entry in database["proof"]:
            yield from _reasoned(entry)
            table = _table(entry["table"].text)
            first = seen.setdefault(table, entry["table"]) if table else None
            if first is not None and first is not entry["table"]:
                yield at(
                    entry["table"], "the table is listed twice", f"It is listed in line {first.mark.line} already."
                )


def _table(text: str | None) -> str | None:
    try:
        return str(TableName.parse(text)).lower() if text else None
    except PydanticCustomError:
        return None


def _reasoned(entry: Node) -> Iterator[Finding]:
    level = entry["level"].text
    if level in {"sample", "count"} and not entry["reason"].present:
        hint = "Add reason: why less than content is enough; the record shows it."
        yield Finding(entry["level"].home, entry["reason"].path, f"the proof level {level} needs a reason", hint)


def _repoint(root: Node) -> Iterator[Finding]:
    for entry in root["repoint"]["replace"]:
        old, new = entry["from"], entry["to"]
        if old.text and old.text == new.text:
            yield at(new, "from and to are the same text", "Say what changes.")
        for node in (old, new):
            for name in re.findall(r"\{((?:source|target)\.[^{}]*)\}", node.text or ""):
                if name not in PLACEHOLDERS:
                    known = ", ".join("{" + one + "}" for one in PLACEHOLDERS)
                    yield at(node, f"unknown placeholder {quote('{' + name + '}')}", f"Known are {known}.")


def _checks(root: Node) -> Iterator[Finding]:
    servers = root["servers"]
    for entry in root["checks"]["queries"]:
        server = entry["server"]
        if server.text == "target" and root["strategy"].text in {"scripts", "in-place", "container"}:
            yield at(
                server, f"the strategy {root['strategy'].text} has no target", "Say server: source, or leave it out."
            )
        elif server.text not in {"source", "target"}:
            yield from _known_server(server, servers)
        given = [key for key in ("at_least", "equals") if entry[key].present]
        if entry.kind == "mapping" and len(given) != 1:
            message = "both at_least and equals" if given else "nothing to compare with"
            hint = "Keep one of them." if given else "Add at_least: NUMBER or equals: VALUE."
            yield at(entry, message, hint)
    for kind in ("queries", "http"):
        yield from _unique((entry["name"] for entry in root["checks"][kind]), "check")


def _window(root: Node) -> Iterator[Finding]:
    length, reserve = (_duration(root["window"][key]) for key in ("length", "reserve"))
    if length and reserve and reserve >= length:
        message = f"the reserve of {format_duration(reserve)} leaves nothing of {format_duration(length)}"
        yield at(root["window"]["reserve"], message, "Make the window longer, or the reserve shorter.")


def _duration(node: Node) -> timedelta | None:
    try:
        return parse_duration(node.text) if node.text else None
    except (ValueError, OverflowError):
        return None


def _files(root: Node, directory: Path) -> Iterator[Finding]:
    for entry in root["scripts"]:
        for node in entry["files"]:
            yield from _file(node, directory, "script")
    gate = root["gate"]
    if gate["kind"].text in KEPT_BY:
        yield from _file(gate["content"], directory, "file")
        paths: list[Part | None] = [gate[key].text for key in ("path", "content")]
        if paths[0] is not None and paths[0] == paths[1]:
            yield at(gate["content"], "path and content are the same file", "Keep the text elsewhere.")


def _file(node: Node, directory: Path, kind: str) -> Iterator[Finding]:
    text = node.text
    if text is None or "\0" in text or text.startswith("~"):
        return
    hint = "Paths are relative to the plan file."
    try:
        path = directory / text
        if not path.is_file():
            yield at(node, f"no {kind} {quote(text)}", hint)
        elif not path.read_bytes().strip():
            yield at(node, f"the {kind} {quote(text)} is empty", "Write something into it, or take it off the list.")
    except OSError as e:
        reason = (e.strerror or "unknown reason").lower()
        yield at(node, f"the {kind} {quote(text)} cannot be read: {reason}", hint)


def _in_place(root: Node) -> Iterator[Finding]:
    section = root["in_place"]
    if root["strategy"].text != "in-place":
        yield from _only(section, "in-place", "Remove it, or choose strategy: in-place.")
    elif not section.present:
        hint = "Add in_place with host, sources, from, to, copy, support and way_back_measured; or kind: windows-setup."
        yield Finding(section.mark, section.path, "the strategy in-place needs in_place", hint)
    elif section["kind"].text in {None, "packages"}:
        yield from check_packages(root, section)
    elif section["kind"].text == "windows-setup":
        yield from check_setup(root, section)


_RULES: tuple[Callable[[Node], Iterator[Finding]], ...] = (
    _databases,
    _servers,
    _logins,
    _versions,
    _strategy,
    _known_databases,
    _proofs,
    check_gate,
    check_impacts,
    _repoint,
    check_hosts,
    _in_place,
    check_container,
    check_services,
    check_held,
    check_standby,
    _checks,
    _window,
)
