"""Rasters that somebody names: files here, and URLs of which only the needed bytes are read."""

import io
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from pileus.documents import Provider
from pileus.download.fetch import granule_of, open_stream
from pileus.download.parts import Parts
from pileus.edges.providers import ProviderEdge, connect
from pileus.edges.providers.by_url import provider_of
from pileus.edges.secrets import Secrets
from pileus.public_url import public_url
from pileus.raster.request import Place
from pileus.unpack.members import is_archive
from pileus.zonal import Source

PACKED = (".tgz", ".tar", ".gz", ".zip")
"""Endings of archives, which are read as a stream from their first byte to their last."""


class Rasters:
    """Opens what somebody names. Its connections end with it."""

    def __init__(self, scratch: Path, place: Place, secrets: Secrets, provider: Provider | None = None) -> None:
        """`scratch`: where parts of remote files go. `provider`: says how to sign in; None: no need."""
        self._scratch, self._place, self._secrets, self._provider = scratch, place, secrets, provider
        self._edges: dict[tuple[str, str], ProviderEdge] = {}
        self._parts: list[tuple[str, Parts]] = []
        self._exit = ExitStack()

    def __enter__(self) -> "Rasters":
        return self

    def __exit__(self, *raised: object) -> None:
        self._exit.close()

    def source(self, text: str, advance: Callable[[int], None], band: str | None) -> Source:
        """Return one raster or archive. `band`: the only one that it holds, whatever it is called; None: see inside."""
        if "://" in text:
            return self._remote(text, band)
        path = Path(text)
        if path.is_file() and is_archive(path):
            return Source(text, open=lambda: cast(BinaryIO, _Counted(path, advance)), place=self._place)
        return Source(text, path=path, band=band, place=self._place)

    def _remote(self, url: str, band: str | None) -> Source:
        granule, edge, name = granule_of(url), self._edge(url), public_url(url)
        if PurePosixPath(granule.file.name).suffix.lower() in PACKED:
            return Source(name, open=lambda: open_stream(granule, edge), place=self._place)
        path = self._scratch / f"{len(self._parts)}-{granule.file.name}"
        parts = Parts(edge, granule.file, path)
        self._parts.append((name, parts))
        return Source(name, path=path, band=band, place=self._place, bring=parts.bring)

    def bytes_of(self, url: str) -> bytes:
        """Return a whole remote file. Raises what a transfer raises."""
        with open_stream(url, self._edge(url)) as stream:
            return stream.read()

    def _edge(self, url: str) -> ProviderEdge:
        split = urlsplit(url)
        place = (split.scheme, split.netloc)
        if place not in self._edges:
            provider = self._provider or provider_of(url, f"site-{len(self._edges) + 1}")
            self._edges[place] = connect(provider, secrets=self._secrets)
            self._exit.callback(self._edges[place].close)
        return self._edges[place]

    @property
    def notes(self) -> list[str]:
        """Return how much of each remote raster was read."""
        told = [(name, parts.moved, parts.size or 0) for name, parts in self._parts]
        return [f"{name}: read {moved:,} of {size:,} bytes" for name, moved, size in told]


class _Counted(io.RawIOBase):
    """A file that reports how many of its bytes were read."""

    def __init__(self, path: Path, advance: Callable[[int], None]) -> None:
        self._file, self._advance = path.open("rb", buffering=0), advance

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, view: Any) -> int | None:
        n = self._file.readinto(view)
        self._advance(n or 0)
        return n

    def close(self) -> None:
        self._file.close()
        super().close()
