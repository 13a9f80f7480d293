"""The scratch volume, shared by several workers: reserve room before writing, and remove what dead workers left.

A worker has a folder of its own on the volume and a lock file beside it, which it keeps locked while it lives; the
kernel unlocks it when the worker dies, also between containers, which cannot see each other's processes. The lock
file holds the bytes that the worker has reserved. All reservations are made under one lock of the volume:

    room = free bytes - what others have reserved and not yet written

So the volume never fills up: a group that does not fit waits until another is done.

What a worker had downloaded that died, or could not reach the store, is moved to `left`, under the name of its
reservation, and given to whoever reserves under that name next. It is removed when room is short, or when no worker
took it in time.
"""

import fcntl
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pileus.errors import HandedBack, StoreError, VolumeTooSmall

LEDGER = ".pileus-ledger"
"""The lock of the volume, a file in its root."""
SUFFIX = ".worker"
"""Of lock files; a worker's folder has the same name without it."""
SPARE = 64 * 2**20
"""Bytes of the volume that are never given away: the file system's own needs."""
ARCHIVES = "archives"
"""The folder of a reservation whose files outlive their worker: downloads, which others can go on with."""
LEFT = "left"
"""Where they wait, a folder in the root."""
PATIENCE = 900.0
"""Seconds for which they are kept for the next worker, unless told otherwise."""
POLL = 1.0
"""Seconds between two looks for room."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The volume at one moment, in bytes."""

    total: int
    free: int
    promised: int
    """Reserved by living workers and not yet written."""

    @property
    def room(self) -> int:
        """Bytes that can still be reserved."""
        return self.free - self.promised - SPARE

    @property
    def most(self) -> int:
        """Bytes that could be reserved if no worker had reserved any."""
        return self.total - SPARE


class Volume:
    """One worker's share of the scratch volume at `root`. A context manager; leaving removes the worker's folder.

    `patience`: seconds for which downloads of dead workers are kept for the next worker.
    """

    def __init__(self, root: Path, *, patience: float = PATIENCE) -> None:
        self._root, self._patience = root, patience
        self._lock: IO[str] | None = None
        self.folder = root / f"worker-{uuid.uuid4().hex[:12]}"
        """This worker's own."""

    def __enter__(self) -> Self:
        return self.open()

    def open(self) -> Self:
        """Make this worker's folder on the volume, and lock its lock file."""
        self._root.mkdir(parents=True, exist_ok=True)
        with self._ledger():
            self._lock = self._lock_file(self.folder).open("w+")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.folder.mkdir(exist_ok=True)
        self.sweep()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder, and unlock."""
        with self._ledger():
            shutil.rmtree(self.folder, ignore_errors=True)
            self._lock_file(self.folder).unlink(missing_ok=True)
            if self._lock:
                self._lock.close()
                self._lock = None

    @contextmanager
    def reserved(
        self, size: int, *, name: str | None = None, cancelled: threading.Event | None = None
    ) -> Iterator[Path]:
        """Wait for `size` bytes of room; a folder to use them in, removed at the end.

        Its subfolder ARCHIVES holds what a worker that died, or could not reach the store, had downloaded under the
        same `name`, else the folder is empty: `name` must say which files, of which version. Raises VolumeTooSmall
        when the volume could never hold them, HandedBack soon after `cancelled` is set.
        """
        cancelled = cancelled or threading.Event()
        while not self._reserve(size):
            if cancelled.wait(POLL):
                raise HandedBack("stopped while it waited for room on the scratch volume", where=str(self._root))
        folder = self.folder / (name or uuid.uuid4().hex[:12])
        try:
            folder.mkdir()
            self._inherit(folder)
            yield folder
        except StoreError as error:
            if error.retryable:  # the group is tried again soon
                with self._ledger():
                    self._put_aside(folder / ARCHIVES)
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._write(0)

    def _reserve(self, size: int) -> bool:
        """Raises VolumeTooSmall."""
        self.sweep()
        with self._ledger():
            usage = self._usage()
            if size > usage.most:
                raise VolumeTooSmall(
                    f"{size} bytes are needed, the volume has {usage.most}: raise volume_size", where=str(self._root)
                )
            if size > usage.room:
                shutil.rmtree(self._root / LEFT, ignore_errors=True)
                usage = self._usage()
            if size > usage.room:
                return False
            self._write(size)
        return True

    def usage(self) -> Usage:
        """Return the state of the volume."""
        with self._ledger():
            return self._usage()

    def _usage(self) -> Usage:
        disk = os.statvfs(self._root)
        promised = sum(max(0, _bytes(path) - written(_folder(path))) for path in self._workers())
        return Usage(disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize, promised)

    def sweep(self) -> list[Path]:
        """Remove the folders of dead workers, except their downloads; return which workers they were of."""
        swept = []
        with self._ledger():
            for path in self._workers():
                if path != self._lock_file(self.folder) and _dead(path):
                    self._leave(_folder(path))
                    path.unlink(missing_ok=True)
                    swept.append(_folder(path))
            for left in (self._root / LEFT).glob("*"):
                if left.stat().st_mtime < time.time() - self._patience:
                    shutil.rmtree(left)
        return swept

    def _leave(self, dead: Path) -> None:
        """Keep a dead worker's downloads for the next one, and remove the rest. A full volume may not allow it."""
        for archives in dead.glob(f"*/{ARCHIVES}"):
            self._put_aside(archives)
        shutil.rmtree(dead, ignore_errors=True)

    def _put_aside(self, archives: Path) -> None:
        """Keep the downloads of a reservation for whoever reserves under its name next."""
        left = self._root / LEFT / archives.parent.name
        with suppress(OSError):
            left.parent.mkdir(exist_ok=True)
            shutil.rmtree(left, ignore_errors=True)
            archives.replace(left)
            os.utime(left)

    def _inherit(self, folder: Path) -> None:
        with self._ledger(), suppress(FileNotFoundError):
            (self._root / LEFT / folder.name).replace(folder / ARCHIVES)

    def _write(self, size: int) -> None:
        assert self._lock is not None  # only inside the context
        self._lock.seek(0)
        self._lock.write(f"{size:020d}")
        self._lock.flush()

    def _workers(self) -> list[Path]:
        return sorted(self._root.glob(f"*{SUFFIX}"))

    @staticmethod
    def _lock_file(folder: Path) -> Path:
        return folder.with_name(folder.name + SUFFIX)

    @contextmanager
    def _ledger(self) -> Iterator[None]:
        with (self._root / LEDGER).open("a") as ledger:
            fcntl.flock(ledger, fcntl.LOCK_EX)
            yield


def written(folder: Path) -> int:
    """Bytes on disk of all files below `folder`; those that vanish meanwhile count nothing."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(base) / name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def _folder(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(SUFFIX))


def _bytes(path: Path) -> int:
    try:
        return int(path.read_text() or 0)
    except FileNotFoundError:
        return 0


def _dead(path: Path) -> bool:
    """Return whether the worker is dead: nobody holds its lock.

    Called under the ledger's lock, so that no worker starts meanwhile.
    """
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return False
    return True
