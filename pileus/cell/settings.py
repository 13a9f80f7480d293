"""Whether a worker has a cell, and its limits, from the environment.

PILEUS_CELL          `off` opens files in the worker itself: only where a cell cannot be started
PILEUS_CELL_MEMORY   MiB that one group may use; by default three quarters of the machine's or the container's
PILEUS_CELL_SECONDS  processor time of one job; by default 3600
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pileus.cell.confine import SECONDS, Limits
from pileus.errors import UsageError

SHARE = 0.75
"""Of the memory that there is."""
CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def limits_of(environ: Mapping[str, str]) -> Limits | None:
    """Return the limits of a cell; None where it is off. Raises UsageError."""
    wanted = environ.get("PILEUS_CELL", "on")
    if wanted not in ("on", "off"):
        raise UsageError(f"PILEUS_CELL is {wanted!r}: expected on or off")
    if wanted == "off":
        return None
    memory = _number(environ, "PILEUS_CELL_MEMORY", int(there_is() * SHARE) >> 20) << 20
    return Limits(memory, _number(environ, "PILEUS_CELL_SECONDS", SECONDS))


def _number(environ: Mapping[str, str], name: str, usual: int) -> int:
    text = environ.get(name) or str(usual)
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:12]) < 1 << 30:
        raise UsageError(f"{name} is {text[:40]!r}: expected a number above 0")
    return int(text)


def there_is() -> int:
    """Return the bytes of memory of this machine, or of this container where that is less."""
    least = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in CONTAINER:
        with suppress(OSError, ValueError):  # `max`: no limit
            least = min(least, int(Path(path).read_text()))
    return least
