"""Statistics as the files other tools read: CSV, Parquet, GeoJSON, Excel."""

import io
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pileus.errors import UsageError

FORMATS = ("csv", "parquet", "geojson", "xlsx")
EXCEL_ROWS = 1_048_576
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""A text cell that begins with one of these is taken for a formula by spreadsheets."""


def export(table: pa.Table, format: str, shapes: Mapping[str, Mapping[str, Any]] | None = None) -> bytes:
    """The rows as bytes of a file. `shapes`: GeoJSON geometry in WGS84 of each zone, needed for `geojson`.

    Raises UsageError for an unknown format, or rows that the format cannot hold.
    """
    if format == "csv":
        sink = io.BytesIO()
        pa.csv.write_csv(table, sink)
        return sink.getvalue()
    if format == "parquet":
        sink = io.BytesIO()
        pa.parquet.write_table(table, sink, compression="zstd")
        return sink.getvalue()
    if format == "geojson":
        return _geojson(table, shapes or {})
    if format == "xlsx":
        return _xlsx(table)
    raise UsageError(f"unknown format {format!r}: expected {', '.join(FORMATS)}")


def _geojson(table: pa.Table, shapes: Mapping[str, Mapping[str, Any]]) -> bytes:
    """A feature a row, so that GIS programs can filter and animate by `time`; null geometry for an unknown zone."""
    features = []
    for row in table.to_pylist():
        plain = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        features.append({"type": "Feature", "geometry": shapes.get(row["zone"]), "properties": plain})
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False).encode()


def _xlsx(table: pa.Table) -> bytes:
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    if table.num_rows >= EXCEL_ROWS:
        raise UsageError(f"{table.num_rows:,} rows do not fit an Excel sheet: choose csv or parquet, or fewer months")
    book = Workbook()
    sheet = book.active
    assert sheet is not None  # a new workbook has one
    sheet.title = "statistics"
    sheet.append(table.column_names)
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        sheet.append([_cell(value) for value in row])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for number, name in enumerate(table.column_names, 1):
        sheet.column_dimensions[get_column_letter(number)].width = max(12, len(name) + 2)
        if name in ("zone", "zone_name"):
            for (cell,) in sheet.iter_rows(min_row=2, min_col=number, max_col=number):
                cell.data_type = "s"  # never a formula, whatever a name begins with
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions
    columns = book.create_sheet("columns")
    columns.append(["column", "unit", "description"])
    for field in table.schema:
        told = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        columns.append([field.name, told.get("unit", ""), told.get("description", "")])
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def _cell(value: Any) -> Any:
    """Control characters are not allowed in Excel's XML."""
    if isinstance(value, str):
        return "".join(c for c in value if c >= " " or c in "\t\n")[:32767]
    return value
