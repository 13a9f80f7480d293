"""Keys of ZeroMQ nodes: a folder with a certificate for each name, and who is known by it.

`NAME.key` is public, and has the form that ZeroMQ's own tools write. Whoever has one in the folder of a node is known
to it. `NAME.key_secret` is read by its owner alone.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from pileus.errors import UsageError
from pileus.near import unknown

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_KEY = re.compile(r'^\s*(public|secret)-key\s*=\s*"([!-~]{40})"\s*$', re.MULTILINE)
_FRESH = 2_000_000_000
"""Nanoseconds within which a folder may change again without a later time of change."""
_LONGEST = 10_000
"""Bytes of a certificate."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A name and its keys."""

    name: str
    public: bytes
    """In Z85: 40 characters."""
    secret_here: bool
    """Whether the folder has its secret key too."""


class KeyFolder:
    """The certificates of one folder. It is read again when it changes: who is removed is a stranger from then on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: tuple[object, frozenset[bytes]] = (None, frozenset())

    def new(self, name: str) -> Certificate:
        """Make a certificate, and return it. Raises UsageError where the name is taken, or cannot be one of a file."""
        import zmq

        self._check(name)
        public, secret = zmq.curve_keypair()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._path(name).exists():
            raise UsageError(f"{name} has a key already: remove it first")
        _write(self._path(name, "_secret"), _text(public, secret), 0o600)
        _write(self._path(name), _text(public), 0o644)
        return Certificate(name, public, True)

    def list(self) -> tuple[Certificate, ...]:
        """Return all, by name. A file that is no certificate is not among them."""
        found = []
        for path in sorted(self.folder.glob("*.key")) if self.folder.is_dir() else ():
            if public := _keys(path).get("public"):
                found.append(Certificate(path.stem, public, self._path(path.stem, "_secret").exists()))
        return tuple(found)

    def remove(self, name: str) -> None:
        """Delete a certificate. Raises UsageError where there is none."""
        self._known(name)
        for end in ("", "_secret"):
            self._path(name, end).unlink(missing_ok=True)

    def public(self, name: str) -> bytes:
        """Return a public key. Raises UsageError where there is none."""
        return self._known(name).public

    def pair(self, name: str) -> tuple[bytes, bytes]:
        """Return a public and a secret key. Raises UsageError where there is none, or others may read it."""
        self._check(name)
        path = self._path(name, "_secret")
        found = _keys(path)
        if len(found) < 2:
            raise UsageError(f"no secret key of {name} in {self.folder}: `pileus node keys new {name}` makes one")
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} can be read by others: `chmod 600` it")
        return found["public"], found["secret"]

    def knows(self, public: bytes) -> bool:
        """Return whether somebody has this public key."""
        try:
            changed = self.folder.stat().st_mtime_ns
        except OSError:
            return False
        if self._read[0] != changed or time.time_ns() - changed < _FRESH:
            self._read = changed, frozenset(one.public for one in self.list())
        return public in self._read[1]

    def _known(self, name: str) -> Certificate:
        known = {one.name: one for one in self.list()}
        if name not in known:
            raise UsageError(unknown("key", name, known))
        return known[name]

    def _path(self, name: str, end: str = "") -> Path:
        return self.folder / f"{name}.key{end}"

    @staticmethod
    def _check(name: str) -> None:
        if not NAME.fullmatch(name):
            raise UsageError(f"{name[:80]!r}: expected a name of up to 64 letters, digits and . _ -")


def _keys(path: Path) -> dict[str, bytes]:
    """Return the keys of a file by `public` and `secret`; of one that cannot be read, none."""
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST).decode("ascii", "replace")
    except OSError:
        return {}
    return {kind: key.encode() for kind, key in _KEY.findall(text)}


def _text(public: bytes, secret: bytes | None = None) -> str:
    lines = [f'    public-key = "{public.decode()}"']
    lines += [f'    secret-key = "{secret.decode()}"'] if secret else []
    return "\n".join(["metadata", "curve", *lines, ""])


def _write(path: Path, text: str, mode: int) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
