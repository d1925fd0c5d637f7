"""How the mailer reaches its database: a session for each piece of work."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pyodbc

pyodbc.pooling = False
DRIVER = "/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so"


@contextlib.contextmanager
def connected() -> Iterator[pyodbc.Connection]:
    """Everything at once: each statement is a transaction."""
    password = Path("/etc/mailer/password").read_text(encoding="ascii").strip()
    address = socket.gethostbyname("db")
    keywords = f"DRIVER={DRIVER};SERVER={address};PORT=1433;TDS_Version=7.4;UID=sa;PWD={password};APP=mailer"
    connection = pyodbc.connect(keywords, autocommit=True, timeout=5)
    try:
        yield connection
    finally:
        connection.close()


def once_more(sql: str, *values: object, on: pyodbc.Connection) -> None:
    """What was chosen as the victim of a deadlock (1205) is said once more, as every application has to."""
    for _ in range(5):
        try:
            on.execute(sql, *values)
        except pyodbc.Error as error:
            if "1205" not in str(error):
                raise
        else:
            return
