"""The language part of the sandbox: T-SQL, run on SQLite files."""
