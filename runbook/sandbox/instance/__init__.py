"""The instance part of the sandbox: databases, logins, backups, jobs and what statements do to them."""
