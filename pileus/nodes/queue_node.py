"""The node of type `queue`: the queues and workers of a stack. It takes the place of a cluster's node by this one word;
what the settings say of the cluster is not used.

    [xop]
    type = queue
    url = https://...               address of the stack's API, with token_env or token_file as for `rest`

1. With `url`: the stack behind this API.
2. Else the stack that is up in the project in whose folder, or below, the settings lie.

PILEUS_URL of the environment says whom commands ask: it may be the very node of these settings, so it is not read.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from pileus.client.connect import connect
from pileus.errors import UsageError
from pileus.nodes.node import Node, NodeLost
from pileus.nodes.rest_node import remote
from pileus.nodes.service_node import ServiceNode
from pileus.nodes.settings import Section
from pileus.stratus.capability import Capability
from pileus.stratus.request import StratusRequest


def queue_node(section: Section) -> Node:
    """Return the node of a section. Nothing is sent. Raises DocumentError where its token is not there."""
    if url := section.text("url"):
        return remote(section, url)
    return ProjectNode(section.name, section.folder)


class ProjectNode:
    """See `Node`. The stack is looked up each time: one that was stopped and started again is elsewhere."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._folder = name, folder

    def capabilities(self, via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """See Node."""
        return self._node().capabilities(via)

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        """See Node."""
        return self._node().run(request, given, folder, stopping)

    def close(self) -> None:
        """See Node."""

    def _node(self) -> ServiceNode:
        try:
            return ServiceNode(self.name, connect(self._folder).graphs)
        except UsageError as exc:
            raise NodeLost(exc.message) from exc
