"""The rasters of a populated collection as an input of a request."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from pileus import runs
from pileus.cell.cell import Cell
from pileus.cell.confine import Limits
from pileus.documents import Collection, Provider, parse_value
from pileus.endpoint import endpoint
from pileus.errors import DocumentError, PileusError, UsageError
from pileus.graphs import rasters, span
from pileus.graphs.collection import OfCollection
from pileus.project.registry import Registry, key_of
from pileus.stratus import builtin
from pileus.stratus.endpoints import Endpoints
from pileus.stratus.operate import operate
from pileus.subject import Request
from pileus.tasks.process_operations import process_operations
from pileus.tasks.worker_state import TaskControl, WorkerState
from pileus.wiring import Edges, wire_folder
from spec.support.graphs import messages
from spec.support.kept import keep
from spec.support.netcdf import series
from spec.support.runs import Executions
from spec.support.tiny import ZONE, raster


@endpoint("own")
def less(data: xarray.Dataset, other: xarray.Dataset) -> xarray.Dataset:
    """The first less the second."""
    return data - other


ENDPOINTS = Endpoints.of([builtin, less])


def tgz(**members: bytes) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(f"{name.replace('_', '.')}.tif")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return sink.getvalue()


def months(number: float) -> np.ndarray[Any, Any]:
    """Return 8 x 8 pixels, of latitudes 8 to 0 and longitudes 0 to 8: the number, and more by 1 for each row from the
    top.
    """
    return (number + np.arange(8)[:, None] + np.zeros(8)).astype("float32")


def document(name: str, folder: Path, regex: str, **meta: Any) -> Collection:
    value = {
        "name": name,
        "templated_name": f"{name}_{{{{pointInTime}}}}",
        "files": [{"regex": regex}],
        "provider": "site",
        "provider_path": f"{folder}/{name}/{{{{pointInTime}}}}",
        "options": {"spanUnit": "month", "spanStart": "2015-01", "spanEnd": "2015-12"},
        "meta": meta,
    }
    return parse_value(Collection, value, name)


class Office:
    """A stack without AWS, with two collections: `tiny`, GeoTIFFs in archives, and `rain`, NetCDF of several days."""

    def __init__(self, folder: Path, **process: Any) -> None:
        self.folder, self.workflows = folder, Executions()
        self.edges: Edges = replace(wire_folder(folder / "stack", {}), endpoints=lambda: ENDPOINTS)
        rules = {"band": "light", "zones": "s3://internal/zones/z.geojson", **process}
        tiny = document("tiny", folder, r"tiny_(?P<month>\d{6})\.tgz", group={"by": ["month"]}, process=rules)
        bands = {"rain": {"time": "each", "unit": "mm"}}
        days, grid = r"rain_(?P<month>\d{6})\.nc", {"crs": "EPSG:4326", "bounds": [0, 0, 2, 1]}
        rain = document("rain", folder, days, group={"by": ["month"]}, bands=bands, grid=grid)
        documents = {key_of(one): one for one in (tiny, rain)}
        registry = Registry(documents, {"site": Provider(id="site", protocol="file")})
        self.edges.store.put(self.edges.internal("registry.json"), registry.to_json())
        self.edges.store.put("s3://internal/zones/z.geojson", b"{}")

    def publish(self, month: str, **members: bytes) -> None:
        path = self.folder / "tiny" / month / f"tiny_{month}.tgz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tgz(**members))

    def start(self, operation: dict[str, Any], uri: str, name: str = "light:v0", **axes: Any) -> None:
        """Start a request of one operation. `axes`: of the input's domain."""
        self.begin(
            {
                "input": [{"name": name, "uri": uri} | ({"domain": "d"} if axes else {})],
                "domain": [{"name": "d"} | axes] if axes else [],
                "operation": [{"input": "v0", "result": "r"} | operation],
            }
        )

    def begin(self, request: dict[str, Any]) -> None:
        runs.start(self.edges, self.workflows, "operations", {"request": request}, "mine")

    def do(self, operation: dict[str, Any], uri: str, *, cell: Cell | None = None, **how: Any) -> xarray.Dataset:
        """Do a request of one operation, as a worker would."""
        self.start(operation, uri, **how)
        return self.worked(cell)

    def done(self, request: dict[str, Any]) -> xarray.Dataset:
        """Do a request whose result is `r`."""
        self.begin(request)
        return self.worked()

    def worked(self, cell: Cell | None = None) -> xarray.Dataset:
        """Do what was started, and return its result."""
        state = WorkerState(self.folder / "scratch", cell=cell)
        for message in messages(self.edges, dict(self.workflows.started["RunGraph:operations_mine_1"]["task"])):
            process_operations(self.edges, message, state, TaskControl(), lambda *asked: operate(ENDPOINTS, *asked))
        state.cell = None
        state.close()
        body = self.edges.store.get(runs.result(self.edges, "request:operations/mine")["results"]["r"]["url"])
        with xarray.open_dataset(io.BytesIO(body), engine="h5netcdf") as data:
            return data.load()


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """`tiny` has 10, 20 and 30 in its first row in the first three months."""
    made = Office(tmp_path)
    for number, month in enumerate(("201501", "201502", "201503"), 1):
        made.publish(month, tiny_light=raster(months(number * 10)))
    return made


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    made = Cell({}, tmp_path_factory.getbasetemp().resolve(), Limits(memory=1 << 31, seconds=60, file_size=1 << 28))
    yield made
    made.close()


