"""A process of a task, watched from its parent: its time, what it prints, and what it started. Linux only, and only the
standard library.
"""

import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEPT = 1 << 20
"""Bytes of output that are kept: half of them the first, half the last."""
PIECE = 1 << 16
ROUNDS = 1000
"""Most times that the processes a task has started are looked for: each time at least one of them is ended."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    output: bytes
    """What was kept of it."""
    kind: str = ""
    why: str = ""
    """Empty: it ended by itself, and its answer can be read."""


class Kept:
    """The first and the last bytes of an output of any length."""

    def __init__(self, most: int = KEPT) -> None:
        self._half = most // 2
        self._first, self._last, self._length = bytearray(), bytearray(), 0

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._length += len(piece)
        room = self._half - len(self._first)
        self._first += piece[:room]
        self._last += piece[max(0, room) :]
        if len(self._last) > 2 * self._half:
            del self._last[: -self._half]

    def bytes(self) -> bytes:
        """Return them, with a line between that says how many are left out.

        >>> kept = Kept(4)
        >>> for piece in (b"ab", b"cdef", b"gh"):
        ...     kept.add(piece)
        >>> kept.bytes()
        b'ab\\n... 4 bytes are left out ...\\ngh'
        """
        last = self._last[-self._half :]
        left = self._length - len(self._first) - len(last)
        between = f"\n... {left:,} bytes are left out ...\n".encode() if left else b""
        return bytes(self._first) + between + bytes(last)


def watch(child: int, reading: int, seconds: float) -> Ended:
    """Return how a child of this process ended, and what came through the pipe `reading`, which is closed.

    It is killed after `seconds`; then everything that it has started is.
    """
    kept, late = Kept(), False
    ended = os.pidfd_open(child)
    ends = time.monotonic() + seconds
    try:
        waiting = select.poll()
        waiting.register(ended, select.POLLIN)
        waiting.register(reading, select.POLLIN)
        while True:
            left = ends - time.monotonic()
            ready = dict(waiting.poll(max(0.0, left) * 1000)) if left > 0 else {}
            if reading in ready and not _read(reading, kept):
                waiting.unregister(reading)
            if ended in ready or left <= 0:
                late = ended not in ready
                break
        if late:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        end_descendants()
        os.set_blocking(reading, False)
        with suppress(BlockingIOError):
            while _read(reading, kept):
                pass
    finally:
        os.close(ended)
        os.close(reading)
    if late:
        return Ended(kept.bytes(), "TaskTimedOut", f"took longer than {seconds:g} s")
    return Ended(kept.bytes(), *_death(status))


def _read(reading: int, kept: Kept) -> bool:
    """Take what there is. Return whether there may be more."""
    piece = os.read(reading, PIECE)
    kept.add(piece)
    return bool(piece)


def _death(status: int) -> tuple[str, str]:
    """Return the kind and the sentence of an end that leaves no answer; nothing of a good one."""
    if os.WIFSIGNALED(status):
        return "TaskDied", f"its process was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    code = os.WEXITSTATUS(status)
    return ("TaskDied", f"its process ended with status {code}") if code else ("", "")


def end_descendants() -> None:
    """Kill all that this process and its children have started, also what has left its group. Needs `adopt`."""
    for _ in range(ROUNDS):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:  # there are none: whoever loses its parent becomes a child of this process
            return
        for pid in descendants(os.getpid()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(path.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found, level = list[int](), [pid]
    while level:
        level = [child for one in level for child in children.get(one, ())]
        found += level
    return found
