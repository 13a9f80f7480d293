"""Protocol file: a folder of this machine, or one that is mounted."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pileus.documents import Provider
from pileus.download.source import Limits
from pileus.edges.connections import Connections
from pileus.edges.providers.address import LISTS, limits_of, shown
from pileus.edges.providers.faults import Fault, translated
from pileus.edges.providers.listing_limits import ListingLimits
from pileus.edges.providers.url_list import parse_url_list
from pileus.edges.secrets import Secrets
from pileus.errors import Changed, NotAListing, NotFound, Refused, Truncated, Unreachable, UsageError
from pileus.models import Listed, Problem, listed

FAULTS: tuple[Fault, ...] = (
    (FileNotFoundError, NotFound, "no such file or folder"),
    (NotADirectoryError, NotAListing, "is not a folder"),
    (IsADirectoryError, NotFound, "is a folder, not a file"),
    (PermissionError, Refused, "may not be read"),
    (OSError, Unreachable, "cannot be read: {detail}"),
)


class FileEdge:
    """A ProviderEdge over the file system. Paths are absolute, or relative to the folder in `host`, if any."""

    def __init__(self, provider: Provider, _secrets: Secrets, _connections: Connections) -> None:
        self._root = Path(unquote(urlsplit(provider.host).path) if "://" in provider.host else provider.host)
        self.limits: Limits = limits_of(provider)

    def now(self) -> float:
        return time.monotonic()

    def list(self, path: str) -> Iterator[Listed | Problem]:
        """See Lister."""
        folder = self._root / path
        limits = ListingLimits(self.limits, self.now, _url(folder))
        with translated(FAULTS, _url(folder)):
            if path.lower().endswith(LISTS):
                with folder.open("rb") as text:
                    body = text.read(self.limits.listing_bytes + 1)
                limits.came(len(body))
                entries = parse_url_list(body, _url(folder))
                for found in entries:
                    limits.entry()
                    yield found
                return
            for entry in folder.iterdir():
                limits.entry()
                limits.check_time()
                if entry.is_file():
                    status = entry.stat()
                    modified = datetime.fromtimestamp(status.st_mtime, UTC).isoformat()
                    etag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
                    yield listed(entry.name, _url(entry), status.st_size, modified, etag)

    def describe(self, file: Listed) -> Listed:
        """See Lister."""
        return file

    def open(
        self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Callable[[], None] | None = None
    ) -> "FileResponse":
        """See Opener."""
        return self._open(url, offset, None, validator, pulse)

    def open_range(self, url: str, start: int, end: int, *, pulse: Callable[[], None] | None = None) -> "FileResponse":
        """See RangeOpener."""
        return self._open(url, start, end, None, pulse)

    def _open(
        self, url: str, start: int, end: int | None, validator: str | None, pulse: Callable[[], None] | None
    ) -> "FileResponse":
        if urlsplit(url).scheme != "file":
            raise UsageError("expected a file:// URL", where=shown(url))
        if pulse:
            pulse()
        with translated(FAULTS, url):
            response = FileResponse(url, start, end)
        if validator is not None and response.validator != validator:
            response.close()
            raise Changed("the file is not the one that was begun", where=url)
        return response

    def rest(self) -> None:
        """See Opener."""

    def close(self) -> None:
        """See ProviderEdge."""


class FileResponse:
    """See Response."""

    def __init__(self, url: str, offset: int, end: int | None = None) -> None:
        self.url = url
        self._file = Path(unquote(urlsplit(url).path)).open("rb", buffering=0)  # noqa: SIM115
        status = os.fstat(self._file.fileno())
        self._file.seek(offset)
        self.offset, self.size = offset, status.st_size
        self.validator: str | None = f"{status.st_mtime_ns:x}-{status.st_size:x}"
        self.checksum: str | None = None
        self.content_type: str | None = None
        self.modified: float | None = status.st_mtime
        self._left = min(status.st_size, status.st_size if end is None else end) - offset

    def readinto(self, buffer: memoryview) -> int | None:
        """See Response."""
        if self._left <= 0:
            return 0
        with translated(FAULTS, self.url):
            count = self._file.readinto(buffer[: self._left])
        if not count:
            raise Truncated(f"ended {self._left} bytes early", where=self.url)
        self._left -= count
        return count

    def close(self) -> None:
        """See Response."""
        self._file.close()


def _url(path: Path) -> str:
    return "file://" + quote(str(path.absolute()))
