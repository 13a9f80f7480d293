"""The forms of a result: each read back by a library of another house."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import xarray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xarray import Dataset

from pileus.errors import UsageError
from pileus.stratus import forms, parquet
from pileus.stratus.forms import write_form
from pileus.stratus.netcdf import plain, write
from pileus.stratus.service import GEOTIFF, JSON, NETCDF, PARQUET
from spec.support.stratus import grid


def kept(data: Dataset, folder: Path) -> Path:
    """The file of a result."""
    write(plain(data, "operation"), folder / "r.nc", "operation")
    return folder / "r.nc"


def formed(data: Dataset, form: str, folder: Path) -> bytes:
    """A result in a form."""
    return b"".join(write_form(kept(data, folder), form))


def mixed() -> Dataset:
    """A map of two days without its first value, one of no day, a number, a name for each latitude."""
    data = grid().where(grid()["tas"] != 1)
    land = (("lat", "lon"), np.array([[1, 0, 1]] * 3, "i2"))
    return data.assign(land=land, total=7).assign_coords(name=("lat", ["n", "e", "s"]))


def test_netcdf_is_the_file_itself(tmp_path: Path) -> None:
    assert formed(mixed(), NETCDF, tmp_path) == (tmp_path / "r.nc").read_bytes()


def test_json_is_plain_with_null_for_what_is_no_number(tmp_path: Path) -> None:
    found = json.loads(formed(mixed(), JSON, tmp_path))
    assert found["dims"] == {"time": 2, "lat": 3, "lon": 3}
    assert found["data_vars"]["tas"]["values"][0] == [[None, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert {key: found["data_vars"]["tas"][key] for key in ("dims", "units", "dtype")} == {
        "dims": ["time", "lat", "lon"], "units": "K", "dtype": "float64",
    }  # fmt: skip
    assert found["data_vars"]["total"]["values"] == 7
    assert found["coords"]["time"]["values"] == ["2000-01-01T00:00:00.000000", "2000-01-02T00:00:00.000000"]
    assert found["coords"]["name"]["values"] == ["n", "e", "s"]


def test_moments_of_another_calendar_are_written_as_they_are(tmp_path: Path) -> None:
    times = xarray.date_range("2000-02-29", periods=2, calendar="360_day", use_cftime=True)
    data = Dataset({"v": ("time", [1, 2])}, {"time": times})
    told = ["2000-02-29T00:00:00", "2000-02-30T00:00:00"]
    assert json.loads(formed(data, JSON, tmp_path))["coords"]["time"]["values"] == told
    assert pq.read_table(io.BytesIO(formed(data, PARQUET, tmp_path))).column("time").to_pylist() == told


def test_json_is_for_small_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "MOST_VALUES", 20)
    with pytest.raises(
        UsageError, match="the result has 26 values, and JSON is for up to 20: ask for application/netcdf"
    ):
        write_form(kept(grid(), tmp_path), JSON)


def test_a_table_has_a_row_for_each_cell(tmp_path: Path) -> None:
    table = pq.read_table(io.BytesIO(formed(mixed(), PARQUET, tmp_path)))
    assert table.column_names == ["time", "lat", "lon", "tas", "land", "total", "name"]
    rows = table.to_pylist()
    assert len(rows) == 18
    first, last = rows[0], rows[-1]
    assert [first[name] for name in ("lat", "lon", "tas", "land", "total", "name")] == [1, 0, None, 1, 7, "n"]
    assert [last[name] for name in ("lat", "lon", "tas", "land", "total", "name")] == [-1, 2, 18, 1, 7, "s"]
    assert [str(one["time"]) for one in (first, last)] == ["2000-01-01 00:00:00", "2000-01-02 00:00:00"]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(1, 40))
def test_a_table_is_the_same_in_pieces_of_any_size(rows: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("table")
    whole = pq.read_table(io.BytesIO(formed(mixed(), PARQUET, folder)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "ROWS", rows)
        blocks = [one.sizes for one in parquet._blocks(mixed(), ["time", "lat", "lon"])]
        assert max(one["time"] * one["lat"] * one["lon"] for one in blocks) <= rows
        assert pq.read_table(io.BytesIO(formed(mixed(), PARQUET, folder))).equals(whole)


def test_a_dimension_without_a_coordinate_is_a_column_of_positions(tmp_path: Path) -> None:
    table = pq.read_table(io.BytesIO(formed(Dataset({"v": ("cell", [5, 6])}), PARQUET, tmp_path)))
    assert table.to_pylist() == [{"cell": 0, "v": 5}, {"cell": 1, "v": 6}]


@pytest.mark.parametrize("data", [grid(), grid().sortby("lat"), grid().transpose("lon", "time", "lat")])
def test_a_map_has_a_band_for_each_variable_and_day(data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "r.tif").write_bytes(formed(data.assign(total=7), GEOTIFF, tmp_path))
    with rasterio.open(tmp_path / "r.tif") as file:
        assert file.descriptions == ("tas time=2000-01-01T00:00:00", "tas time=2000-01-02T00:00:00")
        assert file.bounds == (-0.5, -1.5, 2.5, 1.5)
        assert file.crs.to_epsg() == 4326
        assert file.read(1).tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
        assert (file.dtypes[0], file.units[0]) == ("float64", "K")


def test_no_number_is_nodata_in_a_map(tmp_path: Path) -> None:
    (tmp_path / "r.tif").write_bytes(formed(mixed()[["tas"]], GEOTIFF, tmp_path))
    with rasterio.open(tmp_path / "r.tif") as file:
        assert file.read(1, masked=True).mask.tolist() == [[True, False, False], [False] * 3, [False] * 3]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (Dataset({"total": 7}), "the result is no map, so it has no GeoTIFF: there is no latitude"),
        (grid().assign_coords(lon=[0.0, 1, 5]), "the result is no map, so it has no GeoTIFF: lon has no even steps"),
        (grid().drop_vars("tas"), "the result is no map, so it has no GeoTIFF: no variable has lat and lon"),
    ],
)
def test_what_is_no_map_has_no_geotiff(data: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        formed(data, GEOTIFF, tmp_path)
    assert said in caught.value.message


def test_another_form_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no form 'application/x-pickle': there are application/netcdf"):
        formed(grid(), "application/x-pickle", tmp_path)
