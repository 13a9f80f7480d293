"""Outputs through the HTTP API; see `protocol.Outputs`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Unpack

import pyarrow as pa

from pileus.client.answers import AxisAnswer, SeriesAnswer
from pileus.client.remote.http import Http, segment
from pileus.client.rules import RowRules, SeriesRules
from pileus.models import Manifest

ARROW = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True)
class RemoteOutputs:
    """Outputs of the stack behind a server."""

    http: Http

    def statistics(self, collection: str, **rules: Unpack[RowRules]) -> pa.Table:
        """Return the rows of a collection. Raises Unknown, and UsageError for a period that is none."""
        asked: dict[str, Any] = {**rules}
        body = self.http.read(
            f"/v1/statistics/{segment(collection)}", accept=ARROW, zone=asked.pop("zones", ()), **asked
        )
        return pa.ipc.open_stream(body).read_all()

    def series(self, collection: str, zone: str, **rules: Unpack[SeriesRules]) -> SeriesAnswer:
        """Return one statistic of one zone over time, with the reason of each gap. Raises Unknown."""
        at = f"/v1/statistics/{segment(collection)}/zones/{segment(zone)}"
        return SeriesAnswer.model_validate(self.http.json(at, **rules))

    def axis(self, collection: str, first: str | None = None, last: str | None = None) -> AxisAnswer:
        """Return all periods of a series, and why a zone may have no row there. Raises Unknown."""
        at = f"/v1/statistics/{segment(collection)}/periods"
        return AxisAnswer.model_validate(self.http.json(at, first=first, last=last))

    @property
    def bucket(self) -> str:
        """Return the bucket that the outputs are in."""
        return str(self.http.json("/v1/outputs")["bucket"])

    def collections(self) -> list[str]:
        """Return the names of the collections that have statistics."""
        return list(self.http.json("/v1/outputs")["collections"])

    def objects(self, collection: str) -> Iterator[tuple[str, int]]:
        """Yield address and size in bytes of everything that was written for a collection. Raises Unknown."""
        for one in self.http.pages(f"/v1/outputs/{segment(collection)}"):
            yield one["url"], one["size"]

    def body(self, collection: str, url: str) -> bytes:
        """Return an object that was written for a collection. Raises Unknown for any other."""
        at = f"/v1/outputs/{segment(collection)}/object"
        return self.http.read(at, accept="application/octet-stream", url=url)

    def manifests(self, collection: str) -> list[Manifest]:
        """Return the manifests of its latest groups that can be read."""
        return [Manifest.from_json(one) for one in self.http.json(f"/v1/outputs/{segment(collection)}/manifests")]

    def write_catalog(self, collection: str) -> list[str]:
        """Write its static STAC catalog. Return the addresses, root first. Raises UsageError where it has no item."""
        return [str(url) for url in self.http.change("POST", f"/v1/outputs/{segment(collection)}/catalog")]

    def write_site(self) -> list[tuple[str, int]]:
        """Write the page and its present data. Return address and bytes of each file, the page first."""
        return [(one["url"], one["size"]) for one in self.http.change("POST", "/v1/outputs/site")]
