"""Fakes that implement the ports, share one world, and refuse impossible ones.

``World`` holds everything outside the process: servers, disks, gate, pointer, time. It survives the process; handles
(``FakeSqlServer``, ``FakeGate``, ...) do not. Only tests import this package.
"""

from runbook.testing.bench import BenchContext, StepBench
from runbook.testing.clock import START, FakeClock
from runbook.testing.control import StatementLog, Stoppable, Unstoppable
from runbook.testing.errors import ImpossibleWorld, PowerCut
from runbook.testing.faults import Fault, Kind
from runbook.testing.host import FakeHost
from runbook.testing.machine import Machine, Program
from runbook.testing.plans import mailer_plan
from runbook.testing.services import FakeServices
from runbook.testing.sqlserver import FakeSqlServer
from runbook.testing.surroundings import FakeCommands, FakeGate, FakePointer, FakeWeb
from runbook.testing.world import Effect, Moment, World, differences

__all__ = [
    "START",
    "BenchContext",
    "Effect",
    "FakeClock",
    "FakeCommands",
    "FakeGate",
    "FakeHost",
    "FakePointer",
    "FakeServices",
    "FakeSqlServer",
    "FakeWeb",
    "Fault",
    "ImpossibleWorld",
    "Kind",
    "Machine",
    "Moment",
    "PowerCut",
    "Program",
    "StatementLog",
    "StepBench",
    "Stoppable",
    "Unstoppable",
    "World",
    "differences",
    "mailer_plan",
]
