"""Where a host is and how it lets one in: what the plan says, without anything of the library that connects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runbook.secrets import Secret

CONNECT = 10.0
"""Seconds a host gets to answer and to let one in, less when less is left."""


@dataclass(frozen=True)
class SshTarget:
    """One host over SSH. What is left out comes from ``~/.ssh/config``, as it does for ``ssh``."""

    name: str
    """The plan's own name of it; messages use it."""
    host: str
    user: str | None = None
    port: int | None = None
    identity_file: Path | None = None
    known_hosts: Path | None = None
    """Nothing but this file says which key is the host's; None: the files that ``ssh`` reads."""
    ssh_config: Path | None = None
    """Instead of ``~/.ssh/config`` and ``/etc/ssh/ssh_config``."""
    jump: str | None = None
    """``[user@]host[:port]`` to go through; None: ``ProxyJump`` or ``ProxyCommand`` of the configuration, if any."""
    password: Callable[[], Secret] | None = None
    agent: bool = True
    """Ask the agent, and try the keys of ``~/.ssh``."""
    sudo: bool = True
    quiet: float = 10.0
    """Seconds without a word after which the host is asked whether it is still there, and gets as many to answer."""
    connect: float = CONNECT
    sessions: int = 8
    """Calls side by side; sshd allows ten (``MaxSessions``), and two are kept for ending what must end."""
