"""A simulated SQL Server: a separate process that speaks TDS to real clients."""
