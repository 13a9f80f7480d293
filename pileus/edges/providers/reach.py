"""Where a connection may go: decided for the address that is connected to, after the name was resolved.

1. Link-local addresses and those of metadata services: never.
2. Public addresses: always.
3. Private addresses (loopback, inner networks, shared ones): where the provider's document says `allowPrivate`, or
   names such an address as its own host.

A name is resolved once, here, and the socket is connected to the very address that was checked: a name that
resolves to something else a moment later wins nothing. Redirects and lists of URLs come through here as well.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pileus.documents import Provider
from pileus.errors import ProviderError, Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
METADATA = tuple(
    ipaddress.ip_network(text)
    for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "fd20:ce::/32", "100.100.100.200/32")
)
"""Link-local, and where clouds keep what a machine may know of itself, its credentials among it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Which addresses the connections of one provider may lead to."""

    private: bool
    """Whether private addresses are among them."""

    @classmethod
    def of(cls, provider: Provider, host: str) -> "Reach":
        """Return the reach of a provider whose own host is `host`."""
        return cls(provider.allowPrivate or is_private_host(host))

    def check(self, host: str, address: str) -> None:
        """Raise Refused where a connection to `host`, which is at `address`, must not be.

        >>> Reach(private=True).check("x.org", "169.254.169.254")
        Traceback (most recent call last):
        pileus.errors.Refused: x.org: is at 169.254.169.254, a link-local or metadata address: never connected to
        """
        plain = _plain(address)
        if any(plain.version == net.version and plain in net for net in METADATA):
            raise Refused(f"is at {plain}, a link-local or metadata address: never connected to", where=host)
        if plain.is_multicast or not (plain.is_global or self.private):
            words = f"is at {plain}, which is no public address: allowPrivate in the provider's document lets it in"
            raise Refused(words, where=host)

    def check_literal(self, host: str) -> None:
        """Like `check`, for a host that a proxy will resolve: only what is an address itself can be judged here."""
        if (address := literal(host)) is not None:
            self.check(host, address)

    def connect(self, host: str, port: int, seconds: float) -> socket.socket:
        """Return a socket that is connected to `host`. Raises Refused, and OSError as `socket.create_connection`."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failure: OSError | None = None
        for family, kind, protocol, _, place in found:
            self.check(host, str(place[0]))
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(seconds)
                sock.connect(place)
                self.check(host, str(sock.getpeername()[0]))
            except OSError as exc:
                sock.close()
                failure = exc
            except Refused:
                sock.close()
                raise
            else:
                return sock
        raise failure or OSError("the host name has no address")


def literal(host: str) -> str | None:
    """Return the address that a host is, in any spelling that a resolver takes for one; None for a name.

    >>> [literal(host) for host in ("2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:7f00:1]", "127.0.0.1.", "x.org")]
    ['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1', None]
    """
    bare = host.strip("[]").rstrip(".").partition("%")[0]
    try:
        return str(_plain(bare))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(bare)) if bare else None
    except (OSError, UnicodeError):
        return None


def _plain(address: str) -> Address:
    """Return an address without the wrapping of another protocol. Raises ValueError."""
    told = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(told, ipaddress.IPv6Address):
        if told in _NAT64:
            return ipaddress.IPv4Address(int(told) & 0xFFFFFFFF)
        return told.ipv4_mapped or told.sixtofour or told
    return told


def is_private_host(host: str) -> bool:
    """Return whether a host is a private address itself, or this machine by name."""
    if host.rstrip(".").lower() == "localhost":
        return True
    address = literal(host)
    return address is not None and not _plain(address).is_global


def sent_in_clear(provider: Provider) -> str | None:
    """Return a warning where a provider's secrets cross a public network without encryption, else None."""
    if not provider.signs_in or provider.protocol not in ("http", "ftp"):
        return None
    text = provider.host if "://" in provider.host else f"{provider.protocol}://{provider.host}"
    if Reach.of(provider, urlsplit(text).hostname or "").private:
        return None
    better = {"http": "https", "ftp": "sftp"}[provider.protocol]
    kind = provider.credentials.type if provider.credentials else "basic"
    told = f"credentials of type {kind} are sent over plain {provider.protocol}"
    return f"provider {provider.id}: {told}, where anybody on the way can read them: use {better} if it has it"


def guarded_pools(reach: Reach, most: int, opened: Callable[[socket.socket], None], **pools: Any) -> dict[str, Any]:
    """Return urllib3's connection pools by scheme, whose connections raise Refused where they must not lead.

    Their answers raise ProviderError after `most` bytes, for they are held in memory. `opened` is told each socket.
    """

    def guarded(pool: Any) -> Any:
        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def _new_conn(self) -> socket.socket:
                sock: socket.socket = super()._new_conn()
                try:
                    reach.check(self.host, str(sock.getpeername()[0]))
                except Refused:
                    sock.close()
                    raise
                return sock

            def connect(self) -> None:
                super().connect()
                opened(self.sock)

            def getresponse(self) -> Any:
                answer = super().getresponse()
                answer.stream = _bounded(answer.stream, most, self.host)
                return answer

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    return {scheme: guarded(pool) for scheme, pool in pools.items()}


def _bounded(stream: Callable[..., Iterator[bytes]], most: int, host: str) -> Callable[..., Iterator[bytes]]:
    def bounded(*options: Any, **named: Any) -> Iterator[bytes]:
        came = 0
        for block in stream(*options, **named):
            came += len(block)
            if came > most:
                raise ProviderError(f"an answer is longer than {most:,} bytes, the most that is read", where=host)
            yield block

    return bounded
