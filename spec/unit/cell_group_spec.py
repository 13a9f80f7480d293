"""Groups of a worker with a cell, through the real hops: what breaks the cell fails one group, and only that."""

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pileus import worker_tasks
from pileus.cell.cell import Cell
from pileus.cell.confine import Limits
from pileus.cell.results import BadAnswer
from pileus.cell.room import _bring
from pileus.errors import ArchiveError, HandedBack
from pileus.tasks.process_group import process_group
from pileus.tasks.worker_state import TaskControl, WorkerState
from pileus.wiring import Edges
from pileus.zonal import Source
from spec.support.cell import sitecustomize
from spec.support.netcdf import series
from spec.support.tiny import SQUARE, ZONE, archive, folder_edges, group_event, raster

CRASH, SPIN = "import ctypes; ctypes.string_at(0)", "while True: pass"


@pytest.fixture
def edges(tmp_path: Path) -> Edges:
    return folder_edges(tmp_path)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerState]:
    monkeypatch.syspath_prepend(str(Path(sitecustomize.__file__).parent))
    monkeypatch.setitem(worker_tasks.REGISTERED, "probe", sitecustomize.PROBE)
    state = WorkerState(tmp_path / "scratch")
    state.cell = Cell({}, state.volume.folder.resolve(), Limits(1 << 30))
    yield state
    state.close()


def event(folder: Path, month: str, code: str, body: bytes = b"") -> dict[str, Any]:
    """The message of one group, of a collection with statistics, clips, pictures and a task that runs `code`."""
    path = folder / f"tiny_{month}.tgz"
    path.write_bytes(body or archive())
    rules = {"band": "light", "zones": "s3://internal/zones/tiny.geojson", "clips": True, "pictures": True}
    return group_event(path, month, {"process": rules, "task": {"name": "probe", "parameters": {"code": code}}})


def test_a_crash_fails_one_group_and_the_worker_goes_on(edges: Edges, worker: WorkerState, tmp_path: Path) -> None:
    process_group(edges, event(tmp_path, "201501", "answer = 1"), worker)
    with pytest.raises(ArchiveError, match=r"tiny_201502.tgz: cannot be read: the process that read it crashed"):
        process_group(edges, event(tmp_path, "201502", CRASH), worker)
    with pytest.raises(ArchiveError, match=r"tiny_201503.tgz"):
        process_group(edges, event(tmp_path, "201503", "", b"\x1f\x8bno"), worker)
    done = process_group(edges, event(tmp_path, "201504", "answer = 4"), worker)
    outputs = json.loads(edges.store.get(done["manifest"]))["outputs"]
    assert [one["kind"] for one in outputs] == ["table", "csv", "zones", "clip", "picture", "item", "task"]
    assert edges.store.get(outputs[-1]["url"]) == b"4"
    jobs = worker.cell._child.jobs if worker.cell and worker.cell._child else 0
    process_group(edges, event(tmp_path, "201505", "answer = 5"), worker)
    assert worker.cell is not None
    assert worker.cell._child is not None
    # one that measures and draws, and the task; collections of two points in time are one to the cell
    assert worker.cell._child.jobs == jobs + 2
    assert [path for path in worker.volume.folder.rglob("*") if path.is_file()] == []


def test_a_stop_hands_the_group_back_while_a_file_is_read(edges: Edges, worker: WorkerState, tmp_path: Path) -> None:
    control = TaskControl()
    threading.Timer(5, control.cancelled.set).start()
    with pytest.raises(HandedBack):
        process_group(edges, event(tmp_path, "201501", SPIN), worker, control)
    process_group(edges, event(tmp_path, "201502", "answer = 2"), worker)


