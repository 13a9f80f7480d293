"""Outputs of a stack: rows, series, objects."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Unpack

import pyarrow as pa

from pileus.backfills.control import read_registry
from pileus.client.answers import AxisAnswer, SeriesAnswer
from pileus.client.rules import RowRules, SeriesRules
from pileus.client.services import Services
from pileus.documents import Collection, resolve_points
from pileus.edges.store import split
from pileus.errors import Unknown, UsageError
from pileus.lifecycle.partition import Entry
from pileus.models import Manifest
from pileus.outputs import series
from pileus.outputs.read import collections, folders, objects
from pileus.outputs.reasons import explained
from pileus.periods import Period


@dataclass(frozen=True)
class LocalOutputs:
    """Outputs in the stack that these services reach. `rows`: returns all rows of a collection, empty without any."""

    services: Services
    rows: Callable[[str], pa.Table]

    def table(self, collection: str) -> pa.Table:
        """Return all rows of a collection; empty when it is populated and has none yet. Raises Unknown."""
        table = self.rows(collection)
        if not table.num_rows:
            self.known(collection)
        return table

    def statistics(self, collection: str, **rules: Unpack[RowRules]) -> pa.Table:
        """Return the rows of these zones, of this band, from `first` to `last`. Raises Unknown and UsageError."""
        table = self.table(collection)
        if not table.num_rows:
            return table
        table = series.between(table, *series.typed_span(table, rules.get("first"), rules.get("last")))
        if (version := rules.get("version")) is not None:
            table = table.filter(pa.compute.equal(table["version"], version))
        if (band := rules.get("band")) is not None:
            table = table.filter(pa.compute.equal(table["band"], series.pick("band", band, series.bands_of(table))))
        if zones := rules.get("zones"):
            picked = pa.array(series.pick_zones(table, zones))
            table = table.filter(pa.compute.is_in(table["zone"], value_set=picked))
        return table

    def series(self, collection: str, zone: str, **rules: Unpack[SeriesRules]) -> SeriesAnswer:
        """Return one statistic of one zone over time, with the reason of each gap. Raises Unknown."""
        table = self.table(collection)
        if not table.num_rows:
            raise Unknown(f"there are no rows of {collection} yet")
        (one, *_) = series.pick_zones(table, [zone])
        stat = series.pick("statistic", rules.get("stat"), series.mean_first(table))
        band = series.pick("band", rules.get("band"), series.bands_of(table))
        first, last = series.typed_span(table, rules.get("first"), rules.get("last"))
        picked = series.between(table, first, last)
        line = series.series(series.newest(picked), one, stat, band, self._axis(collection, picked, first, last))
        return SeriesAnswer(
            collection=collection,
            zone=line.zone,
            name=line.name,
            band=line.band,
            stat=line.stat,
            unit=line.unit,
            periods=[one.iso for one in line.periods],
            values=list(line.values),
            valid_share=list(line.share),
            why=dict(self._why(collection, line.missing)),
        )

    def objects(self, collection: str) -> Iterator[tuple[str, int]]:
        """Yield address and size in bytes of everything that was written for a collection. Raises Unknown."""
        found = list(objects(self.services.edges.store, self.services.stack.protected, collection))
        if not found:
            self.known(collection)
        yield from found

    def body(self, collection: str, url: str) -> bytes:
        """Return an object that was written for a collection. Raises Unknown for any other."""
        bucket, key = split(url)
        own = bucket == self.bucket and key.startswith(folders(collection))
        if not own and url not in {there for there, _ in self.objects(collection)}:
            raise Unknown(f"{collection} has no output of this address", where=url)
        return self.services.edges.store.get(url)

    @property
    def bucket(self) -> str:
        """Return the bucket that the outputs are in."""
        return self.services.stack.protected

    def collections(self) -> list[str]:
        """Return the names of the collections that have statistics."""
        return collections(self.services.edges.store, self.bucket)

    def known(self, collection: str) -> None:
        """Raise Unknown, with the near matches, for a collection that is not populated and has no outputs."""
        edges = self.services.edges
        names = set(collections(edges.store, edges.stack.protected))
        try:
            names |= {one.name for one in read_registry(edges.store, edges.stack).collections.values()}
        except UsageError:
            if not names:
                raise
        if collection not in names:
            raise series.near("collection", collection, names)

    def _why(self, collection: str, missing: Sequence[Period]) -> Mapping[str, str]:
        """Return why each of these periods has no rows."""
        if not missing:
            return {}
        periods = [period.iso for period in missing]
        entries = self._entries(collection, periods[0], periods[-1])
        return explained(entries, periods, self._left_out(collection, missing))

    def axis(self, collection: str, first: str | None = None, last: str | None = None) -> AxisAnswer:
        """Return all periods of a series, and why a zone may have no row there. Raises Unknown."""
        table = self.table(collection)
        first, last = series.typed_span(table, first, last)
        picked = series.between(table, first, last) if table.num_rows else table
        axis = self._axis(collection, picked, first, last)
        return AxisAnswer(periods=[one.iso for one in axis], why=dict(self._why(collection, axis)))

    def _axis(self, collection: str, table: pa.Table, first: str | None, last: str | None) -> tuple[Period, ...]:
        """Return the periods of a series: from the first to the last with rows, or that a backfill has looked at."""
        spans = [one for one in self.services.edges.index.backfills() if one.collection == collection]
        looked_at: set[str] = set()
        if spans:
            begin = first or min(one.first for one in spans)
            end = last or max(one.last for one in spans)
            looked_at = {entry.partition.period for entry in self._entries(collection, begin, end)}
        with_rows = table["period"].to_pylist() if table.num_rows else []
        return series.axis({*with_rows, *looked_at}, first, last)

    def manifests(self, collection: str) -> list[Manifest]:
        """Return the manifests of its latest groups that can be read."""
        from pileus.deploy.figures import latest_manifests

        return latest_manifests(self.services.edges, collection)

    def write_catalog(self, collection: str) -> list[str]:
        """Write its static STAC catalog. Return the addresses, root first. Raises UsageError where it has no item."""
        from pileus.outputs.catalog import write_catalog

        store, bucket = self.services.edges.store, self.services.stack.protected
        return write_catalog(store, bucket, collection, self._populated(collection))

    def write_site(self) -> list[tuple[str, int]]:
        """Write the page and its present data. Return address and bytes of each file, the page first."""
        from pileus.dashboard.export import write_site

        return write_site(self.services.edges)

    def _left_out(self, collection: str, missing: Sequence[Period]) -> list[str]:
        """Return which of these periods the populated template leaves out, though they are between its ends."""
        template = self._populated(collection)
        if template is None or template.options is None or template.options.spanUnit is not missing[0].unit:
            return []
        points = resolve_points(template.options, datetime.now(UTC).date(), collection)
        return [one.iso for one in missing if points.first <= one <= points.last and one not in points]

    def _entries(self, collection: str, first: str, last: str) -> list[Entry]:
        """Return what the index knows of the populated version of a collection."""
        template = self._populated(collection)
        if template is None:
            return []
        return list(self.services.edges.index.entries(collection, template.version, first, last))

    def _populated(self, collection: str) -> Collection | None:
        """Return the populated collection; None where there is none: outputs outlive the documents they came from."""
        try:
            return read_registry(self.services.edges.store, self.services.stack).collection(collection)
        except UsageError:
            return None
