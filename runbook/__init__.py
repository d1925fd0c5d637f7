"""Takes a SQL Server system through a database upgrade inside a promised window, and brings it back."""

__version__ = "0.1.0"
