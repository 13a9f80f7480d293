"""A node, as the one before it sees it."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from pileus.errors import StoreError
from pileus.stratus.capability import Capability
from pileus.stratus.request import StratusRequest


class NodeLost(StoreError):
    """A node cannot be reached, or died while it worked. Another try may succeed."""


class Node(Protocol):
    """Does parts of requests. Safe in several threads at once."""

    name: str
    """Of its section in the settings."""

    def capabilities(self, via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """Return what it can do for a request that has passed the nodes `via`: not what it would ask one of these for.
        Raises NodeLost.
        """
        ...

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        """Do a request, and return a NetCDF4 file for each of its outputs, which lies in `folder`.

        `given`: a NetCDF4 file for each input of the address `given:RESULT`, by its id. Called again with the same rid,
        it may go on with what it did before. Raises NodeLost; HandedBack soon after `stopping` is set; else what the
        operation raises.
        """
        ...

    def close(self) -> None:
        """Let its connections go."""
        ...


@runtime_checkable
class Checks(Protocol):
    """A node that can say what is wrong with a request before anything is started."""

    def check(self, request: StratusRequest) -> None:
        """Raise DocumentError with all that is wrong with the operations of a request. Raises NodeLost."""
        ...
