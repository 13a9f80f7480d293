"""A worker's sign of life for whoever watches the container: a file that it touches, and a command that looks.

`python -m pileus.worker.health_check` ends 0 while the worker of this container lives. It imports nothing heavy.
"""

import os
import sys
import time
from pathlib import Path

SILENT = 300
"""Seconds without a sign of life after which a worker counts as dead."""


def pulse_file(scratch: Path, host: str) -> Path:
    """Return the path of the file that the worker of this container touches.

    Containers that share a scratch volume differ by host name.
    """
    return scratch / f".pulse-{host}"


def beating(path: Path, now: float) -> bool:
    """Return whether the file was touched less than SILENT seconds before `now` (Unix time)."""
    try:
        return now - path.stat().st_mtime < SILENT
    except OSError:
        return False


def main() -> int:
    scratch = Path(os.environ.get("PILEUS_SCRATCH", ".pileus-scratch"))
    return 0 if beating(pulse_file(scratch, os.uname().nodename), time.time()) else 1


if __name__ == "__main__":
    sys.exit(main())
