"""Pointers: where clients are sent. A configuration file with exact replacements, or a command."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runbook.adapters import files
from runbook.adapters.gate import Runner
from runbook.errors import HostError
from runbook.ports import Cancellation, Recorder

WHERE = "pointer"
"""What the record calls it."""
SOURCE, TARGET, UNKNOWN = "source", "target", "unknown"
TO_TARGET, TO_SOURCE = 0, 1
"""Exit codes of a probe."""


@dataclass(frozen=True)
class Replacement:
    """A text of the file in both forms: as it points to the source, as it points to the target."""

    source: str
    target: str


class FilePointer:
    """A configuration file in which each replacement occurs exactly once, all in the same form.

    What is kept of the earlier content is its digest, never the content: such files hold passwords. Since every
    replacement can be turned round, the earlier bytes are rebuilt from the file itself, and the digest proves them.
    """

    def __init__(
        self, path: Path, replacements: Sequence[Replacement], cancellation: Cancellation, recorder: Recorder
    ) -> None:
        self._path = path
        self._replacements = tuple(replacements)
        self._cancellation = cancellation
        self._recorder = recorder

    def observe(self) -> str:
        """``source`` or ``target`` when all replacements agree, else ``unknown``."""
        return self._form(self._read())

    def earlier(self) -> str:
        """Digest and form of the content, as JSON."""
        data = self._read()
        return json.dumps({"sha256": _sha256(data), "form": self._form(data)})

    def forward(self) -> None:
        """Point to the target. HostError when the file is not as expected; then nothing is changed."""
        self._cancellation.checkpoint()
        data = self._read()
        if self._form(data) == TARGET:
            return
        self._put(self._turned(data, TARGET), f"point {self._path} to the target")

    def back(self, earlier: str) -> None:
        """Put the earlier bytes back. HostError when somebody edited the file meanwhile; then nothing is changed."""
        self._cancellation.checkpoint()
        kept = json.loads(earlier)
        data = self._read()
        if _sha256(data) == kept["sha256"]:
            return
        rebuilt = self._turned(data, kept["form"])
        if _sha256(rebuilt) != kept["sha256"]:
            raise self._edited()
        self._put(rebuilt, f"point {self._path} back to the {kept['form']}")

    def _put(self, data: bytes, text: str) -> None:
        with files.prepared(self._path, data) as put, self._recorder.statement(WHERE, text, effect=True):
            put()

    def _turned(self, data: bytes, form: str) -> bytes:
        if self._form(data) == UNKNOWN:
            raise self._edited()
        for replacement in self._replacements:
            source, target = _encoded(data, replacement)
            one, other = (source, target) if form == TARGET else (target, source)
            data = data.replace(one, other, 1)
        if self._form(data) != form:
            raise self._edited()
        return data

    def _form(self, data: bytes) -> str:
        forms = {_form_of(data, *_encoded(data, one)) for one in self._replacements}
        return forms.pop() if len(forms) == 1 else UNKNOWN

    def _read(self) -> bytes:
        data = files.read(self._path)
        if data is None:
            raise HostError(f"{self._path} does not exist", hint="Correct the path under repoint in the plan.")
        return data

    def _edited(self) -> HostError:
        return HostError(
            f"{self._path} is not as this run left it: it was edited meanwhile, or a text to replace does not occur"
            " exactly once",
            hint="Nothing was written. Look at the file and point it by hand, or put the expected text back.",
        )


class CommandPointer:
    """Commands that send clients elsewhere: an alias, a DNS record, a load balancer.

    ``probe`` ends with 0 when clients go to the target, 1 when they go to the source.
    """

    def __init__(
        self, commands: Runner, *, forward: Sequence[str], back: Sequence[str], probe: Sequence[str], timeout: float
    ) -> None:
        self._commands = commands
        self._forward, self._back, self._probe = tuple(forward), tuple(back), tuple(probe)
        self._timeout = timeout

    def observe(self) -> str:
        """What the probe says; ``unknown`` for any other exit code."""
        result = self._commands.run(self._probe, timeout=self._timeout, effect=False)
        return {TO_TARGET: TARGET, TO_SOURCE: SOURCE}.get(result.exit_code, UNKNOWN)

    def earlier(self) -> str:
        """Where clients go now, as JSON."""
        return json.dumps({"form": self.observe()})

    def forward(self) -> None:
        """Send clients to the target."""
        self._switch(self._forward)

    def back(self, earlier: str) -> None:
        """Send clients where they went before."""
        self._switch(self._forward if json.loads(earlier)["form"] == TARGET else self._back)

    def _switch(self, argv: tuple[str, ...]) -> None:
        result = self._commands.run(argv, timeout=self._timeout, effect=True)
        if result.exit_code != 0:
            raise HostError(
                f"{argv[0]} ended with {result.exit_code}: {result.said() or 'no output'}",
                in_doubt=True,
                hint="Run the command by hand and look at what it says.",
            )


def _form_of(data: bytes, source: bytes, target: bytes) -> str:
    """In which form a replacement occurs; one text may contain the other, the longer one is counted first."""
    first, second = sorted((source, target), key=len, reverse=True)
    counts = {first: data.count(first), second: data.replace(first, b"\x00\x00").count(second)}
    return {(1, 0): SOURCE, (0, 1): TARGET}.get((counts[source], counts[target]), UNKNOWN)


def _encoded(data: bytes, replacement: Replacement) -> tuple[bytes, bytes]:
    """Both texts in the encoding of the file: UTF-16 where its first bytes say so (Windows), else UTF-8."""
    encoding = "utf-8"
    if data.startswith(codecs.BOM_UTF16_LE):
        encoding = "utf-16-le"
    elif data.startswith(codecs.BOM_UTF16_BE):
        encoding = "utf-16-be"
    return replacement.source.encode(encoding), replacement.target.encode(encoding)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
