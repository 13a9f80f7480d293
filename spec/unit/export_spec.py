"""Files that map: wide Excel, GeoPackage and GeoParquet, by other people's readers, with numbers to check by head."""

import io
import json
import sqlite3
import tracemalloc
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import openpyxl
import pandas
import pyarrow as pa
import pyarrow.parquet
import pyogrio
import pytest
import shapely

from pileus.errors import UsageError
from pileus.outputs import excel, maps
from pileus.outputs.export import export

WEST, EAST, WIDER = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1), shapely.box(0, 0, 1, 2)
SHAPES = {("s1", "a"): shapely.MultiPolygon([WEST]), ("s1", "b"): shapely.MultiPolygon([EAST])}
UNIT = {"unit": "K", "description": "mean of valid pixels"}
Row = dict[str, Any]


def row(period: str, zone: str, mean: float | None, **changes: Any) -> Row:
    """A row with a count that is the mean, and the name of its zone in capitals."""
    keys = {"version": "001", "period": period, "group": "all", "zone": zone, "zone_name": zone.upper()}
    return {**keys, "zone_set": "s1", "band": "light", "count": 0.0 if mean is None else mean, "mean": mean, **changes}


def rows(*found: Row) -> pa.Table:
    table = pa.Table.from_pylist(list(found))
    kinds = {"count": pa.float64(), "mean": pa.float64()}
    told = {"count": {"unit": "pixels", "description": "valid pixels"}, "mean": UNIT}
    fields = [pa.field(name, kinds.get(name, pa.string()), metadata=told.get(name)) for name in table.column_names]
    return table.cast(pa.schema(fields))


TABLE = rows(
    row("2015-01", "a", 1),
    row("2015-01", "b", 2),
    row("2015-03", "a", 3),
    row("2015-03", "b", None),
)
"""February is missing; b was not observed in March."""


def sheets(table: pa.Table, *stats: str, shapes: Any = SHAPES) -> dict[str, pandas.DataFrame]:
    """Return what pandas reads of each sheet."""
    body = io.BytesIO(export(table, "xlsx", shapes, stats))
    return pandas.read_excel(body, sheet_name=None, keep_default_na=True)


def layer(table: pa.Table, kind: str, tmp_path: Path, shapes: Any = SHAPES) -> geopandas.GeoDataFrame:
    """Return what geopandas reads of the layer."""
    path = tmp_path / f"a.{kind}"
    path.write_bytes(export(table, kind, shapes))
    return geopandas.read_file(path, layer="zones") if kind == "gpkg" else geopandas.read_parquet(path)


def values(frame: pandas.DataFrame) -> list[list[Any]]:
    """Return the cells; None for an empty one."""
    return [[None if pandas.isna(cell) else cell for cell in line] for line in frame.to_numpy(dtype=object).tolist()]


def test_excel_has_a_sheet_a_statistic_with_zones_as_rows_and_periods_as_columns() -> None:
    found = sheets(TABLE)
    assert list(found) == ["count", "mean", "about"]
    assert list(found["mean"].columns) == ["zone", "name", "2015-01", "2015-02", "2015-03"]
    assert values(found["mean"]) == [["a", "A", 1, None, 3], ["b", "B", 2, None, None]]
    assert values(found["count"]) == [["a", "A", 1, None, 3], ["b", "B", 2, None, 0]]


def test_its_last_sheet_says_what_each_sheet_is_and_its_unit() -> None:
    assert values(sheets(TABLE)["about"]) == [
        ["count", "count", "light", "pixels", "valid pixels"],
        ["mean", "mean", "light", "K", "mean of valid pixels"],
    ]


def test_the_first_row_and_the_names_stay_in_sight_and_numbers_are_numbers() -> None:
    book = openpyxl.load_workbook(io.BytesIO(export(TABLE, "xlsx", SHAPES)))
    sheet = book["mean"]
    assert sheet.freeze_panes == "B2"
    assert [cell.font.b for cell in sheet[1]] == [True] * 5
    assert [cell.data_type for cell in sheet[2]] == ["s", "s", "n", "n", "n"]


def test_an_infinite_value_is_an_empty_cell_and_not_a_broken_file() -> None:
    found = sheets(rows(row("2015-01", "a", float("inf")), row("2015-01", "b", 2)), "mean")
    assert values(found["mean"]) == [["a", "A", None], ["b", "B", 2]]


@pytest.mark.parametrize("kind", ["gpkg", "geoparquet"])
def test_a_map_has_a_row_a_zone_with_its_shape_and_a_column_a_statistic_and_period(kind: str, tmp_path: Path) -> None:
    frame = layer(TABLE, kind, tmp_path)
    assert [name for name in frame.columns if name != "geometry"] == [
        "zone", "name", *(f"{stat}_2015_0{month}" for stat in ("count", "mean") for month in (1, 2, 3)),
    ]  # fmt: skip
    frame = frame.set_index("zone")
    assert values(frame[["mean_2015_01", "mean_2015_02", "mean_2015_03"]]) == [[1, None, 3], [2, None, None]]
    assert frame.crs.to_epsg() == 4326 or frame.crs.to_string() == "OGC:CRS84"
    assert frame.geometry["a"].equals(WEST)
    assert frame.geometry["b"].equals(EAST)


