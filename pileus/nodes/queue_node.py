"""The node of type `queue`: the queues and workers of a stack. It takes the place of a cluster's node by this one word;
what the settings say of the cluster is not used.

    [xop]
    type = queue
    url = https://...               address of the stack's API, with token_env or token_file as for `rest`

1. With `url`: the stack behind this API.
2. Else the stack that is up in the project in whose folder, or below, the settings lie.

PILEUS_URL of the environment says whom commands ask: it may be the very node of these settings, so it is not read.
"""

from pileus.client.connect import connect
from pileus.nodes.rest_node import remote
from pileus.nodes.service_node import ServiceNode
from pileus.nodes.settings import Section


def queue_node(section: Section) -> ServiceNode:
    """Return the node of a section. Raises UsageError where no stack is."""
    if url := section.text("url"):
        return remote(section, url)
    return ServiceNode(section.name, connect(section.folder).graphs)
