"""CREATE, ALTER, DROP, and what the catalog views say of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sandbox.test_language_support import Client, FakeInstance


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A session in an empty database."""
    made = Client(FakeInstance(tmp_path))
    yield made
    made.session.close()


def test_columns_as_the_catalog_shows_them(client: Client) -> None:
    """Type, length, precision, scale, nullability, collation of every type."""
    client.ok(
        "CREATE TABLE t(a int NOT NULL, b nvarchar(50), c varchar(max), d decimal(12,3), e datetime2(3), f char(5) COLLATE Latin1_General_BIN2,"
        " g float, h real, i time(2), j varbinary(16), k sysname, l numeric(5), m datetimeoffset, n uniqueidentifier ROWGUIDCOL, o xml)"
    )
    rows = client.rows(
        "SELECT c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable, c.collation_name FROM sys.columns c"
        " JOIN sys.types t ON t.user_type_id = c.user_type_id WHERE c.object_id = OBJECT_ID('dbo.t') ORDER BY c.column_id"
    )
    default = "SQL_Latin1_General_CP1_CI_AS"
    assert rows == [
        ("a", "int", 4, 10, 0, False, None), ("b", "nvarchar", 100, 0, 0, True, default), ("c", "varchar", -1, 0, 0, True, default), ("d", "decimal", 9, 12, 3, True, None),
        ("e", "datetime2", 7, 23, 3, True, None), ("f", "char", 5, 0, 0, True, "Latin1_General_BIN2"), ("g", "float", 8, 53, 0, True, None), ("h", "real", 4, 24, 0, True, None),
        ("i", "time", 3, 11, 2, True, None), ("j", "varbinary", 16, 0, 0, True, None), ("k", "sysname", 256, 0, 0, False, default), ("l", "numeric", 5, 5, 0, True, None),
        ("m", "datetimeoffset", 10, 34, 7, True, None), ("n", "uniqueidentifier", 16, 0, 0, True, None), ("o", "xml", -1, 0, 0, True, None),
    ]  # fmt: skip
    assert client.rows("SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 't' AND ORDINAL_POSITION < 5") == [
        ("a", "int", None, 10, "NO"), ("b", "nvarchar", 50, None, "YES"), ("c", "varchar", -1, None, "YES"), ("d", "decimal", None, 12, "YES"),
    ]  # fmt: skip


def test_constraints_in_the_catalog(client: Client) -> None:
    """Keys, checks, defaults and foreign keys with their definitions and flags."""
    client.ok("CREATE SCHEMA s")
    client.ok(
        "CREATE TABLE s.p(a int, b int, CONSTRAINT pk PRIMARY KEY NONCLUSTERED (a, b DESC), CONSTRAINT uq UNIQUE CLUSTERED (b));"
        "CREATE TABLE c(id int IDENTITY(5,2) CONSTRAINT pkc PRIMARY KEY, x int CONSTRAINT df DEFAULT 0, y int CONSTRAINT ck CHECK (y > 0),"
        " CONSTRAINT fk FOREIGN KEY (x, y) REFERENCES s.p(a, b) ON DELETE CASCADE); CREATE UNIQUE INDEX ix ON c(x DESC) INCLUDE (y) WHERE x IS NOT NULL WITH (FILLFACTOR = 80)"
    )
    assert client.rows("SELECT name, type, unique_index_id FROM sys.key_constraints ORDER BY name") == [
        ("pk", "PK", 2),
        ("pkc", "PK", 1),
        ("uq", "UQ", 1),
    ]
    assert client.rows("SELECT name, definition, parent_column_id FROM sys.check_constraints") == [("ck", "(y > 0)", 3)]
    assert client.rows("SELECT name, definition FROM sys.default_constraints") == [("df", "((0))")]
    assert client.rows(
        "SELECT name, OBJECT_NAME(referenced_object_id), delete_referential_action_desc, update_referential_action FROM sys.foreign_keys"
    ) == [("fk", "p", "CASCADE", 0)]
    assert client.rows(
        "SELECT constraint_column_id, COL_NAME(parent_object_id, parent_column_id), COL_NAME(referenced_object_id, referenced_column_id) FROM sys.foreign_key_columns"
    ) == [(1, "x", "a"), (2, "y", "b")]
    assert client.rows("SELECT name, index_id, type_desc, is_unique, is_primary_key, has_filter, filter_definition, fill_factor FROM sys.indexes WHERE object_id = OBJECT_ID('c') ORDER BY index_id") == [
        ("pkc", 1, "CLUSTERED", True, True, False, None, 0), ("ix", 2, "NONCLUSTERED", True, False, True, "(x IS NOT NULL)", 80),
    ]  # fmt: skip
    assert client.rows(
        "SELECT index_id, key_ordinal, is_descending_key, is_included_column FROM sys.index_columns WHERE object_id = OBJECT_ID('c') ORDER BY index_id, index_column_id"
    ) == [(1, 1, False, False), (2, 1, True, False), (2, 0, False, True)]
    assert client.rows(
        "SELECT CAST(seed_value AS int), CAST(increment_value AS int), CAST(last_value AS int) FROM sys.identity_columns"
    ) == [(5, 2, None)]
    client.ok("INSERT c(x, y) VALUES (NULL, 1)")
    assert client.rows("SELECT CAST(last_value AS int) FROM sys.identity_columns") == [(5,)]
    assert client.rows(
        "SELECT CONSTRAINT_NAME, CONSTRAINT_TYPE FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS ORDER BY 1"
    ) == [("ck", "CHECK"), ("fk", "FOREIGN KEY"), ("pk", "PRIMARY KEY"), ("pkc", "PRIMARY KEY"), ("uq", "UNIQUE")]


