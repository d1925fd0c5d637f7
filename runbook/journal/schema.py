"""Tables of the journal, through SQLAlchemy Core, for SQLite, PostgreSQL and SQL Server.

``runbook_event`` is append-only: triggers refuse UPDATE and DELETE. ``runbook_head`` holds, per run, the
number and hash of the newest row and the fencing number that may write; it changes in the transaction of every
append, so that a row missing at the end is noticed. ``runbook_lease`` says which process acts.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Engine,
    Float,
    MetaData,
    String,
    Table,
    Unicode,
    UnicodeText,
    event,
    inspect,
)
from sqlalchemy.dialects.mssql import NVARCHAR

metadata = MetaData()
_Body = UnicodeText().with_variant(NVARCHAR(None), "mssql")  # NVARCHAR(max)

events = Table(
    "runbook_event",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at_utc", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("step_id", Unicode(256), nullable=False),
    Column("actor", Unicode(256), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("body", _Body, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("row_hash", String(64), nullable=False),
    sqlite_with_rowid=False,  # one tree to write instead of two
)

heads = Table(
    "runbook_head",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("row_hash", String(64), nullable=False),
    Column("fence", BigInteger, nullable=False),
)

leases = Table(
    "runbook_lease",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("owner", Unicode(256), nullable=False),
    Column("host", Unicode(256), nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("pid_token", String(64), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("heartbeat_at", String(32), nullable=False),
    Column("term_s", Float, nullable=False),
    Column("released", BigInteger, nullable=False),
)

_REFUSAL = "the journal is append-only"


def _ddl(dialect: str, text: str) -> None:
    event.listen(events, "after_create", DDL(text).execute_if(dialect=dialect))  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


for _verb in ("UPDATE", "DELETE"):
    _name = f"runbook_event_no_{_verb.lower()}"
    _ddl(
        "sqlite",
        f"CREATE TRIGGER {_name} BEFORE {_verb} ON runbook_event BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    )
    _ddl("mssql", f"CREATE TRIGGER {_name} ON runbook_event INSTEAD OF {_verb} AS THROW 51000, '{_REFUSAL}', 1")

_ddl(
    "postgresql",
    "CREATE OR REPLACE FUNCTION runbook_event_refuse() RETURNS trigger AS $$ "
    f"BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$ LANGUAGE plpgsql",
)
for _verb in ("UPDATE", "DELETE", "TRUNCATE"):
    _ddl(
        "postgresql",
        f"CREATE TRIGGER runbook_event_no_{_verb.lower()} BEFORE {_verb} ON runbook_event "
        "FOR EACH STATEMENT EXECUTE FUNCTION runbook_event_refuse()",
    )

_CREATION = 7_219_402_113
"""Number of the lock under which PostgreSQL's tables are made: two operators may begin in the same second."""


def create(engine: Engine) -> None:
    """Make what is missing, in one transaction."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATION})")
        metadata.create_all(connection)


def exists(engine: Engine) -> bool:
    """Whether a journal was ever written there."""
    return inspect(engine).has_table(heads.name)
