"""A host that is told everything through its shell: commands, files and units, as scripts."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime

from runbook.adapters.commands import OUTPUT_LIMIT
from runbook.adapters.host.shell import BRIEFLY, NO_SPACE, NOT_THERE, Call, Fence, Scripts, Shell, masked, refuse_shown
from runbook.adapters.host.unitstate import read_state
from runbook.errors import HostError
from runbook.hosting import (
    CommandResult,
    FileInfo,
    FileKind,
    HostFacts,
    Tail,
    UnitState,
    last_line,
)
from runbook.ports import Recorder, Volume
from runbook.secrets import Secret

MAX_FILE = 16 * 1024 * 1024
"""Bytes of a file that is read or written through the connection: pages and settings, not data."""
MAX_TAIL = 256 * 1024
STOPPING = 40.0
"""Seconds a unit gets to end, killing included."""
ANOTHER = 90
"""Exit code: another command has the name of this unit."""
KINDS = {
    "regular file": FileKind.FILE,
    "regular empty file": FileKind.FILE,
    "directory": FileKind.DIRECTORY,
    "symbolic link": FileKind.LINK,
}


class ShellHost:
    """Implements :class:`runbook.hosting.Host`. One a step: it carries that step's record."""

    def __init__(
        self,
        name: str,
        shell: Shell,
        recorder: Recorder,
        run_id: str,
        scripts: Scripts,
        *,
        units: str = "",
        fence: int = 0,
    ) -> None:
        self.name = name
        self._shell = shell
        self._recorder = recorder
        self._run_id = run_id
        self._scripts = scripts
        self._units = units or scripts.units
        self._fence = Fence(run_id, fence) if fence else None

    # --- commands ----------------------------------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        effect: bool,
        root: bool = False,
        stdin: bytes | None = None,
        secrets: Sequence[Secret] = (),
    ) -> CommandResult:
        """See :class:`runbook.hosting.Host`."""
        refuse_shown(argv, secrets)
        call = Call(
            argv[0],
            tuple(argv),
            stdin=stdin or b"",
            timeout=timeout,
            effect=effect,
            root=root,
            fence=self._fenced(effect),
        )
        text = f"{'sudo ' if root else ''}{shlex.join(argv)}"
        with self._recorder.statement(self.name, text, effect=effect) as recorded:
            found = self._shell.call(call)
            out, err = masked(found.stdout, secrets), masked(found.stderr, secrets)
            result = CommandResult(found.exit_code, out, err, found.truncated)
            said = result.said()
            recorded.outcome(f"exit {result.exit_code}{': ' + said if said and result.exit_code else ''}")
            return result

    def ask(self, argv: Sequence[str], *, timeout: float, root: bool = False) -> CommandResult:
        """See :class:`runbook.hosting.HostReader`."""
        return self.run(argv, timeout=timeout, effect=False, root=root)

    def facts(self) -> HostFacts:
        """Who it is, one look."""
        answer = self._ask("who it is", self._scripts.facts, "sudo" if self._shell.sudo else "none")
        found = dict(line.partition("=")[::2] for line in answer.stdout.splitlines())
        return HostFacts(
            machine_id=found["machine"],
            host_name=found["host"],
            system=found["system"],
            boot_id=found["boot"],
            user=found["user"],
            now=datetime.fromtimestamp(float(found["now"]), UTC),
            may_become_root="root" in found,
            has_units="units" in found,
        )

    def say_who_acts(self) -> None:
        """Have the host refuse effects of earlier executors from now on; for handles with a fencing number."""
        self._good(self._do("who acts", self._scripts.facts, "none", effect=True))

    def lacking(self, programs: Sequence[str], *, root: bool = False) -> tuple[str, ...]:
        """See :class:`runbook.hosting.HostReader`."""
        found = self._do(f"whether {', '.join(programs)} can be started", self._scripts.lacking, *programs, root=root)
        return tuple(self._good(found).stdout.splitlines())

    # --- files -------------------------------------------------------------------------------------------------

    def read(self, path: str, *, root: bool = False) -> bytes | None:
        """Content of a file."""
        answer = self._do(f"read {path}", self._scripts.read, path, root=root, limit=MAX_FILE * 3 // 2)
        if answer.truncated:
            raise HostError(f"{path} on {self.name} is larger than {MAX_FILE} bytes", host=self.name)
        return None if _is_absent(answer) else base64.b64decode(self._good(answer, "read", path).stdout)

    def write(
        self, path: str, content: bytes, *, mode: int | None = None, owner: str | None = None, root: bool = False
    ) -> None:
        """Put a file there in one move."""
        bits = "" if mode is None else f"{mode:o}"
        answer = self._do(
            f"write {path} ({len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]})",
            self._scripts.write,
            path,
            str(len(content)),
            bits,
            owner or "",
            stdin=content,
            effect=True,
            root=root,
        )
        self._good(answer, "write", path)

    def remove(self, path: str, *, root: bool = False) -> None:
        """Take a file away."""
        self._good(self._do(f"remove {path}", self._scripts.remove, path, effect=True, root=root), "remove", path)

    def stat(self, path: str, *, root: bool = False) -> FileInfo | None:
        """What stands there."""
        answer = self._do(f"look at {path}", self._scripts.stat, path, root=root)
        if _is_absent(answer):
            return None
        kind, mode, owner, group, size = self._good(answer, "look at", path).stdout.strip().split("|")
        return FileInfo(KINDS.get(kind, FileKind.OTHER), int(mode, 8), owner, group, int(size))

    def space(self, path: str) -> Volume:
        """The volume a path lives on."""
        answer = self._good(self._do(f"look at the space of {path}", self._scripts.space, path), "look at", path)
        _, total, _, available, _, mount = answer.stdout.splitlines()[-1].split(None, 5)
        return Volume(mount, int(total), int(available))

    # --- units -------------------------------------------------------------------------------------------------

    def start_unit(
        self, name: str, argv: Sequence[str], *, root: bool = True, directory: str = "/", stdin: bytes | None = None
    ) -> UnitState:
        """Start it, or find it."""
        unit, place = self._unit(name)
        files = self._scripts.files(place, argv, directory, "" if root else self.facts().user)
        digest = hashlib.sha256("\n".join((files[0], *argv)).encode()).hexdigest()
        text = f"start unit {unit}: {shlex.join(argv)}"
        answer = self._do(
            text, self._scripts.start, place, unit, digest, *files, stdin=stdin or b"", effect=True, root=True
        )
        if answer.exit_code != 0:
            full = any(words in answer.stderr for words in NO_SPACE)
            said = f"no space left on {self.name}:{self._units}" if full else last_line(answer.stderr)
            look = "Look what became of it before anything else: its record is in " + place
            raise HostError(
                f"the unit {unit} was not started on {self.name}: {said or 'nothing was said'}",
                host=self.name,
                in_doubt=answer.exit_code != ANOTHER,
                hint="Make room there. Nothing was replaced." if full else look,
            )
        return read_state(answer.stdout)

    def unit(self, name: str) -> UnitState:
        """Where it stands."""
        unit, place = self._unit(name)
        return read_state(
            self._good(self._do(f"look at unit {unit}", self._scripts.unit, place, unit, root=True)).stdout
        )

    def tail_unit(self, name: str, since: int = 0) -> Tail:
        """What it wrote."""
        unit, place = self._unit(name)
        arguments = (place, unit, str(since), str(MAX_TAIL))
        answer = self._do(f"tail unit {unit}", self._scripts.tail, *arguments, root=True, limit=2 * MAX_TAIL)
        phase, _, coded = self._good(answer).stdout.partition("\n")
        data = base64.b64decode(coded)
        if phase == "running" and len(data) < MAX_TAIL:
            data = data[: data.rfind(b"\n") + 1]
        return Tail(data.decode("utf-8", "replace"), since + len(data))

    def stop_unit(self, name: str) -> UnitState:
        """End it with all it started."""
        unit, place = self._unit(name)
        text = f"stop unit {unit}"
        answer = self._do(text, self._scripts.stop, place, unit, effect=True, root=True, timeout=STOPPING)
        return read_state(self._good(answer).stdout)

    def forget_unit(self, name: str) -> None:
        """Remove its record."""
        unit, place = self._unit(name)
        self._good(self._do(f"forget unit {unit}", self._scripts.forget, place, unit, effect=True, root=True))

    def _unit(self, name: str) -> tuple[str, str]:
        unit = f"runbook-{self._run_id}-{name}"
        if not re.fullmatch(r"[a-zA-Z0-9-]{1,150}", unit):
            raise ValueError(f"a unit's name has letters, digits and hyphens: {name}")
        return unit, f"{self._units}/{unit}"

    # --- pieces ------------------------------------------------------------------------------------------------

    def _ask(self, text: str, script: str, *arguments: str) -> CommandResult:
        return self._good(self._do(text, script, *arguments))

    def _do(
        self,
        text: str,
        script: str,
        *arguments: str,
        stdin: bytes = b"",
        effect: bool = False,
        root: bool = False,
        limit: int = OUTPUT_LIMIT,
        timeout: float = BRIEFLY,
    ) -> CommandResult:
        call = Call(
            text, arguments, script, stdin=stdin, effect=effect, root=root, timeout=timeout, limit=limit,
            fence=self._fenced(effect),
        )  # fmt: skip
        with self._recorder.statement(self.name, text, effect=effect) as recorded:
            answer = self._shell.call(call)
            if answer.exit_code:
                recorded.outcome(f"exit {answer.exit_code}: {answer.said()}")
            return answer

    def _fenced(self, effect: bool) -> Fence | None:
        return self._fence if effect else None

    def _good(self, answer: CommandResult, verb: str = "", path: str = "") -> CommandResult:
        """The answer, when all went well; HostError else, in the words of the system."""
        if answer.exit_code == 0:
            return answer
        said = last_line(answer.stderr)
        reason = said.rpartition(": ")[2] or f"exit {answer.exit_code}"
        what = f"cannot {verb} {path} on {self.name}" if verb else f"{self.name} did not do what it was told"
        if any(words in answer.stderr for words in NO_SPACE):
            raise HostError(
                f"no space left on {self.name}:{path or self._units}",
                host=self.name,
                hint="Make room there. Nothing was replaced.",
            )
        hint = f"Look at {path} there: its permissions, its owner, its directory." if path else "Look there by hand."
        if ("ermi" in reason and "ssion denied" in reason) or "not permitted" in reason:
            hint = f"Let this account {verb or 'do it'}, or let it become root (become: sudo)."
        raise HostError(f"{what}: {reason[0].lower()}{reason[1:]}", host=self.name, hint=hint)


def _is_absent(answer: CommandResult) -> bool:
    return answer.exit_code != 0 and last_line(answer.stderr).endswith(NOT_THERE)
