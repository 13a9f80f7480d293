"""The nodes that a request has passed: nobody does one that comes back, for each would wait for the other."""

import re
from uuid import uuid4

from pileus.errors import DocumentError
from pileus.stratus.request import StratusRequest


def id_of(name: str, unique: str = "") -> str:
    """Return the id of a node, which begins with its name. `unique`: what it is known by; empty: it is this process.

    >>> id_of("my laptop", "3f2a9c1d")
    'my-laptop-3f2a9c1d'
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "node"
    return f"{plain[:40]}-{unique or uuid4().hex[:8]}"


def refuse_circle(request: StratusRequest, id: str) -> None:
    """Raise DocumentError for a request that has passed a node before. `id`: of the node."""
    if id in request.via:
        passed = ", ".join(request.via[request.via.index(id) :])
        raise DocumentError(f"goes in a circle: it has passed {passed}, and comes back to {id}")
