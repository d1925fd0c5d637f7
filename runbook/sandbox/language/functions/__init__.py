"""The functions of T-SQL."""