def test_objects_and_rows(client: Client) -> None:
    """sys.objects lists everything with its kind; partitions count rows."""
    client.ok("CREATE TABLE t(i int PRIMARY KEY); INSERT t VALUES (1),(2)")
    for sql in (
        "CREATE VIEW v AS SELECT i FROM t",
        "CREATE PROCEDURE p AS SELECT 1",
        "CREATE FUNCTION f() RETURNS int AS BEGIN RETURN 1 END",
        "CREATE FUNCTION g() RETURNS TABLE AS RETURN SELECT 1 AS a",
        "CREATE TRIGGER r ON t AFTER INSERT AS RETURN",
    ):
        client.ok(sql)
    client.ok("CREATE SEQUENCE q; CREATE SYNONYM y FOR t")
    assert client.rows("SELECT name, RTRIM(type) FROM sys.objects WHERE type <> 'PK' ORDER BY name") == [
        ("f", "FN"),
        ("g", "IF"),
        ("p", "P"),
        ("q", "SO"),
        ("r", "TR"),
        ("t", "U"),
        ("v", "V"),
        ("y", "SN"),
    ]
    assert client.rows(
        "SELECT o.name, SUM(p.rows) FROM sys.partitions p JOIN sys.objects o ON o.object_id = p.object_id WHERE p.index_id IN (0,1) GROUP BY o.name"
    ) == [("t", 2)]
    assert client.rows("SELECT row_count, CASE WHEN used_page_count > 0 THEN 1 END FROM sys.dm_db_partition_stats") == [
        (2, 1)
    ]
    assert client.rows("SELECT OBJECT_ID('dbo.v', 'V') - OBJECT_ID('v'), OBJECT_ID('v', 'U'), OBJECT_ID('nope')") == [
        (0, None, None)
    ]
    assert client.rows(
        "SELECT OBJECTPROPERTY(OBJECT_ID('t'), 'IsUserTable'), OBJECTPROPERTY(OBJECT_ID('t'), 'TableHasPrimaryKey'), COLUMNPROPERTY(OBJECT_ID('t'), 'i', 'AllowsNull'), COL_LENGTH('t', 'i'), OBJECT_SCHEMA_NAME(OBJECT_ID('t')), SCHEMA_NAME(1), TYPE_NAME(56)"
    ) == [(1, 1, 0, 4, "dbo", "dbo", "int")]
    assert client.rows("SELECT name FROM sysobjects WHERE xtype = 'U'") == [("t",)]
    for view in (
        "sys.all_objects",
        "sys.all_columns",
        "sys.system_views",
        "sys.stats",
        "sys.schemas",
        "sys.database_principals",
        "sys.types",
        "sys.filegroups",
        "master.dbo.spt_values",
        "INFORMATION_SCHEMA.ROUTINES",
        "sys.parameters",
        "sys.database_scoped_configurations",
    ):
        columns = "COUNT(*)"
        assert client.value(f"SELECT {columns} FROM {view}") > 0 or view == "sys.parameters"
    assert client.value("SELECT COUNT(*) FROM sys.dm_db_persisted_sku_features") == 0


