"""Our own operations, on nine numbers and their like; the zones' statistics against the kernel that measures files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from xarray import Dataset

from pileus.documents import Process
from pileus.errors import DocumentError, ZonesError
from pileus.stratus.builtin import anomaly, greatest, least, mean, std, subset, timeseries, total, zonal
from pileus.stratus.endpoints import Endpoints
from pileus.stratus.operate import operate
from pileus.zonal import Source, measure, read_zones
from spec.support.stratus import grid, read, request, saved

LEFT = {"type": "Polygon", "coordinates": [[[-0.5, -1.5], [1, -1.5], [1, 1.5], [-0.5, 1.5], [-0.5, -1.5]]]}
"""The first column whole, and half of the second."""
ALL = {"type": "Polygon", "coordinates": [[[-0.5, -1.5], [2.5, -1.5], [2.5, 1.5], [-0.5, 1.5], [-0.5, -1.5]]]}


def zones(**shapes: Any) -> dict[str, Any]:
    """A collection of zones."""
    features = [{"type": "Feature", "id": name, "properties": {}, "geometry": one} for name, one in shapes.items()]
    return {"type": "FeatureCollection", "features": features}


def holed() -> Dataset:
    """`grid` without its first value, 1."""
    return grid().where(grid()["tas"] != 1)


def values(data: Dataset, name: str = "tas") -> Any:
    """The numbers of a variable."""
    return data[name].values.tolist()


@pytest.mark.parametrize("axis", ["yx", "xy", "lat,lon", "latitude, longitude", ["lat", "lon"], ["y", "x"]])
def test_axes_have_letters_and_names(axis: Any) -> None:
    assert values(mean(grid(), axis=axis)) == [5, 14]


def test_one_value_along_axes() -> None:
    assert values(mean(grid(), axis="t")) == [[5.5, 6.5, 7.5], [8.5, 9.5, 10.5], [11.5, 12.5, 13.5]]
    assert values(least(grid(), axis="yx")) == [1, 10]
    assert values(greatest(grid(), axis="tyx")) == 18
    assert values(total(grid(), axis="yx")) == [45, 126]
    assert values(std(grid(), axis="t")) == [[4.5] * 3] * 3
    assert mean(grid(), axis="t")["tas"].attrs == {"units": "K"}


def test_what_is_no_number_is_left_out() -> None:
    assert values(mean(holed(), axis="yx")) == [5.5, 14]
    assert values(least(holed(), axis="yx")) == [2, 10]
    nothing = grid().where(grid()["tas"] > 99)
    assert all(np.isnan(values(one(nothing, axis="tyx"))) for one in (mean, least, greatest, total, std))


def test_a_weighted_mean_weighs_rows_by_the_cosine_of_their_latitude() -> None:
    data = Dataset({"v": ("lat", [10.0, 40.0])}, {"lat": [0.0, 60.0]})  # cosines 1 and 1/2
    assert values(mean(data, axis="y", weighted=True), "v") == pytest.approx(20)
    assert values(mean(data, axis="y"), "v") == 25
    holes = Dataset({"v": ("lat", [np.nan, 40.0])}, {"lat": [0.0, 60.0]})
    assert values(mean(holes, axis="y", weighted=True), "v") == pytest.approx(40)


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda: mean(grid(), axis="q"), "axis: unknown dimension 'q': there are lat, lon, time"),
        (lambda: mean(grid(), axis="z"), "there is no level of one dimension"),
        (lambda: mean(grid(), axis=[]), "axis: expected at least one dimension"),
        (lambda: mean(grid(), axis="t", weighted=True), "weighted: the latitude, lat, is not one of the axes time"),
        (lambda: anomaly(grid().isel(time=0)), "there is no time of one dimension"),
        (lambda: subset(grid(), variables=["tos"]), "variables: unknown variable 'tos'"),
        (lambda: subset(grid(), lat=(40, 50)), "subset: domain subset: lat: no cell from 40 to 50"),
        (lambda: timeseries(grid(), lat=9, lon=0), "lat: no cell at 9"),
        (lambda: zonal(grid(), zones=zones(a=LEFT), stats=["maen"]), "stats: unknown statistic 'maen'"),
        (lambda: zonal(mean(grid(), axis="x"), zones=zones(a=LEFT)), "there is no longitude of one dimension"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence(do: Any, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        do()
    assert said in caught.value.message


@pytest.mark.parametrize("one", [mean, least, greatest, total, std])
def test_variables_without_the_axis_stay_and_those_of_no_numbers_go(one: Any) -> None:
    more = grid().assign(
        n=7, day=("time", [1.0, 3.0]), name=("lat", ["a", "b", "c"]), when=("lat", [np.datetime64(1, "s")] * 3)
    )
    found = one(more.assign_coords(height=2.0), axis="yx")
    assert set(found.variables) == {"tas", "n", "day", "time", "height"}
    assert (values(found, "n"), values(found, "day")) == (7, [1, 3])


def test_a_weighted_mean_of_what_has_no_latitude_is_a_mean() -> None:
    assert values(mean(grid().assign(east=("lon", [1.0, 2, 6])), axis="yx", weighted=True), "east") == 3


def test_an_anomaly_is_the_difference_from_the_mean_of_all_times() -> None:
    found = anomaly(grid().assign(fixed=("lat", [1, 2, 3])))
    assert values(found) == [[[-4.5] * 3] * 3, [[4.5] * 3] * 3]
    assert values(found, "fixed") == [1, 2, 3]
    assert found["tas"].attrs == {"units": "K"}


def test_a_monthly_anomaly_is_the_difference_from_the_same_month_of_all_years() -> None:
    days = np.array(["2000-01-01", "2000-07-01", "2001-01-01", "2001-07-01"], "M8[ns]")
    data = Dataset({"v": (("x", "time"), [[1.0, 10, 3, 30]])}, {"time": days})
    found = anomaly(data, against="month")
    assert values(found, "v") == [[-1, -10, 1, 10]]
    assert set(found.coords) == {"time"}


def test_a_subset_has_some_variables_within_bounds() -> None:
    found = subset(
        grid().assign(other=("lat", [1, 2, 3])), variables=["tas"], lon=(1, 2), lat=(0, 9), time=("2000-01-02",) * 2
    )
    assert list(found.data_vars) == ["tas"]
    assert values(found) == [[[11, 12], [14, 15]]]


def test_a_series_is_of_the_nearest_cell_or_of_a_box() -> None:
    assert values(timeseries(grid(), lat=0.2, lon=361.4)) == [5, 14]
    assert values(timeseries(grid(), lat=(-1, 1), lon=(0, 2))) == pytest.approx([5, 14])
    assert values(timeseries(holed(), lat=(1, 1), lon=(0, 1))) == [2, 10.5]
    tall = Dataset({"v": (("lat", "lon"), [[10.0], [40.0]])}, {"lat": [0.0, 60.0], "lon": [0.0]})
    assert values(timeseries(tall, lat=(0, 60), lon=0), "v") == pytest.approx(20)


def test_a_zone_has_each_pixel_by_its_share() -> None:
    found = zonal(grid(), zones=zones(left=LEFT, all=ALL), stats=["count", "sum", "mean", "max"])
    assert found["zone"].values.tolist() == ["left", "all"]
    assert found["tas_count"].dims == ("time", "zone")
    assert values(found, "tas_count") == [[4.5, 9], [4.5, 9]]
    assert values(found, "tas_sum") == [[pytest.approx(19.5), 45], [pytest.approx(60), 126]]
    assert values(found, "tas_mean") == [[pytest.approx(13 / 3), 5], [pytest.approx(40 / 3), 14]]
    assert values(found, "tas_max") == [[8, 9], [17, 18]]
    assert found["tas_sum"].attrs["units"] == "K x pixels"


def test_pixels_without_a_value_do_not_count_in_a_zone() -> None:
    found = zonal(holed(), zones=zones(left=LEFT), stats=["count", "sum"])
    assert (values(found, "tas_count")[0], values(found, "tas_sum")[0]) == ([3.5], [18.5])


@pytest.mark.parametrize(
    "turned",
    [
        lambda data: data.sortby("lat"),
        lambda data: data.sortby("lon", ascending=False),
        lambda data: data.transpose("lon", "time", "lat"),
        lambda data: data.astype("float32"),
        lambda data: data.astype("int16"),
    ],
)
def test_a_zone_is_the_same_whatever_way_the_grid_lies(turned: Any) -> None:
    found = zonal(turned(grid()), zones=zones(left=LEFT), stats=["sum"])
    assert found["tas_sum"].transpose("time", "zone").values.ravel().tolist() == pytest.approx([19.5, 60])


def test_longitudes_from_0_to_360_meet_zones_from_minus_180_to_180() -> None:
    data = Dataset({"v": (("lat", "lon"), [[1.0, 2, 3, 4]] * 2)}, {"lat": [45.0, -45], "lon": [0.0, 90, 180, 270]})
    west = {"type": "Polygon", "coordinates": [[[-135, -90], [-45, -90], [-45, 90], [-135, 90], [-135, -90]]]}
    assert values(zonal(data, zones=zones(west=west)), "v_mean") == [4]


def test_uneven_cells_are_no_grid() -> None:
    with pytest.raises(DocumentError, match="lon has no even steps"):
        zonal(grid().isel(lon=[0, 2, 1]).assign_coords(lon=[0, 1, 5]), zones=zones(a=LEFT))


def test_zones_that_are_none_are_refused() -> None:
    with pytest.raises(ZonesError, match="not a GeoJSON FeatureCollection"):
        zonal(grid(), zones={"type": "Nothing"})


@pytest.mark.parametrize("coverage", ["exact", "center", "all_touched"])
@pytest.mark.parametrize("weighted", [True, False])
def test_zones_have_the_statistics_that_the_same_file_has(coverage: Any, weighted: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    field = random.normal(size=(40, 60)).astype("float32")
    field[random.random(field.shape) < 0.1] = np.nan
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", width=60, height=40, count=1, dtype="float32",
                       crs="EPSG:4326", transform=rasterio.Affine(0.5, 0, 10, 0, -0.5, 60)) as file:  # fmt: skip
        file.write(field, 1)
    skew = {
        "type": "Polygon",
        "coordinates": [[[12.1, 58.3], [30.7, 55.2], [37.9, 44.4], [20.3, 41.1], [12.1, 58.3]]],
    }
    stats = ("count", "sum", "mean", "min", "max", "stddev", "skew", "median", "p90", "valid_share", "area")
    process = Process(band="v", zones="", stats=stats, coverage=coverage, area_weighted=weighted)
    read_ = read_zones(json.dumps(zones(a=skew, b=ALL)).encode(), zone_id=None, where="zones")
    wanted = measure([Source("a.tif", path=tmp_path / "a.tif")], process, read_, scratch=tmp_path).table.to_pylist()
    lat, lon = 60 - 0.5 * (np.arange(40) + 0.5), 10 + 0.5 * (np.arange(60) + 0.5)
    data = Dataset({"v": (("lat", "lon"), field)}, {"lat": lat, "lon": lon})
    found = zonal(data, zones=zones(a=skew, b=ALL), stats=list(stats), coverage=coverage, weighted=weighted)
    for stat in stats:
        made = [None if np.isnan(one) else one for one in found[f"v_{stat}"].values.tolist()]
        assert made == [row[stat] for row in wanted]


def test_they_are_the_operations_of_the_endpoint_pileus(tmp_path: Path) -> None:
    names = [one.op for one in Endpoints.named().listed]
    assert sorted(names) == ["anomaly", "max", "mean", "min", "std", "subset", "sum", "timeseries", "zonal"]
    steps = [
        {"name": "pileus:subset", "input": "v0", "lon": [0, 1], "result": "west"},
        {"name": "pileus.anomaly", "input": "west", "result": "change"},
        {"name": "pileus:zonal", "input": "change", "zones": zones(left=LEFT), "stats": ["sum"]},
    ]
    made = operate(Endpoints.named(), request(*steps), {"v0": saved(grid(), tmp_path / "v0.nc")}, tmp_path / "out")
    assert values(read(made["r3"]), "tas_sum") == [[-4.5 * 4.5], [4.5 * 4.5]]
