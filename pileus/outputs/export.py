"""Statistics as the files other tools read. A new kind of file is one function and one `register(FileFormat(...))`."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet
import shapely

from pileus.errors import UsageError
from pileus.near import unknown
from pileus.outputs.excel import xlsx
from pileus.outputs.maps import geopackage, geoparquet
from pileus.outputs.series import KEYS
from pileus.outputs.tables import to_csv
from pileus.outputs.wide import single
from pileus.outputs.zone_sets import Shapes
from pileus.strict_json import plain_json


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One kind of file that rows are exported as."""

    name: str
    """As `--format` names it, and the ending of its files."""
    write: Callable[[pa.Table, Shapes], bytes]
    """Makes the file of the rows and of the shape of each zone. Raises UsageError for rows that it cannot hold."""
    text: bool = False
    """Whether it is text, which a terminal can show."""
    shapes: bool = False
    """Whether the geometries are needed; they are empty otherwise."""
    wide: bool = False
    """Whether it has a row for each zone, with its periods side by side; else a row for each zone, band and period."""


FORMATS: dict[str, FileFormat] = {}
"""By name, in the order that messages list them."""


def register(format: FileFormat) -> None:
    """Add a format. Raises UsageError when its name is taken."""
    if format.name in FORMATS:
        raise UsageError(f"format {format.name!r} is there already: choose another name")
    FORMATS[format.name] = format


def format_of(name: str) -> FileFormat:
    """Return the format of this name. Raises UsageError with the near matches, or with the names that exist."""
    if name not in FORMATS:
        raise UsageError(unknown("format", name, FORMATS))
    return FORMATS[name]


def export(table: pa.Table, format: str, shapes: Shapes | None = None, stats: Sequence[str] = ()) -> bytes:
    """Return the rows as bytes of a file.

    `shapes`: geometry of each zone, where the format needs it; `stats`: the statistics to write, all if none is named.
    Raises UsageError for an unknown format, or rows that the format cannot hold.
    """
    kind = format_of(format)
    if stats:
        table = single(table) if kind.wide else table
        table = table.select([name for name in table.column_names if name in KEYS or name in stats])
    return kind.write(table, shapes or {})


def _csv(table: pa.Table, _shapes: Shapes) -> bytes:
    return to_csv(table)


def _parquet(table: pa.Table, _shapes: Shapes) -> bytes:
    sink = io.BytesIO()
    pa.parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _geojson(table: pa.Table, shapes: Shapes) -> bytes:
    """Return a feature for each row, so that GIS programs can filter and animate by `time`. A zone whose shape is not
    known has null geometry; an infinite value is null.
    """
    written = {key: json.loads(shapely.to_geojson(shape)) for key, shape in shapes.items()}
    features = []
    for row in table.to_pylist():
        plain = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        shape = written.get((row.get("zone_set"), row["zone"]))
        features.append({"type": "Feature", "geometry": shape, "properties": plain})
    return plain_json({"type": "FeatureCollection", "features": features}, ensure_ascii=False).encode()


for _format in (
    FileFormat("csv", _csv, text=True),
    FileFormat("parquet", _parquet),
    FileFormat("geojson", _geojson, text=True, shapes=True),
    FileFormat("xlsx", xlsx, shapes=True, wide=True),
    FileFormat("geoparquet", geoparquet, shapes=True, wide=True),
    FileFormat("gpkg", geopackage, shapes=True, wide=True),
):
    register(_format)
