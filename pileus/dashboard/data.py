"""What the dashboard's page reads, as JSON files: the same when served live and when exported into the bucket.

    data/index.json                 collections, their bands, statistics, units and periods
    data/KEY/zones.json             the zones: GeoJSON, simplified
    data/KEY/BAND/STAT.json         a value by zone and period
    data/KEY/pictures.json          which quicklooks there are
    data/backfills.json             backfills and their counts
    data/backfills/ID.json          a backfill and all its partitions

KEY, BAND, STAT and ID are names as `models.safe` writes them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pileus.edges.store import Store
from pileus.keys import segment
from pileus.models import safe, unsafe
from pileus.outputs.reasons import reasons
from pileus.outputs.series import axis, bands_of, over_times, statistics_of, unit_of, zones_of

if TYPE_CHECKING:
    from pileus.backfills.status import Status
    from pileus.lifecycle.partition import Entry

DIGITS = 5
"""Significant digits of a value: more than a screen shows."""
DETAIL = 0.002
"""Corners that are off by less than this share of a zone's size are left out."""


def index_entry(name: str, table: pa.Table, entries: Iterable["Entry"] = ()) -> dict[str, Any]:
    """Return a collection's part of the index. `table`: rows of one version; `entries`: why a period has none."""
    entries = list(entries)
    with_rows = pa.compute.unique(table["period"]).to_pylist()
    points = {entry.partition.period for entry in entries}
    periods = axis({*with_rows, *points})
    stats = []
    for stat in statistics_of(table):
        told = table.schema.field(stat).metadata or {}
        facts = {key: told.get(key.encode(), b"").decode() for key in ("unit", "description")}
        stats.append({"name": stat, "key": safe(stat), **facts})
    return {
        "name": name,
        "key": safe(name),
        "version": table["version"][0].as_py(),
        "bands": [{"name": band, "key": safe(band)} for band in bands_of(table)],
        "stats": stats,
        "periods": [period.iso for period in periods],
        "with_rows": sorted(with_rows),
        "zones": len(zones_of(table)),
        "why": dict(reasons(entries)),
    }


def zones_json(table: pa.Table, shapes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the zones in the order of every value file. `shapes`: GeoJSON geometry by zone, as far as known."""
    features = [
        {"type": "Feature", "id": zone, "key": segment(zone), "name": name or zone, "geometry": shapes.get(zone)}
        for zone, name in zones_of(table).items()
    ]
    return {"type": "FeatureCollection", "features": features}


def values_json(table: pa.Table, band: str, stat: str, periods: Sequence[str]) -> dict[str, Any]:
    """Return a row of values per zone, a value per period; null where there is none."""
    table = over_times(table)
    zones = {zone: number for number, zone in enumerate(zones_of(table))}
    at = {period: number for number, period in enumerate(periods)}
    values: list[list[float | None]] = [[None] * len(periods) for _ in zones]
    columns = (table[name].to_pylist() for name in ("zone", "period", "band", stat))
    for zone, period, row_band, value in zip(*columns, strict=True):
        if row_band == band and period in at and value is not None:
            values[zones[zone]][at[period]] = _rounded(value)
    return {"band": band, "stat": stat, "unit": unit_of(table, stat, band), "values": values}


def _rounded(value: float) -> float | None:
    """Return the value with `DIGITS` significant digits; None for what JSON cannot hold.

    >>> _rounded(123.456789), _rounded(0.0), _rounded(float("inf"))
    (123.46, 0.0, None)
    """
    if not math.isfinite(value):
        return None
    if value == 0:
        return 0.0
    return round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))


def pictures_json(store: Store, bucket: str, name: str, version: str, zones: Sequence[str]) -> dict[str, Any]:
    """Return by band and period: version, group, and the numbers of the zones with a quicklook."""
    number = {segment(zone): at for at, zone in enumerate(zones)}
    root = f"s3://{bucket}/pictures/collection={safe(name)}/version={safe(version)}/"
    found: dict[str, dict[str, Any]] = {}
    for url, _ in store.list(root):
        period, group, band, file = url.removeprefix(root).split("/")
        zone = number.get(file.removesuffix(".png"))
        if zone is None:
            continue
        place = {"version": safe(version), "group": group.partition("=")[2]}
        month = found.setdefault(unsafe(band), {}).setdefault(unsafe(period.partition("=")[2]), place | {"zones": []})
        month["zones"].append(zone)
    return found


def backfill_json(status: "Status") -> dict[str, Any]:
    """Return a backfill and its partitions in order of time."""
    cells = []
    for one in status.outcomes:
        cell: dict[str, Any] = {"period": one.period, "group": one.group, "state": str(one.state)}
        if one.why:
            cell["why"] = one.why
        if one.details:
            cell |= {"attempt": one.details.get("attempt", 0), "size": one.size, "downloaded": one.downloaded}
            cell |= {"seconds": round(one.details.get("seconds", 0), 2), "files": one.details.get("files", 0)}
        cells.append(cell)
    return backfill_summary(status) | {"cells": cells}


def backfill_summary(status: "Status") -> dict[str, Any]:
    """Return a backfill's part of the list."""
    backfill = status.backfill
    facts = ("id", "collection", "first", "last", "unit", "state", "run", "started", "ended", "problem", "started_by")
    return {name: getattr(backfill, name) for name in facts} | {
        "key": safe(backfill.id),
        "counts": {str(state): count for state, count in status.counts.items()},
        "bytes": {"done": status.bytes_done, "wanted": status.bytes_wanted},
    }


def index_json(collections: Sequence[Mapping[str, Any]], *, now: float, live: bool, pictures: str) -> dict[str, Any]:
    """Return the index. `live`: whether the page may ask for changes; `pictures`: path of the quicklooks, from the
    page.
    """
    made = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    return {"made": made, "live": live, "pictures": pictures, "collections": list(collections)}


def value_files(entry: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Yield path, band and statistic of each value file of a collection."""
    return [
        (f"data/{entry['key']}/{band['key']}/{stat['key']}.json", band["name"], stat["name"])
        for band in entry["bands"]
        for stat in entry["stats"]
    ]
