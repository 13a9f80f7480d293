"""Does payloads with a task in somebody's image, which has nothing of Pileus in it: a container for each payload.

The image's command line reads a file and writes another, as that of stac-task does. The container gets the payload; no
credentials, and no network unless the task asks for it. Whatever the task does ends with its container. Where
containers run is a choice of the stack: with Docker on this machine, or as tasks of ECS.
"""

import json
import os
import re
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from pileus.cirrus.payload import address_of
from pileus.errors import DocumentError, UsageError
from pileus.strict_json import parse_json
from pileus.worker.child_process import TaskFailed
from pileus.worker.forked import LONGEST

INSIDE = "/payload"
"""Where a container has the folder of its payload."""
FILES = (f"{INSIDE}/input.json", f"{INSIDE}/output.json", f"{INSIDE}/work")
"""What `{input}`, `{output}` and `{workdir}` stand for."""
PROCESSES = 512
"""Most processes and threads of a container."""
NOBODY = 65534
"""User and group of a container that is not the worker's own."""
RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?$", re.MULTILINE)
TRACE = "Traceback (most recent call last):\n"
Read = Callable[[str], bytes]
"""Returns the object at an address in S3."""


class Containers(Protocol):
    """Runs the containers of one task, one after the other."""

    def run(self, payload: bytes, cancelled: threading.Event) -> bytes:
        """Return what a container has written to `{output}`. Raises TaskFailed for what it does wrong, HandedBack when
        `cancelled` is set, UsageError where there is no such image, StoreError where no container can be run.
        """

    def close(self) -> None:
        """Remove what is left of it."""


def nothing_to_read(url: str) -> bytes:
    """Raise UsageError: payloads come as they are."""
    raise UsageError("a container has no credentials: give the payload itself", where=url[:200])


class ContainerPayloads:
    """Does payloads, one after the other. `read`: reads a payload that comes by its address."""

    def __init__(self, name: str, containers: Containers, read: Read = nothing_to_read) -> None:
        self._name, self._containers, self._read = name, containers, read

    def run(self, event: Mapping[str, Any], cancelled: threading.Event) -> str:
        """Return the JSON of the payload that the task has written. Raises as `Containers.run` does."""
        url = address_of(event)
        payload = json.dumps(event).encode() if url is None else self._read(url)
        return _answer(self._containers.run(payload, cancelled), self._name)

    def close(self) -> None:
        """Remove what is left of it."""
        self._containers.close()


def _answer(text: bytes, name: str) -> str:
    """Return the JSON that a task has written."""
    try:
        value = parse_json(text.decode())
    except (ValueError, DocumentError) as exc:
        raise TaskFailed("TaskDied", f"its answer is no JSON: {str(exc)[:200]}", where=name) from exc
    if not isinstance(value, Mapping):
        raise TaskFailed("TaskDied", "its answer is no payload, which is an object", where=name)
    return json.dumps(value)


def written(path: Path, name: str) -> bytes:
    """Return what a task has written. A link, a pipe or a folder in its place is no answer."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as exc:
        raise no_answer(name) from exc
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise no_answer(name)
        with os.fdopen(number, "rb", closefd=False) as file:
            text = file.read(LONGEST + 1)
    finally:
        os.close(number)
    if len(text) > LONGEST:
        raise too_long(name)
    return text


def took_too_long(name: str, seconds: float) -> TaskFailed:
    return TaskFailed("TaskTimedOut", f"took longer than {seconds:g} s", where=name)


def no_answer(name: str) -> TaskFailed:
    return TaskFailed("TaskDied", "its container ended without an answer", where=name)


def too_long(name: str) -> TaskFailed:
    return TaskFailed("AnswerTooLong", f"the answer has more than {LONGEST:,} bytes", where=name)


def too_hungry(name: str, memory: int) -> TaskFailed:
    return TaskFailed("MemoryError", f"needs more memory than its limit of {memory:,} MiB", where=name)


def failed(name: str, status: int, printed: bytes) -> TaskFailed:
    """Return the failure of a container that has ended with another status than 0: of the last traceback that it has
    printed, where there is one.
    """
    kind, why = raised(printed) or ("TaskDied", f"its container ended with status {status}")
    return TaskFailed(kind, why, where=name)


def raised(printed: bytes) -> tuple[str, str] | None:
    """Return class and message of the error that the last traceback ends with; None where there is none.

    >>> raised(b"Traceback (most recent call last):\\n  File ...\\nstactask.exceptions.InvalidInput: no items\\n")
    ('InvalidInput', 'no items')
    """
    _, found, rest = printed.decode(errors="replace").rpartition(TRACE)
    match = RAISED.search(rest) if found else None
    return (match[1].rpartition(".")[2], (match[2] or "")[:32_000]) if match else None


def filled(command: tuple[str, ...], files: Mapping[str, str]) -> list[str]:
    """Return a command with the files that its places stand for.

    >>> filled(("run", "--in={input}"), {"{input}": "/a"})
    ['run', '--in=/a']
    """
    made = list(command)
    for place, path in files.items():
        made = [part.replace(place, path) for part in made]
    return made
