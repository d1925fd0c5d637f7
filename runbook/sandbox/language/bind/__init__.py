"""Names and types: T-SQL trees become SQLite text of which every part has a type."""
