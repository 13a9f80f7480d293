"""A partial file: it grows beside its final name, a later process can continue it, and it is renamed when whole."""

import ctypes
import errno
import fcntl
import json
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pileus.download.transfer import BLOCK, Transfer
from pileus.errors import NoSpace, UsageError
from pileus.public_url import public_url

NOTED = 8 << 20
"""Bytes from which a file gets a note beside its partial file, so that a later process can continue it."""
_KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE of Linux, which the standard library does not have."""
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def partial_name(name: str) -> str:
    """Return what the file `name` is called while it is not whole."""
    return f".{name}.part"


def partial_path(target: Path) -> Path:
    return target.with_name(partial_name(target.name))


@contextmanager
def open_partial(target: Path) -> Iterator["PartialFile"]:
    """Open the partial file of `target`, and yield it. After an error it stays, if a note says how to continue it."""
    path = f"{target.parent}/{partial_name(target.name)}"
    fd = _create(path)
    if not _is_ours(fd, path):
        # Another process downloads the same file. Both become whole, and the later rename wins.
        os.close(fd)
        path = f"{target.parent}/{partial_name(f'{target.name}.{uuid.uuid4().hex[:8]}')}"
        fd = _create(path)
    partial = PartialFile(path, str(target), fd)
    try:
        with told_when_full(target):
            yield partial
    except NoSpace:
        partial.discard()
        raise
    finally:
        if not partial.noted:
            partial.discard()
        os.close(fd)


@contextmanager
def told_when_full(target: Path) -> Iterator[None]:
    """Raise NoSpace where the block finds its volume full."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"no space left on the volume: {exc.strerror}", where=str(target)) from exc
        raise


def _is_ours(fd: int, path: str) -> bool:
    """Return whether only this process writes to the file, and nobody renamed it after it was opened."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.stat(path).st_ino == os.fstat(fd).st_ino  # noqa: PTH116 - see PartialFile
    except (BlockingIOError, FileNotFoundError):
        return False


def _create(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        kind = NoSpace if exc.errno in (errno.ENOSPC, errno.EDQUOT) else UsageError
        raise kind(f"cannot be written: {exc.strerror}", where=path) from exc


class PartialFile:
    """A file that is not whole yet. For one thread."""

    def __init__(self, path: str, target: str, fd: int) -> None:
        # Strings: making a Path would take as long as writing a small file.
        self._path, self._target, self._fd = path, target, fd
        self.noted = False
        """Whether a later process can continue it."""

    @property
    def _note(self) -> Path:
        return Path(f"{self._path}.json")

    def resume(self, transfer: Transfer, url: str) -> None:
        """Continue where an earlier process stopped, if the note is about `url`; else begin at the first byte."""
        position = os.fstat(self._fd).st_size
        try:
            note = json.loads(self._note.read_text()) if position else {}
        except (OSError, ValueError):
            note = {}
        if note.get("url") == public_url(url) and position <= note["size"]:
            os.lseek(self._fd, 0, os.SEEK_END)
            transfer.resume(position, note["size"], note["validator"], lambda: blocks(Path(self._path)))
            self.noted = True
        elif position:
            self.restart()

    def restart(self) -> None:
        """Empty the file."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.noted = False

    def fileno(self) -> int:
        """Return the file descriptor, which writes at the end of the file."""
        return self._fd

    def note(self, transfer: Transfer, url: str) -> None:
        """Write the note that lets a later process continue the file, once, if the file is large enough."""
        if not self.noted and transfer.validator and (transfer.size or 0) >= NOTED:
            note = {"url": public_url(url), "size": transfer.size, "validator": transfer.validator}
            self._note.write_text(json.dumps(note))
            self.noted = True
            _set_aside(self._fd, transfer.size or 0)

    def publish(self, modified: float | None) -> None:
        """Give the file its final name. `modified`: its time, seconds since 1970."""
        if modified is not None:
            os.utime(self._fd, (modified, modified))
        os.replace(self._path, self._target)  # noqa: PTH105 - see above
        if self.noted:
            self._note.unlink(missing_ok=True)
        self.noted = True

    def discard(self) -> None:
        """Delete the file and its note."""
        Path(self._path).unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.noted = True


def _set_aside(fd: int, size: int) -> None:
    """Reserve room for `size` bytes, in one piece if possible; the length of the file stays.

    Raises OSError when there is no room. Does nothing on a file system that cannot reserve.
    """
    if _LIBC and _LIBC.fallocate(fd, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)):
        code = ctypes.get_errno()
        if code in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(code, os.strerror(code))


def blocks(path: Path) -> Iterator[memoryview]:
    """Yield the bytes of a file block by block. A block is valid until the next one."""
    block = memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            yield block[:count]
