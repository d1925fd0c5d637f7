"""What setup of SQL Server is told, and what is read of what it says."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import HostError
from runbook.powershell import answer, powershell
from runbook.step import Pass
from runbook.testing import BenchContext, StepBench, World, mailer_plan
from runbook.testing.machine import Program
from runbook.testing.plans import WINDOWS
from runbook.testing.setuphost import SetupHost
from runbook.toolkit import wayback, windowsengine, windowssetup
from runbook.toolkit.enginehost import setup_of
from runbook.toolkit.kept import MachineBefore
from runbook.toolkit.windowsscripts import ENGINE
from steps.preflight.check_setup import CheckSetup

SUMMARY = """\
Overall summary:
  Final result:                  Failed: see details below
  Exit code (Decimal):           -2061893606
  Start time:                    2026-03-21 22:31:12
  Requested action:              Upgrade

Detailed results:
  Feature:                       Database Engine Services
  Status:                        Failed
  Component error code:          0x851A001A
  Error description:             Wait on the Database Engine recovery handle failed. Check the error log.
  Error description:             Wait on the Database Engine recovery handle failed. Check the error log.
"""
DETAIL = """\
(01) 2026-03-21 22:41:00 SQLEngine: --StartupParams: fine
(01) 2026-03-21 22:41:01 Slp: Error: Action "Sql_Upgrade" failed during execution.
(01) 2026-03-21 22:41:02 Slp: Error result: -2061893606
(01) 2026-03-21 22:41:03 Slp: Closed.
"""


def plan(directory: Path, more: str = "", **changes: str) -> Any:
    text = WINDOWS
    for old, new in changes.items():
        text = text.replace(old, new)
    return setup_of(mailer_plan(directory, "in-place", in_place=text + more))


def test_parameters_come_behind_its_own(tmp_path: Path) -> None:
    """Values with blanks are quoted as the documentation writes it; what the plan says of updates is what counts."""
    more = "  instance_id: NEW\n  parameters: ['/UpdateEnabled=True', '/UpdateSource=D:\\my updates\\', '/ENU']\n"
    assert windowssetup.command_line(plan(tmp_path, more)) == (
        "/Q /ACTION=Upgrade /INSTANCENAME=MSSQLSERVER /INSTANCEID=NEW /IACCEPTSQLSERVERLICENSETERMS "
        '/INDICATEPROGRESS /UpdateEnabled=True /UpdateSource="D:\\my updates\\\\" /ENU'
    )


def test_what_setup_says_of_a_failure() -> None:
    """Each line once, without the stamps; the last troubles of Detail.txt."""
    logs = windowssetup.SetupLogs(1000, "C:\\Log", SUMMARY, DETAIL)
    assert windowssetup.excerpt(logs, 900.0) == (
        "Final result: Failed: see details below; "
        "Error description: Wait on the Database Engine recovery handle failed. Check the error log.; "
        'Detail.txt: Error: Action "Sql_Upgrade" failed during execution.; '
        "Detail.txt: Error result: -2061893606"
    )
    assert windowssetup.excerpt(logs, 2000.0) == ""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (3010, "exit 3010"),
        (-2067919934, "exit -2067919934 (0x84BE0BC2), the machine must be started anew before setup can run"),
        (2227047362, "exit -2067919934 (0x84BE0BC2), the machine must be started anew before setup can run"),
        (None, "no exit code"),
    ],
)
def test_exit_codes(code: int | None, says: str) -> None:
    """Signed or unsigned, they are the same 32 bits."""
    assert windowssetup.meaning(code) == says


def test_a_boot_is_another_one_when_it_began_at_another_time() -> None:
    """Windows tells when it began, derived from a clock that may be set meanwhile."""
    first = "2026-03-21T10:00:00.5000000Z"
    assert not windowsengine.is_another_boot(first, "2026-03-21T10:00:31.0000000Z")
    assert windowsengine.is_another_boot(first, "2026-03-21T22:41:00.5000000Z")
    assert windowsengine.is_another_boot("boot-1", "boot-2")


def test_marks_lie_on_the_system_drive_and_beside_every_file() -> None:
    """Each directory once, as .NET takes it."""
    files = ("D:\\Data\\a.mdf", "E:\\Log\\a_log.ldf", "D:\\Data\\b.mdf")
    assert wayback.directories(files) == ("C:/ProgramData", "D:/Data", "E:/Log")
    assert wayback.directories(("\\\\files\\sql\\a.mdf",)) == ("C:/ProgramData", "//files/sql/")


def test_services_of_instances() -> None:
    """The default instance has a name of its own, in any case."""
    assert [windowsengine.service_name(one) for one in ("mssqlserver", "MAIL")] == ["MSSQLSERVER", "MSSQL$MAIL"]


def test_a_script_is_one_argument_and_its_arguments_are_strings() -> None:
    """Whatever stands in them, nothing of it is read by PowerShell."""
    argv = powershell("Answer @{ x = $a[0] }", "it's; $(rm)")
    assert argv[:-1] == ("powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-Command")
    assert argv[-1].endswith("$a = @('it''s; $(rm)')\nAnswer @{ x = $a[0] }")


def test_an_answer_is_its_last_line() -> None:
    """Noise of a profile comes before it; anything else is none."""
    said = base64.b64encode('{"x": "ü"}'.encode()).decode()
    assert answer(f"Welcome\r\n{said}\r\n") == {"x": "ü"}
    for wrong, why in (("", "Expecting"), ("Wel come\r\n", "base64"), ("WzFd", "no table"), ("ew==", "Expecting")):
        with pytest.raises(ValueError, match=why):
            answer(wrong)


def test_the_usual_windows_machine_passes_untouched(tmp_path: Path) -> None:
    """The check holds, keeps where files are, and changes nothing by asking."""
    world = World.mailer(platform="Windows")
    SetupHost.of(world, "db", "old")
    bench = StepBench(BenchContext(world, mailer_plan(tmp_path, "in-place", in_place=WINDOWS)))
    found = bench.do(CheckSetup(bench.ctx.plan))
    assert isinstance(found, Pass)
    assert found.keep == MachineBefore(("C:/ProgramData", "C:/SQL/data"))
    assert not bench.ctx.log.effects()
    assert "the way back took 300 s when it was measured on 2026-11-10" in " ".join(bench.ctx.notes)


def asked(directory: Path, program: Program) -> None:
    world = World.mailer(platform="Windows")
    machine = world.add_host("db")
    machine.programs[powershell(ENGINE, "MSSQLSERVER", "MSSQLSERVER")] = program
    bench = BenchContext(world, mailer_plan(directory, "in-place", in_place=WINDOWS))
    windowsengine.look(bench, "db", "MSSQLSERVER")


def test_a_machine_that_does_not_tell(tmp_path: Path) -> None:
    """What it said instead is in the message."""
    with pytest.raises(HostError, match="db does not tell how MSSQLSERVER stands: Access is denied"):
        asked(tmp_path, Program(exit_code=1, stderr="Access is denied.\n"))


def test_an_instance_that_is_not_there(tmp_path: Path) -> None:
    """Named as such."""
    said = base64.b64encode(b'{"version": "", "edition": "", "services": []}').decode()
    with pytest.raises(HostError, match="db knows no instance MSSQLSERVER of SQL Server"):
        asked(tmp_path, Program(stdout=said))
