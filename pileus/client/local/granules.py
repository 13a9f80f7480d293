"""Granules of a stack: look, and have something done with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pileus.backfills.control import read_registry
from pileus.client.services import Services
from pileus.granules import bulk, read, record
from pileus.granules.act import Acted
from pileus.granules.read import GranulePage, GranuleView
from pileus.models import State
from pileus.runs import Run


@dataclass(frozen=True)
class LocalGranules:
    """Granules of the stack that these services reach; see `protocol.Granules`."""

    services: Services

    def show(self, collection: str, id: str, version: str | None = None) -> GranuleView:
        """Return a granule, with its files where they are kept. Raises NotFound, and Unknown for the collection."""
        return read.find(self.services.edges, collection, self._version(collection, version), id)

    def all(
        self, collection: str, version: str | None = None, *, state: State | None = None, begins: str = ""
    ) -> Iterator[GranuleView]:
        """Yield the granules of a collection. Raises Unknown for the collection."""
        after: str | None = None
        while True:
            page = self.page(collection, version, state=state, begins=begins, limit=500, after=after)
            yield from page.granules
            if (after := page.after) is None:
                return

    def page(
        self, collection: str, version: str | None, *, state: State | None, begins: str, limit: int, after: str | None
    ) -> GranulePage:
        """Return some of them. `after`: as the page before told it."""
        edges, version = self.services.edges, self._version(collection, version)
        return read.page(edges, collection, version, state=state, begins=begins, limit=limit, after=after)

    def ids(self, collection: str, version: str | None = None, *, begins: str = "") -> Iterator[str]:
        """Yield the ids of the granules of a collection in order, without a look at their records."""
        return record.ids(self.services.edges, collection, self._version(collection, version), begins=begins)

    def several(self, collection: str, version: str | None, ids: list[str]) -> list[GranuleView]:
        """Return those of these granules that are there, with their files where they were found."""
        return read.several(self.services.edges, collection, self._version(collection, version), ids)

    def act(self, wanted: Mapping[str, Any], id: str | None = None) -> Run:
        """Have something done with granules, and return the run that does it."""
        return bulk.start(self.services.edges, self.services.workflows, wanted, id)

    def outcomes(self, id: str) -> Iterator[Acted]:
        """Yield what a run of `act` came to, granule by granule."""
        return bulk.outcomes(self.services.edges, id)

    def _version(self, collection: str, version: str | None) -> str:
        edges = self.services.edges
        return read_registry(edges.store, edges.stack).collection(collection, version).version
