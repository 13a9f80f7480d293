"""`meta.bands.NAME.time` and `select`: one band made of the fields of several times and levels in a file."""

import gzip
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import shapely

from pileus.cell.results import BadAnswer, measured_from_numbers, measured_to_numbers, most_bytes
from pileus.documents import Band, Collection, Process, parse_value
from pileus.errors import DocumentError, RasterError
from pileus.raster.request import Place
from pileus.zonal import Measured, Source, measure
from spec.support.grib import messages
from spec.support.netcdf import series
from spec.support.shared import shared
from spec.support.zonal_reference import write, zones_of

LEFT, RIGHT = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)
PLACE = Place("EPSG:4326", (0, 0, 2, 1))
JANUARY, FEBRUARY = (date(2015, 1, 1), date(2015, 2, 1)), (date(2015, 2, 1), date(2015, 3, 1))


def measured(path: Path, span: Any = None, place: Place = PLACE, **band: Any) -> Measured:
    process = Process(band="rain", zones="", stats=("count", "mean"))
    source, bands = Source(path.name, path=path, place=place, span=span), {"rain": Band(**band)}
    return measure([source], process, zones_of(LEFT, RIGHT), bands=bands, scratch=path.parent)


def means(path: Path, span: Any = None, **band: Any) -> list[float | None]:
    return measured(path, span, **band).table["mean"].to_pylist()


@pytest.mark.parametrize(
    ("how", "left", "right"),
    [("mean", 3, 70 / 3), ("sum", 12, None), ("min", 1, 10), ("max", 6, 40)],
)
def test_one_value_is_made_of_all_times(tmp_path: Path, how: str, left: float, right: float | None) -> None:
    """A sum needs a value of each time; the others take those that a pixel has."""
    found = measured(series(tmp_path / "rain.nc", range(4)), time=how)
    assert found.table["mean"].to_pylist() == [pytest.approx(left), right if right is None else pytest.approx(right)]
    assert found.table["count"].to_pylist() == [1, 0 if right is None else 1]
    assert (found.engine, found.units) == ("times", {"rain": "mm"})


def test_least_and_greatest_are_those_of_values_where_the_factor_is_negative(tmp_path: Path) -> None:
    path = series(tmp_path / "rain.nc", range(4), factor=-2)
    assert means(path, time="min") == [-12, -80]
    assert means(path, time="max") == [-2, -20]


def test_values_outside_the_valid_range_of_a_time_do_not_count(tmp_path: Path) -> None:
    path = series(tmp_path / "rain.nc", range(4))
    band = Band.model_validate({"time": "mean", "valid_range": [2, 20]})
    assert means(path, time="mean", valid_range=band.valid_range) == [pytest.approx(11 / 3), 15]


def test_only_times_of_the_period_are_taken(tmp_path: Path) -> None:
    """30 and 31 January, 1 and 2 February."""
    path = series(tmp_path / "rain.nc", [29, 30, 31, 32])
    assert means(path, JANUARY, time="sum") == [3, 30]
    assert means(path, FEBRUARY, time="max") == [6, 40]


def test_a_file_without_a_time_of_the_period_is_refused(tmp_path: Path) -> None:
    path = series(tmp_path / "rain.nc", [0, 1])
    with pytest.raises(RasterError, match="has times from 2015-01-01 to 2015-01-02, and none from 2015-02-01 before"):
        means(path, FEBRUARY, time="mean")


def test_one_time_is_the_band_whatever_it_says(tmp_path: Path) -> None:
    assert means(series(tmp_path / "rain.nc", [400]), JANUARY) == [1, 10]


def test_several_times_need_a_word_of_what_is_made_of_them(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match=r"has 4 times: say with meta.bands.rain.time, or --time, whether mean, sum"):
        means(series(tmp_path / "rain.nc", range(4)))


