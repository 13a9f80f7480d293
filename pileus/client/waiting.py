"""Wait for a request, whoever answers it."""

import time

from pileus.stratus.service import Progress, Service

FIRST, LONGEST = 0.1, 2.0
"""Seconds between two looks: at first, and after a while."""


def wait(service: Service, rid: str, seconds: float | None = None) -> Progress:
    """Wait until a request has ended, and return where it stands then. `seconds`: the longest time; None: as long as it
    takes. Raises NotFound, and TimeoutError when it goes on.
    """
    began, pause = time.monotonic(), FIRST
    while True:
        found = service.find(rid)
        if found.state.ended:
            return found
        if seconds is not None and time.monotonic() - began > seconds:
            raise TimeoutError(f"{rid} goes on after {seconds:g} s")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST)
