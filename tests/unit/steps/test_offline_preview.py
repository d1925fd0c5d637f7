"""What ``runbook plan --sql`` shows of the offline phase."""

from __future__ import annotations

from pathlib import Path

from runbook.adapters.sqlserver.scribe import Scribe
from runbook.testing.plans import mailer_plan
from tests.unit.steps.evening import OFFLINE


def test_statements_are_shown_in_order(tmp_path: Path) -> None:
    """Jobs first, then the database: the T-SQL that will be sent, as far as the plan alone tells."""
    plan = mailer_plan(tmp_path, databases=("Contacts",))
    shown: list[tuple[str, str]] = []
    for kind in OFFLINE:
        for key in kind.keys(plan):
            kind(plan, key).preview(lambda role: Scribe(role, lambda server, text: shown.append((server, text))))  # type: ignore[arg-type,return-value]
    servers, texts = zip(*shown, strict=True)
    assert set(servers) == {"old"}
    assert ["sp_update_job" in texts[0], "sp_stop_job" in texts[1]] == [True, True]
    assert texts[2] == "ALTER DATABASE [Contacts] SET RESTRICTED_USER WITH ROLLBACK IMMEDIATE"