@pytest.mark.parametrize(
    ("days", "units"),
    [
        ([0, 24], "hours since 2015-01-31 12:00:00"),
        ([0, 1440], "minutes since 2015-1-31"),
        ([0, 86400], "seconds since 2015-01-31T00:00:00"),
    ],
)
def test_times_are_read_in_the_units_of_the_conventions(tmp_path: Path, days: list[int], units: str) -> None:
    assert means(series(tmp_path / "rain.nc", days, units=units), FEBRUARY) == [2, 20]


def test_a_calendar_of_360_days_is_refused(tmp_path: Path) -> None:
    path = series(tmp_path / "rain.nc", range(2), calendar="360_day")
    with pytest.raises(
        RasterError, match="of the calendar '360_day': expected seconds, minutes, hours or days of the Gr"
    ):
        means(path, time="mean")


UK = shapely.box(-5.1, 50.9, -0.1, 55.1)


def test_levels_of_a_real_reanalysis_are_selected() -> None:
    """ERA-Interim: wind at 500 hPa in July, packed with a negative factor, without a system in the file."""
    path = shared("data/grids/eraint_uvz.nc")
    with netCDF4.Dataset(path) as file:
        rows, columns = file["latitude"][:], file["longitude"][:]
        level, month = list(file["level"][:]).index(500), list(file["month"][:]).index(7)
        u = file["u"]
        u.set_auto_maskandscale(False)
        packed = u[month, level][np.ix_((rows > 50.9) & (rows < 55.1), (columns > -5.1) & (columns < -0.1))].astype(
            "f8"
        )
        values = packed * u.scale_factor + u.add_offset
    process = Process(band="u", zones="", stats=("count", "min", "max", "mean"), coverage="center")
    band, source = Band(select={"level": 500, "month": "07"}), Source("e.nc", path=path, place=Place("EPSG:4326"))
    zones = zones_of(UK)
    (row,) = measure([source], process, zones, bands={"u": band}, scratch=path.parent).table.to_pylist()
    truth = {"count": values.size, "min": values.min(), "max": values.max(), "mean": values.mean()}
    assert {stat: row[stat] for stat in truth} == pytest.approx(truth, rel=1e-9)


def test_an_ambiguous_or_unknown_level_is_told_with_what_there_is() -> None:
    path = shared("data/grids/eraint_uvz.nc")
    zones, process = zones_of(UK), Process(band="u", zones="")
    source = Source("e.nc", path=path, place=Place("EPSG:4326"))

    def refused(**band: Any) -> str:
        with pytest.raises(RasterError) as told:
            measure([source], process, zones, bands={"u": Band(**band)}, scratch=path.parent)
        return told.value.message

    assert refused() == (
        "has 6 fields along month, level, month being one of 1, 7:"
        " select one with meta.bands.u.select, or --select month="
    )
    assert refused(select={"month": 1}).startswith("has 3 fields along level, level being one of 200, 500, 850")
    assert refused(select={"level": 400}) == "has no level 400.0: only 200, 500, 850"
    assert refused(select={"height": 2}) == "has no height 2.0: no such dimension: it has level, month"


def test_a_month_of_hours_of_a_real_reanalysis_is_one_mean(tmp_path: Path) -> None:
    """ERA5 in GRIB: 744 hours of kelvin over the United Kingdom; the truth is read by another library."""
    path = shared("data/grids/era5-2mt-2019-03-uk.grib")
    _, hours = messages(path)
    process = Process(band="heat", zones="", stats=("count", "min", "max", "mean"), coverage="center")
    where, band = (date(2019, 3, 1), date(2019, 4, 1)), Band(path="2T", time="mean")
    source, zones = Source("e.grib", path=path, span=where), zones_of(shapely.box(-10.2, 49.8, 2.2, 58.2))
    found = measure([source], process, zones, bands={"heat": band}, scratch=tmp_path)
    truth = hours.mean(axis=0)
    (row,) = found.table.to_pylist()
    assert row["count"] == truth.size
    assert [row["min"], row["max"], row["mean"]] == pytest.approx([truth.min(), truth.max(), truth.mean()], rel=1e-6)
    assert found.units == {"heat": "K"}
    assert "datum has no name (Sphere, 6367470 m)" in " ".join(found.notes)