def test_definitions_are_kept_verbatim(client: Client) -> None:
    """With comments and blanks; ALTER keeps the id and says CREATE; CREATE OR ALTER works both ways."""
    text = "-- head\n  create   proc dbo.p /* c */ as\nselect  'x''y'  \n"
    client.ok(text)
    assert client.value("SELECT definition FROM sys.sql_modules WHERE object_id = OBJECT_ID('p')") == text
    number = client.value("SELECT OBJECT_ID('p')")
    client.ok("ALTER PROC dbo.p AS SELECT 2")
    assert client.rows("SELECT OBJECT_ID('p'), OBJECT_DEFINITION(OBJECT_ID('p'))") == [
        (number, "CREATE PROC dbo.p AS SELECT 2")
    ]
    client.ok("CREATE OR ALTER PROC dbo.p AS SELECT 3")
    assert client.rows("EXEC p") == [(3,)]
    assert client.fails("CREATE PROC dbo.p AS SELECT 4") == [2714]
    assert client.fails("ALTER PROC dbo.nope AS SELECT 4") == [208]
    assert client.fails("SELECT 1; CREATE PROC q AS SELECT 1") == [111]
    assert "".join(r[0] for r in client.rows("EXEC sp_helptext 'p'")) == "CREATE PROC dbo.p AS SELECT 3"


def test_alter_table(client: Client) -> None:
    """Columns and constraints come, change and go; the rows stay."""
    client.ok("CREATE TABLE t(a int, b varchar(10)); INSERT t VALUES (1, 'x'), (2, 'y')")
    client.ok(
        "ALTER TABLE t ADD c int NOT NULL CONSTRAINT df DEFAULT 7, d int NULL, e AS a + 1; ALTER TABLE t ADD id int IDENTITY(100,1)"
    )
    assert client.rows("SELECT a, b, c, d, e, id FROM t ORDER BY a") == [
        (1, "x", 7, None, 2, 100),
        (2, "y", 7, None, 3, 101),
    ]
    assert client.fails("ALTER TABLE t ADD f int NOT NULL") == [4901]
    client.ok("ALTER TABLE t ALTER COLUMN b nvarchar(20) NOT NULL; ALTER TABLE t ADD CONSTRAINT pk PRIMARY KEY (b)")
    assert client.fails("ALTER TABLE t ALTER COLUMN b int") == [5074]
    assert client.fails("ALTER TABLE t DROP COLUMN b") == [5074]
    assert client.fails("ALTER TABLE t DROP COLUMN c") == [5074]
    assert client.fails("ALTER TABLE t DROP COLUMN nope") == [4924]
    client.ok(
        "ALTER TABLE t DROP CONSTRAINT df, COLUMN c; ALTER TABLE t DROP CONSTRAINT pk; ALTER TABLE t DROP COLUMN IF EXISTS nope, d"
    )
    assert client.rows("SELECT name FROM sys.columns WHERE object_id = OBJECT_ID('t')") == [
        ("a",),
        ("b",),
        ("e",),
        ("id",),
    ]
    assert client.fails("ALTER TABLE t ALTER COLUMN a varchar(3)") == [5074]
    client.ok("ALTER TABLE t DROP COLUMN e; ALTER TABLE t ALTER COLUMN a varchar(3); INSERT t(a, b) VALUES ('zz', 'q')")
    assert client.rows("SELECT a FROM t ORDER BY a") == [("1",), ("2",), ("zz",)]
    assert client.fails("ALTER TABLE t ALTER COLUMN a int") == [245]
    assert client.fails("ALTER TABLE t ALTER COLUMN a varchar(1)") == [2628]
    assert client.fails("ALTER TABLE nope ADD x int") == [4902]
    client.ok("INSERT t(a, b) VALUES (NULL, 'n')")
    assert client.fails("ALTER TABLE t ALTER COLUMN a varchar(3) NOT NULL") == [515]
    assert client.fails("ALTER TABLE t ADD CONSTRAINT uq UNIQUE (a); INSERT t(a, b) VALUES ('1', 'w')") == [2627]
    assert client.fails("ALTER TABLE t ADD CONSTRAINT ck CHECK (LEN(a) > 1)") == [547]


