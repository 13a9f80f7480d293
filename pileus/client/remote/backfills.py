"""Backfills through the HTTP API; see `protocol.Backfills`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Unpack

from pileus.backfills.status import Status, from_record
from pileus.backfills.timing import SHOWN
from pileus.client.answers import BackfillAnswer, Happening, PartitionDetail
from pileus.client.forecast import Forecast
from pileus.client.remote.http import Http, segment
from pileus.client.rules import BackfillRules, SpanRules
from pileus.client.timing_answers import TimingAnswer
from pileus.edges.logs import Line
from pileus.lifecycle.backfill import Backfill, Select
from pileus.lifecycle.backfill import State as BackfillState


@dataclass(frozen=True)
class RemoteBackfills:
    """Backfills of the stack behind a server."""

    http: Http

    def plan(self, collection: str, **rules: Unpack[SpanRules]) -> Forecast:
        """Return what a backfill would do to each partition, why, and what it would cost. Writes nothing."""
        return Forecast.from_json(self.http.change("POST", "/v1/backfills/plan", {"collection": collection, **rules}))

    def start(self, collection: str, *, max_dollars: float | None = None, **rules: Unpack[BackfillRules]) -> Backfill:
        """Start a backfill, and return it. Raises NotNow when there is one of its id."""
        asked = {"collection": collection, "max_dollars": max_dollars, **rules}
        return _backfill(self.http.change("POST", "/v1/backfills", asked))

    def all(self, *, collection: str | None = None, state: BackfillState | None = None) -> Iterator[Backfill]:
        """Yield backfills, newest first."""
        yield from map(_backfill, self.http.pages("/v1/backfills", collection=collection, state=state))

    def show(self, id: str) -> Backfill:
        """Return a backfill as it is now. Raises Unknown."""
        return _backfill(self.http.json(_at(id)))

    def status(self, id: str, *, whole: bool = False, files: bool = False) -> Status:
        """Return a backfill with the outcome of each partition. Raises Unknown."""
        return from_record(self.http.read(f"{_at(id)}/status", whole=whole, files=files))

    def timing(self, id: str, *, limit: int = SHOWN) -> TimingAnswer:
        """Return where its time went: by step, of its `limit` slowest partitions, and over time. Raises Unknown."""
        return TimingAnswer.model_validate(self.http.json(f"{_at(id)}/timing", limit=limit))

    def pause(self, id: str) -> Backfill:
        """Stop it so that `resume` can continue it. Raises NotNow when it is over."""
        return _backfill(self.http.change("POST", f"{_at(id)}/pause"))

    def resume(self, id: str) -> Backfill:
        """Continue a paused one. Raises NotNow when it is not paused."""
        return _backfill(self.http.change("POST", f"{_at(id)}/resume"))

    def cancel(self, id: str) -> Backfill:
        """Stop it for good. Raises NotNow when it is over."""
        return _backfill(self.http.change("POST", f"{_at(id)}/cancel"))

    def retry(self, id: str, select: Select = "needed", only: tuple[str, ...] = ()) -> Backfill:
        """Run partitions of an ended one again. Raises NotNow when it has not ended."""
        return _backfill(self.http.change("POST", f"{_at(id)}/retry", {"select": select, "only": list(only)}))

    def history(self, id: str) -> Iterator[Happening]:
        """Yield what happened last to each of its partitions, newest first. Raises Unknown."""
        yield from map(Happening.model_validate, self.http.pages(f"{_at(id)}/history"))

    def partition(self, id: str, period: str, group: str) -> PartitionDetail:
        """Return one partition: its files, attempts, reasons, manifest and outputs. Raises Unknown."""
        return PartitionDetail.model_validate(self.http.json(_partition(id, period, group)))

    def logs(self, id: str, period: str, group: str) -> list[Line]:
        """Return what workers wrote about a partition in any run of the backfill, oldest first. Raises Unknown."""
        found: list[Line] = self.http.json(f"{_partition(id, period, group)}/logs")
        return found


def _backfill(value: Any) -> Backfill:
    return BackfillAnswer.model_validate(value).backfill


def _at(id: str) -> str:
    return f"/v1/backfills/{segment(id)}"


def _partition(id: str, period: str, group: str) -> str:
    return f"{_at(id)}/partitions/{segment(period)}/{segment(group)}"
