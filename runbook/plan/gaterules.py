"""The rules about the gate and what users meet: what its parts say about each other and about the hosts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from runbook.plan.document import Finding, Node
from runbook.plan.findings import nearest
from runbook.plan.gates import KEPT_BY, SHELLS
from runbook.plan.impacts import ANSWERED
from runbook.plan.types import quote


def check_gate(root: Node) -> Iterator[Finding]:
    """The rule: what goes with what."""
    gate = root["gate"]
    kind = gate["kind"].text or ""
    if kind in KEPT_BY:
        yield from _one_text(gate, KEPT_BY[kind])
    for node in gate["hosts"]:
        yield from known_host(node, root)
        shell = root["hosts"][node.text or ""]["shell"].text or "posix"
        if node.text in root["hosts"].children and SHELLS.get(kind, shell) != shell:
            hint = f"Name hosts with shell: {SHELLS[kind]}, or choose another kind of gate."
            yield Finding(node.mark, node.path, f"a host that speaks {shell} cannot have {kind}", hint)
    path = gate["path"]
    if kind == "file" and gate["hosts"].children and path.text and not PurePosixPath(path.text).is_absolute():
        hint = "Write it as the hosts see it, beginning with /; for Windows there is kind: iis."
        yield Finding(path.mark, path.path, "a relative path on hosts", hint)
    if kind == "file" and gate["unreachable"].present and not gate["hosts"].children:
        yield Finding(gate["unreachable"].home, gate["unreachable"].path, "only for hosts", "Remove it, or add hosts.")


def known_host(node: Node, root: Node) -> Iterator[Finding]:
    """A finding when a name is none of the plan's hosts."""
    hosts = root["hosts"]
    if node.text is None or node.text in hosts.children:
        return
    names = [str(name) for name in hosts.children]
    near = nearest(node.text, names)
    hint = f"Did you mean {near}?" if near else f"The plan's hosts are: {', '.join(names) or 'none'}."
    yield Finding(node.mark, node.path, f"unknown host {quote(node.text)}", hint)


def _one_text(gate: Node, what: str) -> Iterator[Finding]:
    content, text = gate["content"], gate["text"]
    if content.present and text.present:
        yield Finding(text.home, text.path, "both content and text", "Keep one of them.")
    if not content.present and not text.present:
        hint = "Add content: FILE, or text: what users read."
        yield Finding(content.mark, content.path, f"{what} has no content", hint)


def check_impacts(root: Node) -> Iterator[Finding]:
    """The rule: what goes with what."""
    kind, everything = root["gate"]["kind"].text, None
    names: dict[str, Node] = {}
    for entry in root["impacts"]:
        yield from _answer(entry, kind)
        name = entry["name"]
        first = names.setdefault((name.text or "").lower(), name)
        if name.text and first is not name:
            hint = f"It is listed in line {first.mark.line} already; names compare without case."
            yield Finding(name.mark, name.path, f"the impact {quote(name.text)} is listed twice", hint)
        if everything is not None:
            hint = f"The one in line {everything.mark.line} fits every request: put it last, or give it paths."
            yield Finding(entry.mark, entry.path, "an impact that no request comes to", hint)
        elif entry.kind == "mapping" and not entry["paths"].children and not entry["sites"].children:
            everything = entry
    if root["impacts"].children and kind == "none":
        hint = "Remove them, or choose a gate: without one nobody is turned away."
        yield Finding(root["impacts"].home, root["impacts"].path, "impacts without a gate", hint)


def _answer(entry: Node, kind: str | None) -> Iterator[Finding]:
    impact, answer, held = entry["impact"].text, entry["answer"], entry["held"]
    if answer.present and impact is not None and impact not in ANSWERED:
        hint = "Remove the answer: the application answers there; or say impact: unavailable or degraded."
        yield Finding(answer.home, answer.path, f"an answer where the impact is {impact}", hint)
    elif answer.present and kind not in (None, "nginx"):
        hint = "Remove it: only kind: nginx answers for a service; other front ends answer as they are set up."
        yield Finding(answer.home, answer.path, f"an answer that a gate of kind {kind} cannot give", hint)
    if held.present and impact is not None and impact != "held":
        yield Finding(
            held.home, held.path, f"held where the impact is {impact}", "Say impact: held, or remove the key."
        )