def test_duplicates_stop_a_unique_index(client: Client) -> None:
    """1505 with the key; nothing is left behind."""
    client.ok("CREATE TABLE t(a int); INSERT t VALUES (1), (1)")
    answer = client.run("CREATE UNIQUE INDEX ux ON t(a)")
    assert answer.numbers == [1505]
    assert answer.errors[0].message.endswith("The duplicate key value is (1).")
    assert client.value("SELECT COUNT(*) FROM sys.indexes WHERE name = 'ux'") == 0
    client.ok(
        "CREATE INDEX ux ON t(a); ALTER INDEX ux ON t DISABLE; ALTER INDEX ALL ON t REBUILD; DROP INDEX ux ON t; CREATE INDEX ux ON t(a); DROP INDEX t.ux"
    )
    assert client.fails("DROP INDEX ux ON t") == [3701]


def test_foreign_keys_protect_definitions(client: Client) -> None:
    """A referenced table or key cannot go; types must match; the key must be unique."""
    client.ok(
        "CREATE TABLE p(a int CONSTRAINT pk PRIMARY KEY, b bigint UNIQUE, n int); CREATE TABLE c(p int CONSTRAINT fk REFERENCES p)"
    )
    assert client.fails("DROP TABLE p") == [3726]
    assert client.fails("ALTER TABLE p DROP CONSTRAINT pk") == [3725]
    assert client.fails("CREATE TABLE d(x int REFERENCES p(b))") == [1778]
    assert client.fails("CREATE TABLE d(x int REFERENCES p(n))") == [1776]
    assert client.fails("CREATE TABLE d(x int REFERENCES nope(n))") == [1767]
    client.ok("INSERT p VALUES (1, 1, 1)")
    client.ok("CREATE TABLE d(x int); INSERT d VALUES (5)")
    assert client.fails("ALTER TABLE d ADD CONSTRAINT fkd FOREIGN KEY (x) REFERENCES p(a)") == [547]
    client.ok("ALTER TABLE d WITH NOCHECK ADD CONSTRAINT fkd FOREIGN KEY (x) REFERENCES p(a)")
    assert client.rows("SELECT is_not_trusted FROM sys.foreign_keys WHERE name = 'fkd'") == [(True,)]
    client.ok("DROP TABLE c, d; DROP TABLE p")


def test_rename_and_transfer(client: Client) -> None:
    """sp_rename and ALTER SCHEMA move names; rows, keys and triggers follow."""
    client.ok("CREATE TABLE t(a int CONSTRAINT pk PRIMARY KEY, b int); INSERT t VALUES (1, 2); CREATE INDEX ix ON t(b)")
    client.ok(
        "EXEC sp_rename 't', 'u'; EXEC sp_rename 'u.b', 'c', 'COLUMN'; EXEC sp_rename 'u.ix', 'iy', 'INDEX'; EXEC sp_rename 'pk', 'pk2'"
    )
    assert client.rows("SELECT a, c FROM u") == [(1, 2)]
    assert client.rows("SELECT name FROM sys.indexes ORDER BY index_id") == [("pk2",), ("iy",)]
    client.ok("CREATE SCHEMA s")
    client.ok("ALTER SCHEMA s TRANSFER dbo.u; INSERT s.u VALUES (2, 3)")
    assert client.fails("SELECT * FROM u") == [208]
    assert client.fails("DROP SCHEMA s") == [3729]
    client.ok("DROP TABLE s.u; DROP SCHEMA s")


