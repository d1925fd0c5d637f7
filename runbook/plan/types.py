"""The small types of a plan: durations, addresses, paths, names, each read from one scalar of the file.

Validators raise through :func:`reject`, so that every refusal carries its own hint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from runbook.plan.durations import PATTERN as DURATION_PATTERN
from runbook.plan.durations import Duration, format_duration, parse_duration
from runbook.secrets import SecretRef

VERSIONS = (2016, 2017, 2019, 2022, 2025)
SANDBOX_VERSIONS = (2017, 2019, 2022, 2025)
Version = Literal[2016, 2017, 2019, 2022, 2025]

SYSTEM_DATABASES = frozenset({"master", "model", "msdb", "tempdb"})


@dataclass(frozen=True)
class Place:
    """Where the plan file is; handed to the validators as pydantic's context."""

    path: Path

    @property
    def directory(self) -> Path:
        """The directory that relative paths start from."""
        return self.path.parent


def reject(message: str, hint: str) -> PydanticCustomError:
    """Return the error that carries a message and its hint out of a validator."""
    return PydanticCustomError("plan", "{message}", {"message": message, "hint": hint})


def quote(text: object, limit: int = 60) -> str:
    """Return a value for use in a message: quoted, on one line, cut to ``limit`` characters."""
    raw = str(text)
    shown = raw if len(raw) <= limit else raw[: limit - 1] + "…"
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown) + "'"


def place_of(info: ValidationInfo) -> Place:
    """Return the context of a validation; without one, paths start at the current directory."""
    return info.context if isinstance(info.context, Place) else Place(Path.cwd() / "runbook.yaml")


def text_of(value: Any) -> str:
    """Return a value that must be text, and not empty."""
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "expected text")
    if "\0" in value:
        raise reject("a NUL character", "Remove the invisible character.")
    if not value.strip():
        raise reject("empty text", "Write a value, or leave the key out.")
    return value


def _duration(value: Any) -> Duration:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise reject(f"{value} has no unit", f"Write {value}s for seconds, or 10m, 4h, 1h30m, 7d.")
    text = text_of(value)
    try:
        return parse_duration(text)
    except (ValueError, OverflowError):
        raise reject(f"{quote(text)} is not a duration", "Write it as 90s, 10m, 4h, 1h30m or 7d.") from None


def _positive(value: Duration) -> Duration:
    if value <= timedelta(0):
        raise reject("the duration is zero", "Give it a length, such as 30s.")
    return value


def _path(value: Any, info: ValidationInfo) -> Path:
    text = text_of(value)
    if text.startswith("~"):
        raise reject("a path that begins with ~", "Write it relative to the plan file, or in full.")
    return Path(place_of(info).directory, text)


def _journal_copy(value: Any, info: ValidationInfo) -> Path | str:
    return value if value in ("server", "none") else _path(value, info)


def _secret(value: Any, info: ValidationInfo) -> SecretRef:
    try:
        return SecretRef.parse(value if isinstance(value, str) and "\0" not in value else "", place_of(info).directory)
    except ValueError:  # the value is not repeated: it may be the secret itself
        hint = "Put the secret elsewhere and refer to it: env:NAME or file:PATH."
        raise reject("not a reference to a secret", hint) from None


@dataclass(frozen=True)
class ServerUrl:
    """A server's address. ``host`` of a sandbox is its instance name; ``port`` None means the default or a browser."""

    text: str
    scheme: Literal["sandbox", "mssql"]
    host: str
    port: int | None = None
    instance: str | None = None
    version: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``sandbox://NAME?version=2019`` or ``mssql://host[:port]`` or ``mssql://host\\INSTANCE``."""
        scheme, separator, rest = text.partition("://")
        if separator and scheme == "sandbox":
            return cls._sandbox(text)
        if separator and scheme == "mssql":
            return cls._mssql(text, rest)
        raise reject(f"{quote(text)} is not the address of a server", URL_HINT)

    @classmethod
    def _sandbox(cls, text: str) -> Self:
        name, _, query = text.removeprefix("sandbox://").partition("?")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,14}", name):
            raise reject("the sandbox needs an instance name of letters, digits, _ and -", SANDBOX_HINT)
        options = dict(parse_qsl(query, keep_blank_values=True))
        if unknown := sorted(set(options) - {"version"}):
            raise reject(f"the sandbox knows no option {quote(unknown[0])}", SANDBOX_HINT)
        version = options.get("version", "")
        if version not in map(str, SANDBOX_VERSIONS):
            raise reject("the sandbox needs a version it can play", SANDBOX_HINT)
        return cls(text, "sandbox", name, version=int(version))

    @classmethod
    def _mssql(cls, text: str, rest: str) -> Self:
        if "@" in rest:
            raise reject("a user or password inside the address", "Use the keys user and password: env:NAME.")
        found = re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[\w.-]+)(?::([0-9]{1,5})|\\([\w$]{1,16}))?/?", rest)
        if not found:
            raise reject(f"{quote(text)} is not the address of a server", URL_HINT)
        host, port, instance = found.groups()
        if port and not 0 < int(port) < 65536:
            raise reject(f"{port} is not a port", "Use a port from 1 to 65535, or leave it out for 1433.")
        return cls(text, "mssql", host.strip("[]"), int(port) if port else None, instance)

    def __str__(self) -> str:
        return self.text


URL_HINT = "Write mssql://HOST, mssql://HOST:PORT, mssql://HOST\\INSTANCE or sandbox://NAME?version=2019."
SANDBOX_HINT = f"Write sandbox://NAME?version=YEAR, YEAR being one of {', '.join(map(str, SANDBOX_VERSIONS))}."


