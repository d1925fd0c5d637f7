"""The fake of a host: implements ``runbook.hosting.Host`` on a machine of the world."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from runbook.errors import FencedOut, HostAway, HostError, NotPermitted
from runbook.hosting import CommandResult, FileInfo, HostFacts, Tail, UnitPhase, UnitState
from runbook.ports import Volume
from runbook.secrets import HIDDEN, Secret
from runbook.testing.handle import Action, Handle, at_once
from runbook.testing.machine import DISK, USER, FakeFile, Machine, Program


@dataclass(eq=False)
class FakeHost(Handle):
    """One process's grip on a host; ``where`` is its name in ``world.hosts``."""

    run_id: str = "run"
    fence: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.name = self.where

    @property
    def machine(self) -> Machine:
        """What is out there."""
        return self.world.hosts[self.where]

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
        if any(secret.reveal() in argument for secret in secrets for argument in argv):
            raise ValueError("a secret stands in the argument list; hand it over through stdin")
        text = f"{'sudo ' if root else ''}{shlex.join(argv)}"
        if effect:
            found = self._program(argv, root=root)
            late = found.seconds > timeout
            work = at_once(lambda: self._too_late(argv[0], timeout, effect=True) if late else found.effect())
            self.perform(Action("run", argv[0], text, work, duration=min(found.seconds, timeout)))
        else:
            self.look("run", text, argv[0])
            found = self._program(argv, root=root)
            self.world.pass_time(min(found.seconds, timeout), self.control)
            if found.seconds > timeout:
                self._too_late(argv[0], timeout, effect=False)
        result = found.result(stdin or b"")
        out, err = (_masked(stream, secrets) for stream in (result.stdout, result.stderr))
        return CommandResult(result.exit_code, out, err)

    def ask(self, argv: Sequence[str], *, timeout: float, root: bool = False) -> CommandResult:
        return self.run(argv, timeout=timeout, effect=False, root=root)

    def lacking(self, programs: Sequence[str], *, root: bool = False) -> tuple[str, ...]:
        self._may(root=root)
        self.look("lacking", f"whether {', '.join(programs)} can be started")
        return tuple(one for one in programs if one.startswith("/no/"))

    def facts(self) -> HostFacts:
        self.look("facts", "who it is")
        machine = self.machine
        return HostFacts(
            machine_id=f"machine-{machine.name}",
            host_name=machine.host_name or machine.name,
            system="Debian GNU/Linux 12 (bookworm)",
            boot_id=f"boot-{machine.boots}",
            user=USER,
            now=machine.now(),
            may_become_root=machine.may_become_root,
            has_units=True,
        )

    def read(self, path: str, *, root: bool = False) -> bytes | None:
        self._may(root=root)
        self.look("read", f"read {path}", path)
        file = self.machine.files.get(self._followed(path))
        return None if file is None else file.content

    def write(
        self, path: str, content: bytes, *, mode: int | None = None, owner: str | None = None, root: bool = False
    ) -> None:
        self._may(root=root)
        place = self._followed(path)

        def check() -> None:
            if posixpath.dirname(place) not in self.machine.directories:
                raise HostError(f"cannot write {path} on {self.name}: no such directory", host=self.name)
            if self.machine.full:
                raise HostError(f"no space left on {self.name}:{path}", host=self.name)

        def change() -> None:
            earlier = self.machine.files.get(place, FakeFile(b""))
            user, _, group = (owner or earlier.owner).partition(":")
            bits = earlier.mode if mode is None else mode
            self.machine.files[place] = FakeFile(content, bits, user, group or earlier.group)

        self.perform(Action("write", path, f"write {path}", at_once(change, check)))

    def remove(self, path: str, *, root: bool = False) -> None:
        self._may(root=root)

        def change() -> None:
            self.machine.files.pop(path, None)
            self.machine.links.pop(path, None)

        self.perform(Action("remove", path, f"remove {path}", at_once(change)))

    def stat(self, path: str, *, root: bool = False) -> FileInfo | None:
        self._may(root=root)
        self.look("stat", f"look at {path}", path)
        return self.machine.look(path)

    def space(self, path: str) -> Volume:
        self.look("space", f"look at the space of {path}", path)
        if self.machine.look(path) is None:
            raise HostError(f"cannot look at {path} on {self.name}: no such file or directory", host=self.name)
        return Volume("/", DISK, 0 if self.machine.full else DISK - self.machine.used())

    def start_unit(
        self, name: str, argv: Sequence[str], *, root: bool = True, directory: str = "/", stdin: bytes | None = None
    ) -> UnitState:
        del root, directory
        self._may(root=True)
        unit = self._unit(name)

        def check() -> None:
            known = self.machine.units.get(unit)
            if known is not None and known.argv != tuple(argv):
                raise HostError(f"the unit {unit} was not started on {self.name}: another command has this name")

        def change() -> None:
            if unit not in self.machine.units:
                self.machine.start(unit, tuple(argv), stdin or b"")

        self.perform(Action("start_unit", name, f"start unit {unit}: {shlex.join(argv)}", at_once(change, check)))
        return self.machine.unit(unit)

    def unit(self, name: str) -> UnitState:
        self.look("unit", f"look at unit {self._unit(name)}", name)
        return self.machine.unit(self._unit(name))

    def tail_unit(self, name: str, since: int = 0) -> Tail:
        self.look("tail_unit", f"tail unit {self._unit(name)}", name)
        unit = self.machine.units.get(self._unit(name))
        data = unit.output.encode()[since:] if unit else b""
        if unit and not unit.state.has_ended:
            data = data[: data.rfind(b"\n") + 1]
        return Tail(data.decode("utf-8", "replace"), since + len(data))

    def stop_unit(self, name: str) -> UnitState:
        self._may(root=True)
        unit = self._unit(name)
        self.perform(Action("stop_unit", name, f"stop unit {unit}", at_once(lambda: self.machine.stop(unit))))
        return self.machine.unit(unit)

    def forget_unit(self, name: str) -> None:
        self._may(root=True)
        unit = self._unit(name)

        def check() -> None:
            if self.machine.unit(unit).phase is UnitPhase.RUNNING:
                raise HostError(f"{self.name} did not do what it was told: it is running", host=self.name)

        change = at_once(lambda: self.machine.units.pop(unit, None), check)
        self.perform(Action("forget_unit", name, f"forget unit {unit}", change))

    def say_who_acts(self) -> None:
        """See :class:`runbook.adapters.host.shellhost.ShellHost`."""
        self.perform(Action("who", "", "who acts", at_once(lambda: None)))

    # --- pieces ------------------------------------------------------------------------------------------------

    def _answering(self, text: str) -> None:
        if self.machine.down:
            raise HostAway(f"{self.name}: nobody answers, {text} was not sent", hint="Start the host.")

    def perform(self, action: Action) -> None:
        """What is sent as executor ``fence`` is refused once a later one of the run has sent something."""
        if self.fence and not self.machine.down:
            if self.machine.fences.get(self.run_id, 0) > self.fence:
                raise FencedOut(f"{self.name} has been used by a newer executor of this run")
            self.machine.fences[self.run_id] = self.fence
        super().perform(action)

    def _may(self, *, root: bool) -> None:
        if root and not self.machine.may_become_root and not self.machine.down:
            raise NotPermitted(f"sudo on {self.name} asks for a password", hint="Give this account a rule.")

    def _program(self, argv: Sequence[str], *, root: bool) -> Program:
        self._may(root=root)
        found = self.machine.program(tuple(argv))
        if found is None:
            raise HostError(f"cannot start {argv[0]} on {self.name}: no such file", host=self.name)
        return found

    def _too_late(self, program: str, timeout: float, *, effect: bool) -> None:
        raise HostError(
            f"{program} did not end within {timeout:g} s on {self.name} and was stopped",
            host=self.name,
            in_doubt=effect,
        )

    def _unit(self, name: str) -> str:
        return f"runbook-{self.run_id}-{name}"

    def _followed(self, path: str) -> str:
        return self.machine.links.get(path, path)


def _masked(text: str, secrets: Sequence[Secret]) -> str:
    for secret in secrets:
        text = text.replace(secret.reveal(), HIDDEN)
    return text
