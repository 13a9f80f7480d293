"""A domain cuts a data set: both bounds included, in any order of the axis, over the date line, in any calendar."""

from typing import Any

import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st
from xarray import Dataset

from pileus.errors import DocumentError
from pileus.stratus.domain import cut, nearest
from pileus.stratus.moments import moment
from pileus.stratus.request import StratusRequest
from spec.support.stratus import grid


def along(name: str, values: Any, **about: str) -> Dataset:
    """A variable that holds its positions, on one axis."""
    return Dataset({"v": ((name,), np.arange(len(values)))}, {name: ((name,), np.asarray(values), about)})


def kept(data: Dataset, **axes: Any) -> list[int]:
    """The positions that a domain leaves."""
    return [int(one) for one in within(data, **axes)["v"].values]


def within(data: Dataset, **axes: Any) -> Dataset:
    """What a domain leaves."""
    told = {"operation": [{"name": "x:y"}], "domain": [{"name": "d", **axes}]}
    return cut(data, StratusRequest.from_json(told).domains["d"], "input v0")


def between(start: Any, end: Any, system: str | None = None) -> dict[str, Any]:
    """Bounds of an axis."""
    return {"start": start, "end": end, **({"system": system} if system else {})}


@pytest.mark.parametrize("values", [[0.0, 1, 2, 3], [3.0, 2, 1, 0]])
def test_both_bounds_are_included_whatever_way_the_axis_runs(values: list[float]) -> None:
    found = within(along("lat", values), lat=between(1, 2))
    assert sorted(found["lat"].values.tolist()) == [1, 2]
    assert found["lat"].values.tolist() == sorted(found["lat"].values.tolist(), reverse=values[0] > 0)


def test_latitudes_and_levels_may_be_given_in_either_order() -> None:
    assert kept(along("lat", [0.0, 1, 2, 3]), lat=between(2, 1)) == [1, 2]
    assert kept(along("lev", [1000.0, 850, 500]), lev=between(1000, 850)) == [0, 1]


def test_a_bound_that_float32_cannot_hold_is_still_included() -> None:
    assert kept(along("lat", np.arange(0, 1, 0.1, np.float32)), lat=between(0.1, 0.3)) == [1, 2, 3]


def test_indices_are_positions_from_zero() -> None:
    data = along("lat", [5.0, 6, 7])
    assert kept(data, lat=between(1, 1, "indices")) == [1]
    assert kept(data, lat=between(1, 99, "indices")) == [1, 2]
    with pytest.raises(DocumentError, match="expected positions from 0"):
        within(data, lat=between(-1, 1, "indices"))
    with pytest.raises(DocumentError, match="no cell from 3 to 9"):
        within(data, lat=between(3, 9, "indices"))


@pytest.mark.parametrize(
    ("lon", "west", "east", "told"),
    [
        ([0.0, 90, 180, 270], -100, 10, [-90, 0]),
        ([0.0, 90, 180, 270], 170, -80, [180, 270]),
        ([-180.0, -90, 0, 90], 170, 200, [180]),
        ([-180.0, -90, 0, 90], 80, -170, [90, 180]),
        ([0.0, 90, 180, 270], -180, 179, [-180, -90, 0, 90]),
        ([0.0, 90, 180, 270], 0, 360, [0, 90, 180, 270]),
        ([-180.0, -90, 0, 90], 0, 359, [0, 90, 180, 270]),
        ([0.0, 90, 180, 270], 80, 180, [90, 180]),
    ],
)
def test_a_box_crosses_any_meridian_and_has_its_own_longitudes(
    lon: list[float], west: float, east: float, told: list[float]
) -> None:
    assert within(along("lon", lon), lon=between(west, east))["lon"].values.tolist() == told


@given(
    st.integers(-180, 180), st.integers(0, 359), st.sampled_from([0, -180]), st.booleans(),
    st.sampled_from([1, 5, 30])
)  # fmt: skip
def test_a_box_holds_just_the_meridians_between_its_sides(
    west: int, width: int, first: int, descending: bool, step: int
) -> None:
    lon = np.arange(first, first + 360, step, dtype=float)
    data = along("lon", lon[::-1] if descending else lon)
    wanted = {m % 360 for m in range(west, west + width + 1) if m % step == 0}
    if not wanted:
        with pytest.raises(DocumentError, match="no cell"):
            within(data, lon=between(west, west + width))
        return
    found = within(data, lon=between(west, west + width))
    assert {int(one) % 360 for one in found["lon"].values} == wanted
    assert len(found["lon"]) == len(wanted)
    assert west <= found["lon"].values.min()
    assert found["lon"].values.max() <= west + width
    assert [int(lon_) % 360 for lon_ in found["lon"].values] == [int(data["lon"].values[p]) % 360 for p in found["v"]]


