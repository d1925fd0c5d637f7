"""SQLite under the language: connections, collations, locks."""
