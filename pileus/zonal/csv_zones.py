"""Zones in CSV: a row for each, its polygon in a column of WKT, in longitude and latitude of WGS 84."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from pileus.errors import ZonesError
from pileus.names import one_line

SHAPES = ("wkt", "geometry")
"""Names of the column of polygons, in any case; the first of them that is there counts."""
MOST_BYTES = 256 << 20
MOST_ROWS = 1_000_000
MOST_COLUMNS = 1_000
LONGEST_CELL = 64 << 20
"""Characters of a cell: an outline of two million vertices."""
_POLYGON = re.compile(r"\s*(?:MULTI)?POLYGON\s*(?:ZM?|M)?\s*[-+0-9.eE,()\s]+", re.IGNORECASE)
"""What GEOS may parse: only polygons, so that nothing is nested without end."""


def is_csv(head: bytes) -> bool:
    r"""Return whether a file begins with a line of names, a column of polygons among them.

    >>> is_csv(b'id,WKT\n1,"POLYGON ((0 0,1 0,1 1,0 0))"\n'), is_csv(b"id,name\n")
    (True, False)
    """
    try:
        first = head.removeprefix(b"\xef\xbb\xbf").splitlines()[0].decode()
        return first.isprintable() and any(name.strip().lower() in SHAPES for name in next(csv.reader([first])))
    except (LookupError, UnicodeError, csv.Error, StopIteration):
        return False


def read_csv(source: Path | bytes, where: str) -> tuple[dict[str, Any], Any, list[Any]]:
    """Return what a CSV file of zones holds, as `vector_files.Read`. Raises ZonesError with the line, and OSError."""
    body = source if isinstance(source, bytes) else _read(source)
    if len(body) > MOST_BYTES:
        raise ZonesError(f"is longer than {MOST_BYTES:,} bytes, the most of a CSV file of zones", where=where)
    csv.field_size_limit(LONGEST_CELL)
    with io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", newline="") as text:
        rows = _rows(csv.reader(text, strict=True), where)
        _, names = next(rows)
        names = [name.strip() for name in names]
        if len(set(names)) < len(names) or len(names) > MOST_COLUMNS:
            raise ZonesError("has a column twice, or too many of them, in its first line", where=where)
        lower = [name.lower() for name in names]
        shape = next(lower.index(name) for name in SHAPES if name in lower)
        shapes: list[bytes] = []
        cells: list[list[str]] = [[] for _ in names]
        for line, row in rows:
            if len(row) != len(names):
                raise ZonesError(f"line {line}: expected {len(names)} cells, got {len(row)}", where=where)
            if len(shapes) == MOST_ROWS:
                raise ZonesError(f"has more than {MOST_ROWS:,} rows, the most of a CSV file of zones", where=where)
            shapes.append(_polygon(row[shape], line, where))
            for column, cell in zip(cells, row, strict=True):
                column.append(cell)
    fields = [(name, column) for place, (name, column) in enumerate(zip(names, cells, strict=True)) if place != shape]
    found = [np.array(column, dtype=object) for _, column in fields]
    return {"crs": "EPSG:4326", "fields": [name for name, _ in fields]}, np.array(shapes, dtype=object), found


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _rows(reader: Any, where: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, and the line on which each ends."""
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as exc:
        raise ZonesError(f"line {reader.line_num}: {one_line(str(exc), 80)}", where=where) from exc
    except UnicodeError as exc:
        raise ZonesError(f"line {reader.line_num + 1}: not in UTF-8", where=where) from exc


def _polygon(text: str, line: int, where: str) -> bytes:
    if not _POLYGON.fullmatch(text):
        words = f"expected POLYGON or MULTIPOLYGON in WKT, got {one_line(text, 40)!r}"
        raise ZonesError(f"line {line}: {words}", where=where)
    try:
        with np.errstate(all="ignore"):  # a number without end is refused later, by the name of its zone
            wkb: bytes = shapely.to_wkb(shapely.from_wkt(text), output_dimension=2)
    except shapely.errors.ShapelyError as exc:
        raise ZonesError(f"line {line}: no polygon in WKT: {one_line(str(exc), 80)}", where=where) from exc
    return wkb
