"""A limit of time for what waits on a socket: a timer ends the wait, however slowly bytes come."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from pileus.documents import Provider
from pileus.errors import PileusError, Unreachable


@contextmanager
def cut_after(seconds: float, cut: Callable[[], object], late: Callable[[], PileusError]) -> Iterator[None]:
    """Call `cut` after so many seconds, in a thread of its own. A block that was cut raises what `late` returns."""
    over = threading.Event()

    def end() -> None:
        over.set()
        cut()

    timer = threading.Timer(max(0.0, seconds), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as exc:
        if over.is_set():
            raise late() from exc
        raise
    finally:
        timer.cancel()
    if over.is_set():  # what was cut may look like an end
        raise late()


def patience(provider: Provider) -> float:
    """Return the seconds in which a sign-in, or the opening of a file, must be done."""
    return provider.connect_seconds + provider.read_seconds


def within(seconds: float, cut: Callable[[], object], words: str, where: str) -> AbstractContextManager[None]:
    """As `cut_after`; what is raised is Unreachable: `words`, `within so many seconds`."""
    return cut_after(seconds, cut, lambda: Unreachable(f"{words} within {seconds:g} seconds", where=where))


def shut(sock: socket.socket) -> None:
    """End what waits on a socket, from another thread. The socket is still to be closed."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # that of an SSLSocket would take its state from the reader


class Sockets:
    """The connections that a library opens in one call, so that they can be ended from another thread."""

    def __init__(self) -> None:
        self._found: list[socket.socket] = []
        self.is_cut = False

    def add(self, sock: socket.socket) -> None:
        self._found.append(sock)
        if self.is_cut:
            shut(sock)

    def cut(self) -> None:
        """End what waits on any of them, and on those to come."""
        self.is_cut = True
        for sock in self._found:
            shut(sock)
