"""Logins, server roles and server permissions, and the statements that change them."""

from __future__ import annotations

import os
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from runbook.sandbox.contract import LanguageSession, Sink
from runbook.sandbox.errors import error
from runbook.sandbox.instance import clock, passwords
from runbook.sandbox.instance.parse import Reader
from runbook.sandbox.instance.store import Store

if TYPE_CHECKING:
    from runbook.sandbox.instance.instance import SandboxInstance

SA_SID = "01"
ROLES = {
    "public": 2,
    "sysadmin": 3,
    "securityadmin": 4,
    "serveradmin": 5,
    "setupadmin": 6,
    "processadmin": 7,
    "diskadmin": 8,
    "dbcreator": 9,
    "bulkadmin": 10,
}


@dataclass
class Login:
    """A login; ``sid`` and ``password_hash`` are hexadecimal. Windows logins (``kind`` U or G) have no hash."""

    name: str
    sid: str
    principal_id: int
    kind: str = "S"
    password_hash: str | None = None
    is_disabled: bool = False
    check_policy: bool = True
    check_expiration: bool = False
    must_change: bool = False
    default_database: str = "master"
    default_language: str = "us_english"
    created: str = field(default_factory=clock.stamp)
    modified: str = field(default_factory=clock.stamp)
    roles: list[str] = field(default_factory=list)
    permissions: dict[str, str] = field(default_factory=lambda: {"CONNECT SQL": "GRANT"})


def _login(doc: dict[str, Any]) -> Login:
    login = Login(**doc)
    login.roles, login.permissions = [*login.roles], {**login.permissions}  # whoever asked may change them
    return login


class Logins:
    """All logins by name; every change is durable when the call returns."""

    def __init__(self, store: Store, major: int) -> None:
        self._store = store
        self._major = major
        self._lock = threading.Lock()
        self._docs: dict[str, Any] | None = None
        """What the store has, None after a change."""
        self.verifier = passwords.Verifier()

    def find(self, name: str) -> Login | None:
        """The login of that name."""
        doc = self._known().get(name.lower())
        return None if doc is None else _login(doc)

    def by_sid(self, sid: str) -> Login | None:
        """The login of that security id (hexadecimal)."""
        return next((_login(doc) for doc in self._known().values() if doc["sid"].lower() == sid.lower()), None)

    def all(self) -> list[Login]:
        """All logins, by principal id."""
        return sorted(map(_login, self._known().values()), key=lambda x: x.principal_id)

    def save(self, login: Login) -> None:
        """Write a login."""
        login.modified = clock.stamp()
        with self._lock:
            self._store.put("login", login.name.lower(), asdict(login))
            self._docs = None

    def remove(self, login: Login) -> None:
        """Forget a login."""
        with self._lock:
            self._store.remove("login", login.name.lower())
            self._docs = None

    def _known(self) -> dict[str, Any]:
        with self._lock:
            if self._docs is None:
                self._docs = self._store.items("login")
            return self._docs

    def create(self, name: str, **fields: Any) -> Login:
        """Add a login with a new principal id."""
        first = 1 if fields.get("sid") == SA_SID else self._store.next("principal", 261)
        login = Login(name=name, principal_id=first, **{"sid": os.urandom(16).hex(), **fields})
        self.save(login)
        return login

    def hash(self, password: str) -> str:
        """The hash to store for a new password, hexadecimal."""
        return passwords.make(password, self._major).hex()

    def accepts(self, value: bytes) -> bool:
        """Can this server check that hash?"""
        return passwords.is_known(value, self._major)

    def proves(self, login: Login, password: str) -> bool:
        """Is this the login's password?"""
        if login.password_hash is None:
            return False
        return self.verifier.matches(password, bytes.fromhex(login.password_hash))

    def has_role(self, name: str, *roles: str) -> bool:
        """Is the login a member of one of these fixed server roles, or of sysadmin?"""
        login = self.find(name)
        return login is not None and bool({"sysadmin", *roles} & set(login.roles))


