"""Logins and what ties users to them."""

from __future__ import annotations

from collections import defaultdict

from runbook.adapters.sqlserver.client import Client
from runbook.adapters.sqlserver.tsql import logins as text
from runbook.ports import Login


def logins(client: Client) -> tuple[Login, ...]:
    """Logins that can be carried, with their server roles."""
    listed, members = client.read_all([text.logins(), text.role_members()])
    roles: dict[int, list[str]] = defaultdict(list)
    for row in members.dicts():
        roles[row["member_principal_id"]].append(row["role"])
    return tuple(
        Login(
            name=row["name"],
            kind=str(row["type"]).strip(),
            sid=row["sid"],
            password_hash=row["password_hash"],
            default_database=row["default_database_name"] or "master",
            is_disabled=bool(row["is_disabled"]),
            check_policy=bool(row["is_policy_checked"]),
            check_expiration=bool(row["is_expiration_checked"]),
            roles=tuple(roles[row["principal_id"]]),
        )
        for row in listed.dicts()
    )


def create(client: Client, login: Login) -> None:
    """Create a login as it was elsewhere: hash, SID, policy, roles, disabled or not."""
    client.effect(text.create(login), shown=text.create(login, masked=True))
    for role in login.roles:
        client.effect(text.add_to_role(login.name, role))
