"""Providers: one edge a protocol, all alike to the hops.

`connect` chooses by `protocol`. To add a protocol, write a file with a class of these methods, add it to EDGES and
to the contract suite in spec/contract.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from pileus.discover import Lister
from pileus.documents import Provider
from pileus.download.source import Opener
from pileus.edges.connections import Connections, LocalConnections
from pileus.edges.secrets import Secrets
from pileus.errors import DocumentError


class ProviderEdge(Lister, Opener, Protocol):
    """A provider: what `discover` and `download` need, and an end. May be used by several threads at once."""

    def close(self) -> None:
        """Close all connections and give their leases back. The edge is not used afterwards."""
        ...


EDGES = {
    "http": "http:HttpEdge",
    "https": "http:HttpEdge",
    "s3": "s3:S3Edge",
    "ftp": "ftp:FtpEdge",
    "sftp": "sftp:SftpEdge",
    "file": "file:FileEdge",
}
"""File of this folder and class in it, by protocol. Imported when first used, for boto3 and paramiko are heavy."""


def connect(provider: Provider, *, secrets: Secrets, connections: Connections | None = None) -> ProviderEdge:
    """The edge to a provider. Nothing is sent before the first call.

    `connections`: the budget shared with other workers; None: this edge counts for itself.
    Raises DocumentError for an unknown protocol, a host that cannot be understood, or a missing secret.
    """
    try:
        module, _, name = EDGES[provider.protocol].partition(":")
    except KeyError:
        known = ", ".join(EDGES)
        raise DocumentError(
            f"protocol: unknown {provider.protocol!r}: expected one of {known}", where=provider.id
        ) from None
    make: Callable[..., ProviderEdge] = getattr(import_module(f"{__name__}.{module}"), name)
    return make(provider, secrets, connections or LocalConnections())
