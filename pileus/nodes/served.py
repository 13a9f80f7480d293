"""What a server of a node is given: whom it serves, and when it ends."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pileus.nodes.node import Node
from pileus.nodes.settings import Settings
from pileus.stratus.service import Service


@dataclass(frozen=True, slots=True)
class Served:
    """A node that others may ask. A server of a type answers with `service`, or does requests with `node`."""

    settings: Settings
    service: Service
    """Starts requests, keeps their results."""
    node: Node
    """Does a request at once: what `service` stands on."""
    say: Callable[[str], None]
    """Called with one line for a person: where it listens."""
    stopping: threading.Event
    """Set by SIGTERM and Ctrl-C: the server returns within a few seconds."""
    folder: Path = Path()
    """The node's own folder."""
