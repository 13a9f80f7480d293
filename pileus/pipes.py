"""Pipes that hold much, so that neither side waits for the other more often than it must."""

import fcntl
import os
from contextlib import suppress

CAPACITY = 1 << 20
"""Bytes that a pipe holds: the most that the kernel grants without rights."""


def large_pipe() -> tuple[int, int]:
    """Return the ends of a new pipe: to read from, and to write to."""
    reader, writer = os.pipe()
    with suppress(OSError):  # the user's share of large pipes is used up: a small one does
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, CAPACITY)
    return reader, writer
