"""How work learns that it should stop: a function that it calls every now and then, and that raises to end it."""

import threading
from collections.abc import Callable

from pileus.errors import HandedBack

Check = Callable[[], None]


def go_on() -> None:
    """The check of work that is never told to stop."""


def unless(event: threading.Event | None) -> Check:
    """A check that raises HandedBack once `event` is set."""
    if event is None:
        return go_on

    def check() -> None:
        if event.is_set():
            raise HandedBack("told to stop")

    return check
