"""Fakes that implement the ports, share one world, and refuse impossible ones.

``World`` holds everything outside the process: servers, disks, gate, pointer, time. It survives the process; handles
(``FakeSqlServer``, ``FakeGate``, ...) do not. Only tests import this package.
"""

from runbook.testing.clock import START, FakeClock
from runbook.testing.control import StatementLog, Stoppable, Unstoppable
from runbook.testing.errors import ImpossibleWorld, PowerCut
from runbook.testing.faults import Fault, Kind
from runbook.testing.sqlserver import FakeSqlServer
from runbook.testing.surroundings import FakeCommands, FakeGate, FakePointer, FakeWeb
from runbook.testing.world import Effect, Moment, World

__all__ = [
    "START",
    "Effect",
    "FakeClock",
    "FakeCommands",
    "FakeGate",
    "FakePointer",
    "FakeSqlServer",
    "FakeWeb",
    "Fault",
    "ImpossibleWorld",
    "Kind",
    "Moment",
    "PowerCut",
    "StatementLog",
    "Stoppable",
    "Unstoppable",
    "World",
]
