"""What a driver's exception means: number, doubt, whether another try is worth it."""

from __future__ import annotations

import pytest

from runbook.adapters.sqlserver.diagnostics import Failure, diagnose, is_known_undone, is_transient

MS = "[Microsoft][ODBC Driver 18 for SQL Server]"


def raised(state: str, text: str) -> Exception:
    return Exception(state, f"[{state}] {text}")


def failure(state: str, text: str) -> Failure:
    diagnosis = diagnose(raised(state, text))
    return Failure("old", diagnosis, "RESTORE", in_doubt=diagnosis.in_doubt)


@pytest.mark.parametrize(
    ("state", "text", "number", "in_doubt", "transient"),
    [
        ("42000", f"{MS}[SQL Server]Cannot open backup device. (3201) (SQLExecDirectW)", 3201, False, False),
        (
            "42000",
            f"{MS}[SQL Server]One (3201) (SQLExecDirectW); [42000] {MS}[SQL Server]Two. (3013) (SQLExecDirectW)",
            3201,
            False,
            False,
        ),
        ("40001", f"{MS}[SQL Server]deadlock victim. (1205) (SQLExecDirectW)", 1205, False, True),
        ("08S01", f"{MS}TCP Provider: Error code 0x68 (104) (SQLExecDirectW)", None, True, True),
        ("08S01", f"{MS}[SQL Server]Cannot continue, kill state. (596) (SQLMoreResults)", 596, True, True),
        ("08004", f"{MS}[SQL Server]Database 'x' does not exist. (911) (SQLExecDirectW)", 911, False, False),
        ("HY000", f"{MS}[SQL Server]Cannot continue, kill state. (596) (SQLExecDirectW)", 596, True, False),
        ("HYT00", f"{MS}Query timeout expired (0) (SQLExecDirectW)", None, True, True),
        ("HY008", f"{MS}Operation canceled (0) (SQLExecDirectW)", None, True, True),
        ("28000", f"{MS}[SQL Server]Login failed for user 'sa'. (18456) (SQLDriverConnect)", 18456, False, False),
        ("08001", f"{MS}TCP Provider: Error code 0x2749 (10057) (SQLDriverConnect)", None, True, True),
        ("42S02", "[FreeTDS][SQL Server]Invalid object name 'x'. (208) (SQLExecDirectW)", 208, False, False),
        ("01000", "[FreeTDS][SQL Server]Unexpected EOF from the server (20017) (SQLExecDirectW)", None, True, True),
        ("HY000", "something of the driver's own", None, True, False),
    ],
)
def test_diagnosis(state: str, text: str, number: int | None, in_doubt: bool, transient: bool) -> None:
    """The first record decides; what the server did not say itself has no number and is in doubt."""
    found = diagnose(raised(state, text))
    assert (found.number, found.in_doubt, found.is_transient) == (number, in_doubt, transient)


def test_the_message_is_the_servers_own_text() -> None:
    """Vendor prefixes and the full stop are gone, numbers in the text stay."""
    found = diagnose(raised("42000", f'{MS}[SQL Server]Write on "x" failed: 112(disk full). (3202) (SQLExecDirectW)'))
    assert (found.number, found.text) == (3202, 'Write on "x" failed: 112(disk full)')


def test_only_what_did_not_happen_is_sent_again() -> None:
    """A lost deadlock is known not to have happened; a broken connection is not."""
    deadlock = failure("40001", f"{MS}[SQL Server]deadlock victim. (1205) (SQLExecDirectW)")
    broken = failure("08S01", f"{MS}Communication link failure (0) (SQLExecDirectW)")
    assert is_known_undone(deadlock)
    assert not is_known_undone(broken)
    assert is_transient(broken)


def test_errors_say_what_to_do() -> None:
    """Number, text, and a hint for the numbers a DBA meets."""
    error = failure("42000", f"{MS}[SQL Server]Exclusive access could not be obtained. (3101) (SQLExecDirectW)")
    assert error.message == "old: error 3101: Exclusive access could not be obtained"
    assert error.hint
    assert error.number == 3101


def test_what_pyodbc_says_by_itself() -> None:
    """Its own refusals come with the state last."""
    found = diagnose(Exception("ODBC SQL type -150 is not yet supported.  column-index=0  type=-150", "HY106"))
    assert (found.state, found.number) == ("HY106", None)
    assert found.text.startswith("ODBC SQL type -150")
