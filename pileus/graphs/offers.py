"""What the workers of a stack can do, as `pileus populate` has told it: an object beside the registry."""

import json
from collections.abc import Sequence

from pileus.edges.store import Store, load
from pileus.errors import NotFound
from pileus.stratus.capability import Capability
from pileus.wiring import Edges

KEY = "capabilities.json"


def write(store: Store, internal: str, capabilities: Sequence[Capability]) -> None:
    """Write down what workers can do. `internal`: the bucket."""
    body = json.dumps([one.to_json() for one in capabilities], indent=1).encode()
    store.put(f"s3://{internal}/{KEY}", body, "application/json")


def read(edges: Edges) -> tuple[Capability, ...]:
    """Return what workers can do; nothing where nobody has told that. Raises DamagedObject."""
    try:
        return load(
            edges.store, edges.internal(KEY), lambda body: tuple(Capability.from_json(one) for one in json.loads(body))
        )
    except NotFound:
        return ()
