"""From a socket to a file within the kernel: `splice` moves what came, and this process never touches it.

Copying into this process and out of it costs more than the rest of a download; without it a file of
64 MB takes half the processor time. Linux only, and only for bytes that need no decryption and no checksum.
"""

import errno
import os
import socket

from pileus.pipes import CAPACITY, large_pipe

PLENTY = 1 << 16
"""While at least so many bytes come at once, more are waiting."""
POURS = hasattr(os, "splice")
"""Whether this system can."""


class KernelPipe:
    """The pipe that leads from a socket to a file. For one thread at a time."""

    def __init__(self) -> None:
        self._out, self._in = large_pipe()

    def take(self, sock: socket.socket, most: int) -> int:
        """Bytes, at most `most`, that came from the socket; 0 at the end. Raises what recv would."""
        return os.splice(sock.fileno(), self._in, min(most, CAPACITY))

    def give(self, fd: int, count: int) -> None:
        """Write the bytes taken to the file. Raises what write would."""
        while count:
            try:
                count -= os.splice(self._out, fd, count)
            except OSError as exc:
                if exc.errno != errno.EINVAL:
                    raise
                # A file that takes no pages: the bytes go by hand.
                block = os.read(self._out, count)
                count -= len(block)
                while block:
                    block = block[os.write(fd, block) :]

    def close(self) -> None:
        os.close(self._in)
        os.close(self._out)
