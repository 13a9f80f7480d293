"""What takes long to make and depends on known inputs, kept in the user's cache folder from one run to the next."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pileus-specs"
KEPT_HOURS = 6
"""Hours after which something that no run has used is deleted."""


def made_once(name: str, inputs: Iterable[Path | str], make: Callable[[Path], None]) -> Path:
    """Return the folder that `make` fills, made anew when the content of one of `inputs` (files, texts) changes.

    Processes that ask at the same time wait for the one that makes it.
    """
    folder = CACHE / f"{name}-{_key(inputs)}"
    with locked(name):
        sweep(CACHE)
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            make(part)
            part.rename(folder)
        os.utime(folder)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of a name among all processes of this user."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sweep(folder: Path) -> None:
    """Delete what lies in a folder and no run has used for KEPT_HOURS."""
    for path in folder.iterdir():
        if path.is_dir() and path.stat().st_mtime < time.time() - KEPT_HOURS * 3600:
            shutil.rmtree(path, ignore_errors=True)


def _key(inputs: Iterable[Path | str]) -> str:
    digest = hashlib.sha256()
    for one in inputs:
        said = f"{one.name}\n".encode() + one.read_bytes() if isinstance(one, Path) else one.encode()
        digest.update(f"{len(said)}\n".encode() + said)
    return digest.hexdigest()[:16]