@pytest.mark.parametrize(
    "kind",
    ["TABLE", "VIEW", "PROCEDURE", "FUNCTION", "TRIGGER", "SEQUENCE", "SYNONYM", "SCHEMA", "TYPE", "USER", "ROLE"],
)
def test_drop_if_exists(client: Client, kind: str) -> None:
    """IF EXISTS is quiet; without it the missing object is an error."""
    client.ok(f"DROP {kind} IF EXISTS nope")
    assert client.fails(f"DROP {kind} nope") == [
        {"SCHEMA": 15151, "TYPE": 218, "USER": 15151, "ROLE": 15151}.get(kind, 3701)
    ]


def test_drop_wants_the_right_kind(client: Client) -> None:
    """3705 for a table dropped as view."""
    client.ok("CREATE TABLE t(a int)")
    assert client.fails("DROP VIEW t") == [3705]
    assert client.fails("CREATE VIEW t AS SELECT 1 AS a") == [2714]
    assert client.fails("CREATE TABLE t(a int)") == [2714]


def test_views(client: Client) -> None:
    """Their columns, errors in them, a change of the table behind them."""
    client.ok("CREATE TABLE t(a int, b int); INSERT t VALUES (1, 2)")
    client.ok("CREATE VIEW v(x, y) AS SELECT a, b * 2 FROM t WHERE a > 0")
    assert client.rows("SELECT x, y FROM v") == [(1, 4)]
    assert client.rows("SELECT name FROM sys.columns WHERE object_id = OBJECT_ID('v')") == [("x",), ("y",)]
    assert client.fails("CREATE VIEW w AS SELECT a + 1 FROM t") == [4511]
    assert client.fails("CREATE VIEW w AS SELECT a, a FROM t") == [4506]
    assert client.fails("CREATE VIEW w AS SELECT a FROM t ORDER BY a") == [1033]
    assert client.fails("CREATE VIEW w AS SELECT nope FROM t") == [207]
    assert client.fails("INSERT v VALUES (1, 2)") == [50999]
    client.ok("CREATE VIEW w AS SELECT TOP 1 x FROM v ORDER BY x DESC")
    assert client.rows("SELECT * FROM w") == [(1,)]


def test_users_and_roles(client: Client) -> None:
    """Principals, membership and permissions are kept and shown."""
    client.ok(
        "CREATE USER u WITHOUT LOGIN; CREATE ROLE r; ALTER ROLE r ADD MEMBER u; ALTER ROLE db_datareader ADD MEMBER u; CREATE TABLE t(a int)"
    )
    client.ok(
        "GRANT SELECT, INSERT ON dbo.t TO r; DENY UPDATE ON t TO u; GRANT EXECUTE TO r; GRANT SELECT ON SCHEMA::dbo TO u WITH GRANT OPTION; REVOKE INSERT ON t FROM r"
    )
    assert client.rows(
        "SELECT r.name, m.name FROM sys.database_role_members x JOIN sys.database_principals r ON r.principal_id = x.role_principal_id JOIN sys.database_principals m ON m.principal_id = x.member_principal_id WHERE m.name = 'u' ORDER BY r.name"
    ) == [("db_datareader", "u"), ("r", "u")]
    assert client.rows("SELECT p.name, d.permission_name, d.state_desc, d.class_desc FROM sys.database_permissions d JOIN sys.database_principals p ON p.principal_id = d.grantee_principal_id WHERE p.name IN ('u','r') ORDER BY 1, 2") == [
        ("r", "EXECUTE", "GRANT", "DATABASE"), ("r", "SELECT", "GRANT", "OBJECT_OR_COLUMN"), ("u", "SELECT", "GRANT_WITH_GRANT_OPTION", "SCHEMA"), ("u", "UPDATE", "DENY", "OBJECT_OR_COLUMN"),
    ]  # fmt: skip
    assert client.fails("CREATE USER u WITHOUT LOGIN") == [15023]
    assert client.fails("DROP ROLE r") == [15144]
    client.ok("DROP USER u; DROP ROLE r")
    assert client.value("SELECT COUNT(*) FROM sys.database_permissions WHERE major_id > 0") == 0


