"""Statistics as an Excel workbook: a sheet for each statistic, zones as rows, periods as columns."""

import io
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pileus.errors import UsageError
from pileus.outputs.wide import Wide, unique, wide
from pileus.outputs.zone_sets import Shapes

if TYPE_CHECKING:
    from openpyxl import Workbook

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
ABOUT = ("sheet", "statistic", "band", "unit", "description")


def xlsx(table: pa.Table, shapes: Shapes) -> bytes:
    """Return the workbook; its last sheet, `about`, says what each sheet holds, and its unit. Rows go to a temporary
    file as they are written. Raises UsageError for what does not fit a sheet.
    """
    from openpyxl import Workbook

    found = wide(table, shapes)
    columns = len(found.keys.column_names) + len(found.periods)
    if len(found.shapes) >= MOST_ROWS or columns > MOST_COLUMNS:
        size = f"{len(found.shapes):,} zones and {len(found.periods):,} periods"
        raise UsageError(f"{size} do not fit an Excel sheet: choose csv or parquet, fewer zones or fewer months")
    book = Workbook(write_only=True)
    names = unique((re.sub(r"[\\/*?:\[\]']", "_", sheet.name) for sheet in found.sheets), taken=("about",), longest=31)
    titles = list(names)
    for title, sheet in zip(titles, found.sheets, strict=True):
        _fill(book, title, (*found.keys.column_names, *found.periods), _lines(found, sheet.values))
    told = [(sheet.stat, sheet.band, sheet.unit, sheet.description) for sheet in found.sheets]
    _fill(book, "about", ABOUT, ((title, *one) for title, one in zip(titles, told, strict=True)))
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def _lines(found: Wide, values: Any) -> Iterable[tuple[Any, ...]]:
    keys = zip(*(column.to_pylist() for column in found.keys.columns), strict=True)
    return ((*key, *row.tolist()) for key, row in zip(keys, values, strict=True))


def _fill(book: "Workbook", title: str, header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    """Add a sheet. Its header is bold and stays in sight, and so does the first column."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(title)

    def cell(value: Any) -> Any:
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        text = WriteOnlyCell(sheet, _plain(value or ""))
        if text.data_type == "f":  # a text, whatever it begins with, and also after somebody edits it
            text.data_type, text.quotePrefix = "s", True
        return text

    for number, name in enumerate(header, 1):
        sheet.column_dimensions[get_column_letter(number)].width = max(12, min(60, len(name) + 2))
    sheet.freeze_panes = "B2"
    first = [cell(name) for name in header]
    for one in first:
        one.font = Font(bold=True)
    sheet.append(first)
    for row in rows:
        sheet.append([cell(value) for value in row])


def _plain(text: str) -> str:
    """Return the text without control characters, which Excel's XML does not allow."""
    return "".join(c for c in text if c >= " " or c in "\t\n")[:32767]
