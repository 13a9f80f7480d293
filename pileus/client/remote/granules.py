"""Granules through the HTTP API; see `protocol.Granules`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pileus.client.remote.http import Http, segment
from pileus.granules.act import Acted
from pileus.granules.read import GranuleView
from pileus.models import State
from pileus.runs import Run


@dataclass(frozen=True)
class RemoteGranules:
    """Granules of the stack behind a server."""

    http: Http

    def show(self, collection: str, id: str, version: str | None = None) -> GranuleView:
        """Return a granule, with its files where they are kept. Raises NotFound, and Unknown for the collection."""
        at = f"/v1/collections/{segment(collection)}/granules/{segment(id)}"
        return GranuleView.from_json(self.http.json(at, version=version))

    def all(
        self, collection: str, version: str | None = None, *, state: State | None = None, begins: str = ""
    ) -> Iterator[GranuleView]:
        """Yield the granules of a collection. Raises Unknown for the collection."""
        at = f"/v1/collections/{segment(collection)}/granules"
        yield from map(GranuleView.from_json, self.http.pages(at, version=version, state=state, begins=begins or None))

    def act(self, wanted: Mapping[str, Any], id: str | None = None) -> Run:
        """Have something done with granules, and return the run that does it."""
        return Run.from_json(self.http.change("POST", "/v1/granules", {"wanted": dict(wanted), "id": id}))

    def outcomes(self, id: str) -> Iterator[Acted]:
        """Yield what a run of `act` came to, granule by granule."""
        yield from (Acted(**one) for one in self.http.pages(f"/v1/granules/{segment(id)}/outcomes"))
