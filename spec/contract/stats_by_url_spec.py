"""`pileus stats` where the data is: a raster and zones in S3, on a web server, and rows to S3; only some bytes move."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from spec.servers import Site
from spec.servers.sessions import aws_client
from spec.support.forked import run_forked
from spec.support.zonal_reference import write

PIXELS = np.random.default_rng(5).integers(0, 1000, (1200, 1600)).astype("u2")
TRUTH = PIXELS[1200 - 350 : 1200 - 300, 300:350]
"""The pixels of 3 to 3.5 degrees in both directions."""
SQUARE = {"type": "Polygon", "coordinates": [[[3, 3], [3.5, 3], [3.5, 3.5], [3, 3.5], [3, 3]]]}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    options = {"compress": "deflate", "tiled": True, "blockxsize": 128, "blockysize": 128}
    raster = write(tmp_path / "x.light.tif", PIXELS, size=0.01, **options).read_bytes()
    zone = {"type": "Feature", "id": "a", "properties": {}, "geometry": SQUARE}
    return {"x.light.tif": raster, "z.geojson": json.dumps(zone).encode()}


def check(rows: list[dict[str, Any]], said: str, size: int) -> None:
    (row,) = rows
    assert (row["count"], row["sum"]) == (pytest.approx(2500), pytest.approx(int(TRUTH.sum())))
    moved = int(said.partition(": read ")[2].partition(" of")[0].replace(",", ""))
    assert moved < size * 0.3


def test_raster_and_zones_in_s3_and_rows_to_s3(aws: Site, tmp_path: Path, files: dict[str, bytes]) -> None:
    s3: Any = aws_client(aws, "s3")
    s3.create_bucket(Bucket="stats-by-url")
    for name, body in files.items():
        s3.put_object(Bucket="stats-by-url", Key=f"in/{name}", Body=body)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    environ = {**os.environ, "AWS_ENDPOINT_URL": aws.url, **keys}
    root = "s3://stats-by-url"
    asked = [
        f"{root}/in/x.light.tif",
        "-z",
        f"{root}/in/z.geojson",
        "-s",
        "count,sum",
        "-o",
        f"{root}/out/rows.parquet",
    ]
    done = run_forked(["stats", *asked, "--no-cache"], tmp_path, environ, seconds=120)
    assert done.returncode == 0, done.stderr
    body = s3.get_object(Bucket="stats-by-url", Key="out/rows.parquet")["Body"].read()
    check(pq.read_table(io.BytesIO(body)).to_pylist(), done.stderr, len(files["x.light.tif"]))
    gone = run_forked(["stats", f"{root}/in/none.tif", *asked[1:]], tmp_path, environ, seconds=120)
    assert gone.returncode == 1
    assert "none.tif" in gone.stderr.splitlines()[-1]
    assert "Traceback" not in gone.stderr


@pytest.mark.parametrize("server", ["nginx", "apache"])
def test_raster_and_zones_on_a_web_server(
    server: str, request: pytest.FixtureRequest, tmp_path: Path, files: dict[str, bytes]
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for name, body in files.items():
        (folder / name).write_bytes(body)
    site = request.getfixturevalue(server)(folder)
    asked = [f"{site.url}/x.light.tif", "-z", f"{site.url}/z.geojson", "-s", "count,sum", "--json", "--no-cache"]
    done = run_forked(["stats", *asked], tmp_path, os.environ, seconds=120)
    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout), done.stderr, len(files["x.light.tif"]))