SUBSET, MEAN = {"name": "pileus:subset"}, {"name": "pileus:mean", "axis": "time"}
RASTERS = "collection:tiny?band=light&what=rasters"


def test_the_rasters_of_a_span_are_one_data_set_over_time_lat_and_lon(office: Office) -> None:
    data = office.do(SUBSET, RASTERS, time={"start": "2015-02", "end": "2015-03"})
    assert dict(data["light"].sizes) == {"time": 2, "lat": 8, "lon": 8}
    assert [str(one)[:10] for one in data["time"].values] == ["2015-02-01", "2015-03-01"]
    assert data["light"].sel(lat=7.5, lon=0.5).values.tolist() == [20, 30]
    assert data["light"].sel(lat=0.5, lon=7.5).values.tolist() == [27, 37]


def test_they_are_opened_in_the_cell(office: Office, cell: Cell) -> None:
    data = office.do(SUBSET, RASTERS, time={"start": "2015-02", "end": "2015-03"}, cell=cell)
    assert data["light"].sel(lat=7.5, lon=0.5).values.tolist() == [20, 30]


def test_what_is_no_raster_is_named_by_the_cell(office: Office, cell: Cell) -> None:
    office.publish("201502", tiny_light=b"II*\0 and no more")
    with pytest.raises(PileusError, match="tiny_201502"):
        office.do(SUBSET, RASTERS, cell=cell)


