"""Run in the image `pileus-gippy`: process the group of /data/event.json as its worker does; print what it wrote."""

import io
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pileus.cell import gippy
from pileus.cell.cell import Cell
from pileus.cell.confine import Limits
from pileus.errors import RasterError
from pileus.stopping import go_on
from pileus.tasks.process_group import process_group
from pileus.tasks.worker_state import WorkerState
from pileus.wiring import wire_folder
from pileus.worker.kernels import bring

DATA, SCRATCH = Path("/data"), Path("/scratch")
LIMITS = Limits(memory=2 << 30)


def processed() -> dict[str, Any]:
    """The manifest, the texts of the CSVs and the rows of the table."""
    edges = wire_folder(SCRATCH / "buckets", {})
    edges.store.put("s3://internal/zones/zones.geojson", (DATA / "zones.geojson").read_bytes())
    worker = WorkerState(SCRATCH / "volume")
    worker.cell = Cell(os.environ, worker.volume.folder.resolve(), LIMITS)
    try:
        done = process_group(edges, json.loads((DATA / "event.json").read_text()), worker)
    finally:
        worker.close()
    manifest = json.loads(edges.store.get(done["manifest"]))
    bodies = {one["url"]: edges.store.get(one["url"]) for one in manifest["outputs"]}
    texts = {url.rpartition("/")[2]: body.decode() for url, body in bodies.items() if url.endswith(".csv")}
    (table,) = [one["url"] for one in manifest["outputs"] if one["kind"] == "table"]
    rows = pq.read_table(io.BytesIO(bodies[table])).drop_columns("time").to_pylist()
    return {"manifest": manifest, "texts": texts, "rows": rows}


def refused() -> str:
    """What gippy says of zones that lie outside the scratch volume."""
    raster = {"number": [0, 0], "raster": "/data/x.tif", "zones": "/data/zones.geojson"}
    job = {"rasters": [raster], "scratch": str(SCRATCH), "limits": asdict(LIMITS)}
    try:
        return repr(list(gippy._run(job, SCRATCH, go_on)))
    except RasterError as error:
        return error.message


if __name__ == "__main__":
    bring(os.environ)
    sys.stdout.write(json.dumps(processed() | {"outside": refused()}))
