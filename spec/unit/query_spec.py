"""The table in other tools: DuckDB, pandas, geopandas, Excel, Athena, and `pileus.open_stats`."""

import io
import json
import re
from pathlib import Path

import duckdb
import geopandas
import openpyxl
import pandas
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import pileus
from pileus import keys
from pileus.cli.main import app
from pileus.errors import UsageError
from pileus.outputs import athena, export
from pileus.outputs.cells import safe_cell
from pileus.outputs.tables import KEYS
from pileus.outputs.zone_sets import shapes_of
from pileus.statistics import statistic_of
from spec.support import stage
from spec.support.outputs import HOSTILE, Made

COLUMNS = [
    ("time", "date32[day]"), ("zone", "string"), ("zone_name", "string"), ("zone_set", "string"), ("band", "string"),
    ("unit", "string"),
    ("count", "double"), ("sum", "double"), ("mean", "double"), ("min", "double"), ("max", "double"),
    ("stddev", "double"), ("skew", "double"), ("valid_share", "double"),
]  # fmt: skip


def test_the_parquet_schema_says_the_unit_and_meaning_of_each_column(hostile: Made) -> None:
    path = next(hostile.bucket.glob("stats/**/*.parquet"))
    schema = pyarrow.parquet.ParquetFile(path).schema_arrow
    assert [(field.name, str(field.type)) for field in schema] == COLUMNS
    for field in schema:
        unit, meaning = KEYS.get(field.name) or told(field.name)
        assert field.metadata[b"unit"].decode() == unit.format(unit="nW/cm2/sr")
        assert field.metadata[b"description"].decode() == meaning


def told(name: str) -> tuple[str, str]:
    statistic = statistic_of(name)
    return statistic.unit, statistic.description


def test_duckdb_reads_all_months_as_one_table(hostile: Made) -> None:
    where = hostile.bucket / "stats/collection=lights/**/*.parquet"
    rows = duckdb.sql(
        f"select period, mean from read_parquet('{where}', hive_partitioning = true) "
        "where zone like '<img%' order by period"
    ).fetchall()
    assert rows == [("2015-01", 10.0), ("2015-02", 20.0), ("2015-03", 30.0)]


def test_pandas_reads_all_months_as_one_table(hostile: Made) -> None:
    frame = pandas.read_parquet(hostile.bucket / "stats/collection=lights")
    assert len(frame) == 3 * len(HOSTILE)


def test_open_stats_gives_one_table_from_a_folder_like_the_bucket(hostile: Made) -> None:
    table = pileus.open_stats(str(hostile.bucket))
    assert table.column_names[:4] == ["version", "period", "group", "time"]
    assert table.num_rows == 3 * len(HOSTILE)
    assert table.to_pandas().query("zone == '../../x'")["mean"].isna().all(), "the haze was never observed"


def test_open_stats_says_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no statistics there"):
        pileus.open_stats(str(tmp_path))


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_csv_and_parquet_hold_a_row_for_each_zone_and_month(hostile: Made, format: str) -> None:
    body = io.BytesIO(export.export(hostile.table(), format))
    frame = pandas.read_csv(body, dtype={"version": str}) if format == "csv" else pandas.read_parquet(body)
    assert list(frame.columns) == ["version", "period", "group", *(name for name, _ in COLUMNS)]
    months = ("2015-01", "2015-02", "2015-03")
    rows = set(zip(frame["version"], frame["period"], frame["zone"], strict=True))
    zones = [safe_cell(zone) if format == "csv" else zone for zone in HOSTILE]
    assert rows == {("001", month, zone) for month in months for zone in zones}
    assert len(frame) == len(rows)
    city, haze, *_ = HOSTILE
    means = frame.sort_values("period").groupby("zone")["mean"]
    assert means.get_group(city).tolist() == [10, 20, 30]
    assert means.get_group(haze).isna().tolist() == [True] * 3, "never observed"


