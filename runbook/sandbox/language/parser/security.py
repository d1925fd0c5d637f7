"""Users, roles and permissions of a database."""

from __future__ import annotations

from runbook.sandbox.language import definitions as d
from runbook.sandbox.language import statements as s
from runbook.sandbox.language.parser.base import unsupported
from runbook.sandbox.language.parser.modules import ModuleParser

SERVER_SCOPES = frozenset({"LOGIN", "ENDPOINT", "SERVER", "AVAILABILITY"})
SERVER_WORDS = frozenset({"SERVER", "LOGIN", "ENDPOINT", "LINKED", "CREDENTIAL"})


class SecurityParser(ModuleParser):
    """CREATE USER, roles, GRANT."""

    def principal(self, verb: str, kind: str) -> s.Statement:
        """CREATE or ALTER of a user or a role."""
        found = d.PrincipalStatement(verb, kind, self.name(), {})
        while self.kind() == "word":
            word = self.key()
            if word in ("FOR", "FROM"):
                self.at += 1
                found.options[self.word()] = self.name()
            elif word == "WITHOUT":
                self.at += 2
                found.options["WITHOUT LOGIN"] = ""
            elif word == "WITH":
                self.at += 1
                self._principal_options(found)
            elif word == "AUTHORIZATION":
                self.at += 1
                found.options[word] = self.name()
            elif word in ("ADD", "DROP") and self.key(1) == "MEMBER":
                self.at += 2
                found.options[word] = self.name()
            else:
                break
        return found

    def _principal_options(self, found: d.PrincipalStatement) -> None:
        while True:
            option = self.word()
            self.expect("=")
            if option == "PASSWORD":
                raise unsupported("a contained database user")
            self.at += 1
            found.options[option] = self.values[self.at - 1]
            if not self.take(","):
                return

    def is_server_grant(self) -> bool:
        """Whether the GRANT at the cursor concerns the server, not a database."""
        words, at = [], self.at + 1
        while at < self.size and self.keys[at] not in ("ON", "TO", "FROM", "") and self.kinds[at] in ("word", "symbol"):
            words.append(self.keys[at])
            at += 1
        if at < self.size and self.keys[at] == "ON":
            return self.keys[at + 1] in SERVER_SCOPES and self.keys[at + 2] in ("::", "ROLE", "GROUP")
        return words == ["CONNECT", "SQL"] or (
            bool(SERVER_WORDS & set(words)) or words[:3] in (["VIEW", "ANY", "DATABASE"], ["CREATE", "ANY", "DATABASE"])
        )

    def permission(self) -> s.Statement:
        """GRANT, DENY, REVOKE."""
        verb = self.word()
        grant_option = self.take("GRANT", "OPTION", "FOR")
        permissions = [self._permission_name()]
        while self.take(","):
            permissions.append(self._permission_name())
        scope: str = "DATABASE"
        securable: tuple[str, ...] = ()
        if self.take("ON"):
            scope, securable = self._securable()
        if not self.take_any("TO", "FROM"):
            self.fail()
        grantees = [self._grantee()]
        while self.take(","):
            grantees.append(self._grantee())
        self.take("CASCADE")
        grant_option |= self.take("WITH", "GRANT", "OPTION")
        if self.take("AS"):
            self.name()
        return d.Permission(verb, permissions, scope, securable, grantees, grant_option)

    def _permission_name(self) -> tuple[str, list[str]]:
        words = [self.word()]
        while self.kind() == "word" and not self.sees_any("ON", "TO", "FROM"):
            words.append(self.word())
        name = " ".join(words)
        return ({"EXEC": "EXECUTE", "ALL PRIVILEGES": "ALL"}.get(name, name), self.names() if self.sees("(") else [])

    def _grantee(self) -> str:
        if self.take("PUBLIC"):
            return "public"
        return self.name()

    def _securable(self) -> tuple[str, tuple[str, ...]]:
        scope = "OBJECT"
        if self.kind() == "word" and self.key(1) == "::":
            scope = self.word()
            self.at += 1
        if scope not in ("OBJECT", "SCHEMA", "TYPE", "DATABASE", "ROLE", "USER"):
            raise unsupported(f"a permission on {scope}")
        return scope, self.dotted()

    def authorization(self) -> s.Statement:
        """``ALTER AUTHORIZATION ON x TO y`` for what lives inside a database."""
        self.expect("ON")
        scope = "OBJECT"
        if self.kind() == "word" and self.key(1) == "::":
            scope = self.word()
            self.at += 1
        name = self.dotted()
        self.expect("TO")
        if self.take("SCHEMA"):
            self.expect("OWNER")
            return d.Authorization(scope, name, "")
        return d.Authorization(scope, name, self.name())