def test_only_the_box_is_kept_of_a_raster(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    box = {"lat": {"start": 4, "end": 6}, "lon": {"start": 2, "end": 4}}
    seen: list[tuple[int, int]] = []
    add = rasters._Stack.add
    monkeypatch.setattr(
        rasters._Stack, "add", lambda self, *asked: (seen.append(asked[1].fields[0].values.shape), add(self, *asked))
    )
    data = office.do(SUBSET, RASTERS, **box)
    assert data["light"].isel(time=0).values.tolist() == [[12, 12], [13, 13]]
    assert seen == [(4, 4)] * 3


def test_mean_anomaly_time_series_and_zonal_statistics(tmp_path: Path) -> None:
    zonal = {"name": "pileus:zonal", "zones": {"type": "FeatureCollection", "features": [ZONE]}, "stats": ["mean"]}
    for number, (operation, expected) in enumerate(
        [
            (MEAN, [20]),
            ({"name": "pileus:anomaly"}, [-10, 0, 10]),
            ({"name": "pileus:timeseries", "lat": 7.5, "lon": 0.5}, [10, 20, 30]),
            (zonal, [14.5, 24.5, 34.5]),
        ]
    ):
        made = Office(tmp_path / str(number))
        for month in (1, 2, 3):
            made.publish(f"20150{month}", tiny_light=raster(months(month * 10)))
        data = made.do(operation, RASTERS)
        values = data[next(iter(data.data_vars))]
        corner = {name: place for name, place in (("lat", 0), ("lon", 0), ("zone", 0)) if name in values.dims}
        assert np.atleast_1d(values.isel(corner).values).tolist() == expected, operation


def test_what_the_collection_says_of_pixels_holds_here_too(tmp_path: Path) -> None:
    office = Office(tmp_path, valid={"band": "seen", "min": 1}, range=[0, 16], nodata=11)
    seen = np.ones((8, 8), "float32")
    seen[2] = 0
    office.publish("201501", tiny_light=raster(months(10)), tiny_seen=raster(seen))
    data = office.do(SUBSET, RASTERS)
    column = data["light"].isel(time=0, lon=0).values.tolist()
    assert [one if one == one else None for one in column] == [10, None, None, 13, 14, 15, 16, None]


def test_each_time_of_a_netcdf_file_with_its_scale_and_unit(tmp_path: Path) -> None:
    office = Office(tmp_path)
    (tmp_path / "rain/201501").mkdir(parents=True)
    series(tmp_path / "rain/201501/rain_201501.nc", [0, 1, 2, 3], factor=0.5)
    time = {"start": "2015-01-02", "end": "2015-01-03"}
    data = office.do(SUBSET, "collection:rain?what=rasters", name="rain:v0", time=time)
    left, right = data["rain"].isel(lat=0, lon=0).values.tolist(), data["rain"].isel(lat=0, lon=1).values.tolist()
    assert (left, right[0], np.isnan(right[1])) == ([1, 1.5], 10, True)
    assert data["rain"].attrs["units"] == "mm"


def test_files_that_touch_are_one_raster(tmp_path: Path) -> None:
    office = Office(tmp_path)
    folder = tmp_path / "tiny/201501"
    folder.mkdir(parents=True)
    both = document(
        "tiles",
        tmp_path,
        r"tile_(?P<month>\d{6})_(?P<tile>\w)\.tif",
        group={"by": ["month"], "each": "tile"},
        bands={"light": {"path": "*"}},
    )
    registry = Registry({key_of(both): both}, {"site": Provider(id="site", protocol="file")})
    office.edges.store.put(office.edges.internal("registry.json"), registry.to_json())
    (tmp_path / "tiles/201501").mkdir(parents=True)
    (tmp_path / "tiles/201501/tile_201501_a.tif").write_bytes(raster(months(1)))
    (tmp_path / "tiles/201501/tile_201501_b.tif").write_bytes(raster(months(5), size=1, west=8))
    data = office.do(SUBSET, "collection:tiles?what=rasters", lat={"start": 7, "end": 8}, lon={"start": 6, "end": 10})
    assert data["light"].isel(time=0).values.tolist() == [[1, 1, 5, 5]]


def test_archives_in_s3_are_read_from_there(tmp_path: Path) -> None:
    office = Office(tmp_path, archive=True)
    office.publish("201501", tiny_light=raster(months(10)))
    keep(office.edges, "tiny", "2015-01", tmp_path / "tiny/201501/tiny_201501.tgz")
    (tmp_path / "tiny/201501/tiny_201501.tgz").unlink()
    data = office.do(MEAN, RASTERS)
    assert data["light"].sel(lat=7.5, lon=0.5).item() == 10


@pytest.mark.parametrize(
    ("uri", "axes", "said"),
    [
        ("collection:tinny?what=rasters", {}, "tiny"),
        ("collection:tiny?what=raster", {}, "rasters"),
        ("collection:tiny?what=rasters&band=lite", {}, "light"),
        ("collection:tiny?what=rasters&version=7", {}, "tiny"),
        ("collection:tiny?what=rasters&from=2014-01", {}, "leaves the span"),
        ("collection:tiny?what=rasters", {"time": {"start": "2019", "end": "2020"}}, "none lies within the domain"),
        (
            "collection:tiny?what=rasters",
            {"time": {"start": "2015-05", "end": "2015-08"}},
            "nothing whole from 2015-05",
        ),
        ("collection:tiny?what=rasters&from=2015-05&to=2015-06", {}, "nothing whole from 2015-05 to 2015-06"),
        ("collection:tiny?what=rasters", {"time": {"start": 0, "end": 2, "system": "indices"}}, "expected timestamps"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_written(
    office: Office, uri: str, axes: dict[str, Any], said: str
) -> None:
    before = sorted(office.edges.store.list("s3://internal/"))
    with pytest.raises(DocumentError, match=said):
        office.start(MEAN, uri, **axes)
    assert sorted(office.edges.store.list("s3://internal/")) == before
    assert office.edges.index.entry(Request("operations", "mine")) is None


def test_a_point_without_a_whole_group_is_left_out(office: Office) -> None:
    (office.folder / "tiny/201502/tiny_201502.tgz").unlink()
    data = office.do(SUBSET, RASTERS)
    assert [str(one)[:7] for one in data["time"].values] == ["2015-01", "2015-03"]


def test_more_values_than_may_be_are_refused_in_a_sentence(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rasters, "MOST", 600)  # two months of 8 x 8 pixels of 4 bytes
    with pytest.raises(UsageError, match="too much to read: rasters of one input may have"):
        office.do(MEAN, RASTERS)


def test_of_several_groups_one_is_named(office: Office) -> None:
    (office.folder / "tiny/201501/tiny_201507.tgz").write_bytes(tgz(tiny_light=raster(months(70))))
    with pytest.raises(DocumentError, match="several groups at 2015-01: name one of 201501, 201507 with group="):
        office.start(MEAN, RASTERS, time={"start": "2015-01", "end": "2015-01"})
    data = office.do(MEAN, f"{RASTERS}&group=201507", time={"start": "2015-01", "end": "2015-01"})
    assert data["light"].sel(lat=7.5, lon=0.5).item() == 70


@pytest.mark.parametrize(
    "uri", ["collection:a?what=rasters&color=red", "collection:a?group=b", "collection:a?from=2015"]
)
def test_a_wrong_address_is_refused(uri: str) -> None:
    with pytest.raises(DocumentError, match="word"):
        OfCollection.of(uri)


def test_the_address_says_the_span_as_well(office: Office) -> None:
    data = office.do(SUBSET, f"{RASTERS}&from=2015-02&to=2015-02")
    assert data["light"].sel(lat=7.5, lon=0.5).values.tolist() == [20]


def test_more_points_in_time_than_may_be_are_refused_at_the_start(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span, "MOST_POINTS", 11)
    with pytest.raises(DocumentError, match="12 points in time from 2015-01 to 2015-12: 11 are the most of an input"):
        office.start(MEAN, RASTERS)


def test_the_same_rasters_over_two_domains_are_two_inputs(office: Office) -> None:
    """The difference of March and January."""
    months = {name: {"start": f"2015-{name}", "end": f"2015-{name}"} for name in ("01", "03")}
    request = {
        "input": [{"name": f"light:v{name}", "uri": RASTERS, "domain": f"d{name}"} for name in months],
        "domain": [{"name": f"d{name}", "time": time} for name, time in months.items()],
        "operation": [
            *({"name": "pileus:mean", "axis": "time", "input": f"v{name}", "result": f"m{name}"} for name in months),
            {"name": "own:less", "input": ["m03", "m01"], "result": "r"},
        ],
    }
    data = office.done(request)
    assert data["light"].sel(lat=7.5, lon=0.5).item() == 20
