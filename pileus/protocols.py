"""The protocols that providers speak: one table that documents, addresses and edges read.

A new protocol is one file with a class (see `ProviderEdge` in `pileus.edges.providers`) and one line here,
`register(Protocol(...))`. Classes are named and not imported, because some need heavy libraries.
"""

from dataclasses import dataclass

from pileus.errors import UsageError
from pileus.near import near_names


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol."""

    name: str
    """As provider documents name it, and the scheme of its URLs."""
    edge: str
    """`module:Class` of its ProviderEdge, made with a provider, secrets and connections."""
    port: int | None = None
    """Where its servers listen when nothing else is said; None where a host has no port."""
    needs_host: bool = True
    """Whether a provider document must name a host."""
    carriers: tuple[str, ...] = ()
    """Schemes that the host of a document may begin with, in place of the protocol's name."""
    gives_parts: bool = False
    """Whether its class has `open_range`, so that parts of files can be read."""


REGISTERED: dict[str, Protocol] = {}
"""By name, in the order that messages list them."""


def register(protocol: Protocol) -> None:
    """Add a protocol. Raises UsageError when its name is taken."""
    if protocol.name in REGISTERED:
        raise UsageError(f"protocol {protocol.name!r} is there already: choose another name")
    REGISTERED[protocol.name] = protocol


def protocol_of(name: str) -> Protocol:
    """Return the protocol of this name. Raises UsageError with the near matches and with what there is.

    >>> protocol_of("sftp").port
    22
    """
    if name in REGISTERED:
        return REGISTERED[name]
    close = near_names(name, REGISTERED)
    guess = f"did you mean {' or '.join(close)}? " if close else ""
    raise UsageError(f"unknown protocol {name!r}: {guess}expected one of {', '.join(REGISTERED)}")


def usual_port(name: str) -> int | None:
    """Return where a protocol's servers usually listen; None for an unknown protocol and one without ports."""
    return REGISTERED[name].port if name in REGISTERED else None


for _protocol in (
    Protocol("http", "pileus.edges.providers.http:HttpEdge", port=80, gives_parts=True),
    Protocol("https", "pileus.edges.providers.http:HttpEdge", port=443, gives_parts=True),
    Protocol("s3", "pileus.edges.providers.s3:S3Edge", gives_parts=True),
    Protocol("ftp", "pileus.edges.providers.ftp:FtpEdge", port=21),
    Protocol("sftp", "pileus.edges.providers.sftp:SftpEdge", port=22),
    Protocol("stac", "pileus.edges.providers.stac:StacEdge", carriers=("https", "http")),
    Protocol("file", "pileus.edges.providers.file:FileEdge", needs_host=False, gives_parts=True),
):
    register(_protocol)
