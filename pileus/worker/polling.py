"""The loop of a worker: one message after the other, also while its queues cannot be reached for a time."""

import logging
import threading
from collections.abc import Callable

from pileus.edges.queues import Message, Queues
from pileus.errors import StoreError
from pileus.pace import Pace

log = logging.getLogger("pileus.worker")


def poll(
    queues: Queues,
    receive: Callable[[], Message | None],
    handle: Callable[[Message], None],
    *,
    stopping: threading.Event,
    pulse: Callable[[], None],
    pace: Pace,
    until_idle: bool,
) -> int:
    """Work until `stopping` is set (with `until_idle`, until `receive` finds nothing). Return the number of messages
    taken.

    While a queue cannot be reached, it tries again after pauses that double up to 30 seconds.
    """
    taken, pause = 0, 0.5
    try:
        while not stopping.is_set():
            pulse()
            try:
                message = receive()
                if message is None and until_idle:
                    break
                if message is not None:
                    taken += 1
                    handle(message)
                pause = 0.5
            except StoreError as error:
                log.warning("waiting for the stack", extra={"error": str(error), "seconds": pause})
                pace.wait(stopping, pause)
                pause = min(pause * 2, 30)
    finally:
        queues.settle()
    return taken
