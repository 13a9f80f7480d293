"""The addresses that inputs of a request may have on the stack.

https://, http://   a file anywhere: of a populated provider as its document says, else over public addresses only
s3://BUCKET/KEY     an object of this stack's buckets but the internal one, or of a populated provider's bucket
collection:NAME     the statistics or the rasters of a populated collection: see collection.py
value:SHA256        a file that somebody has uploaded
given:RESULT        what another operation of the request has made; no user names one
"""

from pileus.edges.aws import Stack
from pileus.graphs.collection import OfCollection
from pileus.stratus.addresses import FOREIGN, check_remote, split_of
from pileus.stratus.request import Input
from pileus.stratus.uploaded import is_value


def own_buckets(stack: Stack) -> frozenset[str]:
    """Return the buckets of the stack that inputs may be in."""
    named = {one["name"] for one in stack.bucket_map.values() if "name" in one}
    return frozenset({stack.protected, *named} - {stack.internal})


def check_form(one: Input) -> None:
    """Raise DocumentError for an address that no input may have, whatever it leads to."""
    if is_value(one) or OfCollection.of(one.uri) is not None:
        return
    check_remote(one, split_of(one), (*FOREIGN, "s3"), "https://, http://, s3://, collection: or value:")
