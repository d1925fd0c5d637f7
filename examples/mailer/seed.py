"""Creates the mail-marketing company on a SQL Server: six databases, logins, Agent jobs and 230,000 rows.

    python examples/mailer/seed.py --server-json SERVER.JSON
    python examples/mailer/seed.py --dsn "DRIVER={ODBC Driver 18 for SQL Server};SERVER=...;UID=sa;PWD=..."

The same rows come out at every run. Running it again does nothing; ``--reset`` drops everything first.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

import pyodbc  # noqa: E402
from mailer_data import edges, mail, money, old, people, surveys, traces  # noqa: E402
from mailer_data.connecting import NoDriverError, Server  # noqa: E402
from mailer_data.logins import LOGINS  # noqa: E402
from mailer_data.tables import REGISTRY, Bulk, Sizes, Table  # noqa: E402

DATABASES = ("Contacts", "Campaigns", "Tracking", "Surveys", "Billing", "Archive")
GENERATORS = (people, edges, mail, traces, surveys, money, old)
"""The modules whose import fills the registry."""
SEED_VERSION = 1
Connect = Callable[[], pyodbc.Connection]
Say = Callable[[str], None]


class SeedError(Exception):
    """The server holds something that must not be overwritten unasked."""


def seed(
    connect: Connect, scale: float = 1.0, *, reset: bool = False, checkdb: bool = True, say: Say = lambda _line: None
) -> dict[str, int]:
    """Create everything and return the number of rows of each table (``Contacts.dbo.Contact``).

    ``connect`` opens a session of a sysadmin; it is called once for each database. Raises :class:`SeedError` when
    some of the databases exist but were not completed by an earlier call, and ``pyodbc.Error``.
    """
    cnx = connect()
    cnx.autocommit = True
    try:
        if reset:
            drop_all(cnx)
        if already_seeded(cnx, scale):
            say("already there")
            return count_rows(cnx)
        create(cnx)
        say("databases, logins and tables are there")
        load(connect, Sizes.of(scale))
        say("rows are loaded")
        for database in DATABASES:
            run_file(cnx, f"{database.lower()}.2-code.sql", database)
        run_file(cnx, "users.sql")
        finish(cnx, scale, checkdb=checkdb)
        return count_rows(cnx)
    finally:
        cnx.close()


def already_seeded(cnx: pyodbc.Connection, scale: float) -> bool:
    """True: all there at this scale. False: nothing there. Anything else is an error."""
    there = existing_databases(cnx)
    if not there:
        return False
    hint = "HINT: --reset drops them and begins anew"
    if len(there) < len(DATABASES):
        raise SeedError(f"only some of the databases exist: {', '.join(there)}\n{hint}")
    if not query(cnx, "SELECT OBJECT_ID(N'Contacts.dbo.SchemaVersion')")[0][0]:
        raise SeedError(f"the database Contacts is not the demo's, or was left half made\n{hint}")
    done = query(cnx, f"SELECT Scale FROM Contacts.dbo.SchemaVersion WHERE Version = {SEED_VERSION}")
    if not done:
        raise SeedError(f"an earlier load was not completed\n{hint}")
    if done[0][0] != scale:
        raise SeedError(f"the databases were made at scale {done[0][0]}, not {scale}\n{hint}")
    return True


def create(cnx: pyodbc.Connection) -> None:
    """Databases, logins and empty tables."""
    run_file(cnx, "databases.sql")
    for login in LOGINS:
        for statement in login.statements():
            run(cnx, statement)
    run(cnx, "ALTER AUTHORIZATION ON DATABASE::Billing TO mailer_owner")
    for database in DATABASES:
        run_file(cnx, f"{database.lower()}.1-tables.sql", database)


def finish(cnx: pyodbc.Connection, scale: float, *, checkdb: bool) -> None:
    """A known good state, then the jobs; the mark of completeness comes last."""
    if checkdb:
        for database in DATABASES:
            run(cnx, f"DBCC CHECKDB (N'{database}') WITH NO_INFOMSGS")
    run_file(cnx, "jobs.sql")
    note = "made by seed.py"
    run(
        cnx,
        f"INSERT INTO Contacts.dbo.SchemaVersion (Version, Scale, Note) VALUES ({SEED_VERSION}, {scale!r}, N'{note}')",
    )


def load(connect: Connect, sizes: Sizes) -> None:
    """All rows, the databases side by side. The first failure is raised when every database has stopped."""
    with ThreadPoolExecutor(len(DATABASES)) as pool:
        for done in [pool.submit(load_database, connect, database, sizes) for database in DATABASES]:
            done.result()


def load_database(connect: Connect, database: str, sizes: Sizes) -> None:
    """The rows of one database, one transaction for each INSERT."""
    cnx = connect()
    try:
        cnx.autocommit = True
        run(cnx, f"USE [{database}]")
        cnx.autocommit = False
        for table in REGISTRY:
            if table.database == database:
                load_table(cnx, table, sizes)
        cnx.autocommit = True
        for statement in {"Campaigns": mail.sequences, "Billing": money.sequences}.get(database, no_statements)(sizes):
            run(cnx, statement)
    finally:
        cnx.close()


def no_statements(_sizes: Sizes) -> Iterator[str]:
    """For databases without sequences."""
    return iter(())


def load_table(cnx: pyodbc.Connection, table: Table | Bulk, sizes: Sizes) -> None:
    """The rows of one table."""
    if table.identity:
        run(cnx, f"SET IDENTITY_INSERT {table.name} ON")
    for statement in table.statements(sizes):
        run(cnx, statement)
        cnx.commit()
    if table.identity:
        run(cnx, f"SET IDENTITY_INSERT {table.name} OFF")
        cnx.commit()


def drop_all(cnx: pyodbc.Connection) -> None:
    """Everything the demo made, and snapshots of it: no database goes before its snapshots."""
    for (name,) in query(cnx, "SELECT name FROM msdb.dbo.sysjobs WHERE name LIKE N'Mailer: %'"):
        run(cnx, f"EXEC msdb.dbo.sp_delete_job @job_name = N'{name}'")
    ids = ", ".join(f"DB_ID(N'{database}')" for database in DATABASES)
    for (name,) in query(cnx, f"SELECT name FROM sys.databases WHERE source_database_id IN ({ids})"):
        run(cnx, f"DROP DATABASE [{name}]")
    for database in existing_databases(cnx):
        state = query(cnx, f"SELECT state_desc FROM sys.databases WHERE name = N'{database}'")[0][0]
        if state == "ONLINE":
            run(cnx, f"ALTER DATABASE [{database}] SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
        run(cnx, f"DROP DATABASE [{database}]")
    names = ", ".join(f"N'{login.name}'" for login in LOGINS)
    for (name,) in query(cnx, f"SELECT name FROM sys.server_principals WHERE name IN ({names})"):
        run(cnx, f"DROP LOGIN [{name}]")


def existing_databases(cnx: pyodbc.Connection) -> list[str]:
    """Which of the demo's databases are on the server, in any state."""
    there = {name.lower() for (name,) in query(cnx, "SELECT name FROM sys.databases")}
    return [name for name in DATABASES if name.lower() in there]


