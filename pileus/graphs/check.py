"""What is checked of a request before anything of it is written down, beside its own form."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from pileus.backfills.control import read_registry
from pileus.documents import Provider
from pileus.edges.providers.by_url import provider_at
from pileus.edges.providers.reach import is_private_host
from pileus.errors import DocumentError, UsageError
from pileus.graphs.addresses import check_form, own_buckets
from pileus.graphs.collection import OfCollection
from pileus.graphs.published import check_published
from pileus.graphs.record import is_made, value_url
from pileus.graphs.span import span_of
from pileus.graphs.statistics import check_statistics
from pileus.processes import Operations
from pileus.stratus.addresses import FOREIGN
from pileus.stratus.request import Domain, Input
from pileus.stratus.uploaded import value_of
from pileus.wiring import Edges

FEW = 50
"""Names of results that the index keeps with a run; of more, the request itself has to be read."""


def check(edges: Edges, inputs: Operations) -> dict[str, Any]:
    """Return the facts that the index keeps: who asks, how many operations there are, and what is wanted.

    Raises DocumentError for operations that no worker does, for wrong parameters, and for inputs that cannot be read:
    all without asking a provider, but for the rasters of a few points in time of a collection.
    """
    graph = inputs.graph
    edges.endpoints().check(graph)
    reached = _Reached(edges, graph.request.domains)
    for one in graph.request.inputs.values():
        check_form(one)
        reached.check(one)
    wanted = {"outputs": list(graph.outputs)} if len(graph.outputs) <= FEW else {}
    return {"cid": graph.request.cid, "operations": len(graph.operations), **wanted}


class _Reached:
    """Looks whether inputs may be read, each address once."""

    def __init__(self, edges: Edges, domains: Mapping[str, Domain]) -> None:
        self._edges, self._domains = edges, domains
        self._seen: set[tuple[str, str]] = set()

    @cached_property
    def _providers(self) -> Sequence[Provider]:
        try:
            return [*read_registry(self._edges.store, self._edges.stack).providers.values()]
        except UsageError:  # nothing is populated
            return []

    def check(self, one: Input) -> None:
        """Raise DocumentError for an input that no worker would read."""
        if (one.uri, one.domain) in self._seen:
            return
        self._seen.add((one.uri, one.domain))
        at = f"input {one.id}: uri"
        if sha256 := value_of(one.uri):
            if not is_made(self._edges, value_url(self._edges, sha256)):
                raise DocumentError(f"{at}: no file of this name was uploaded, or it was deleted")
            return
        if wanted := OfCollection.of(one.uri):
            self._check_collection(at, wanted, one)
            return
        split = urlsplit(one.uri)
        if split.scheme == "s3" and split.netloc in own_buckets(self._edges.stack):
            return
        private = split.scheme in FOREIGN and is_private_host(split.hostname or "")
        if (split.scheme == "s3" or private) and provider_at(one.uri, self._providers) is None:
            what = "is in a bucket" if split.scheme == "s3" else "is a private address"
            raise DocumentError(f"{at}: {what} of neither this stack nor a populated provider")

    def _check_collection(self, at: str, wanted: OfCollection, one: Input) -> None:
        if not wanted.rasters:
            check_statistics(self._edges, wanted)
            return
        try:
            check_published(self._edges, span_of(self._edges, wanted, self._domains.get(one.domain)))
        except DocumentError as error:
            raise DocumentError(f"{at}: {error.message}") from error