def test_geojson_has_a_feature_a_row_with_its_shape(hostile: Made) -> None:
    names = hostile.table()["zone_set"].to_pylist()
    shapes = shapes_of(hostile.store, "protected", "lights", names, None)
    frame = geopandas.read_file(io.BytesIO(export.export(hostile.table(), "geojson", shapes)))
    city = frame[frame["zone"] == next(iter(HOSTILE))]
    assert city.geometry.iloc[0].bounds == (58, 42, 62, 46)
    assert sorted(city["mean"]) == [10, 20, 30]


def test_excel_takes_no_name_for_a_formula(hostile: Made) -> None:
    book = openpyxl.load_workbook(io.BytesIO(export.export(hostile.table(), "xlsx")))
    cells = [cell for row in book["mean"].iter_rows(min_row=2) for cell in row]
    assert "=cmd|'/c calc'!A1" in {cell.value for cell in cells}
    assert not [cell.value for cell in cells if cell.data_type == "f"]
    assert ("mean", "nW/cm2/sr") in {(row[0].value, row[3].value) for row in book["about"].iter_rows()}


def test_an_unknown_format_is_refused(hostile: Made) -> None:
    with pytest.raises(
        UsageError, match="unknown format 'shp': there are csv, geojson, geoparquet, gpkg, parquet, xlsx"
    ):
        export.export(hostile.table(), "shp")


def test_athenas_table_has_every_column_with_its_meaning(hostile: Made) -> None:
    text = athena.ddl(hostile.table(), "protected", "lights")
    for name, kind in COLUMNS:
        told = {"date32[day]": "date"}.get(kind, kind)
        assert f"`{name}` {told} COMMENT '" in text
    assert "'projection.period.range' = '2015-01,NOW'" in text
    assert "PARTITIONED BY (`version` string, `period` string)" in text
    location = "s3://protected/stats/collection=lights/version=${version}/period=${period}/"
    assert f"'storage.location.template' = '{location}'" in text
    there = location.replace("s3://protected/", "").replace("${version}", "001").replace("${period}", "2015-01")
    assert any(hostile.bucket.glob(f"{there}*/stats.parquet"))


def test_no_name_of_a_zone_leads_a_key_out_of_its_folder() -> None:
    segments = [keys.segment(name) for name in [*HOSTILE, "..", ".", "", "a/b", "é" * 400, "é" * 401]]
    assert len(set(segments)) == len(segments)
    for segment in segments:
        assert "/" not in segment
        assert segment.strip(".")
        assert 0 < len(segment.encode()) <= keys.LONGEST


def test_every_object_of_hostile_zones_lies_in_the_bucket(hostile: Made) -> None:
    paths = [path for path in hostile.folder.rglob("*") if path.is_file()]
    assert not list(hostile.folder.parent.glob("x*"))
    pictures = [path for path in paths if path.suffix == ".png"]
    assert len(pictures) == 3 * len(HOSTILE)
    assert all(path.is_relative_to(hostile.bucket / "pictures/collection=lights") for path in pictures)
    assert json.loads(next(hostile.bucket.glob("manifests/**/manifest.json")).read_text())["outputs"]


def test_the_python_of_the_documentation_runs(hostile: Made, capsys: pytest.CaptureFixture[str]) -> None:
    text = (stage.ROOT / "docs/outputs.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        for bucket in ("protected", "internal"):
            block = block.replace(f"s3://{bucket}/", f"{hostile.folder}/buckets/{bucket}/")
        exec(block.replace('/stats/collection=lights/")', '")'), {})
    assert "nW/cm2/sr" in capsys.readouterr().out


def test_every_command_of_the_documentation_exists() -> None:
    text = (stage.ROOT / "docs/outputs.md").read_text()
    named = {
        name for line in re.findall(r"^    pileus (.*)$", text, re.MULTILINE) for name in [" ".join(line.split()[:2])]
    }
    runner = CliRunner()
    for name in named:
        words = [word for word in name.split() if not word.startswith("-") and word not in ("at", "without", "the")]
        assert runner.invoke(app, [*words, "--help"]).exit_code == 0, name


def test_every_picture_of_the_documentation_is_there() -> None:
    text = (stage.ROOT / "docs/outputs.md").read_text()
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(pictures) == 7
    assert all((stage.ROOT / "docs" / picture).exists() for picture in pictures)
