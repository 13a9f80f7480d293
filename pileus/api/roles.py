"""Roles, and the tokens of a local stack: kept as hashes in a file that only its user reads."""

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from pileus.errors import DamagedObject, NotNow, Unknown, UsageError

BITS = 256


class Role(IntEnum):
    """What somebody may do; each includes those before."""

    read = 1
    """Look at everything."""
    operate = 2
    """Start, stop and repair."""
    admin = 3
    """Change documents and rules."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who has a token."""

    name: str
    role: Role


def new_token() -> str:
    """Return a token: random bits, as text."""
    return secrets.token_urlsafe(BITS // 8)


class TokenFile:
    """Tokens of a local stack. The file holds the SHA-256 of each, and has the mode 0600.

    A random token of 256 bits needs no slow hash: there is nothing to guess.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int], dict[str, Holder]] = ((0, 0), {})

    def add(self, name: str, role: Role) -> str:
        """Return a new token of `name`, which is shown once. Raises NotNow when the name has one, UsageError for a bad
        name.
        """
        if not re.fullmatch(r"[A-Za-z0-9_.@-]{1,60}", name):
            raise UsageError(f"{name!r} cannot name a token: expected up to 60 letters, digits and . _ - @")
        token = new_token()
        with self._changing() as rows:
            if name in rows:
                raise NotNow(f"{name} has a token already: `pileus token remove {name}` first")
            rows[name] = _row(role, _digest(token))
        return token

    def remove(self, name: str) -> None:
        """Make the token of `name` worthless. Raises Unknown when there is none."""
        with self._changing() as rows:
            if name not in rows:
                raise Unknown(f"{name!r} has no token: `pileus token list` shows who has")
            del rows[name]

    def holders(self) -> list[Holder]:
        """Return who has a token, by name."""
        return sorted(self._by_digest().values(), key=lambda one: one.name)

    def holder(self, token: str) -> Holder | None:
        """Return who has this token; None where nobody has."""
        given, found = _digest(token), None
        for digest, holder in self._by_digest().items():
            if hmac.compare_digest(given, digest):
                found = holder
        return found

    def _by_digest(self) -> dict[str, Holder]:
        """Return the holders by hash; the file is read again when it has changed."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return {}
        seen = (stat.st_mtime_ns, stat.st_ino)
        if self._read[0] != seen:
            rows = self._rows()
            self._read = seen, {row["sha256"]: Holder(name, Role[row["role"]]) for name, row in rows.items()}
        return self._read[1]

    def _rows(self) -> dict[str, Mapping[str, str]]:
        try:
            rows = json.loads(self._path.read_bytes())
            return {
                str(name): {"role": Role[row["role"]].name, "sha256": str(row["sha256"])} for name, row in rows.items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, LookupError, TypeError, AttributeError) as exc:
            raise DamagedObject("not a file of tokens", where=str(self._path)) from exc

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Mapping[str, str]]]:
        """Yield the rows, and write them back; one process at a time."""
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            rows = self._rows()
            yield rows
            part = self._path.with_suffix(".part")
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(rows, file, indent=1)
            part.replace(self._path)


def _row(role: Role, digest: str) -> Mapping[str, str]:
    return {"role": role.name, "sha256": digest}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
