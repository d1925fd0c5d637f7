"""The options of ALTER DATABASE ... SET, how they are written and what they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbook.sandbox.errors import error, unsupported
from runbook.sandbox.instance.parse import Reader
from runbook.sandbox.instance.records import ACCESS, MODELS, PAGE_VERIFY, DatabaseRecord, guid
from runbook.sandbox.instance.versions import Version

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

SWITCHES = (
    "ANSI_NULL_DEFAULT",
    "ANSI_NULLS",
    "ANSI_PADDING",
    "ANSI_WARNINGS",
    "ARITHABORT",
    "CONCAT_NULL_YIELDS_NULL",
    "NUMERIC_ROUNDABORT",
    "QUOTED_IDENTIFIER",
    "RECURSIVE_TRIGGERS",
    "CURSOR_CLOSE_ON_COMMIT",
    "AUTO_CLOSE",
    "AUTO_SHRINK",
    "AUTO_CREATE_STATISTICS",
    "AUTO_UPDATE_STATISTICS",
    "AUTO_UPDATE_STATISTICS_ASYNC",
    "DATE_CORRELATION_OPTIMIZATION",
    "TRUSTWORTHY",
    "DB_CHAINING",
    "HONOR_BROKER_PRIORITY",
    "ALLOW_SNAPSHOT_ISOLATION",
    "READ_COMMITTED_SNAPSHOT",
    "ACCELERATED_DATABASE_RECOVERY",
    "MIXED_PAGE_ALLOCATION",
)
WITH_EQUALS = ("READ_COMMITTED_SNAPSHOT", "ACCELERATED_DATABASE_RECOVERY", "TRUSTWORTHY", "DB_CHAINING")
STATES = ("ONLINE", "OFFLINE", "EMERGENCY")
NEEDS_ALONE = {"OFFLINE", "EMERGENCY", "SINGLE_USER", "RESTRICTED_USER", "READ_ONLY", "READ_WRITE"}
NEEDS_ALONE |= {"READ_COMMITTED_SNAPSHOT", "NEW_BROKER", "ENABLE_BROKER"}


@dataclass(frozen=True)
class Option:
    """An option; ``apply`` changes the record, which the caller then saves."""

    name: str
    apply: Callable[[SandboxInstance, DatabaseRecord, Any], None]

    @property
    def needs_alone(self) -> bool:
        """Does it wait for the other sessions in the database?"""
        return self.name in NEEDS_ALONE


def _switch(name: str) -> Option:
    def apply(_: SandboxInstance, record: DatabaseRecord, value: Any) -> None:
        record.options[name] = value

    return Option(name, apply)


def _apply_state(instance: SandboxInstance, record: DatabaseRecord, value: Any) -> None:
    if value == "OFFLINE" and record.state in ("ONLINE", "EMERGENCY"):
        instance.close_file(record)
    if value == "ONLINE" and record.state != "ONLINE":
        instance.open_file(record)
        return
    record.state = value


def _apply_access(_: SandboxInstance, record: DatabaseRecord, value: Any) -> None:
    record.user_access = value


def _apply_update(_: SandboxInstance, record: DatabaseRecord, value: Any) -> None:
    record.is_read_only = value == "READ_ONLY"


def _apply_recovery(_: SandboxInstance, record: DatabaseRecord, value: Any) -> None:
    if value == "SIMPLE":
        record.log_start = None
    record.recovery_model = value


def _apply_compatibility(instance: SandboxInstance, record: DatabaseRecord, value: Any) -> None:
    levels = instance.version.levels
    if value not in levels:
        raise error(15048, ", ".join(map(str, levels[:-1])) + f", or {levels[-1]}" if levels[1:] else levels[0])
    record.compatibility_level = value


def _apply_broker(_: SandboxInstance, record: DatabaseRecord, value: Any) -> None:
    if value == "NEW_BROKER":
        record.broker_guid = guid()
    record.options["BROKER"] = value != "DISABLE_BROKER"


OPTIONS: dict[str, Option] = {name: _switch(name) for name in SWITCHES}
OPTIONS |= {name: Option(name, _apply_state) for name in STATES}
OPTIONS |= {name: Option(name, _apply_access) for name in ACCESS}
OPTIONS |= {name: Option(name, _apply_update) for name in ("READ_ONLY", "READ_WRITE")}
OPTIONS |= {name: Option(name, _apply_broker) for name in ("ENABLE_BROKER", "DISABLE_BROKER", "NEW_BROKER")}
OPTIONS["ERROR_BROKER_CONVERSATIONS"] = Option("ERROR_BROKER_CONVERSATIONS", _apply_broker)
OPTIONS["RECOVERY"] = Option("RECOVERY", _apply_recovery)
OPTIONS["COMPATIBILITY_LEVEL"] = Option("COMPATIBILITY_LEVEL", _apply_compatibility)
for _name in ("PAGE_VERIFY", "QUERY_STORE", "DELAYED_DURABILITY", "TARGET_RECOVERY_TIME", "CURSOR_DEFAULT_LOCAL"):
    OPTIONS[_name] = _switch(_name)
OPTIONS["PARAMETERIZATION_FORCED"] = _switch("PARAMETERIZATION_FORCED")


def parse_option(reader: Reader, version: Version) -> tuple[Option, Any]:
    """Read one option of SET and its value."""
    word = reader.word()
    special = _SPECIAL.get(word)
    if special is not None:
        return special(reader, version)
    option = OPTIONS.get(word)
    if option is None:
        raise unsupported(f"ALTER DATABASE SET {word}")
    if word not in SWITCHES:
        return option, word
    if word in WITH_EQUALS:
        reader.symbol("=")
    return option, _on_off(reader)


def _on_off(reader: Reader) -> bool:
    value = reader.one_of("ON", "OFF")
    if value is None:
        raise reader.syntax()
    if value == "ON" and (token := reader.peek()) is not None and token.value == "(":
        reader.skip_parentheses()
    return value == "ON"


def _choice(reader: Reader, *words: str) -> str:
    found = reader.one_of(*words)
    if found is None:
        raise reader.syntax()
    return found


def _recovery(reader: Reader, _: Version) -> tuple[Option, Any]:
    return OPTIONS["RECOVERY"], _choice(reader, *MODELS)


def _compatibility(reader: Reader, _: Version) -> tuple[Option, Any]:
    reader.expect_symbol("=")
    return OPTIONS["COMPATIBILITY_LEVEL"], reader.integer()


def _page_verify(reader: Reader, _: Version) -> tuple[Option, Any]:
    return OPTIONS["PAGE_VERIFY"], _choice(reader, *PAGE_VERIFY)


def _query_store(reader: Reader, _: Version) -> tuple[Option, Any]:
    if reader.accept("CLEAR"):
        reader.accept("ALL")
        return Option("QUERY_STORE CLEAR", lambda *_: None), True
    if reader.symbol("="):
        return OPTIONS["QUERY_STORE"], _on_off(reader)
    reader.skip_parentheses()
    return Option("QUERY_STORE", lambda *_: None), True


def _durability(reader: Reader, _: Version) -> tuple[Option, Any]:
    reader.expect_symbol("=")
    return OPTIONS["DELAYED_DURABILITY"], _choice(reader, "DISABLED", "ALLOWED", "FORCED")


def _recovery_time(reader: Reader, _: Version) -> tuple[Option, Any]:
    reader.expect_symbol("=")
    number = reader.integer()
    unit = _choice(reader, "SECONDS", "MINUTES")
    return OPTIONS["TARGET_RECOVERY_TIME"], number * (60 if unit == "MINUTES" else 1)


def _cursor_default(reader: Reader, _: Version) -> tuple[Option, Any]:
    return OPTIONS["CURSOR_DEFAULT_LOCAL"], _choice(reader, "LOCAL", "GLOBAL") == "LOCAL"


def _parameterization(reader: Reader, _: Version) -> tuple[Option, Any]:
    return OPTIONS["PARAMETERIZATION_FORCED"], _choice(reader, "SIMPLE", "FORCED") == "FORCED"


_SPECIAL: dict[str, Callable[[Reader, Version], tuple[Option, Any]]] = {
    "RECOVERY": _recovery,
    "COMPATIBILITY_LEVEL": _compatibility,
    "PAGE_VERIFY": _page_verify,
    "QUERY_STORE": _query_store,
    "DELAYED_DURABILITY": _durability,
    "TARGET_RECOVERY_TIME": _recovery_time,
    "CURSOR_DEFAULT": _cursor_default,
    "PARAMETERIZATION": _parameterization,
}
