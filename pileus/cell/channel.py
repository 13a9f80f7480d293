"""Messages between a worker and its cell: a JSON value, bytes, and open files, over a Unix socket.

    8 bytes  length of the JSON, little-endian
    8 bytes  length of the bytes
             JSON, bytes

Only the confined side takes open files; the worker's `recv` drops any that come.
"""

import json
import os
import select
import socket
import struct
from collections.abc import Sequence
from typing import Any

from pileus.stopping import Check, go_on

HEAD = struct.Struct("<QQ")
JOB, SAID = 64 << 20, 8 << 20
"""Most bytes of a JSON value: of a job, with a name for each of many files; of what a child says."""
FILES = 2
"""Most open files of one message."""
POLL_MS = 100


class Closed(Exception):
    """The other side has closed the socket, or is dead."""


class TooLong(Exception):
    """A message is longer than was agreed."""


class Channel:
    """One end of a socket, for values of at most `longest` bytes.

    `check` is called while it waits; what it raises ends the waiting.
    """

    def __init__(self, end: socket.socket, longest: int = JOB) -> None:
        self._socket, self._longest = end, longest
        self.check: Check = go_on
        end.setblocking(False)

    def send(self, value: Any, body: bytes | memoryview = b"", files: Sequence[int] = ()) -> None:
        """Send one message. Raises Closed."""
        text = json.dumps(value).encode()
        head = HEAD.pack(len(text), len(body))
        try:
            self._wait(select.POLLOUT)
            sent = socket.send_fds(self._socket, [head], list(files))
            for part in (head[sent:], text, body):
                self._send_all(memoryview(part))
        except (BrokenPipeError, ConnectionResetError) as exc:
            raise Closed from exc

    def _send_all(self, part: memoryview) -> None:
        while len(part):
            self._wait(select.POLLOUT)
            try:
                part = part[self._socket.send(part) :]
            except BlockingIOError:
                continue

    def receive(self, most: int = 0) -> tuple[Any, bytes]:
        """Return the next message's value and its bytes, at most `most` of them. Raises Closed, TooLong, ValueError."""
        value, body, _ = self._receive(most, takes_files=False)
        return value, body

    def receive_files(self, most: int = 0) -> tuple[Any, bytes, list[int]]:
        """Do as `receive`, and return open files, which the caller closes."""
        return self._receive(most, takes_files=True)

    def _receive(self, most: int, *, takes_files: bool) -> tuple[Any, bytes, list[int]]:
        head, files = bytearray(HEAD.size), list[int]()
        if takes_files:
            self._wait(select.POLLIN)
            try:
                start, files, _, _ = socket.recv_fds(self._socket, HEAD.size, FILES)
            except ConnectionResetError as exc:
                raise Closed from exc
            if not start:
                raise Closed
            head[: len(start)] = start
            self._fill(memoryview(head)[len(start) :])
        else:
            self._fill(memoryview(head))
        text_size, body_size = HEAD.unpack(head)
        if text_size > self._longest or body_size > most:
            raise TooLong(f"{text_size} + {body_size} bytes")
        text, body = bytearray(text_size), bytearray(body_size)
        self._fill(memoryview(text))
        self._fill(memoryview(body))
        return json.loads(text), bytes(body), files

    def _fill(self, view: memoryview) -> None:
        while len(view):
            self._wait(select.POLLIN)
            try:
                count = self._socket.recv_into(view)
            except BlockingIOError:
                continue
            except ConnectionResetError as exc:
                raise Closed from exc
            if count == 0:
                raise Closed
            view = view[count:]

    def _wait(self, event: int) -> None:
        poll = select.poll()
        poll.register(self._socket, event)
        while not poll.poll(POLL_MS):
            self.check()

    def close(self) -> None:
        self._socket.close()


def sealed(content: bytes, name: str) -> int:
    """Return an open file in memory with `content`, which nobody can change. The caller closes it."""
    import fcntl

    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(content)
        while len(view):
            view = view[os.write(file, view) :]
        every = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, every)
    except BaseException:
        os.close(file)
        raise
    return file
