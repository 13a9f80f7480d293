"""Read the clips of one zone over time from the bucket."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import shapely

from pileus import keys
from pileus.edges.store import Reader, load
from pileus.errors import NotFound
from pileus.models import Partition
from pileus.outputs.frames import Frames, window_of
from pileus.outputs.read import PARALLEL
from pileus.outputs.series import unit_of, zones_of
from pileus.outputs.windows import Window
from pileus.periods import Period


def frames(
    store: Reader,
    bucket: str,
    table: pa.Table,
    collection: str,
    zone: str,
    band: str,
    axis: Sequence[Period],
    shape: Any,
    why: Mapping[str, str],
) -> Frames:
    """Return the frames of one zone and band.

    `table`: rows of one version; `shape`: the zone in longitude and latitude.
    """
    name = zones_of(table).get(zone) or zone
    mine = table.filter(pc.equal(table["zone"], zone))  # other groups of a period may have other zones
    columns = (mine[column].to_pylist() for column in ("version", "period", "group"))
    partitions = {row[1]: Partition(collection, *row) for row in sorted(set(zip(*columns, strict=True)))}
    outline = shapely.MultiPolygon(shapely.get_parts(shape))

    def one(period: Period) -> Window | None:
        partition = partitions.get(period.iso)
        if partition is None:
            return None
        url = f"s3://{bucket}/{keys.clip_key(partition, band, zone)}"
        try:
            return load(store, url, lambda body: window_of(body, band, zone, name, outline))
        except NotFound:
            return None

    with ThreadPoolExecutor(PARALLEL) as pool:
        found = list(pool.map(one, axis))
    windows = {period: window for period, window in zip(axis, found, strict=True) if window is not None}
    unit = unit_of(table, "mean", band) if "mean" in table.column_names else ""
    return Frames(name, band, unit, windows, tuple(axis), why)
