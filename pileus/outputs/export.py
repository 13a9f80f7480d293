"""Statistics as the files other tools read. A new kind of file is one function and one `register(FileFormat(...))`."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from pileus.errors import UsageError
from pileus.near import unknown
from pileus.outputs.tables import to_csv
from pileus.strict_json import plain_json

Shapes = Mapping[str, Mapping[str, Any]]
"""GeoJSON geometry of each zone, by the zone's id."""
EXCEL_ROWS = 1_048_576


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One kind of file that rows are exported as."""

    name: str
    """As `--format` names it, and the ending of its files."""
    write: Callable[[pa.Table, Shapes], bytes]
    """Makes the file of the rows and of the GeoJSON geometry (WGS84) of each zone. Raises UsageError for rows that it
    cannot hold."""
    text: bool = False
    """Whether it is text, which a terminal can show."""
    shapes: bool = False
    """Whether the geometries are needed; they are empty otherwise."""


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


def export(table: pa.Table, format: str, shapes: Shapes | None = None) -> bytes:
    """Return the rows as bytes of a file. `shapes`: GeoJSON geometry in WGS84 of each zone, where the format needs it.

    Raises UsageError for an unknown format, or rows that the format cannot hold.
    """
    return format_of(format).write(table, shapes or {})


def _csv(table: pa.Table, _shapes: Shapes) -> bytes:
    return to_csv(table)


def _parquet(table: pa.Table, _shapes: Shapes) -> bytes:
    sink = io.BytesIO()
    pa.parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _geojson(table: pa.Table, shapes: Shapes) -> bytes:
    """Return a feature for each row, so that GIS programs can filter and animate by `time`. An unknown zone has null
    geometry, and so has an infinite value.
    """
    features = []
    for row in table.to_pylist():
        plain = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        features.append({"type": "Feature", "geometry": shapes.get(row["zone"]), "properties": plain})
    return plain_json({"type": "FeatureCollection", "features": features}, ensure_ascii=False).encode()


def _xlsx(table: pa.Table, _shapes: Shapes) -> bytes:
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    if table.num_rows >= EXCEL_ROWS:
        raise UsageError(f"{table.num_rows:,} rows do not fit an Excel sheet: choose csv or parquet, or fewer months")
    book = Workbook()
    sheet = book.active
    assert sheet is not None  # a new workbook has one
    sheet.title = "statistics"
    sheet.append([_cell(name) for name in table.column_names])
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        sheet.append([_cell(value) for value in row])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for number, name in enumerate(table.column_names, 1):
        sheet.column_dimensions[get_column_letter(number)].width = max(12, len(name) + 2)
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions
    columns = book.create_sheet("columns")
    columns.append(["column", "unit", "description"])
    for field in table.schema:
        told = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        columns.append([_cell(text) for text in (field.name, told.get("unit", ""), told.get("description", ""))])
    for cell in (cell for part in (sheet, columns) for row in part.iter_rows() for cell in row):
        if cell.data_type == "f":  # a text, whatever it begins with, and also after somebody edits it
            cell.data_type, cell.quotePrefix = "s", True
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def _cell(value: Any) -> Any:
    """Return the text without control characters, which Excel's XML does not allow."""
    if isinstance(value, str):
        return "".join(c for c in value if c >= " " or c in "\t\n")[:32767]
    return value


for _format in (
    FileFormat("csv", _csv, text=True),
    FileFormat("parquet", _parquet),
    FileFormat("geojson", _geojson, text=True, shapes=True),
    FileFormat("xlsx", _xlsx),
):
    register(_format)
