"""Files of granules in the stack's buckets: where tasks of Cumulus may put them, and what becomes of one that is there.

The rules are Cumulus's:

1. `error`: DuplicateFile. 2. `skip`: the old file stays, and the new one is not even fetched.
3. `replace`: the new one takes its place.
4. `version`: the same bytes stay; other bytes are renamed to KEY.vYYYYMMDDTHHmmssSSS, the time they were written (UTC),
   and the new file takes their place. All files of such names are told as files of the granule.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pileus.edges.archives import Handling, stamp
from pileus.edges.store import Store, split
from pileus.errors import Denied, DuplicateFile, NotFound
from pileus.granules.buckets import buckets, check_free
from pileus.names import one_line
from pileus.wiring import Edges

ARCHIVES = "archives"
"""First part of the keys of what partitions keep."""
BLOCK = 8 << 20
"""Bytes that are read at once to compare objects."""
VERSIONED = re.compile(r"\.v\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])T(?:2[0-3]|[01]\d)[0-5]\d[0-5]\d\d{3}$")
"""With what the name of a renamed file ends."""


def check_place(edges: Edges, url: str) -> None:
    """Raise Denied for an address where tasks of Cumulus have nothing to read or write: outside the stack's buckets,
    of what the stack itself writes, or of what partitions keep.
    """
    check_free(edges, url)
    if split(url)[1].partition("/")[0] == ARCHIVES:
        raise Denied("is what a partition keeps, and no file of a workflow", where=url)


def staging_bucket(edges: Edges, name: str) -> str:
    """Return the name of a bucket in which files may lie that are not moved yet: any of the stack's but `protected`.
    Raises Denied for another.
    """
    if name not in buckets(edges) - {edges.stack.protected}:
        raise Denied("expected the internal bucket, or one of the setting `buckets`", where=one_line(name, 80))
    return name


def unversioned(name: str) -> str:
    """Return the name that a file had before it was renamed.

    >>> unversioned("a.hdf.v20170501T143015123"), unversioned("a.v2.hdf")
    ('a.hdf', 'a.v2.hdf')
    """
    return VERSIONED.sub("", name)


def size_of(store: Store, url: str) -> int | None:
    """Return the size of an object in bytes; None where there is none."""
    try:
        return store.mark(url)[0]
    except NotFound:
        return None


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that is where it should be."""

    url: str
    size: int
    """Bytes."""
    duplicate: bool
    """Whether one of its name was there before."""
    versions: tuple[tuple[str, int], ...] = ()
    """Address and size of each older file of its name that is kept."""

    def to_json(self) -> dict[str, Any]:
        """Return bucket, key and size, as files of Cumulus have them."""
        bucket, key = split(self.url)
        return {"bucket": bucket, "key": key, "size": self.size}


def refuse_duplicate(store: Store, url: str) -> None:
    """Raise DuplicateFile where the object is there."""
    if size_of(store, url) is not None:
        bucket, key = split(url)
        raise DuplicateFile(f"{key} already exists in {bucket} bucket", where=url)


def place(edges: Edges, url: str, handling: Handling, digest: Callable[[], str], put: Callable[[], None]) -> Placed:
    """Put a file where it should be, by the rules above. Return where it is.

    `digest`: gives the SHA-256 of the new file, hexadecimal; `put`: writes it to `url`. Raises DuplicateFile,
    StoreError.
    """
    there = size_of(edges.store, url)
    if there is not None and handling == "error":
        refuse_duplicate(edges.store, url)
    if there is None or handling == "replace":
        put()
    elif handling == "version" and digest_of(edges.store, url) != digest():
        edges.store.copy(url, _free_name(edges, url))
        put()
    size = size_of(edges.store, url)
    if size is None:
        raise NotFound("was removed just after it was written", where=url)
    versions = _versions(edges, url) if there is not None and handling == "version" else ()
    return Placed(url, size, there is not None, versions)


def _versions(edges: Edges, url: str) -> tuple[tuple[str, int], ...]:
    found = edges.store.list(f"{url}.v")
    return tuple((old, size) for old, size in found if unversioned(old) == url)


def _free_name(edges: Edges, url: str) -> str:
    """Return the address that an old file is renamed to: the time it was written, or the first millisecond after it
    that no other has.
    """
    moment = edges.archives.written(url)
    while size_of(edges.store, renamed := f"{url}.v{stamp(moment)}") is not None:
        moment += timedelta(milliseconds=1)
    return renamed


def digest_of(store: Store, url: str) -> str:
    """Return the SHA-256 of an object, hexadecimal. Raises NotFound, and Conflict when it changes meanwhile."""
    size, mark = store.mark(url)
    found = hashlib.sha256()
    for start in range(0, size, BLOCK):
        found.update(store.part(url, start, min(start + BLOCK, size), mark))
    return found.hexdigest()
