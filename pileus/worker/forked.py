"""Do one thing in a fork of this process, whose output, time and end are watched. Linux only, and only the standard
library: see payload_child.py.
"""

import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pileus.cell.confine import adopt, end_with
from pileus.worker.child_process import TaskFailed
from pileus.worker.watched import end_descendants, watch

LONGEST = 64 << 20
"""Bytes of an answer that is read."""


@dataclass(frozen=True, slots=True)
class Fork:
    """What is done in a fork."""

    name: str
    """For messages."""
    prepare: Callable[[], None]
    """Called first: what the process takes from itself."""
    do: Callable[[], Any]
    """Returns the answer, which JSON can hold."""
    seconds: float
    memory: int
    """Bytes of its limit, for messages."""


def begin(parent: int) -> None:
    """Make this process one that forks: it ends with its parent, and what its forks have started with it."""
    end_with(parent)
    adopt()
    signal.signal(signal.SIGTERM, _leave)


def _leave(*_: object) -> None:
    end_descendants()
    os._exit(128 + signal.SIGTERM)


def forked(fork: Fork, room: Path, tell: Callable[[bytes], object]) -> Any:
    """Return the answer of a fork. Raises TaskFailed for what it raises, and when it dies or takes too long.

    `room`: a folder of this process. `tell`: takes what the fork has printed.
    """
    with tempfile.TemporaryFile(dir=room) as answer:
        reading, writing = os.pipe()
        here = os.getpid()
        child = os.fork()
        if child == 0:
            end_with(here)
            _do(fork, writing, answer.fileno())
        os.close(writing)
        ended = watch(child, reading, fork.seconds)
        tell(ended.output)
        if ended.why:
            raise TaskFailed(ended.kind, ended.why, where=fork.name)
        answer.seek(0)
        return _answer(answer.read(LONGEST + 1), fork.name)


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


def _do(fork: Fork, output: int, answer: int) -> None:
    """In the fork: do it, write the answer, and end."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in (1, 2):
            os.dup2(output, number)
        os.dup2(answer, 3)
        os.closerange(4, 4096)
        fork.prepare()
        said = _said(fork)
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


def _said(fork: Fork) -> str:
    """Return what is answered, as JSON: whatever is raised, an error."""
    try:
        answer = fork.do()
        return json.dumps({"answer": {} if answer is None else answer}, allow_nan=False)
    except SystemExit as error:
        return _error("TaskDied", f"the task ended its process with status {error.code}", None)
    except MemoryError as error:
        traceback.print_exception(error)
        return _error("MemoryError", f"needs more memory than its limit of {fork.memory >> 20:,} MiB", None)
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
