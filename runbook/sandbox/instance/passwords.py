"""Password hashes in SQL Server's own binary form, so that they can be carried from server to server.

``0x0200`` + 4 bytes salt + SHA-512 (2012 and later); the sandbox's 2025 writes ``0x0300`` + 16 bytes salt + PBKDF2
(100,000 rounds of SHA-512), which older servers cannot check.
"""

from __future__ import annotations

import hashlib
import hmac
import os

SHA512 = b"\x02\x00"
PBKDF2 = b"\x03\x00"
ROUNDS = 100_000
FIRST_PBKDF2_MAJOR = 17


def make(password: str, major: int) -> bytes:
    """The hash a server of that major version stores for a new password."""
    if major >= FIRST_PBKDF2_MAJOR:
        return _pbkdf2(password, os.urandom(16))
    return _sha512(password, os.urandom(4))


def is_known(value: bytes, major: int) -> bool:
    """Can a server of that major version check this hash?"""
    if value[:2] == SHA512:
        return len(value) == 70
    return value[:2] == PBKDF2 and len(value) == 82 and major >= FIRST_PBKDF2_MAJOR


class Verifier:
    """Checks passwords; remembers successes, because PBKDF2 is slow on purpose and tools connect often."""

    def __init__(self) -> None:
        self._proven: set[bytes] = set()

    def matches(self, password: str, stored: bytes) -> bool:
        """Is this the password of that hash?"""
        mark = hashlib.sha256(stored + password.encode("utf-16-le")).digest()
        if mark in self._proven:
            return True
        salted = _sha512(password, stored[2:6]) if stored[:2] == SHA512 else _pbkdf2(password, stored[2:18])
        if not hmac.compare_digest(salted, stored):
            return False
        self._proven.add(mark)
        return True


def _sha512(password: str, salt: bytes) -> bytes:
    return SHA512 + salt + hashlib.sha512(password.encode("utf-16-le") + salt).digest()


def _pbkdf2(password: str, salt: bytes) -> bytes:
    return PBKDF2 + salt + hashlib.pbkdf2_hmac("sha512", password.encode("utf-16-le"), salt, ROUNDS)
