"""Caches of compiled zone indexes: one worker compiles an index, and all others fetch it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from pileus.raster.grid import Grid
from pileus.stopping import Check, go_on
from pileus.zonal.compile import compile_index
from pileus.zonal.index import CoverageRule, ZoneIndex, index_key
from pileus.zonal.zones import Zones


class ZoneIndexCache(Protocol):
    """Bytes by key. Keys are hexadecimal. The bytes of a key never change, so it may be written twice."""

    def get(self, key: str) -> bytes | None:
        """Return what was put under `key`, None when nothing was."""

    def put(self, key: str, value: bytes) -> None:
        """Keep `value`."""


class MemoryCache:
    """A ZoneIndexCache that lasts as long as the process."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.kept.get(key)

    def put(self, key: str, value: bytes) -> None:
        self.kept[key] = value


class FolderCache:
    """A ZoneIndexCache in a folder: a file for each key, written under another name and then renamed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.zones"

    def get(self, key: str) -> bytes | None:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, key: str, value: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with _sibling(self._path(key)) as temporary:
            temporary.write_bytes(value)


@contextmanager
def _sibling(path: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    os.close(handle)
    try:
        yield Path(name)
        Path(name).replace(path)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


class TieredCache:
    """Several caches: the first that has the key answers, and those before it get a copy."""

    def __init__(self, *caches: ZoneIndexCache) -> None:
        self.caches = caches

    def get(self, key: str) -> bytes | None:
        for position, cache in enumerate(self.caches):
            if (value := cache.get(key)) is not None:
                for earlier in self.caches[:position]:
                    earlier.put(key, value)
                return value
        return None

    def put(self, key: str, value: bytes) -> None:
        for cache in self.caches:
            cache.put(key, value)


def fetch_index(
    zones: Zones,
    grid: Grid,
    rule: CoverageRule,
    cache: ZoneIndexCache | None,
    *,
    threads: int = 2,
    where: str = "zones",
    check: Check = go_on,
) -> tuple[ZoneIndex, str, bool]:
    """Return the index of zones on a grid, its key, and whether it came from the cache. Raises ZonesError.

    A damaged entry is compiled again and overwritten. What `check` raises ends the compilation.
    """
    key = index_key(zones, grid, rule)
    if cache is not None and (blob := cache.get(key)) is not None:
        with suppress(ValueError):
            return ZoneIndex.from_bytes(blob), key, True
    index = compile_index(zones, grid, rule, threads=threads, where=where, check=check)
    if cache is not None:
        cache.put(key, index.to_bytes())
    return index, key, False
