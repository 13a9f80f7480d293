"""The statistics of exactextract, beside ours, on rasters of the real grid."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exactextract import exact_extract

from pileus.documents import Process
from pileus.zonal import Source, measure, read_zones
from spec.support.zonal_reference import write

SHARED = Path(os.environ.get("PILEUS_SHARED") or Path(__file__).parents[3] / "shared")
DATA = SHARED / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data: set PILEUS_SHARED (looked in {SHARED.name}/)")
PIXEL = 0.0041666667
PEER = {"count": "count", "sum": "sum", "mean": "mean", "min": "min", "max": "max", "stddev": "stdev"}


def features(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_text())["features"]
    for feature in found:
        feature["id"] = str(feature["properties"]["id"])
    return list(found)


def equal_to_exactextract(raster: Path, zones: Path, scratch: Path) -> int:
    """Compare every statistic of every zone that touches the raster; returns how many those are."""
    process = Process(band="b", zones="", stats=tuple(PEER))
    ours = measure([Source("b.tif", path=raster)], process, read_zones(zones, zone_id=None, where="z"), scratch=scratch)
    peers = exact_extract(str(raster), features(zones), list(PEER.values()), include_cols=["id"])
    theirs = {peer["id"]: peer["properties"] for peer in peers}
    touched = [row for row in ours.table.to_pylist() if row["count"] > 0]
    assert {row["zone"] for row in touched} == {zone for zone, peer in theirs.items() if peer["count"] > 0}
    for row in touched:
        for stat, name in PEER.items():
            assert row[stat] == pytest.approx(theirs[row["zone"]][name], rel=1e-9), (row["zone"], stat)
    return len(touched)


def made(path: Path, west: float, north: float, width: int, height: int) -> Path:
    """A window of the real grid: `west`, `north` pixels from the origin of tile 75N180W, bytes made up."""
    values = np.random.default_rng(0).integers(0, 200, (height, width), "u1")
    return write(path, values, west=-180.00208333335 + west * PIXEL, north=75.00208333335 - north * PIXEL, size=PIXEL)