def count_rows(cnx: pyodbc.Connection) -> dict[str, int]:
    """The number of rows of every table, counted."""
    counts: dict[str, int] = {}
    for database in DATABASES:
        tables = query(
            cnx,
            f"SELECT s.name, t.name FROM [{database}].sys.tables AS t "
            f"INNER JOIN [{database}].sys.schemas AS s ON s.schema_id = t.schema_id ORDER BY s.name, t.name",
        )
        for schema, name in tables:
            quoted = name.replace("]", "]]")
            counted = query(cnx, f"SELECT COUNT_BIG(*) FROM [{database}].[{schema}].[{quoted}]")
            counts[f"{database}.{schema}.{name}"] = int(counted[0][0])
    return counts


def run_file(cnx: pyodbc.Connection, name: str, database: str = "master") -> None:
    """A file of ``schema/``, batch by batch, in a database."""
    run(cnx, f"USE [{database}]")
    text = (HERE / "schema" / name).read_text(encoding="utf-8")
    for batch in re.split(r"(?im)^\s*GO\s*$", text):
        if batch.strip():
            run(cnx, batch)
    run(cnx, "USE [master]")


def run(cnx: pyodbc.Connection, sql: str) -> None:
    """One batch, all its results drained: what is not read may not be done."""
    cursor = cnx.cursor()
    try:
        cursor.execute(sql)
        while cursor.nextset():
            pass
    finally:
        cursor.close()


def query(cnx: pyodbc.Connection, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a SELECT."""
    cursor = cnx.cursor()
    try:
        return [tuple(row) for row in cursor.execute(sql).fetchall()]
    finally:
        cursor.close()


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Create the demo's databases, logins, jobs and rows.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--dsn", help="ODBC connection string of a sysadmin")
    where.add_argument("--server-json", type=Path, help="file a simulated server writes when it is ready")
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 makes about 230,000 rows (default)")
    parser.add_argument("--reset", action="store_true", help="drop the demo's databases, jobs and logins first")
    parser.add_argument("--no-checkdb", action="store_true", help="leave out DBCC CHECKDB")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        connect = connector(options.dsn, options.server_json)
        counts = seed(connect, options.scale, reset=options.reset, checkdb=not options.no_checkdb, say=print)
    except (SeedError, NoDriverError, OSError, pyodbc.Error) as error:
        print(f"seed failed: {error}", file=sys.stderr)
        return 1
    print(f"{sum(counts.values()):,} rows in {len(counts)} tables, {time.monotonic() - began:.1f} s")
    return 0


def connector(dsn: str | None, server_json: Path | None) -> Connect:
    """A function that opens a session, from either way of naming the server."""
    if dsn:
        return lambda: pyodbc.connect(dsn, autocommit=True, timeout=10)
    server = Server.from_json(server_json or Path("server.json"))
    return lambda: server.connect("master", "mailer seed", timeout=10)


if __name__ == "__main__":
    sys.exit(main())
