"""Real hosts for tests: containers that boot systemd, with sshd, nginx, apt and a package named mssql-server."""
