"""What pydantic found, in the operator's words: place, key, message and a hint that says what to write."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from runbook.plan.document import Finding, Node, Part
from runbook.plan.schema import View
from runbook.plan.types import quote

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def translate(errors: Iterable[ErrorDetails], root: Node) -> list[Finding]:
    """Return one finding per error, at the deepest place of the file that the error speaks of."""
    return [_translate(error, root) for error in errors]


def _translate(error: ErrorDetails, root: Node) -> Finding:
    node, view, rest = _locate(error["loc"], root)
    kind, context = error["type"], error.get("ctx", {})
    match kind:
        case "plan":
            mark = node.home if rest == ("[key]",) else node.mark
            found = Finding(mark, node.path, str(context["message"]), str(context["hint"]))
        case "missing":
            found = _missing(node, view, rest)
        case "union_tag_not_found":
            found = _missing(node, view.down("kind"), ("kind",))
        case "extra_forbidden":
            found = _unknown_key(error["loc"], root)
        case "union_tag_invalid" | "literal_error":
            found = _unknown_value(node, view, context)
        case _ if kind in _WANTED:
            found = _wrong_type(node, view, _WANTED[kind])
        case _:
            found = _out_of_range(node, view, kind, context, error["msg"])
    return found


def _locate(loc: tuple[Part, ...], root: Node) -> tuple[Node, View, tuple[Part, ...]]:
    """Follow an error's location as far as the file goes; what is left over comes back last."""
    node, view = root, View()
    for i, part in enumerate(loc):
        if view.is_tag(part):
            view = view.down(part)
            continue
        if part not in node.children:
            return node, view.down(part), loc[i:]
        node, view = node.children[part], view.down(part)
    return node, view, ()


def _missing(node: Node, view: View, rest: tuple[Part, ...]) -> Finding:
    message = "required, but missing" if rest else "required, but empty"
    name = str((rest or node.path)[-1])
    example = f", for example `{_yaml(name, view.example)}`" if view.example is not None else ""
    hint = f"Add {name}{example}. {view.description}".strip()
    return Finding(node.home, (*node.path, *rest), message, hint)


def _unknown_key(loc: tuple[Part, ...], root: Node) -> Finding:
    node, _, _ = _locate(loc, root)
    _, parent, _ = _locate(loc[:-1], root)
    key = str(loc[-1])
    near = nearest(key, parent.keys)
    hint = f"Did you mean {near}?" if near else f"Known keys here: {', '.join(parent.keys)}."
    return Finding(node.home, node.path, f"unknown key {quote(key)}", hint)


def _unknown_value(node: Node, view: View, context: Mapping[str, Any]) -> Finding:
    at = node["kind"] if node.kind == "mapping" and "kind" in node.children else node
    allowed = str(context.get("expected") or context.get("expected_tags") or view.example)
    choices = allowed.replace("'", "").replace(" or ", ", ").split(", ")
    near = nearest(at.value, choices) if isinstance(at.value, str) else None
    more = f"Did you mean {near}? " if near and near != at.value else ""
    shown = quote(at.value) if at.kind == "scalar" else what(at)
    return Finding(at.mark, at.path, f"unknown value {shown}", f"{more}Use {_either(choices)}{_unquote(at, choices)}.")


def _either(choices: list[str]) -> str:
    choices = ["true" if choice == "True" else choice for choice in choices]
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def _unquote(node: Node, choices: list[str]) -> str:
    return ", without quotes" if isinstance(node.value, str) and node.value.lower() in map(str.lower, choices) else ""


def _wrong_type(node: Node, view: View, wanted: str) -> Finding:
    name = next((str(part) for part in reversed(node.path) if isinstance(part, str)), "")
    example = view.example
    if wanted == "text" and node.kind == "scalar" and node.value is not None:
        hint = "Put the value in quotes."
    elif example is not None and node.path and isinstance(node.path[-1], str):
        hint = f"For example `{_yaml(name, example)}`."
    else:
        hint = view.description or f"Write {wanted} here."
    return Finding(node.mark, node.path, f"expected {wanted}, found {what(node)}", hint)


def _out_of_range(node: Node, view: View, kind: str, context: Mapping[str, Any], raw: str) -> Finding:
    limits = {"greater_than_equal": ("ge", "less than"), "less_than_equal": ("le", "more than")}
    if kind in limits and node.kind == "scalar":
        name, words = limits[kind]
        hint = f"Use a value {'from' if name == 'ge' else 'up to'} {context[name]}. {view.description}"
        return Finding(node.mark, node.path, f"{node.value} is {words} {context[name]}", hint.strip())
    if kind == "too_short":
        return Finding(
            node.mark, node.path, f"empty {what(node).removeprefix('a ')}", f"List at least one. {view.description}"
        )
    message = raw[:1].lower() + raw[1:].rstrip(".")
    return Finding(node.mark, node.path, message, view.description or "See `runbook schema`.")


def what(node: Node) -> str:
    """Return what a node is, in words."""
    if node.kind in {"mapping", "sequence"}:
        return "a mapping" if node.kind == "mapping" else "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return "true or false"
    return "text" if isinstance(node.value, str) else "a number"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, if any is near."""
    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def _yaml(name: str, value: Any) -> str:
    return f"{name}: {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(_yaml(key, one) for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        plain = value.replace("-", "").replace("_", "").replace(".", "").replace("/", "").replace(" ", "")
        return value if plain.isalnum() and not plain[0].isdigit() else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
