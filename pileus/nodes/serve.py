"""A node starts, serves, and ends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pileus.errors import UsageError
from pileus.nodes.served import Served
from pileus.nodes.settings import Settings
from pileus.nodes.types import TYPES, function_of
from pileus.nodes.wire import folder_of, route_of, service_of


def serve(settings: Settings, folder: Path | None, say: Callable[[str], None]) -> None:
    """Serve a node until SIGTERM or Ctrl-C. `folder`: of its requests, in place of the settings' own.

    Raises UsageError for a node that serves nobody, for a folder or a port that another process has, and what its
    nodes raise when they are made.
    """
    this = settings.this
    if not this.kind.server:
        servers = ", ".join(name for name, kind in TYPES.items() if kind.server)
        raise UsageError(
            f"[stratus] type: a node of type {this.type} serves nobody: expected one of {servers}", where=settings.where
        )
    server: Callable[[Served], None] = function_of(this.type, this.kind, serving=True)
    with _signals() as stopping:
        route = route_of(settings)
        try:
            own = folder_of(settings, folder)
            service = service_of(settings, route, own)
            try:
                server(Served(settings, service, route, say, stopping, own))
            finally:
                service.close()
        finally:
            route.close()


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and Ctrl-C set meanwhile."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopping.set()

    before = {one: signal.signal(one, stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
