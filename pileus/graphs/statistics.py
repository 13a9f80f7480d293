"""The statistics of a populated collection as an input.

A variable for each statistic, over the dimensions `time` and `zone`; where nothing was observed there is no value.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pileus.errors import DocumentError
from pileus.graphs.collection import OfCollection
from pileus.near import unknown
from pileus.outputs.read import collections, read_stats
from pileus.wiring import Edges

if TYPE_CHECKING:
    import pyarrow as pa

BESIDE = ("version", "period", "group", "time", "zone", "zone_name", "zone_set", "band", "unit")
"""Columns of rows that are no statistics."""


def check_statistics(edges: Edges, wanted: OfCollection) -> None:
    """Raise DocumentError where the collection has no statistics."""
    there = collections(edges.store, edges.stack.protected)
    if wanted.collection not in there:
        raise DocumentError(unknown("collection with statistics", wanted.collection, there))


def write_statistics(edges: Edges, wanted: OfCollection, path: Path) -> None:
    """Write the rows as a NetCDF4 file. Raises DocumentError where there are none, or several bands and none is named,
    or several rows of one zone and moment.
    """
    import pyarrow as pa

    from pileus.stratus.netcdf import plain, write

    what = f"collection {wanted.collection}"
    rows = _chosen(read_stats(edges.store, edges.stack.protected, wanted.collection), wanted, what)
    stats = [name for name in rows.column_names if name not in BESIDE]
    rows = rows.set_column(rows.column_names.index("time"), "time", rows["time"].cast(pa.timestamp("us")))
    frame = rows.select(["time", "zone", *stats]).to_pandas().set_index(["time", "zone"])
    if frame.index.has_duplicates:
        raise DocumentError(f"{what}: has several rows of one zone and moment")
    write(plain(frame.to_xarray(), what), path, what)


def _chosen(rows: "pa.Table", wanted: OfCollection, what: str) -> "pa.Table":
    """Return the rows of one version and one band."""
    import pyarrow.compute as pc

    for column, latest in (("version", True), ("band", False)):
        there = sorted({str(one) for one in rows[column].to_pylist()}) if rows.num_rows else []
        if not there:
            raise DocumentError(f"{what}: has no statistics")
        name = wanted.query.get(column) or (there[-1] if latest or len(there) == 1 else "")
        if name not in there:
            raise DocumentError(f"{what}: {column}: " + (unknown(column, name, there) if name else _several(there)))
        rows = rows.filter(pc.equal(rows[column], name))
    return rows


def _several(there: list[str]) -> str:
    return f"has several: name one of {', '.join(there[:20])}"