def test_an_archive_is_read_once_also_where_clips_and_pictures_are_drawn(
    edges: Edges, worker: WorkerState, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).random((1600, 1600), "float32")
    body = archive(raster(noise, 8 / 1600))
    done = process_group(edges, event(tmp_path, "201501", "", body), worker)
    kinds = [one["kind"] for one in json.loads(edges.store.get(done["manifest"]))["outputs"]]
    assert {"table", "clip", "picture"} <= set(kinds)
    assert worker.cell is not None
    assert worker.cell._child is not None
    told = dict(line.split(": ") for line in Path(f"/proc/{worker.cell._child.number}/io").read_text().splitlines())
    assert len(body) <= int(told["rchar"]) < len(body) * 3 // 2


def test_a_group_is_read_in_ranges_through_the_worker(edges: Edges, worker: WorkerState, tmp_path: Path) -> None:
    """The cell asks its worker for bytes: it has no way to the provider. A few of them give all the numbers."""
    noise = np.random.default_rng(1).random((1600, 1600), "float32")
    path = tmp_path / "tiny_201501.tif"
    path.write_bytes(raster(noise, 8 / 1600))
    rules = {"band": "light", "zones": "s3://internal/zones/tiny.geojson", "clips": True}
    zone = {**ZONE, "geometry": {**SQUARE, "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 2], [1, 1]]]}}
    edges.store.put("s3://internal/zones/tiny.geojson", json.dumps(zone).encode())
    made = {}
    for month, read in (("201501", "ranges"), ("201502", "whole")):
        done = process_group(edges, group_event(path, month, {"process": rules | {"read": read}}), worker)
        manifest = json.loads(edges.store.get(done["manifest"]))
        (table,) = [one["url"] for one in manifest["outputs"] if one["kind"] == "table"]
        rows = pq.read_table(io.BytesIO(edges.store.get(table))).drop_columns(["time"]).to_pylist()
        made[read] = rows, manifest["bytes_downloaded"]
    assert made["ranges"][0] == made["whole"][0]
    assert made["ranges"][0][0]["count"] == pytest.approx(200 * 200)
    assert made["whole"][1] == path.stat().st_size
    assert made["ranges"][1] < path.stat().st_size / 4


@pytest.mark.parametrize(
    "value", [1, [0], [0, 5], [9, [[0, 1]]], [0, [[5, 1]]], [0, [["a", 1]]], [0, [[-1, 1]]], [True, []]]
)
def test_a_cell_that_asks_for_bytes_that_there_are_not_is_refused(value: Any) -> None:
    source = Source("a", bring=lambda _: pytest.fail("nothing is fetched"))
    with pytest.raises(BadAnswer, match="no ranges"):
        _bring([source], value)
    with pytest.raises(BadAnswer, match="no ranges"):
        _bring([Source("whole")], [0, [[0, 1]]])


def test_rows_of_each_time_of_a_group_have_its_time(edges: Edges, worker: WorkerState, tmp_path: Path) -> None:
    """Two of four days lie in the month; the second pixel has no value on the first of them."""
    path = series(tmp_path / "tiny_201502.nc", [29, 30, 31, 32])
    square = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]]}
    edges.store.put("s3://internal/zones/tiny.geojson", json.dumps({**ZONE, "geometry": square}).encode())
    meta = {
        "bands": {"rain": {"time": "each"}},
        "grid": {"crs": "EPSG:4326", "bounds": [0, 0, 2, 1]},
        "process": {"band": "rain", "zones": "s3://internal/zones/tiny.geojson", "stats": ["count", "sum"]},
    }
    done = process_group(edges, group_event(path, "201502", meta), worker)
    outputs = json.loads(edges.store.get(done["manifest"]))["outputs"]
    (table,) = [one["url"] for one in outputs if one["kind"] == "table"]
    rows = pq.read_table(io.BytesIO(edges.store.get(table))).to_pylist()
    found = [(row["time"].isoformat(), row["unit"], row["count"], row["sum"]) for row in rows]
    assert found == [("2015-02-01T00:00:00", "mm", 1, 3), ("2015-02-02T00:00:00", "mm", 2, 46)]
