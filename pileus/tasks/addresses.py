"""The addresses that a run names: strangers' files, opened within limits.

1. An address at the host, or in the bucket, of a populated provider is read as that provider's document says: its
   sign-in, its connection limit, its reach.
2. Any other is read without sign-in, over public addresses only, with few connections at once over all workers.
3. The bucket in which the stack keeps its own state is never read.
"""

import re
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from pileus.backfills.control import read_registry
from pileus.documents import Provider
from pileus.download.fetch import granule_of, open_stream
from pileus.download.parts import Parts, Range, joined
from pileus.download.source import Cancellation
from pileus.edges.providers import ProviderEdge, connect
from pileus.edges.providers.by_url import provider_at, provider_of
from pileus.edges.providers.reach import is_private_host
from pileus.errors import Refused, TransferError, UsageError
from pileus.public_url import public_url
from pileus.raster.request import Place
from pileus.tasks.worker_state import TaskControl
from pileus.wiring import Edges
from pileus.zonal import Source

CONNECTIONS = 8
"""Most connections at once to a host that no populated provider names."""
MOST = 4 << 30
"""Most bytes that the rasters of one run may move."""
MOST_ZONES = 256 << 20
"""Most bytes of a file of zones."""
BLOCK = 1 << 20


class Addresses:
    """Opens the addresses of one run. Its connections end with it."""

    def __init__(self, edges: Edges, control: TaskControl) -> None:
        self._edges, self._control = edges, control
        self._providers: list[Provider] | None = None
        self._open: dict[tuple[str, str], ProviderEdge] = {}
        self._parts: list[tuple[str, Parts]] = []
        self._exit = ExitStack()
        self._whole = 0
        """Bytes of whole files."""

    def __enter__(self) -> "Addresses":
        return self

    def __exit__(self, *raised: object) -> None:
        self._exit.close()

    @property
    def moved(self) -> int:
        """Return the bytes that rasters and whole files have moved so far."""
        return self._whole + sum(parts.moved for _, parts in self._parts)

    @property
    def notes(self) -> list[str]:
        """Return how much of each raster was read."""
        return [f"{name}: read {parts.moved:,} of {parts.size or 0:,} bytes" for name, parts in self._parts]

    def bytes_of(self, url: str) -> bytes:
        """Return a whole file of zones. Raises what a transfer raises, and TransferError for one that is too large."""
        with open_stream(url, self._edge(url), cancelled=self._control.cancelled) as stream:
            content = stream.read(MOST_ZONES + 1)
        if len(content) > MOST_ZONES:
            raise TransferError(f"has more than {MOST_ZONES:,} bytes, the most of a file of zones", where=url)
        return content

    def fetch(self, url: str, path: Path) -> None:
        """Fetch a whole file. Raises what a transfer raises, and TransferError where the run has moved too much."""
        with open_stream(url, self._edge(url), cancelled=self._control.cancelled) as stream, path.open("wb") as file:
            while block := stream.read(BLOCK):
                self._whole += len(block)
                if self.moved > MOST:
                    name = public_url(url)
                    raise TransferError(f"is too much to read: one run may move {MOST:,} bytes", where=name)
                file.write(block)
                if self._control.progress:
                    self._control.progress(path.name, file.tell())

    def source(self, url: str, place: Place, scratch: Path) -> Source:
        """Return a raster, or an archive of some, of which the bytes that are needed are fetched into `scratch`."""
        granule, name = granule_of(url), public_url(url)
        if name in [other for other, _ in self._parts]:
            name = f"{len(self._parts) + 1}: {name}"
        path = scratch / f"{len(self._parts)}-{granule.file.name}"
        parts = Parts(self._edge(url), granule.file, path, Cancellation(self._control.cancelled))
        self._parts.append((name, parts))

        def bring(wanted: Iterable[Range]) -> None:
            ranges = list(wanted)
            if parts.size is None:
                parts.bring([(0, 1)])
            size = parts.size or 0
            more = sum(max(0, min(end, size) - start) for start, end in joined(ranges, 0))
            if self.moved + more > MOST:
                raise TransferError(f"is too much to read: one run may move {MOST:,} bytes", where=name)
            parts.bring(ranges)
            if self._control.progress:
                self._control.progress(name, parts.moved)

        return Source(name, path=path, place=place, bring=bring)

    def _edge(self, url: str) -> ProviderEdge:
        split = urlsplit(url)
        place = (split.scheme, split.netloc)
        if place not in self._open:
            provider = self._populated(url) or self._unknown(url)
            edge = connect(provider, secrets=self._edges.secrets, connections=self._edges.connections)
            self._open[place] = edge
            self._exit.callback(edge.close)
        return self._open[place]

    def _populated(self, url: str) -> Provider | None:
        """Return the populated provider whose host or bucket an address is at; None where there is none."""
        if self._providers is None:
            try:
                found = [*read_registry(self._edges.store, self._edges.stack).providers.values()]
            except UsageError:  # nothing is populated
                found = []
            self._providers = found
        return provider_at(url, self._providers)

    def _unknown(self, url: str) -> Provider:
        split = urlsplit(url)
        if split.scheme == "s3" and split.netloc == self._edges.stack.internal:
            raise Refused("is in the bucket of the stack's own state", where=url)
        if split.scheme != "s3" and is_private_host(split.hostname or ""):
            raise Refused("is a private address, and that of no populated provider", where=url)
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", f"url-{split.netloc}")[:128]
        return provider_of(url, name).model_copy(update={"globalConnectionLimit": CONNECTIONS})
