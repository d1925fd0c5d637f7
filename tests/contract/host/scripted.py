"""A Windows host that is played: it takes what a session would take, reads it as PowerShell would, and answers in its
way from a machine of the fake world. What it was not written for it refuses; no Windows machine stands behind it."""

from __future__ import annotations

import base64
import re

from runbook.adapters.host import powershell, windows
from runbook.adapters.host.shell import Call, Heard
from runbook.errors import Cancelled, HostError, Unreachable
from runbook.hosting import CommandResult, FileKind, UnitPhase
from runbook.ports import Cancellation
from runbook.testing import ImpossibleWorld, Machine, World
from runbook.testing.machine import DISK, FakeFile

WORDS = {FileKind.FILE: "regular file", FileKind.DIRECTORY: "directory", FileKind.LINK: "symbolic link"}


class Exit(Exception):
    """The script ended with this code; ``said`` goes to standard error."""

    def __init__(self, code: int, said: str = "") -> None:
        super().__init__(said)
        self.code = code
        self.said = said


class ScriptedPowerShell:
    """Implements ``runbook.adapters.host.shell.Shell``: real words, a played host."""

    sudo = True

    def __init__(self, world: World, name: str, cancellation: Cancellation) -> None:
        self.world = world
        self.machine: Machine = world.hosts[name]
        self.name = name
        self.cancellation = cancellation
        self.dialect = powershell.PowerShell()

    def call(self, call: Call) -> CommandResult:
        self.cancellation.checkpoint()
        if self.machine.down:
            raise Unreachable(f"{self.name}: nobody answers at runbook@{self.name}:22")
        heard = self.answer(call, self.dialect.spoken(call))
        return self.dialect.understood(call, heard, self.name)

    def answer(self, call: Call, payload: bytes) -> Heard:
        """What would come over the wire, with the noise of a profile."""
        script, stdin = (base64.b64decode(line) for line in payload.splitlines())
        text = script.decode()
        token = re.search(rf"^\$env:{powershell.MARK} = '([0-9a-f]+)'$", text, re.MULTILINE)[1]
        arguments = array(text)
        noise, begin = "Welcome to web\r\n", f"begin-{token}\r\n"
        if "login-" in text and not self.machine.may_become_root:
            return Heard(1, noise, f"login-{token}\r\n")
        if call.fence is not None:
            assert powershell.FENCE.format(run=call.fence.run_id, number=call.fence.number, token=token) in text
            if self.machine.fences.get(call.fence.run_id, 0) > call.fence.number:
                return Heard(77, noise, f"fenced-{token}\r\n")
            self.machine.fences[call.fence.run_id] = call.fence.number
        try:
            out = self.script(text, arguments, stdin) if call.script else self.program(call, token, arguments, stdin)
        except Exit as ended:
            return Heard(ended.code, noise + begin, f"{begin}{ended.said}\r\n")
        code, said = out if isinstance(out, tuple) else (0, out)
        return Heard(code, noise + begin + said.replace("\n", "\r\n"), begin)

    def program(self, call: Call, token: str, arguments: list[str], stdin: bytes) -> tuple[int, str]:
        name, line = arguments
        program = self.machine.program((name, *split(line)))
        if program is None:
            raise Exit(127, f"absent-{token}")
        end = self.world.clock.monotonic() + program.seconds
        try:
            self.world.pass_time(min(program.seconds, call.timeout), self.cancellation)
        except Cancelled:
            assert powershell.END in powershell.script(self.dialect.end(call))
            raise
        if self.world.clock.monotonic() < end:
            raise HostError(
                f"{call.name} did not end within {call.timeout:g} s on web and was stopped", in_doubt=call.effect
            )
        program.effect()
        return program.exit_code, program.result(stdin).stdout

    def script(self, text: str, arguments: list[str], stdin: bytes) -> str:
        kinds = windows.WINDOWS
        for name in (
            "lacking",
            "read",
            "write",
            "remove",
            "stat",
            "space",
            "facts",
            "start",
            "stop",
            "forget",
            "tail",
            "unit",
        ):
            if getattr(kinds, name) in text:
                return getattr(self, f"do_{name}")(arguments, stdin)
        raise ImpossibleWorld(f"a script that nobody taught it: {text}")

    def do_lacking(self, arguments: list[str], stdin: bytes) -> str:
        return "".join(f"{one}\n" for one in arguments if one.startswith("/no/"))

    def do_read(self, arguments: list[str], stdin: bytes) -> str:
        file = self.machine.files.get(self.machine.links.get(arguments[0], arguments[0]))
        if file is None:
            raise Exit(1, f"{arguments[0]}: No such file or directory")
        return base64.b64encode(file.content).decode()

    def do_write(self, arguments: list[str], stdin: bytes) -> str:
        path, size, mode, owner = arguments
        path = self.machine.links.get(path, path)
        if mode or owner:
            raise Exit(95, f"{path}: Mode and owner are not for Windows")
        if path.rpartition("/")[0] not in self.machine.directories:
            raise Exit(92, f"{path}: No such directory")
        if self.machine.full:
            raise Exit(1, "No space left on device")
        assert len(stdin) == int(size)
        self.machine.files[path] = FakeFile(stdin)
        return ""

    def do_remove(self, arguments: list[str], stdin: bytes) -> str:
        self.machine.files.pop(arguments[0], None)
        return ""

    def do_stat(self, arguments: list[str], stdin: bytes) -> str:
        found = self.machine.look(arguments[0])
        if found is None:
            raise Exit(1, f"{arguments[0]}: No such file or directory")
        return f"{WORDS[found.kind]}|0|BUILTIN\\Administrators||{found.size}\n"

    def do_space(self, arguments: list[str], stdin: bytes) -> str:
        return f"x {DISK} 0 {DISK - self.machine.used()} x /\n"

    def do_facts(self, arguments: list[str], stdin: bytes) -> str:
        lines = [
            "machine=11-22",
            f"host={self.machine.host_name or 'WEB'}",
            "system=Windows Server 2022 10.0.20348",
            f"boot={self.machine.boots}",
        ]
        return "\n".join(
            [*lines, "user=WEB\\runbook", f"now={self.machine.now().timestamp()}", "root=yes", "units=yes\n"]
        )

    def tell(self, unit: str) -> str:
        state = self.machine.unit(unit)
        if state.phase is UnitPhase.ABSENT:
            return "phase=absent\n"
        lines = ["phase=running"]
        if state.phase is UnitPhase.EXITED:
            lines = ["phase=ended", f"exit=exited {state.exit_code} - {int(state.ended_at.timestamp())}"]
        elif state.phase is UnitPhase.KILLED and state.ended_at:
            lines = ["phase=ended", f"exit=killed KILL - {int(state.ended_at.timestamp())}", "stopped=yes"]
        elif state.phase is UnitPhase.KILLED:
            lines = ["phase=rebooted"]
        return "\n".join([*lines, f"at={int(state.started_at.timestamp())}", "output", state.last_output])

    def do_unit(self, arguments: list[str], stdin: bytes) -> str:
        return self.tell(arguments[1])

    def do_start(self, arguments: list[str], stdin: bytes) -> str:
        place, unit, digest, command = arguments
        assert place == f"C:\\ProgramData\\runbook\\units/{unit}"
        argv = (assigned(command, "$start.FileName"), *split(assigned(command, "$start.Arguments")))
        if unit in self.machine.units and self.machine.units[unit].argv != argv:
            raise Exit(90, "another command has this name")
        if unit not in self.machine.units:
            self.machine.start(unit, argv, stdin)
        assert re.fullmatch(r"[0-9a-f]{64}", digest)
        return self.tell(unit)

    def do_stop(self, arguments: list[str], stdin: bytes) -> str:
        self.machine.stop(arguments[1])
        return self.tell(arguments[1])

    def do_forget(self, arguments: list[str], stdin: bytes) -> str:
        if self.machine.unit(arguments[1]).phase is UnitPhase.RUNNING:
            raise Exit(91, "it is running")
        self.machine.units.pop(arguments[1], None)
        return ""

    def do_tail(self, arguments: list[str], stdin: bytes) -> str:
        unit = self.machine.units.get(arguments[1])
        if unit is None:
            return "absent\n"
        phase = "running" if unit.state.phase is UnitPhase.RUNNING else "ended"
        return f"{phase}\n" + base64.b64encode(unit.output.encode()[int(arguments[2]) :]).decode()


