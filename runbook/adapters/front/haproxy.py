"""HAProxy on one host: the servers of some backends are set to maint over the runtime socket, and back as they were.

It keeps no word of who did that: a server that was in maint before is told from what was kept, not from what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from runbook.errors import HostError
from runbook.front import GateState, Rule
from runbook.hosting import Host

BRIEFLY = 10.0
MAINT, DRAIN = 0x01, 0x08
"""Bits of srv_admin_state that the runtime socket sets."""


class HaproxyDoor:
    """Implements :class:`runbook.adapters.front.fleet.Door`."""

    def __init__(self, host: Host, socket: str, backends: Sequence[str], *, root: bool) -> None:
        self._host = host
        self._socket = socket
        self._backends = tuple(backends)
        self._root = root

    def observe(self) -> GateState:
        """CLOSED when no server of the backends gets anybody."""
        found = set(self._states().values())
        return GateState.CLOSED if found == {"maint"} else GateState.OPEN

    def earlier(self) -> Any:
        """The state of every server."""
        return self._states()

    def troubles(self) -> tuple[str, ...]:
        """None that is not seen by looking at the servers."""
        return ()

    def differs(self, text: str, rules: Sequence[Rule]) -> tuple[str, ...]:
        """The servers that get users."""
        del text, rules
        return tuple(server for server, state in self._states().items() if state != "maint")

    def close(self, text: str, rules: Sequence[Rule]) -> None:
        """All to maint."""
        for server in self.differs(text, rules):
            self._tell(f"set server {server} state maint", effect=True)

    def open(self, earlier: Any) -> None:
        """Every server as it was; one that is not known of gets users again."""
        kept = earlier or {}
        for server, state in self._states().items():
            wanted = kept.get(server, "ready")
            if state != wanted:
                self._tell(f"set server {server} state {wanted}", effect=True)

    def _states(self) -> dict[str, str]:
        """``BACKEND/SERVER`` -> ready, drain or maint."""
        return {server: state for backend in self._backends for server, state in self._of(backend)}

    def _of(self, backend: str) -> Iterator[tuple[str, str]]:
        lines = self._tell(f"show servers state {backend}", effect=False).splitlines()
        names: list[str] = []
        for line in lines:
            if line.startswith("# "):
                names = line.removeprefix("# ").split()
            elif names and line.strip():
                row = dict(zip(names, line.split(), strict=False))
                bits = int(row["srv_admin_state"])
                state = "maint" if bits & MAINT else "drain" if bits & DRAIN else "ready"
                yield f"{row['be_name']}/{row['srv_name']}", state
        if not names:
            raise HostError(
                f"HAProxy on {self._host.name} knows no servers of {backend}: {' '.join(lines)[:120] or 'no answer'}",
                host=self._host.name,
                hint="Look at gate.backends in the plan.",
            )

    def _tell(self, command: str, *, effect: bool) -> str:
        argv = ("socat", "-t", "5", "-", f"UNIX-CONNECT:{self._socket}")
        answer = self._host.run(argv, timeout=BRIEFLY, effect=effect, root=self._root, stdin=f"{command}\n".encode())
        said = answer.stdout.strip()
        if answer.exit_code != 0 or (effect and said):
            raise HostError(
                f"HAProxy on {self._host.name} did not do {command!r}: {said or answer.said() or 'no answer'}",
                host=self._host.name,
                in_doubt=effect,
                hint=f"The socket {self._socket} must be of level admin, and socat installed.",
            )
        return answer.stdout