def create_login(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """CREATE LOGIN name WITH PASSWORD = ... | FROM WINDOWS."""
    _demand(instance, session)
    name = reader.name()
    if instance.logins.find(name) is not None:
        raise error(15025, name)
    if reader.accept("FROM", "WINDOWS"):
        fields = _options(instance, reader) if reader.accept("WITH") else {}
        instance.logins.create(name, kind="U", sid=(b"\x01\x05" + os.urandom(26)).hex(), **fields)
    else:
        reader.expect("WITH")
        fields = _options(instance, reader)
        if "password_hash" not in fields:
            raise reader.syntax()
        instance.logins.create(name, **fields)
    reader.end()
    sink.done()


def alter_login(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """ALTER LOGIN name ENABLE | DISABLE | WITH option [, ...]."""
    name = reader.name()
    login = instance.logins.find(name)
    if login is None:
        raise error(15151, "alter", "login", name)
    if session.login.lower() != name.lower():
        _demand(instance, session)
    switch = reader.one_of("ENABLE", "DISABLE")
    if switch is None:
        reader.expect("WITH")
        _change(instance, login, _options(instance, reader))
    else:
        login.is_disabled = switch == "DISABLE"
    reader.end()
    instance.logins.save(login)
    sink.done()


def _change(instance: SandboxInstance, login: Login, fields: dict[str, Any]) -> None:
    new_name = fields.pop("new_name", None)
    if new_name is not None and new_name.lower() != login.name.lower():
        if instance.logins.find(new_name) is not None:
            raise error(15025, new_name)
        instance.logins.remove(login)
    for key, value in fields.items():
        setattr(login, key, value)
    login.name = new_name or login.name


def drop_login(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """DROP LOGIN name."""
    _demand(instance, session)
    name = reader.name()
    reader.end()
    login = instance.logins.find(name)
    if login is None:
        raise error(15151, "drop", "login", name)
    if login.sid == SA_SID:
        raise error(15405, name)
    if any(d.owner_sid.lower() == login.sid.lower() for d in instance.databases()):
        raise error(15174, name)
    if any(e.login.lower() == name.lower() for e in instance.registry.all()):
        raise error(15434, name)
    instance.logins.remove(login)
    sink.done()


def _options(instance: SandboxInstance, reader: Reader) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    while True:
        option = reader.word()
        reader.expect_symbol("=")
        if option == "PASSWORD":
            fields["password_hash"] = _password(instance, reader)
        elif option == "SID":
            fields["sid"] = _sid(instance, reader)
        elif option in ("CHECK_POLICY", "CHECK_EXPIRATION"):
            fields[option.lower()] = reader.word() == "ON"
        elif option in ("DEFAULT_DATABASE", "DEFAULT_LANGUAGE"):
            fields[option.lower()] = reader.name()
        elif option == "NAME":
            fields["new_name"] = reader.name()
        elif option == "OLD_PASSWORD":
            reader.string()
        else:
            raise reader.refuse(f"login option {option}")
        if not reader.symbol(","):
            return fields


def _password(instance: SandboxInstance, reader: Reader) -> str:
    value = reader.value()
    hashed = reader.accept("HASHED")
    reader.accept("MUST_CHANGE")
    reader.accept("UNLOCK")
    if not hashed:
        return instance.logins.hash(str(value))
    if not isinstance(value, bytes) or not instance.logins.accepts(value):
        raise error(15021, "PASSWORD")
    return value.hex()


def _sid(instance: SandboxInstance, reader: Reader) -> str:
    value = reader.value()
    if not isinstance(value, bytes) or len(value) != 16:
        raise error(15021, "SID")
    if instance.logins.by_sid(value.hex()) is not None:
        raise error(15433)
    return value.hex()


def _demand(instance: SandboxInstance, session: LanguageSession) -> None:
    if not instance.logins.has_role(session.login, "securityadmin"):
        raise error(15247)


def alter_server_role(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """ALTER SERVER ROLE role ADD | DROP MEMBER login."""
    _demand(instance, session)
    role = reader.name().lower()
    action = reader.one_of("ADD", "DROP")
    if action is None:
        raise reader.refuse("ALTER SERVER ROLE ... WITH NAME")
    reader.expect("MEMBER")
    set_role(instance, role, reader.name(), member=action == "ADD")
    reader.end()
    sink.done()


def set_role(instance: SandboxInstance, role: str, name: str, *, member: bool) -> None:
    """Make a login a member of a fixed server role, or end its membership."""
    login = instance.logins.find(name)
    if role not in ROLES or role == "public":
        raise error(15151, "alter", "server role", role)
    if login is None:
        raise error(15151, "add" if member else "drop", "server principal", name)
    roles = [r for r in login.roles if r != role]
    login.roles = [*roles, role] if member else roles
    instance.logins.save(login)


def permission(instance: SandboxInstance, session: LanguageSession, reader: Reader, sink: Sink) -> None:
    """GRANT | DENY | REVOKE server permission [, ...] TO | FROM login."""
    _demand(instance, session)
    action = reader.word()
    reader.accept("GRANT", "OPTION", "FOR")
    names = [_permission_name(reader)]
    while reader.symbol(","):
        names.append(_permission_name(reader))
    if reader.one_of("TO", "FROM") is None:
        raise reader.syntax()
    name = reader.name()
    reader.accept("WITH", "GRANT", "OPTION")
    reader.accept("CASCADE")
    reader.end()
    login = instance.logins.find(name)
    if login is None:
        raise error(15151, "find", "login", name)
    for key in names:
        if action == "REVOKE":
            login.permissions.pop(key, None)
        else:
            login.permissions[key] = action
    instance.logins.save(login)
    sink.done()


def _permission_name(reader: Reader) -> str:
    words = [reader.word()]
    while not (reader.is_word("TO") or reader.is_word("FROM") or reader.done):
        token = reader.peek()
        if token is None or token.kind != "word":
            break
        words.append(reader.word())
    return " ".join(words)
