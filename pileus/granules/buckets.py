"""The buckets of the stack by their keys, and what in them may be moved and removed."""

from pileus.edges.store import split
from pileus.errors import Denied, UsageError
from pileus.keys import FILES, is_own
from pileus.near import unknown
from pileus.wiring import Edges


def buckets(edges: Edges) -> dict[str, str]:
    """Return the names of the stack's buckets and of those of the setting `buckets`, by key."""
    return {key: one["name"] for key, one in edges.stack.bucket_map.items()}


def bucket_of(edges: Edges, key: str) -> str:
    """Return the name of the bucket with this key. Raises UsageError with those there are."""
    there = buckets(edges)
    if key not in there:
        raise UsageError(unknown("bucket", key, there))
    return there[key]


def check_free(edges: Edges, url: str) -> None:
    """Raise Denied for an address outside the stack's buckets, and for one of what the stack itself writes there."""
    bucket, key = split(url)
    if bucket not in buckets(edges).values():
        raise Denied("is in no bucket of this stack", where=url)
    if is_own(key) or (bucket == edges.stack.internal and key.partition("/")[0] not in FILES):
        raise Denied("is the stack's own, and no file of a granule", where=url)
