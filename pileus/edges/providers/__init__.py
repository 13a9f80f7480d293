"""Providers: one edge a protocol, all alike to the hops.

`connect` chooses by `protocol`. docs/extending.md shows how to add one.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from pileus.discover import Lister
from pileus.documents import Provider
from pileus.download.source import Opener
from pileus.edges.connections import Connections, LocalConnections
from pileus.edges.secrets import Secrets
from pileus.errors import DocumentError, UsageError
from pileus.protocols import protocol_of


class ProviderEdge(Lister, Opener, Protocol):
    """A provider: what `discover` and `download` need, and an end. May be used by several threads at once."""

    def close(self) -> None:
        """Close all connections and give their leases back. The edge is not used afterwards."""
        ...


def connect(provider: Provider, *, secrets: Secrets, connections: Connections | None = None) -> ProviderEdge:
    """Return the edge to a provider. Nothing is sent before the first call.

    `connections`: the budget shared with other workers; None: this edge counts for itself.
    Raises DocumentError for an unknown protocol, a host that cannot be understood, or a missing secret.
    """
    try:
        module, _, name = protocol_of(provider.protocol).edge.partition(":")
    except UsageError as exc:
        raise DocumentError(f"protocol: {exc.message}", where=f"provider {provider.id}") from exc
    make: Callable[[Provider, Secrets, Connections], ProviderEdge] = getattr(import_module(module), name)
    return make(provider, secrets, connections or LocalConnections())
