"""GeoParquet 1.1: a table with a column `geometry` in WKB, and a column `bbox` by which readers skip rows."""

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import shapely

TYPE = "application/vnd.apache.parquet"
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def to_geoparquet(table: pa.Table, geometries: Any, crs: str | None = None) -> bytes:
    """Return the table with its geometries as bytes of GeoParquet. The same table gives the same bytes.

    `geometries`: one a row, exteriors counter-clockwise; None where there is none. `crs`: WKT or an authority's code;
    None: longitude and latitude in WGS84.
    """
    shapes = np.array(geometries, dtype=object)
    corners = shapely.bounds(shapes)
    boxes = [pa.array(corners[:, at], mask=np.isnan(corners[:, at])) for at in range(4)]
    bbox = pa.StructArray.from_arrays(boxes, names=list(CORNERS), mask=pa.array(shapely.is_missing(shapes)))
    wkb = pa.array(shapely.to_wkb(shapes, output_dimension=2, byte_order=1), pa.binary())
    whole = table.append_column("geometry", wkb).append_column("bbox", bbox)
    told = {**(table.schema.metadata or {}), b"geo": json.dumps(_geo(shapes, crs)).encode()}
    sink = io.BytesIO()
    pa.parquet.write_table(whole.replace_schema_metadata(told), sink, compression="zstd")
    return sink.getvalue()


def _geo(shapes: Any, crs: str | None) -> dict[str, Any]:
    """Return the metadata of the file: https://geoparquet.org/releases/v1.1.0/."""
    there = shapes[~shapely.is_missing(shapes)]
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted({shape.geom_type for shape in there}),
        "orientation": "counterclockwise",
        "covering": {"bbox": {corner: ["bbox", corner] for corner in CORNERS}},
    }
    if len(there):
        column["bbox"] = [float(corner) for corner in shapely.total_bounds(there)]
    if crs is not None:
        column["crs"] = _projjson(crs)
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}


def _projjson(crs: str) -> Any:
    """Return the system as PROJJSON; None, which means unknown, for one that PROJ cannot write so."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        return CRS.from_user_input(crs).to_dict(projjson=True) or None
    except CRSError:
        return None
