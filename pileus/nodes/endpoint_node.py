"""The node of type `endpoint`: Python functions, in confined processes of this machine.

[xop]
type = endpoint
module = my_operations          several with commas between them; each is found beside the settings, too
object = MyOperations           of the module, where not all of it is meant
private = yes                   inputs may lie at addresses of inner networks
at_once = 4                     processes
seconds = 3600                  of one part of a request
memory = 4294967296             bytes of one part of a request
"""

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree

from pileus.errors import DocumentError, OperationFailed
from pileus.nodes.fetch import bring, check_read
from pileus.nodes.node import NodeLost
from pileus.nodes.settings import Section
from pileus.stratus.apart import MEMORY, SECONDS, Apart, Bounds
from pileus.stratus.capability import Capability
from pileus.stratus.endpoints import Endpoints
from pileus.stratus.graph import graph_of
from pileus.stratus.request import StratusRequest

DIED = "TaskDied"
"""Kind of the error of a process that something killed."""


def endpoint_node(section: Section) -> "EndpointNode":
    """Return the node of a section. Raises DocumentError for settings that contradict, UsageError for a module that
    cannot be imported, or has no endpoints.
    """
    modules, named = section.names("module"), section.text("object")
    if named and len(modules) > 1:
        raise DocumentError(f"[{section.name}] object: is of one module, and there are {len(modules)}")
    sources = [f"{modules[0]}:{named}"] if named else modules
    bounds = Bounds(section.number("memory", MEMORY), section.number("seconds", int(SECONDS)))
    if (folder := str(section.folder.resolve())) not in sys.path:
        sys.path.insert(0, folder)
    return EndpointNode(
        section.name,
        sources,
        bounds,
        at_once=section.number("at_once", os.cpu_count() or 1),
        private=section.yes("private"),
    )


class EndpointNode:
    """See `Node`."""

    def __init__(
        self, name: str, sources: Sequence[str], bounds: Bounds | None = None, *, at_once: int, private: bool = False
    ) -> None:
        """`sources`: MODULE or MODULE:OBJECT. `private`: whether inputs may lie in inner networks."""
        self.name, self._private = name, private
        self._endpoints = Endpoints.named(sources)
        self._apart = Apart(sources, bounds, at_once)

    def capabilities(self, _via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """See Node."""
        return self._endpoints.capabilities()

    def check(self, request: StratusRequest) -> None:
        """See Checks."""
        self._endpoints.check(graph_of(request))
        check_read(request, private=self._private)

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        """See Node."""
        inputs = folder / "inputs"
        inputs.mkdir(exist_ok=True)
        try:
            fetched = bring(request, given, inputs, stopping, private=self._private)
            return self._apart.operate(request, {**given, **fetched}, folder, None, stopping)
        except OperationFailed as exc:
            if exc.kind == DIED:
                raise NodeLost(exc.message) from exc
            raise
        finally:
            rmtree(inputs)

    def close(self) -> None:
        """See Node."""
        self._apart.close()
