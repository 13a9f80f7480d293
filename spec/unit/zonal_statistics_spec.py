"""The process zonal-statistics, in a worker without AWS: numbers to check by head, and what it must not open."""

import io
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pileus import runs
from pileus.cell.cell import Cell
from pileus.cell.confine import Limits
from pileus.documents import Collection, Provider, parse_value
from pileus.errors import DocumentError, NotFound, PileusError, Refused, TransferError, ZonesError
from pileus.messages import RequestTask
from pileus.project.registry import Registry
from pileus.runs.record import input_url
from pileus.subject import Request
from pileus.tasks import addresses
from pileus.tasks.process_request import process_request
from pileus.tasks.worker_state import WorkerState
from pileus.wiring import Edges
from spec.support.runs import Executions
from spec.support.tiny import archive, folder_edges, raster

NINE = raster(np.arange(1, 10, dtype="float32").reshape(3, 3))
"""Rows 1 2 3, 4 5 6 and 7 8 9; its upper left corner is (0, 8), so they lie between 5 and 8."""
LEFT = {"type": "Polygon", "coordinates": [[[0, 5], [1.5, 5], [1.5, 8], [0, 8], [0, 5]]]}
ZONES = {
    "type": "FeatureCollection",
    "features": [{"type": "Feature", "id": "left", "properties": {}, "geometry": LEFT}],
}
"""1 + 4 + 7 whole, and 2 + 5 + 8 by half."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server of a folder; its URL."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "nine.light.tif").write_bytes(NINE)
    (folder / "ten.light.tif").write_bytes(raster(np.full((3, 3), 10, "float32")))
    (folder / "zones.geojson").write_text(json.dumps(ZONES))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def edges(tmp_path: Path, site: str) -> Edges:
    """Edges without AWS. Populated: the web server as a provider, and a collection of two months in a folder."""
    made = folder_edges(tmp_path)
    folder = tmp_path / "months"
    for month in ("201501", "201502"):
        (folder / month).mkdir(parents=True)
    (folder / "201501/tiny_201501.tgz").write_bytes(archive())
    document = {
        "name": "tiny",
        "templated_name": "tiny_{{pointInTime}}",
        "files": [{"regex": r"tiny_(?P<month>\d{6})\.tgz"}],
        "provider": "folder",
        "provider_path": f"{folder}/{{{{pointInTime}}}}",
        "options": {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201502"},
        "meta": {"group": {"by": ["month"]}, "process": {"band": "light", "zones": "s3://internal/zones/tiny.geojson"}},
    }
    providers = {
        "folder": Provider(id="folder", protocol="file"),
        "site": Provider(id="site", protocol="http", host=site.removeprefix("http://"), attempts=1),
    }
    registry = Registry({"tiny___001": parse_value(Collection, document, "tiny")}, providers)
    made.store.put("s3://internal/registry.json", registry.to_json())
    return made


@pytest.fixture(scope="module", params=["in a cell", "here"])
def worker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerState]:
    state = WorkerState(tmp_path_factory.mktemp("scratch"))
    if request.param == "in a cell":
        state.cell = Cell({}, state.volume.folder.resolve(), Limits(1 << 30))
    yield state
    state.close()


def do(edges: Edges, worker: WorkerState, **inputs: Any) -> dict[str, Any]:
    """Start a run, do it as a worker does, and return its result document."""
    run = runs.start(edges, Executions(), "zonal-statistics", {"stats": ["count", "sum"]} | inputs)
    assert isinstance(run.subject, Request)
    task = RequestTask(run.subject, run.number, input_url(edges, run.subject))
    found: dict[str, Any] = json.loads(edges.store.get(process_request(edges, task.to_json(), worker)["manifest"]))
    return found


def rows(edges: Edges, document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(io.BytesIO(edges.store.get(document["rows"]["url"]))).to_pylist()
    return found


LEFT_SUM = {"zone": "left", "zone_name": "left", "band": "light", "unit": "", "count": 4.5, "sum": 19.5}


def test_a_raster_by_its_address_in_zones_by_value(edges: Edges, worker: WorkerState, site: str) -> None:
    document = do(edges, worker, zones=ZONES, rasters=[f"{site}/nine.light.tif"])
    assert rows(edges, document) == [LEFT_SUM]
    assert document["rows"]["count"] == 1
    assert document["rows"]["columns"] == list(LEFT_SUM)
    assert document["downloaded"] == len(NINE)
    assert f"nine.light.tif: read {len(NINE):,} of {len(NINE):,} bytes" in document["notes"][0]


def test_zones_by_their_address_and_each_raster_alone(edges: Edges, worker: WorkerState, site: str) -> None:
    urls = [f"{site}/nine.light.tif", f"{site}/ten.light.tif"]
    document = do(edges, worker, zones=f"{site}/zones.geojson", rasters=urls, each=True)
    assert [(row["raster"], row["sum"]) for row in rows(edges, document)] == [(urls[0], 19.5), (urls[1], 45.0)]


def test_points_in_time_of_a_collection_in_other_zones_than_its_own(edges: Edges, worker: WorkerState) -> None:
    document = do(edges, worker, zones=ZONES, collection="tiny", periods=["2015-01", "2015-02"])
    (row,) = rows(edges, document)
    assert (row["period"], row["group"], row["zone"], row["count"], row["sum"]) == (
        "2015-01",
        "201501",
        "left",
        4.5,
        4.5,
    )
    assert str(row["time"]) == "2015-01-01"
    assert document["notes"] == ["2015-02: nothing is published"]
    assert not list(edges.store.list("s3://protected/stats")), "the collection's own results are left alone"


def test_rules_of_the_collection_hold_unless_the_inputs_say_other(edges: Edges, worker: WorkerState) -> None:
    document = do(edges, worker, zones=ZONES, collection="tiny", periods=["2015-01"], coverage="center", range=[2, 9])
    (row,) = rows(edges, document)
    assert row["count"] == 0, "its pixels are ones, and only 2 to 9 count"


def test_a_point_without_anything_is_an_error_that_says_why(edges: Edges, worker: WorkerState) -> None:
    with pytest.raises(NotFound, match="no complete group at 2015-02: 2015-02: nothing is published"):
        do(edges, worker, zones=ZONES, collection="tiny", periods=["2015-02"])


@pytest.mark.parametrize(
    ("inputs", "kind", "told"),
    [
        ({"rasters": ["http://127.0.0.1:1/a.tif"]}, Refused, "a private address, and that of no populated provider"),
        ({"rasters": ["http://localhost:1/a.tif"]}, Refused, "a private address"),
        ({"rasters": ["http://2130706433/a.tif"]}, Refused, "a private address"),
        ({"rasters": ["http://[::ffff:10.0.0.1]/a.tif"]}, Refused, "a private address"),
        ({"rasters": ["http://169.254.169.254/latest.tif"]}, Refused, "a private address"),
        ({"rasters": ["s3://internal/registry.json"]}, Refused, "the stack's own state"),
        ({"zones": "http://127.0.0.1:1/z.geojson"}, Refused, "a private address"),
        ({"zones": {"type": "FeatureCollection", "features": [{"type": "Feature"}]}}, ZonesError, "zones: "),
        ({"rasters": ["SITE/none.light.tif"]}, NotFound, "none.light.tif"),
        ({"rasters": ["SITE/zones.geojson"]}, PileusError, "zones.geojson"),
        ({"rasters": ["SITE/nine.light.tif"], "bands": ["rain"]}, PileusError, "rain"),
    ],
)
def test_what_cannot_be_read_is_told(
    edges: Edges, worker: WorkerState, site: str, inputs: dict[str, Any], kind: type[PileusError], told: str
) -> None:
    wanted = {"zones": ZONES, "rasters": [f"{site}/nine.light.tif"]} | inputs
    wanted["rasters"] = [url.replace("SITE", site) for url in wanted["rasters"]]
    with pytest.raises(kind, match=told):
        do(edges, worker, **wanted)


def test_a_collection_that_there_is_not_and_a_band_that_it_has_not(edges: Edges, worker: WorkerState) -> None:
    with pytest.raises(PileusError, match="unknown collection 'tinny'"):
        do(edges, worker, zones=ZONES, collection="tinny", periods=["2015-01"])
    with pytest.raises(PileusError, match="2031"):
        do(edges, worker, zones=ZONES, collection="tiny", periods=["2031-01"])
    with pytest.raises(DocumentError, match="stats"):
        do(edges, worker, zones=ZONES, collection="tiny", periods=["2015-01"], stats=["p101"])


def test_a_run_moves_only_so_many_bytes(
    edges: Edges, worker: WorkerState, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "MOST", 100)
    with pytest.raises(TransferError, match="one run may move 100 bytes"):
        do(edges, worker, zones=ZONES, rasters=[f"{site}/nine.light.tif"])
    monkeypatch.setattr(addresses, "MOST_ZONES", 100)
    with pytest.raises(TransferError, match="has more than 100 bytes, the most of a file of zones"):
        do(edges, worker, zones=f"{site}/zones.geojson", rasters=[f"{site}/nine.light.tif"])


def test_a_cell_keeps_nothing_of_a_runs_zones(edges: Edges, worker: WorkerState, site: str) -> None:
    do(edges, worker, zones=ZONES, rasters=[f"{site}/nine.light.tif"])
    assert worker.cell is None or not (worker.cell._zones or worker.cell._indexes)
