"""Statistics as files that map: a row for each zone with its shape, and a column for each statistic and period."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import shapely

from pileus.errors import UsageError
from pileus.outputs.geoparquet import to_geoparquet
from pileus.outputs.wide import features, wide
from pileus.outputs.zone_sets import Shapes

LONLAT = "EPSG:4326"
MOST_COLUMNS = 1_990
"""Columns of statistics that SQLite takes beside those of the zone."""
TOLD = ("statistic", "band", "period", "unit", "description")


def geoparquet(table: pa.Table, shapes: Shapes) -> bytes:
    """Return GeoParquet 1.1 in longitude and latitude; the metadata of each column say its unit and meaning."""
    found = wide(table, shapes)
    return to_geoparquet(features(found), found.shapes)


def geopackage(table: pa.Table, shapes: Shapes) -> bytes:
    """Return a GeoPackage with the layer `zones`, and the table `columns` that says what each column is, and its unit.

    Raises UsageError for more columns than fit.
    """
    import pyogrio

    found = wide(table, shapes)
    if (count := len(found.sheets) * len(found.periods)) > MOST_COLUMNS:
        raise UsageError(
            f"{count:,} columns do not fit a GeoPackage: choose statistics with --stat, fewer months, or geoparquet"
        )
    layer = features(found)
    wkb = pa.array(shapely.to_wkb(np.array(found.shapes, dtype=object)), pa.binary())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "zones.gpkg"
        pyogrio.write_arrow(
            layer.append_column("geometry", wkb),
            path,
            layer="zones",
            driver="GPKG",
            geometry_name="geometry",
            geometry_type="MultiPolygon",
            crs=LONLAT,
        )
        pyogrio.write_arrow(_columns(layer), path, layer="columns", driver="GPKG", append=True)
        return path.read_bytes()


def _columns(layer: pa.Table) -> pa.Table:
    told = [
        {"column": field.name} | {name: field.metadata[name.encode()].decode() for name in TOLD}
        for field in layer.schema
        if field.metadata
    ]
    return pa.Table.from_pylist(told)