@dataclass(frozen=True)
class TableName:
    """A table as ``schema.table``, without brackets."""

    schema: str
    table: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``dbo.Clicks`` or ``[my schema].[my.table]`` (``]`` doubled inside brackets)."""
        part = r"(?:\[((?:[^\]]|\]\])+)\]|([^\W\d][\w@$#]*))"
        found = re.fullmatch(rf"{part}\.{part}", text.strip())
        if not found:
            raise reject(f"{quote(text)} does not name a table", "Write schema.table, or [schema].[table].")
        schema, bare_schema, table, bare_table = found.groups()
        return cls((schema or bare_schema).replace("]]", "]"), (table or bare_table).replace("]]", "]"))

    def __str__(self) -> str:
        return ".".join("[" + part.replace("]", "]]") + "]" for part in (self.schema, self.table))


def _server_url(value: Any) -> ServerUrl:
    return ServerUrl.parse(text_of(value))


def _table(value: Any) -> TableName:
    return TableName.parse(text_of(value))


def _http_url(value: Any) -> str:
    text = text_of(value)
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not text.isprintable() or " " in text:
        raise reject("not a web address", "Write http://HOST[:PORT]/PATH or https://...")
    if parts.username is not None or parts.password is not None:
        raise reject("a user or password inside the address", "Probe a page that needs none.")
    return text


def _kebab(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", text) or len(text) > 60:
        raise reject(f"{quote(text)} is not kebab-case", "Use up to 60 lowercase letters and digits, joined by -.")
    return text


def _server_name(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,29}", text):
        raise reject(f"{quote(text)} cannot name a server here", "Use a short word of your own, such as old.")
    return text


def _database(value: Any) -> str:
    text = text_of(value)
    if text.lower() in SYSTEM_DATABASES:
        raise reject(f"{quote(text)} is a system database", "List user databases only; logins and jobs are carried.")
    if len(text) > 128 or not text.isprintable() or text != text.strip():
        hint = "A name has at most 128 visible characters and no blank at its ends."
        raise reject(f"{quote(text)} cannot be a database name", hint)
    return text


def _step_key(value: Any) -> str:
    text = text_of(value)
    if not re.fullmatch(r"[a-z][a-z0-9-]*(\[.+\])?", text):
        raise reject(f"{quote(text)} is no step", "Use a step's name, or its id as `runbook plan` prints it.")
    return text


def _arguments(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        hint = 'Write the program and each argument apart: ["systemctl", "stop", "mailer"].'
        raise reject("a command line where a list of arguments belongs", hint)
    if not isinstance(value, tuple):
        raise PydanticCustomError("tuple_type", "expected a list")
    if not value:
        raise reject("a command without a program", 'Write the program and each argument apart: ["true"].')
    if not all(isinstance(item, str) and "\0" not in item for item in value) or not value[0].strip():
        raise reject("an argument that is not text", 'Put numbers and words such as yes in quotes: ["sleep", "5"].')
    return value


def _wanted(value: Any) -> Any:
    if isinstance(value, str | int | float):
        return value
    raise reject("not a value a query can return", "Write text, a number, or true or false.")


def _schema(example: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example], **more})


Text = Annotated[str, PlainValidator(text_of), _schema("text", minLength=1)]
_SHOWN = PlainSerializer(format_duration, when_used="json")
Span = Annotated[Duration, PlainValidator(_duration), _SHOWN, _schema("10m", pattern=DURATION_PATTERN)]
PositiveSpan = Annotated[
    Duration, PlainValidator(_duration), AfterValidator(_positive), _SHOWN, _schema("4h", pattern=DURATION_PATTERN)
]
LocalPath = Annotated[Path, PlainValidator(_path), _schema("app/database.ini", minLength=1)]
JournalCopy = Annotated[
    Path | Literal["server", "none"], PlainValidator(_journal_copy), _schema("/mnt/share/runbook", minLength=1)
]
Reference = Annotated[SecretRef, PlainValidator(_secret), _schema("env:OLD_PASSWORD", pattern="^(env|file):.+$")]
Address = Annotated[ServerUrl, PlainValidator(_server_url), _schema("mssql://sql01", pattern="^(mssql|sandbox)://.+$")]
Table = Annotated[TableName, PlainValidator(_table), _schema("dbo.Clicks", pattern=r"^.+\..+$")]
HttpUrl = Annotated[str, PlainValidator(_http_url), _schema("http://127.0.0.1:8090/", pattern="^https?://.+$")]
KebabName = Annotated[str, PlainValidator(_kebab), _schema("mailer-2022", pattern="^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
ServerName = Annotated[str, PlainValidator(_server_name), _schema("old", pattern="^[A-Za-z][A-Za-z0-9_-]{0,29}$")]
DatabaseName = Annotated[str, PlainValidator(_database), _schema("Contacts", minLength=1, maxLength=128)]
StepKey = Annotated[str, PlainValidator(_step_key), _schema("backup-database", pattern=r"^[a-z][a-z0-9-]*(\[.+\])?$")]
Arguments = Annotated[
    tuple[str, ...],
    PlainValidator(_arguments),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1, "examples": [["systemctl", "stop"]]}),
]
Wanted = Annotated[
    str | int | float | bool,
    PlainValidator(_wanted),
    WithJsonSchema({"type": ["string", "number", "boolean"], "examples": [5]}),
]
