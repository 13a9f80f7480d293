"""A process that does events for a worker, so that what runs in it may leak, crash or never end.

The worker keeps one, and starts another when it has died or was ended. Each event and each answer is a line of JSON:
`{"event": ...}`, then `{"answer": ...}` or `{"error": {"type", "message"}}`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from pileus.errors import HandedBack, PileusError, StoreError
from pileus.strict_json import parse_json

POLL_SECONDS = 0.2
END_SECONDS = 5
"""Seconds that a process has to end after SIGTERM."""


class TaskFailed(PileusError):
    """What a task raised; `kind` is the name of its error."""

    def __init__(self, kind: str, message: str, *, where: str | None = None) -> None:
        super().__init__(message, where=where)
        self.kind = kind


class DoesEvents(Protocol):
    """Does the events of a task, one after the other."""

    def run(self, event: Mapping[str, Any], cancelled: threading.Event) -> str:
        """Return the JSON of the task's answer. Raises what goes wrong as a PileusError: TaskFailed for errors that are
        not ours; HandedBack when `cancelled` is set.
        """

    def close(self) -> None:
        """End what it has started, and remove what is left of it."""


class ChildProcess:
    """Does events, one after the other.

    `name`: what it does, for messages. `module`: what is run, with `arguments`, this process's id and the number of the
    channel's file. `seconds`: the longest time of one event. `environ`: the process's environment; None: this one's.
    `python`: the interpreter.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        seconds: float,
        environ: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self._command = [python, "-m", module, *arguments, str(os.getpid())]
        self._name, self._seconds, self._environ = name, seconds, environ
        self._process: subprocess.Popen[bytes] | None = None
        self._ours: socket.socket | None = None

    def run(self, event: Mapping[str, Any], cancelled: threading.Event, look: Callable[[], None] = lambda: None) -> str:
        """Return the JSON of the task's answer. Raises what the task raised as a PileusError: TaskFailed for errors
        that are not ours, also when the process ended or took too long; HandedBack when `cancelled` is set.

        `look`: called every POLL_SECONDS meanwhile.
        """
        channel = self._started()
        try:
            channel.sendall(json.dumps({"event": event}).encode() + b"\n")
            line = self._line(channel, cancelled, look)
        except OSError as exc:
            raise self._death() from exc
        value = parse_json(line)
        if "error" in value:
            raise _error(value["error"], self._name)
        return json.dumps(value["answer"])

    def _started(self) -> socket.socket:
        if self._process is not None and self._process.poll() is None and self._ours is not None:
            return self._ours
        self.close()
        self._ours, its = socket.socketpair()
        with its:
            starting = _starter(os.getpid()).submit(
                subprocess.Popen,
                [*self._command, str(its.fileno())],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                env=None if self._environ is None else dict(self._environ),
                start_new_session=True,  # Ctrl-C is for the worker, which then decides
            )
            self._process = starting.result()
        return self._ours

    def _line(self, channel: socket.socket, cancelled: threading.Event, look: Callable[[], None]) -> bytes:
        channel.settimeout(POLL_SECONDS)
        ends, found = time.monotonic() + self._seconds, bytearray()
        while not found.endswith(b"\n"):
            if cancelled.is_set():
                self.close()
                raise HandedBack("told to stop", where=self._name)
            if time.monotonic() > ends:
                self.close()
                raise TaskFailed("TaskTimedOut", f"took longer than {self._seconds:g} s", where=self._name)
            look()
            with suppress(TimeoutError):
                got = channel.recv(1 << 16)
                if not got:
                    raise self._death()
                found += got
        return bytes(found)

    def _death(self) -> TaskFailed:
        """End the process, and return the error that says how it ended."""
        status = None
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                status = self._process.wait(END_SECONDS)
        self.close()
        if status is None:
            how = "closed its channel"
        else:
            how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return TaskFailed("TaskDied", f"its process {how}", where=self._name)

    def close(self) -> None:
        """End the process and whatever it started."""
        if self._ours is not None:
            self._ours.close()
        if self._process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(END_SECONDS)
        self._process = self._ours = None


@lru_cache(maxsize=1)
def _starter(process: int) -> ThreadPoolExecutor:
    """Return the thread of this process that starts others. They end with the thread that started them, not with the
    process: that of a caller may end long before.
    """
    del process
    return ThreadPoolExecutor(1, thread_name_prefix="starts processes")


def _error(told: Mapping[str, Any], name: str) -> PileusError:
    kind, message = str(told.get("type")), str(told.get("message"))
    if kind == "StoreError":
        return StoreError(message, where=name)
    return TaskFailed(kind, message, where=str(told.get("where") or name))


def answer_events(channel: int, call: Callable[[Any], Any]) -> None:
    """In the process: do each event that comes through the channel, until the worker closes its end."""
    with socket.socket(fileno=channel) as ours, ours.makefile("rwb") as lines:
        for line in lines:
            try:
                answer = call(json.loads(line)["event"])
                said = json.dumps({"answer": {} if answer is None else answer}, allow_nan=False)
            except Exception as error:  # noqa: BLE001  (told to the worker, which answers the token as failed)
                said = json.dumps({"error": _told(error)})
            lines.write(said.encode() + b"\n")
            lines.flush()


def _told(error: Exception) -> dict[str, str | None]:
    if isinstance(error, PileusError):
        kind = error.kind if isinstance(error, TaskFailed) else type(error).__name__
        return {"type": kind, "message": error.message, "where": error.where}
    traceback.print_exception(error)  # the whole of it is in the worker's log
    place = traceback.extract_tb(error.__traceback__)[-1]
    return {"type": type(error).__name__, "message": str(error), "where": f"{Path(place.filename).name}:{place.lineno}"}
