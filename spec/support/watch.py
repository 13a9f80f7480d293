"""Watch files being opened, by the kernel's own word, and count what arrives at a port."""

import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_IN_OPEN = 0x20


class Opens:
    """Whether files of a folder were opened."""

    def __init__(self, folder: Path) -> None:
        self._fd = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for path in [folder, *(path for path in folder.rglob("*"))]:
            assert _LIBC.inotify_add_watch(self._fd, str(path).encode(), _IN_OPEN) >= 0

    def count(self) -> int:
        """Return how many bytes of news there are since the last call; 0: nothing was opened."""
        try:
            return len(os.read(self._fd, 1 << 16))
        except BlockingIOError:
            return 0

    def close(self) -> None:
        os.close(self._fd)


@contextmanager
def opens(folder: Path) -> Iterator[Opens]:
    watch = Opens(folder)
    try:
        yield watch
    finally:
        watch.close()


class Arrivals:
    """A server that answers nothing useful and keeps what came."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.came: list[bytes] = []
        self._over = threading.Event()
        self._listener.settimeout(0.05)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError, OSError):
                sock, _ = self._listener.accept()
                with sock:
                    sock.settimeout(1)
                    self.came.append(b"")
                    with suppress(OSError):
                        self.came[-1] = sock.recv(1 << 16)
                        sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._over.set()
        self._thread.join(5)
        self._listener.close()


@contextmanager
def arrivals() -> Iterator[Arrivals]:
    server = Arrivals()
    try:
        yield server
    finally:
        server.close()