QUOTES = "'\u2018\u2019\u201a\u201b"
"""PowerShell takes each of them for a single quote."""


def string(text: str, i: int) -> tuple[str, int]:
    """The single-quoted string that begins there, and where it ends; a doubled quote stands for one."""
    assert text[i] in QUOTES, text[i : i + 40]
    out, i = "", i + 1
    while text[i] not in QUOTES or text[i + 1 : i + 2] in tuple(QUOTES):
        i += text[i] in QUOTES
        out += text[i]
        i += 1
    return out, i + 1


def array(text: str) -> list[str]:
    """What ``$a`` holds."""
    i = text.index("$a = @(") + len("$a = @(")
    found = []
    while text[i] != ")":
        one, i = string(text, i)
        found.append(one)
        i += 2 if text[i : i + 2] == ", " else 0
    return found


def assigned(text: str, name: str) -> str:
    """The string that is assigned to a name."""
    return string(text, text.index(f"{name} = ") + len(f"{name} = "))[0]


def split(line: str) -> list[str]:
    """What a program makes of its command line, by Microsoft's rules: backslashes count in pairs before a quote, and
    stand for themselves anywhere else."""
    found: list[str] = []
    i, quoted, word = 0, False, None
    while i < len(line):
        slashes = len(line[i:]) - len(line[i:].lstrip("\\"))
        i += slashes
        if line[i : i + 1] == '"':
            word = (word or "") + "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
        elif line[i : i + 1] in {" ", "\t"} and not quoted:
            if slashes or word is not None:
                found.append((word or "") + "\\" * slashes)
            word = None
        elif slashes or i < len(line):
            word = (word or "") + "\\" * slashes + line[i : i + 1]
        i += 1
    return found if word is None else [*found, word]
