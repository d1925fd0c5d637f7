"""The JSON Schema of a plan, for editors, and as the source of the hints in errors."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from runbook.plan.document import Part
from runbook.plan.durations import format_duration
from runbook.plan.models import Plan

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        """Durations stand as plans write them, not in ISO 8601."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def plan_json_schema() -> dict[str, Any]:
    """Return the schema of a plan file (draft 2020-12), each key with a description."""
    schema = Plan.model_json_schema(by_alias=True, mode="validation", schema_generator=_Generator)
    definitions = schema.get("$defs", {})
    _describe(schema, definitions)
    for definition in definitions.values():
        _describe(definition, definitions)
    title = {"$schema": DIALECT, "title": "runbook plan", "description": "A plan for `runbook execute`."}
    return {**title, **{key: value for key, value in schema.items() if key not in title}}


def _describe(model: dict[str, Any], definitions: dict[str, Any]) -> None:
    for part in model.get("properties", {}).values():
        part.pop("title", None)
        if "patternProperties" in part:  # keys of another form are refused, as the program does
            part.pop("propertyNames", None)
            part["additionalProperties"] = False
        if "description" not in part and "$ref" in part:  # pydantic drops one that equals the model's own
            part["description"] = definitions[_name(part["$ref"])]["description"]


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


@cache
def _schema() -> dict[str, Any]:
    return plan_json_schema()


class View:
    """The schema seen from one place of a plan; places the schema does not know give an empty view."""

    def __init__(self, node: dict[str, Any] | None = None, field: dict[str, Any] | None = None) -> None:
        self.node = _schema() if node is None else node
        self._field = field or {}

    def down(self, part: Part) -> View:
        """Return the view below a key, an index, or the tag of one of several kinds."""
        for node in self._variants():
            if isinstance(part, int):
                if isinstance(node.get("items"), dict):
                    return View(node["items"])
                continue
            if part in node.get("properties", {}):
                field = node["properties"][part]
                return View(field, field)
            if part in (mapping := node.get("discriminator", {}).get("mapping", {})):
                return View({"$ref": mapping[part]})
            if more := node.get("additionalProperties") or next(iter(node.get("patternProperties", {}).values()), None):
                return View(more)
        return View({})

    def is_tag(self, part: Part) -> bool:
        """True when ``part`` picks one of several kinds here, and is no key of the file."""
        return any(part in node.get("discriminator", {}).get("mapping", {}) for node in self._variants())

    @property
    def keys(self) -> list[str]:
        """The keys known here."""
        return [key for node in self._variants() for key in node.get("properties", {})]

    @property
    def description(self) -> str:
        """What belongs here, as a sentence; empty when unknown."""
        return str(
            self._field.get("description") or next((d for n in self._variants() if (d := n.get("description"))), "")
        )

    @property
    def example(self) -> Any:
        """A value that would do, or None."""
        found = [n["examples"][0] for n in (self._field, *self._variants()) if n.get("examples")]
        return found[0] if found else None

    def _variants(self) -> list[dict[str, Any]]:
        pending, found = [self.node], []
        while pending:
            node = pending.pop(0)
            if "$ref" in node:
                pending.append(_schema()["$defs"][_name(node["$ref"])])
            pending += node.get("anyOf", [])
            found.append(node)
        return found
