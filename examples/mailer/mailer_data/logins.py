"""The server's logins. Fixed SIDs: a restored database finds its users' logins by SID, not by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mailer_data.literal import literal


@dataclass(frozen=True)
class Login:
    """A SQL login of the demo. The password is no secret: these servers answer on this machine only."""

    name: str
    password: str
    sid: str
    database: str
    disabled: bool = False

    def statements(self) -> Iterator[str]:
        """What creates it."""
        yield (
            f"CREATE LOGIN [{self.name}] WITH PASSWORD = {literal(self.password)}, SID = {self.sid}, "
            f"DEFAULT_DATABASE = [{self.database}], CHECK_EXPIRATION = OFF, CHECK_POLICY = OFF"
        )
        if self.disabled:
            yield f"ALTER LOGIN [{self.name}] DISABLE"


APP = Login("mailer_app", "Post-früh-um-halb-6!", "0x6D61696C65725F6170700000000000A1", "Contacts")
LOGINS = (
    APP,
    Login("mailer_survey", "Fragen+Antworten=7", "0x6D61696C65725F7375727600000000A2", "Surveys"),
    Login("report_reader", "nur'lesen;{bitte}8", "0x7265706F72745F72656164000000A3A3", "Tracking"),
    Login("mailer_owner", "Niemand-meldet-sich-an-9", "0x6D61696C65725F6F776E6572000000A4", "master", disabled=True),
)
"""``mailer_owner`` owns Billing and is disabled beforehand; it has to be both afterwards."""
