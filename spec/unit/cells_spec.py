"""Texts of strangers in tables: no spreadsheet takes one for a formula, and numbers stay numbers."""

import csv
import io
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest

from pileus.cli.table_file import writer
from pileus.outputs.cells import safe_cell
from pileus.outputs.export import export
from pileus.outputs.tables import to_csv

FORMULAS = [
    "=cmd|'/c calc'!A1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "=1,\"x\"\n=2", "-",
]  # fmt: skip
PLAIN = ["a=b", "Zo\xeb", "-5", "+12.5", "", " =1", "'=1"]


def table() -> pa.Table:
    texts = [*FORMULAS, *PLAIN, None]
    numbers = [-float(number) for number in range(len(texts))]
    columns = [pa.array(texts), pa.array(texts).dictionary_encode(), pa.array(texts, pa.large_string()), numbers]
    schema = pa.schema(
        [
            pa.field("zone", pa.string()),
            pa.field("zone_name", columns[1].type),
            pa.field("=name", pa.large_string()),
            pa.field("mean", pa.float64(), metadata={"unit": "=unit()", "description": "@text"}),
        ]
    )
    return pa.table(columns, schema=schema)


def check(body: bytes) -> None:
    first, *rows = csv.reader(io.StringIO(body.decode(), newline=""))
    assert first == ["zone", "zone_name", "'=name", "mean"]
    wanted = [f"'{text}" for text in FORMULAS] + [*PLAIN, ""]
    for column in range(3):
        assert [row[column] for row in rows] == wanted
    assert [float(row[3]) for row in rows] == [-float(number) for number in range(len(rows))]


def test_csv_has_an_apostrophe_before_what_is_a_formula() -> None:
    check(export(table(), "csv"))
    check(to_csv(table()))


def test_csv_of_a_measurement_too(tmp_path: Path) -> None:
    write = writer(str(tmp_path / "rows.csv"))
    assert write is not None
    write(table())
    check((tmp_path / "rows.csv").read_bytes())


def test_excel_has_texts_and_no_formula_in_any_sheet() -> None:
    rows = table().drop_columns(["=name"])
    for name, value in (("version", "1"), ("period", "2015-01"), ("band", "=band()")):
        rows = rows.append_column(name, pa.array([value] * rows.num_rows))
    book = openpyxl.load_workbook(io.BytesIO(export(rows.slice(0, len(FORMULAS + PLAIN)), "xlsx")))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {"=cmd|'/c calc'!A1", "=band()", "=unit()", "@text"} <= {cell.value for cell in cells}
    assert not [cell.value for cell in cells if cell.data_type == "f"]
    assert all(cell.quotePrefix for cell in cells if str(cell.value).startswith("="))
    assert [cell.value for cell in book["mean"]["C"]][1:4] == [0, -1, -2]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_name_in_an_inventory_is_no_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text
