"""The rasters of the collections of all examples: zonal statistics of them by an operation are those of a backfill."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray

from pileus import runs
from pileus.stratus.endpoints import Endpoints
from pileus.stratus.operate import operate
from pileus.tasks.process_operations import process_operations
from pileus.tasks.worker_state import TaskControl, WorkerState
from pileus.wiring import wire_folder
from spec.support.examples import example, run
from spec.support.graphs import messages
from spec.support.runs import Executions

ENDPOINTS = Endpoints.named()


def zonal(folder: Path, uri: str) -> xarray.Dataset:
    """Return the means of the project's zones over the rasters of a collection."""
    edges = replace(wire_folder(folder / "buckets", {}), endpoints=lambda: ENDPOINTS)
    (zones,) = sorted((folder / "data/zones").glob("*.geojson"))
    request = {
        "input": [{"name": "v0", "uri": uri}],
        "operation": [{"name": "pileus:zonal", "input": "v0", "result": "r", "zones": json.loads(zones.read_bytes())}],
    }
    workflows = Executions()
    runs.start(edges, workflows, "operations", {"request": request}, "mine")
    state = WorkerState(folder / "scratch")
    for message in messages(edges, dict(workflows.started["RunGraph:operations_mine_1"]["task"])):
        process_operations(edges, message, state, TaskControl(), lambda *asked: operate(ENDPOINTS, *asked))
    state.close()
    body = edges.store.get(runs.result(edges, "request:operations/mine")["results"]["r"]["url"])
    with xarray.open_dataset(io.BytesIO(body), engine="h5netcdf") as data:
        return data.load()


@pytest.mark.parametrize(
    ("name", "collection", "band"),
    [
        ("viirs", "viirs_sample", "avg_rade9h"),
        ("chirps", "chirps_monthly", "rain"),
        ("chirps", "chirps_daily", "rain"),
        ("black_marble", "black_marble_monthly", "light"),
        ("era5", "era5_netcdf", "temperature"),
        ("era5", "era5_grib", "temperature"),
    ],
)
def test_zonal_means_of_rasters_are_those_of_a_backfill(name: str, collection: str, band: str, tmp_path: Path) -> None:
    folder = example(tmp_path, name)
    rows = run(folder, collection).rows
    data = zonal(folder, f"collection:{collection}?what=rasters&band={band}")
    expected = {(str(row["time"])[:10], row["zone"]): row["mean"] for row in rows}
    values = data[f"{band}_mean"].transpose("time", "zone")
    found = {
        (str(time)[:10], str(zone)): float(values.values[at])
        for at, (time, zone) in zip(
            np.ndindex(values.shape),
            ((time, zone) for time in data["time"].values for zone in data["zone"].values),
            strict=True,
        )
    }
    assert found.keys() == expected.keys()
    for key, mean in expected.items():
        assert found[key] == pytest.approx(mean, rel=1e-6) if mean is not None else np.isnan(found[key]), key
