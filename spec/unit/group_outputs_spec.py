"""Outputs of one group, through the real hops: each at a key of its own, and valid whatever the pixels hold."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pileus.errors import UsageError
from pileus.outputs.export import export
from pileus.outputs.writers import Written
from pileus.strict_json import parse_json
from pileus.tasks.process_group import process_group
from pileus.tasks.worker_state import WorkerState
from pileus.wiring import Edges
from spec.support.tiny import archive, folder_edges, group_event, raster
from spec.support.zonal_reference import tgz


def processed(folder: Path, body: bytes, **rules: Any) -> tuple[Edges, dict[str, Any]]:
    """Process one archive; its manifest."""
    edges, path = folder_edges(folder), folder / "tiny_201501.tgz"
    path.write_bytes(body)
    event = group_event(path, "201501", {"process": {"zones": "s3://internal/zones/tiny.geojson", **rules}})
    worker = WorkerState(folder / "scratch")
    try:
        done = process_group(edges, event, worker)
    finally:
        worker.close()
    return edges, json.loads(edges.store.get(done["manifest"]))


def test_the_classic_csv_of_each_of_two_bands_is_kept(tmp_path: Path) -> None:
    bands = {f"tiny.{name}.tif": raster(np.full((8, 8), value, "f4")) for name, value in (("light", 3), ("cloud", 7))}
    edges, manifest = processed(tmp_path, tgz(bands), band=["light", "cloud"], classic_csv=True)
    urls = [one["url"] for one in manifest["outputs"] if one["kind"] == "classic-csv"]
    means = {url.rpartition("_")[2]: edges.store.get(url).decode().splitlines()[1].split(",")[2] for url in urls}
    assert means == {"light.csv": "3.0", "cloud.csv": "7.0"}


def test_the_classic_csv_of_one_band_has_its_classic_name(tmp_path: Path) -> None:
    _, manifest = processed(tmp_path, archive(), band="light", classic_csv=True)
    (url,) = [one["url"] for one in manifest["outputs"] if one["kind"] == "classic-csv"]
    assert url == "s3://protected/sezu-stats/square_201501_tiny_201501.tgz.csv"


def test_two_outputs_of_one_key_are_refused() -> None:
    written = Written(lambda key, _body, _type: f"s3://protected/{key}")
    written.add("stats/a.csv", b"1", "text/csv", "csv", "statistics")
    with pytest.raises(UsageError, match="two outputs of one partition would have this key"):
        written.add("stats/a.csv", b"2", "text/csv", "csv", "statistics")


def test_an_infinite_pixel_is_told_and_every_document_stays_valid(tmp_path: Path) -> None:
    values = np.ones((8, 8), "f4")
    values[4, 2] = np.inf
    edges, manifest = processed(tmp_path, archive(raster(values)), band="light")
    assert manifest["notes"] == ["1 of 1 zones have infinite pixels: square"]
    for one in manifest["outputs"]:
        if one["kind"] == "item":
            parse_json(edges.store.get(one["url"]))  # refuses Infinity, as every strict parser does
    (url,) = [one["url"] for one in manifest["outputs"] if one["kind"] == "table"]
    table = pq.read_table(io.BytesIO(edges.store.get(url)))
    assert table["mean"].to_pylist() == [np.inf]
    (feature,) = parse_json(export(table, "geojson"))["features"]
    assert (feature["properties"]["mean"], feature["properties"]["min"]) == (None, 1)
