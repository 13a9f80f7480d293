"""The process in which a task of Cirrus does its payloads: `python -m pileus.worker.payload_child`.

It imports the task once, and forks for each payload: what a task leaves behind, memory, threads, a changed folder,
processes, ends with its payload, and the next one does not wait for the import. Only the standard library is imported
here beside the task, so that it may have an interpreter and packages of its own.
"""

import importlib
import json
import logging
import os
import shutil
import signal
import stat
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pileus.cell.confine import Limits, adopt, end_with, limit, only_write
from pileus.cirrus.calls import caller, module_name
from pileus.errors import UsageError
from pileus.task_context import TaskContext
from pileus.worker.child_process import TaskFailed, answer_events
from pileus.worker.watched import end_descendants, watch

OPEN = ("/dev/null", "/dev/shm", "/dev/tty")
"""What a task may write beside its own folder."""
MISSING = "stac-task is not installed where this task runs: `pip install 'pileus[cirrus]'`, or stactask"
OUTPUT = "output"
"""File in the folder of the process: what the last payload has printed."""
LONGEST = 64 << 20
"""Bytes of an answer that is read."""
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
    end_with(worker)
    adopt()
    signal.signal(signal.SIGTERM, _leave)
    limit(Limits(told.memory))
    found: list[Code] = []

    def call(event: Any) -> Any:
        if not found:
            found.append(_imported(told))
        return _apart(told, found[0], event)

    answer_events(channel, call)


def _leave(*_: object) -> None:
    end_descendants()
    os._exit(128 + signal.SIGTERM)


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
        work = Path(told.kept) if told.kept else folder / "work"
        for made in (work, folder / "tmp"):
            made.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=room) as answer:
            reading, writing = os.pipe()
            here = os.getpid()
            child = os.fork()
            if child == 0:
                end_with(here)
                _do(code, event, told, work, folder / "tmp", writing, answer.fileno())
            os.close(writing)
            ended = watch(child, reading, told.seconds)
            (room / OUTPUT).write_bytes(ended.output)
            if ended.why:
                raise TaskFailed(ended.kind, ended.why, where=told.name)
            answer.seek(0)
            return _answer(answer.read(LONGEST + 1), told.name)
    finally:
        remove(folder)


def _answer(text: bytes, name: str) -> Any:
    if len(text) > LONGEST:
        raise TaskFailed("AnswerTooLong", f"the answer has more than {LONGEST:,} bytes", where=name)
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise TaskFailed("TaskDied", "its process ended without an answer", where=name) from exc
    if "error" in value:
        raise TaskFailed(value["error"]["type"], value["error"]["message"], where=value["error"]["where"] or name)
    return value["answer"]


def _do(code: Code, event: Any, told: Told, work: Path, tmp: Path, output: int, answer: int) -> None:
    """In the fork: do one payload, write the answer, and end."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in (1, 2):
            os.dup2(output, number)
        os.dup2(answer, 3)
        os.closerange(4, 4096)
        os.chdir(work)
        os.environ |= {"TMPDIR": str(tmp), "XDG_CACHE_HOME": str(tmp), "PWD": str(work)}
        tempfile.tempdir = None
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        only_write([work, tmp, *map(Path, OPEN)])
        said = _said(lambda: code(event, work, told.upload, TaskContext(told.name, seconds=told.seconds)), told)
        with open(3, "wb", closefd=False) as file:
            file.write(said.encode())
        status = 0
    except BaseException:  # noqa: BLE001  (a fork may not go on in the code of the process that it is a copy of)
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _said(do: Callable[[], Any], told: Told) -> str:
    """Return what is answered, as JSON: whatever the task raises, an error."""
    try:
        answer = do()
        return json.dumps({"answer": {} if answer is None else answer}, allow_nan=False)
    except SystemExit as error:
        return _error("TaskDied", f"the task ended its process with status {error.code}", None)
    except MemoryError as error:
        traceback.print_exception(error)
        return _error("MemoryError", f"needs more memory than its limit of {told.memory >> 20:,} MiB", None)
    except BaseException as error:  # noqa: BLE001  (told to the worker)
        traceback.print_exception(error)
        place = traceback.extract_tb(error.__traceback__)[-1]
        return _error(type(error).__name__, str(error), f"{Path(place.filename).name}:{place.lineno}")


def _error(kind: str, message: str, where: str | None) -> str:
    return json.dumps({"error": {"type": kind, "message": message[:32_000], "where": where}})


def remove(folder: Path) -> None:
    """Remove a folder of a task, whatever it has done with its files."""
    shutil.rmtree(folder, onerror=_open_and_again)


def _open_and_again(remove: Callable[[str], object], path: str, _: object) -> None:
    """Remove what a task has left without the right to."""
    with suppress(OSError):
        Path(path).parent.chmod(stat.S_IRWXU)
        if remove in (os.unlink, os.rmdir):
            remove(path)
        elif not Path(path).is_symlink():
            Path(path).chmod(stat.S_IRWXU)
            shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main()