DAYS = [datetime(2015, 1, day) for day in (30, 31)] + [datetime(2015, 2, day) for day in (1, 2)]


def each(path: Path, span: Any = None) -> list[tuple[datetime, str, float | None]]:
    table = measured(path, span, time="each").table
    return [(row["time"], row["zone"], row["mean"]) for row in table.to_pylist()]


def test_each_time_has_rows_of_its_own(tmp_path: Path) -> None:
    path = series(tmp_path / "rain.nc", [29, 30, 31, 32])
    left, right = [1, 2, 3, 6], [10, 20, None, 40]
    truth = [(day, zone, both[n]) for n, day in enumerate(DAYS) for zone, both in (("a", left), ("b", right))]
    assert each(path) == truth
    assert each(path, FEBRUARY) == truth[4:]
    archive = tmp_path / "rain.nc.gz"
    archive.write_bytes(gzip.compress(path.read_bytes()))
    assert each(archive) == truth


def test_each_time_of_two_tiles_is_one_mosaic(tmp_path: Path) -> None:
    """Two files of the same pixels' grid side by side: a zone over both has the sum of each day."""
    west, east = series(tmp_path / "w.nc", range(4)), series(tmp_path / "e.nc", range(4))
    process = Process(band="rain", zones="", stats=("sum",))
    places = {west: PLACE, east: Place("EPSG:4326", (2, 0, 4, 1))}
    sources = [Source(path.name, path=path, place=place) for path, place in places.items()]
    bands, zones = {"rain": Band(time="each")}, zones_of(shapely.box(1, 0, 3, 1))
    table = measure(sources, process, zones, bands=bands, scratch=tmp_path).table
    assert table["sum"].to_pylist() == [10 + 1, 20 + 2, 3, 40 + 6]


def test_each_needs_times(tmp_path: Path) -> None:
    path = write(tmp_path / "rain.tif", np.ones((1, 2), "f4"))
    with pytest.raises(RasterError, match=r"rain.tif: has no times for 'rain', and each is asked for"):
        measured(path, time="each")


def test_rows_of_each_time_leave_the_cell_as_they_are(tmp_path: Path) -> None:
    path = series(tmp_path / "rain.nc", range(4))
    here = measured(path, time="each")
    process, zones = Process(band="rain", zones="", stats=("count", "mean")), zones_of(LEFT, RIGHT)
    sources = [Source(path.name, path=path, place=PLACE)]
    facts, body = measured_to_numbers(here, sources, process, zones)
    again = measured_from_numbers(json.loads(json.dumps(facts)), body, sources, process, zones, here.index_hashes)
    assert again.table == here.table
    assert len(body) <= most_bytes(sources, process, zones, each=True)
    zone, none = "2015-01-01T00:00:00+02:00", "2015-13-01T00:00:00"
    ok, before = "2015-01-02T00:00:00", "2015-01-01T00:00:00"
    for times in ([], "no", [[ok, before]], [[ok, ok]], [["x"]], [[zone]], [[ok, zone]], [[none]], [[1]], [{}]):
        with pytest.raises(BadAnswer):
            measured_from_numbers({**facts, "times": times}, body, sources, process, zones, here.index_hashes)


@pytest.mark.parametrize(
    ("process", "told"),
    [
        ({"clips": True}, "process.clips: is not made of each time of a band: rain"),
        ({"classic_csv": True}, "process.classic_csv: is not made of each time of a band: rain"),
        ({"band": "b", "valid": {"band": "rain"}}, "bands.rain.time: a band of process.valid cannot be each"),
    ],
)
def test_what_is_not_made_of_each_time_is_refused(process: Any, told: str) -> None:
    meta = {"bands": {"rain": {"time": "each"}, "b": {}}, "process": {"band": "rain", "zones": "z"} | process}
    with pytest.raises(DocumentError, match=told):
        parse_value(Collection, {"name": "n", "files": [{"regex": ".*"}], "meta": meta}, "c.json")
