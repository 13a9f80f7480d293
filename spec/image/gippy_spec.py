"""The image with gippy: a worker that has `meta.process.engine: gippy`, and gippy by hand."""

import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely
from rasterio.warp import transform_geom

from ecs_tasks.gippy.compare import PROGRAM
from pileus.deploy.images import build
from pileus.models import Partition
from pileus.zonal import make_zones
from spec.support.engine import docker, engine, image
from spec.support.zonal_reference import tgz, write
from spec.unit.gippy_rule_spec import by_pileus, outlines, tiles

__all__ = ["engine", "image"]

SCRIPT = Path(__file__).parents[1] / "support/gippy_in_image.py"
NUMBERS = ("count", "mean", "min", "max", "stddev", "skew")


@pytest.fixture(scope="module")
def gippy(image: str) -> Iterator[str]:
    bundle = os.environ.get("SSL_CERT_FILE")
    ca = Path(bundle) if bundle and Path(bundle).exists() else None
    yield build("gippy", base="", ca=ca, network="host")
    docker("image", "prune", "--force", "--filter", "label=org.opencontainers.image.title=pileus gippy")


def lay_out(folder: Path, archives: dict[str, bytes], shapes: list[Any], **rules: Any) -> None:
    """A folder that `gippy_in_image.py` works on: archives by tile, zones by number, and the message."""
    for tile, body in archives.items():
        (folder / f"x_{tile}.tgz").write_bytes(body)
    features = [{"type": "Feature", "properties": {"id": str(number)}, "geometry": shape}
                for number, shape in enumerate(shapes)]  # fmt: skip
    (folder / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    process = {"engine": "gippy", "band": "b", "zones": "s3://internal/zones/zones.geojson", "classic_csv": True}
    collection = {
        "name": "x_201501",
        "files": [{"regex": r"x_(?P<tile>\w+)\.tgz"}],
        "provider": "folder",
        "provider_path": "/data",
        "meta": {"group": {"each": "tile"}, "process": process | rules},
    }
    granules = [{"name": f"x_{tile}.tgz", "url": f"file:///data/x_{tile}.tgz", "size": len(body),
                 "parts": {"tile": tile}, "bucket": "internal"} for tile, body in archives.items()]  # fmt: skip
    config = {
        "partition": Partition("x", "001", "2015-01", "all").key,
        "collection": collection,
        "provider": {"id": "folder", "protocol": "file"},
        "fingerprint": "f",
        "backfill": "b",
        "run": 1,
    }
    event = {"config": config, "input": {"key": "all", "granules": granules, "missing": []}}
    (folder / "event.json").write_text(json.dumps(event))
    shutil.copy(SCRIPT, folder / "run.py")
    folder.chmod(0o777)


def by_worker(image: str, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(in_image(image, folder, "python", "/data/run.py").splitlines()[-1])
    return found


def in_image(image: str, folder: Path, *command: str) -> str:
    return docker("run", "--rm", "--network", "none", "-v", f"{folder}:/data", image, *command)


def test_a_worker_writes_gippys_own_csvs_and_joins_the_tiles(gippy: str, tmp_path: Path) -> None:
    paths, shapes = tiles(tmp_path), outlines()
    archives = {path.stem: tgz({"x.b.tif": path.read_bytes()}) for path in paths}
    lay_out(tmp_path, archives, [shapely.geometry.mapping(shape) for shape in shapes], clips=True)
    in_image(gippy, tmp_path, *PROGRAM, *(f"/data/{path.name}" for path in paths), "--zones", "/data/zones.geojson",
             "--month", "201501", "--out", "/data")  # fmt: skip
    by_hand = {path.name: path.read_text() for path in tmp_path.glob("*_201501_*.csv")}
    found = by_worker(gippy, tmp_path)
    assert len(by_hand) > 40
    assert {name: text for name, text in found["texts"].items() if "_201501_" in name} == by_hand
    assert found["manifest"]["parameters"]["engine"] == "gippy"
    assert "clip" in {one["kind"] for one in found["manifest"]["outputs"]}
    same_as_the_rule(found["rows"], paths, make_zones(*2 * [list(map(str, range(len(shapes))))], shapes, "EPSG:4326"))


def same_as_the_rule(rows: list[dict[str, Any]], paths: list[Path], zones: Any) -> None:
    """The joined rows have the numbers of `coverage: gippy` over all rasters, but for gippy's float32."""
    ours = by_pileus(paths, zones, paths[0].parent, joined=True)
    seen = {row["zone"]: {name: row[name] for name in NUMBERS} for row in rows if row["count"]}
    assert seen.keys() == ours.keys()
    for zone, row in seen.items():
        row["skew"] = math.nan if row["skew"] is None else row["skew"]
        assert row == pytest.approx(ours[zone], rel=1e-5, abs=1e-4, nan_ok=True), zone


def test_zones_in_degrees_are_measured_on_a_projected_raster(gippy: str, tmp_path: Path) -> None:
    values = [[float(90 * row + col + 1) for col in range(90)] for row in range(120)]
    path = write(tmp_path / "utm.tif", values, west=300000, north=2000000, size=30, crs="EPSG:32643", dtype="float32")
    moved = [shapely.Point(300000 + 30 * x, 2000000 - 30 * y).buffer(r) for x, y, r in ((20, 30, 200), (70, 90, 911))]
    degrees = [transform_geom("EPSG:32643", "EPSG:4326", shapely.geometry.mapping(shape)) for shape in moved]
    lay_out(tmp_path, {"utm": tgz({"x.b.tif": path.read_bytes()})}, degrees)
    found = by_worker(gippy, tmp_path)
    same_as_the_rule(found["rows"], [path], make_zones(["0", "1"], ["0", "1"], moved, "EPSG:32643"))
    assert found["outside"] == (
        "cannot be measured: gippy ended with status 1: "
        "PermissionError: [Errno 13] Permission denied: '/data/zones.geojson'"
    )
