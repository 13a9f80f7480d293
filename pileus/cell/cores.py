"""The machine's cores, shared by the workers whose scratch volume has one root: each archive that is read takes one.

A core is a lock file. The kernel gives it back when a worker dies, also between containers, which cannot see each
other's processes.
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where a container's share of the machine stands: microseconds in each period, or `max`."""


class Cores:
    """The cores of this machine, as far as this process may use them."""

    def __init__(self, root: Path, count: int | None = None) -> None:
        """`count`: how many; None: as many as there are."""
        self._root = root
        self.count = count or usable()

    def take(self) -> Callable[[], None] | None:
        """Take a core, if one is free. Return what gives it back; None where none is free."""
        for number in range(self.count):
            file = os.open(self._root / f".pileus-core-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
            else:
                return lambda: os.close(file)
        return None


def usable(quota: Path = QUOTA) -> int:
    """Return how many cores this process may use, at least one."""
    cores = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        allowed, period = quota.read_text().split()
        cores = min(cores, round(int(allowed) / int(period)))
    return max(1, cores)
