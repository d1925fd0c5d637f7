"""The invented mail-marketing company: its rows, its logins, and how they become T-SQL."""