def test_extended_properties(client: Client) -> None:
    """On the database, a table and a column."""
    client.ok(
        "CREATE TABLE t(a int); EXEC sp_addextendedproperty N'v', N'1'; EXEC sp_addextendedproperty @name = N'd', @value = N'text', @level0type = N'SCHEMA', @level0name = N'dbo', @level1type = N'TABLE', @level1name = N't', @level2type = N'COLUMN', @level2name = N'a'"
    )
    assert client.rows(
        "SELECT class, name, CAST(value AS nvarchar(20)), minor_id FROM sys.extended_properties ORDER BY class"
    ) == [(0, "v", "1", 0), (1, "d", "text", 1)]
    client.ok(
        "EXEC sp_updateextendedproperty N'v', N'2'; EXEC sp_dropextendedproperty N'd', N'SCHEMA', N'dbo', N'TABLE', N't', N'COLUMN', N'a'"
    )
    assert client.rows("SELECT CAST(value AS nvarchar(20)) FROM sys.extended_properties") == [("2",)]


def test_what_the_dialect_asks(client: Client) -> None:
    """The start-up statements of SQLAlchemy's dialect are answered."""
    assert client.value("SELECT CAST(SERVERPROPERTY('ProductVersion') AS VARCHAR)") == "15.0.4430.1"
    assert client.value("SELECT schema_name()") == "dbo"
    assert client.value("SELECT CAST('test max support' AS NVARCHAR(max))") == "test max support"
    assert (
        client.rows(
            "SELECT 1 FROM fn_listextendedproperty(default, default, default, default, default, default, default)"
        )
        == []
    )
    assert client.rows(
        "SELECT name FROM sys.system_views WHERE name IN ('dm_exec_sessions', 'dm_pdw_nodes_exec_sessions')"
    ) == [("dm_exec_sessions",)]


def test_names_with_anything_in_them(client: Client) -> None:
    """Brackets, dots, quotes, unicode, reserved words and SQLite's own words."""
    client.ok(
        'CREATE TABLE [a.b]]c "x" ñ]([select] int, [rowid] int, [a b] int, "q""q" int, [Größe] int, [oid] int); INSERT [a.b]]c "x" ñ] VALUES (1,2,3,4,5,6)'
    )
    assert client.rows('SELECT [SELECT], rowid, [A B], "q""q", größe, oid FROM [a.b]]c "x" ñ]') == [(1, 2, 3, 4, 5, 6)]
    client.ok('UPDATE [a.b]]c "x" ñ] SET rowid = 9 WHERE oid = 6; DELETE [a.b]]c "x" ñ] WHERE rowid = 9')
    assert client.rows("SELECT name FROM sys.tables") == [('a.b]c "x" ñ',)]
    client.ok("CREATE TABLE Müller(Straße int); INSERT MÜLLER(STRASSE) VALUES (1)")


def test_everything_survives_in_the_file(client: Client) -> None:
    """Another session of a server started anew sees the same definitions and rows."""
    client.ok(
        "CREATE TABLE t(id int IDENTITY PRIMARY KEY, s nvarchar(10) COLLATE Latin1_General_CS_AS UNIQUE, c AS id * 2); INSERT t(s) VALUES ('a'), ('A')"
    )
    client.ok("CREATE VIEW v AS SELECT s, c FROM t")
    client.session.close()
    again = Client(client.instance)
    again.ok("INSERT t(s) VALUES ('b')")
    assert again.rows("SELECT * FROM v ORDER BY c") == [("a", 2), ("A", 4), ("b", 6)]
    assert again.fails("INSERT t(s) VALUES ('A')") == [2627]
    again.session.close()
