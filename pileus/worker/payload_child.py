"""The process in which a task of Cirrus does its payloads: `python -m pileus.worker.payload_child`.

It imports the task once, and forks for each payload: what a task leaves behind, memory, threads, a changed folder,
processes, ends with its payload, and the next one does not wait for the import. Only the standard library is imported
here beside the task, so that it may have an interpreter and packages of its own.
"""

import importlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pileus.cell.confine import Limits, limit, only_write
from pileus.cirrus.calls import caller, module_name
from pileus.errors import UsageError
from pileus.task_context import TaskContext
from pileus.worker.child_process import answer_events
from pileus.worker.forked import Fork, begin, forked, remove

OPEN = ("/dev/null", "/dev/shm", "/dev/tty")
"""What a task may write beside its own folder."""
MISSING = "stac-task is not installed where this task runs: `pip install 'pileus[cirrus]'`, or stactask"
OUTPUT = "output"
"""File in the folder of the process: what the last payload has printed."""
Code = Callable[[Any, Path, bool, object], Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What the worker tells this process of the task."""

    name: str
    entry: str
    """MODULE:CLASS or MODULE:FUNCTION."""
    folder: str
    """Modules are imported from here first."""
    own: bool
    """Whether it is the task's own folder."""
    room: str
    """Folder of this process: in here lie the folders of payloads, and the last payload's output."""
    memory: int
    """Bytes beside those of the interpreter."""
    seconds: float
    kept: str = ""
    """Folder to work in, which stays; empty: one of its own for each payload, which does not."""
    upload: bool = True
    """False: the task is to leave its files where they are."""


def main() -> None:
    """Do payloads until the worker closes its end."""
    told, worker, channel = Told(**json.loads(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
    begin(worker)
    limit(Limits(told.memory))
    found: list[Code] = []

    def call(event: Any) -> Any:
        if not found:
            found.append(_imported(told))
        return _apart(told, found[0], event)

    answer_events(channel, call)


def _imported(told: Told) -> Code:
    """Return what does a payload in a folder. Raises UsageError where there is none, and what importing raises."""
    module, _, name = told.entry.partition(":")
    sys.path.insert(0, told.folder)
    try:
        with _silent():
            found = module_name(Path(told.folder), module) if told.own else module
            code = getattr(importlib.import_module(found), name, None)
    except ModuleNotFoundError as exc:
        if exc.name == "stactask":
            raise UsageError(MISSING, where=told.name) from exc
        raise
    if not callable(code):
        raise UsageError(f"{module} has no {name}", where=told.name)
    return caller(code)


@contextmanager
def _silent() -> Iterator[None]:
    """While a module is imported, what it prints goes nowhere: it may be any amount."""
    sys.stdout.flush()
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        yield
    finally:
        sys.stdout.flush()
        for number, own in zip((1, 2), kept, strict=True):
            os.dup2(own, number)
        for number in (nowhere, *kept):
            os.close(number)


def _apart(told: Told, code: Code, event: Any) -> Any:
    """Return a task's answer to one payload, which it does in a process of its own. Raises TaskFailed."""
    room = Path(told.room)
    room.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=room))
    try:
        work, tmp = Path(told.kept) if told.kept else folder / "work", folder / "tmp"
        for made in (work, tmp):
            made.mkdir(parents=True, exist_ok=True)
        fork = Fork(
            told.name,
            lambda: _prepare(work, tmp),
            lambda: code(event, work, told.upload, TaskContext(told.name, seconds=told.seconds)),
            told.seconds,
            told.memory,
        )
        return forked(fork, room, (room / OUTPUT).write_bytes)
    finally:
        remove(folder)


def _prepare(work: Path, tmp: Path) -> None:
    os.chdir(work)
    os.environ |= {"TMPDIR": str(tmp), "XDG_CACHE_HOME": str(tmp), "PWD": str(work)}
    tempfile.tempdir = None
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    only_write([work, tmp, *map(Path, OPEN)])


if __name__ == "__main__":
    main()