def test_the_metres_of_a_projection_are_no_longitudes() -> None:
    assert kept(along("x", [0.0, 400, 800]), lon=between(300, 900)) == [1, 2]
    assert kept(along("x", [0.0, 90, 180, 270], units="degrees_east"), lon=between(-100, -80)) == [3]


DAYS = np.array(["2014-12-31T12", "2015-01-01", "2015-01-31T23", "2015-02-01"], "M8[ns]")


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        ("2015", "2015", [1, 2, 3]),
        ("2015-01", "2015-01", [1, 2]),
        ("2015-01-01T00:00:00Z", "2015-02-01T00:00:00Z", [1, 2, 3]),
        ("2015-01-01", "2015-01-31T22", [1]),
        ("2015-01-01T01:00+02:00", "2015-01-01", [1]),
        ("2015-01-01T00:30-00:00", "2015-01", [2]),
        ("2014-12-31", "2015-01-01T00:00:00.000", [0, 1]),
        ("20150101", "20150131", [1, 2]),
    ],
)
def test_a_moment_that_is_given_in_part_stands_for_all_of_it(start: str, end: str, left: list[int]) -> None:
    assert kept(along("time", DAYS), time=between(start, end)) == left
    assert kept(along("time", DAYS[::-1]), time=between(start, end)) == [3 - one for one in reversed(left)]


def test_a_calendar_of_thirty_days_has_a_thirtieth_of_february() -> None:
    times = xarray.date_range("2000-02-28", periods=4, calendar="360_day", use_cftime=True)
    data = along("time", times)
    assert kept(data, time=between("2000-02-29", "2000-02-30")) == [1, 2]
    assert kept(data, time=between("2000-03", "2000-03-01T00:00:00Z")) == [3]


@given(st.datetimes(), st.integers(-12 * 60, 12 * 60))
def test_zones_are_hours_from_utc(when: Any, minutes: int) -> None:
    from datetime import UTC, timedelta, timezone

    if 2 < when.year < 9998:
        there = when.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
        here = there.astimezone(UTC)
        parts = (here.year, here.month, here.day, here.hour, here.minute, here.second)
        assert moment(there.isoformat(), "")[:6] == parts


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2015-13", "2015-00", "2015-01-32", "2015-01-01T25", "2015-02-30T00:00+02:00", "15-1-1"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="expected a moment such as"):
        within(along("time", DAYS), time=between(text, "2020"))


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (
            {"lat": between(50, 60)},
            "input v0: domain d: lat: no cell from 50 to 60: the data reach from 1.0 to -1.0",
        ),
        (
            {"lev": between(1, 2)},
            "input v0: domain d: lev: there is no level of one dimension: the dimensions are time, lat, lon",
        ),
        (
            {"time": between(0, 1, "values")},
            "input v0: domain d: time: its coordinate holds no numbers: expected timestamps or indices",
        ),
        (
            {"time": between("1990", "1999")},
            "input v0: domain d: time: no cell from 1990 to 1999: the data reach from 2000-01-01T00:00:00 to "
            "2000-01-02T00:00:00",
        ),
        ({"lat": between(float("nan"), 1)}, "input v0: domain d: lat: expected finite numbers"),
    ],
)
def test_a_cut_that_leaves_nothing_or_cannot_be_made_says_so(axes: dict[str, Any], said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        within(grid(), **axes)
    assert caught.value.message == said


def test_axes_are_found_by_what_they_say_before_their_names() -> None:
    data = Dataset({"v": (("a", "b"), np.zeros((2, 2)))}, {"a": [0.0, 1], "b": [0.0, 1]})
    data["a"].attrs["units"] = "degrees_north"
    data["b"].attrs["standard_name"] = "longitude"
    assert dict(within(data, y=between(1, 1), x=between(0, 0)).sizes) == {"a": 1, "b": 1}


def test_a_curved_grid_has_no_latitude_of_one_dimension() -> None:
    data = Dataset({"v": (("j", "i"), np.zeros((2, 2)))}, {"lat": (("j", "i"), np.zeros((2, 2)))})
    with pytest.raises(DocumentError, match="no latitude of one dimension: the dimensions are j, i"):
        within(data, lat=between(0, 1))


def test_the_nearest_cell_is_at_most_half_a_step_away() -> None:
    data = along("lon", [0.0, 90, 180, 270])
    assert nearest(data, "lon", -80)["v"].values.tolist() == [3]
    assert nearest(data, "lon", 361)["v"].values.tolist() == [0]
    assert nearest(along("lat", [10.0, 0]), "lat", 15)["v"].values.tolist() == [0]
    with pytest.raises(DocumentError, match=r"lat: no cell at 16: the data reach from 10\.0 to 0\.0"):
        nearest(along("lat", [10.0, 0]), "lat", 16)
