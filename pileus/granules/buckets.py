"""The buckets of the stack, and what in them may be moved and removed."""

from pileus.edges.store import split
from pileus.errors import Denied
from pileus.keys import FILES, is_own
from pileus.wiring import Edges


def buckets(edges: Edges) -> set[str]:
    """Return the names of the stack's buckets, and of those of the setting `buckets`."""
    return {one["name"] for one in edges.stack.bucket_map.values()}


def check_free(edges: Edges, url: str) -> None:
    """Raise Denied for an address outside the stack's buckets, and for one of what the stack itself writes there."""
    bucket, key = split(url)
    if bucket not in buckets(edges):
        raise Denied("is in no bucket of this stack", where=url)
    if is_own(key) or (bucket == edges.stack.internal and key.partition("/")[0] not in FILES):
        raise Denied("is the stack's own, and no file of a granule", where=url)