def test_a_geopackage_is_one_for_gdal_and_sqlite_and_says_its_units(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    path.write_bytes(export(TABLE, "gpkg", SHAPES))
    assert [name for name, _ in pyogrio.list_layers(path).tolist()] == ["zones", "columns"]
    told = pyogrio.read_info(path, layer="zones")
    assert (told["geometry_type"], told["features"], told["crs"]) == ("MultiPolygon", 2, "EPSG:4326")
    with sqlite3.connect(path) as base:
        assert base.execute("pragma integrity_check").fetchone() == ("ok",)
        query = 'select band, period, unit, description from columns where "column" = ?'
        assert base.execute(query, ["mean_2015_03"]).fetchall() == [
            ("light", "2015-03", "K", "mean of valid pixels"),
        ]
        assert base.execute("select count(*) from columns").fetchone() == (6,)


def test_geoparquet_says_its_version_its_boxes_and_each_columns_unit(tmp_path: Path) -> None:
    path = tmp_path / "a.geoparquet"
    path.write_bytes(export(TABLE, "geoparquet", SHAPES))
    schema = pyarrow.parquet.read_schema(path)
    geo = json.loads(schema.metadata[b"geo"])
    assert (geo["version"], geo["columns"]["geometry"]["bbox"]) == ("1.1.0", [0, 0, 2, 1])
    assert schema.field("mean_2015_03").metadata[b"unit"] == b"K"
    assert geopandas.read_parquet(path, bbox=(1.5, 0, 2, 1))["zone"].tolist() == ["b"]


def test_only_the_statistics_that_are_asked_for_are_written(tmp_path: Path) -> None:
    assert list(sheets(TABLE, "mean")) == ["mean", "about"]
    (tmp_path / "a.gpkg").write_bytes(export(TABLE, "gpkg", SHAPES, ["mean"]))
    assert not [name for name in geopandas.read_file(tmp_path / "a.gpkg", layer="zones").columns if "count" in name]
    frame = pandas.read_csv(io.BytesIO(export(TABLE, "csv", None, ["mean"])))
    assert list(frame.columns) == ["version", "period", "group", "zone", "zone_name", "zone_set", "band", "mean"]


def test_where_a_period_has_two_groups_the_row_with_the_most_valid_pixels_counts() -> None:
    """Also when the count is not written."""
    table = rows(row("2015-01", "a", 9, group="x"), row("2015-01", "a", 4, group="y"), row("2015-01", "b", 5))
    assert values(sheets(table, "mean")["mean"]) == [["a", "A", 9], ["b", "B", 5]]
    assert len(pandas.read_csv(io.BytesIO(export(table, "csv")))) == 3, "long files have every row"


def test_of_two_groups_that_were_measured_in_two_sets_the_fullest_counts_too() -> None:
    table = rows(row("2015-01", "a", 9, group="x"), row("2015-01", "a", 4, group="y", zone_set="s2"))
    same = SHAPES | {("s2", "a"): SHAPES["s1", "a"]}
    assert values(sheets(table, "mean", shapes=same)["mean"]) == [["a", "A", 9]]
    assert values(sheets(table.slice(1), "mean", shapes=same)["mean"]) == [["a", "A", 4]]


def test_the_newest_version_counts() -> None:
    table = rows(row("2015-01", "a", 1), row("2015-01", "a", 7, version="002"))
    assert values(sheets(table, "mean")["mean"]) == [["a", "A", 7]]


def test_several_bands_have_sheets_and_columns_of_their_own(tmp_path: Path) -> None:
    table = rows(row("2015-01", "a", 1), row("2015-01", "a", 8, band="cloud cover"))
    found = sheets(table, "mean")
    assert [values(found[name])[0][2] for name in ("mean light", "mean cloud cover")] == [1, 8]
    frame = layer(table, "gpkg", tmp_path)
    assert frame[["mean_light_2015_01", "mean_cloud_cover_2015_01"]].to_numpy().tolist() == [[1, 8]]


def test_bands_whose_names_differ_in_signs_only_keep_columns_and_sheets_apart(tmp_path: Path) -> None:
    names = ["a/b", "a:b", "A?B", "x" * 80, "x" * 81]
    table = rows(*(row("2015-01", "a", number, band=band) for number, band in enumerate(names)))
    found = sheets(table, "mean")
    assert [values(found[name])[0][2] for name in list(found)[:-1]] == [0, 1, 2, 3, 4]
    assert max(map(len, found)) == 31
    frame = layer(table, "gpkg", tmp_path)
    assert frame[[name for name in frame.columns if name.startswith("mean")]].to_numpy().tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("kind", ["gpkg", "geoparquet"])
def test_a_zone_that_was_measured_in_two_shapes_has_a_row_for_each(kind: str, tmp_path: Path) -> None:
    table = rows(row("2015-01", "a", 1), row("2015-02", "a", 2, zone_set="s2"), row("2015-02", "b", 3, zone_set="s2"))
    shapes = SHAPES | {("s2", "a"): shapely.MultiPolygon([WIDER]), ("s2", "b"): SHAPES["s1", "b"]}
    frame = layer(table, kind, tmp_path, shapes)
    columns = ["zone", "zone_set", "mean_2015_01", "mean_2015_02"]
    assert values(frame[columns]) == [["a", "s1", 1, None], ["a", "s2", None, 2], ["b", "s2", None, 3]]
    assert shapely.area(frame.geometry.to_numpy()).tolist() == [1, 2, 1]


def test_a_zone_whose_set_changed_and_its_shape_did_not_has_one_row() -> None:
    """Somebody added a zone to the file."""
    table = rows(row("2015-01", "a", 1), row("2015-02", "a", 2, zone_set="s2"), row("2015-02", "c", 3, zone_set="s2"))
    shapes = SHAPES | {("s2", "a"): SHAPES["s1", "a"], ("s2", "c"): shapely.MultiPolygon([WIDER])}
    assert values(sheets(table, "mean", shapes=shapes)["mean"]) == [["a", "A", 1, 2], ["c", "C", None, 3]]


@pytest.mark.parametrize("kind", ["gpkg", "geoparquet", "geojson"])
def test_a_zone_whose_shape_is_not_known_has_none(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(export(TABLE, kind, {("s1", "a"): SHAPES["s1", "a"]}))
    frame = geopandas.read_parquet(path) if kind == "geoparquet" else geopandas.read_file(path)
    known = dict(zip(frame["zone"], frame.geometry, strict=True))
    assert known["a"].equals(WEST)
    assert known["b"] is None


def test_rows_of_an_older_pileus_name_no_set(tmp_path: Path) -> None:
    table = TABLE.drop_columns(["zone_set"])
    shapes = {(None, zone): shape for (_, zone), shape in SHAPES.items()}
    assert layer(table, "gpkg", tmp_path, shapes).geometry.iloc[1].equals(EAST)


def long(zones: int, days: int) -> pa.Table:
    """A row for each of so many zones and days."""
    times = np.datetime_as_string(np.datetime64("2000-01-01") + np.arange(days))
    names = np.array([f"zone {number}" for number in range(zones)])
    count = zones * days
    fixed = {name: [name] * count for name in ("version", "group", "band")}
    zone = np.tile(names, days)
    return pa.table({**fixed, "period": np.repeat(times, zones), "zone": zone, "zone_name": zone,
                     "mean": np.arange(count, dtype=float)})  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "days", "told"),
    [
        ("gpkg", 1_991, "1,991 columns do not fit a GeoPackage: choose statistics with --stat, fewer months"),
        ("xlsx", 16_383, "1 zones and 16,383 periods do not fit an Excel sheet: choose csv or parquet"),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(kind: str, days: int, told: str) -> None:
    with pytest.raises(UsageError, match=told) as raised:
        export(long(1, days), kind)
    assert "\n" not in str(raised.value)


def test_as_many_columns_as_fit_are_read_again(tmp_path: Path) -> None:
    frame = layer(long(2, maps.MOST_COLUMNS), "gpkg", tmp_path, {})
    assert frame.iloc[1, -2] == 2 * maps.MOST_COLUMNS - 1
    assert len(sheets(long(2, 3_000), shapes={})["mean"].columns) == 3_002


def test_no_rows_are_told() -> None:
    with pytest.raises(UsageError, match="there are no rows in these months"):
        export(TABLE.slice(0, 0), "xlsx", SHAPES)


def test_a_large_workbook_is_not_kept_in_memory() -> None:
    """Sheets that are kept until they are saved take 11 MB for these 40,000 cells; the arrays of the rows take 4."""
    table = long(400, 100)
    excel.xlsx(long(1, 1), {})  # imports
    tracemalloc.start()
    body = excel.xlsx(table, {})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 6e6
    assert pandas.read_excel(io.BytesIO(body), sheet_name="mean").shape == (400, 102)


@pytest.mark.parametrize(("name", "told"), [("gpgk", "did you mean gpkg"), ("geoparket", "did you mean geoparquet")])
def test_a_format_that_is_nearly_right_is_told(name: str, told: str) -> None:
    with pytest.raises(UsageError, match=f"unknown format '{name}': {told}"):
        export(TABLE, name)
