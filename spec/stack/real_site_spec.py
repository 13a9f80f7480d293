"""Real input: twelve months of real Mumbai pixels under real archive names, six tiles a month, from a real nginx.

pytest spec/stack/real_site_spec.py -s        prints the table
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from rich.console import Console
from rich.table import Table

from pileus.outputs.read import read_stats
from spec.servers.fixtures import Start
from spec.support.shared import PROVIDER_PATH, lay_out, shared
from spec.support.stack import Project

MONTHS = [f"2014{month:02}" for month in range(1, 13)]
OPERATIONS = ["count", "sum", "mean", "min", "max", "stdev"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of the real site."""
    folder = tmp_path_factory.mktemp("real")
    lay_out(folder, MONTHS)
    return folder


@pytest.fixture(scope="module")
def rows(stack: Project, nginx: Start, site: Path) -> dict[tuple[str, str], Any]:
    """The site backfilled: rows by district and month."""
    server = nginx(site)
    stack.document(
        "data/providers/site.json", {"id": "site", "protocol": "http", "host": "127.0.0.1", "port": server.port}
    )
    zones = shared("data/zones/mumbai_districts.geojson").read_text()
    stack.document("data/zones/mumbai.geojson", json.loads(zones))
    stack.collection(
        "mumbai",
        MONTHS[0],
        MONTHS[-1],
        zones="data/zones/mumbai.geojson",
        provider_path=PROVIDER_PATH + "/{{pointInTime}}/vcmcfg/",
    )
    stack.pileus("populate")
    stack.pileus("backfill", "mumbai", "--name", "mumbai", "--wait")
    table = read_stats(stack.edges.store, stack.edges.stack.protected, "mumbai")
    return {(row["zone"], row["period"].replace("-", "")): row for row in table.to_pylist()}


def independent(site: Path, month: str) -> dict[str, dict[str, float]]:
    """Each district's statistics, by exactextract on the clip where anything was observed.

    The clip as the provider serves it: its tile's origin rounds the grid a few metres off the clip's own.
    """
    (archive,) = (site / PROVIDER_PATH.lstrip("/") / month / "vcmcfg").glob("*_75N060E_*.tgz")
    stem = f"/vsitar/vsigzip/{archive}/{archive.stem}"
    with rasterio.open(f"{stem}.avg_rade9h.tif") as radiance, rasterio.open(f"{stem}.cf_cvg.tif") as observed:
        values = np.where(observed.read(1) >= 1, radiance.read(1).astype("float64"), np.nan)
        west, south, east, north = radiance.bounds
    source = NumPyRasterSource(values, west, south, east, north, nodata=np.nan, srs_wkt="EPSG:4326")
    features = json.loads(shared("data/zones/mumbai_districts.geojson").read_text())["features"]
    found = exact_extract(source, features, OPERATIONS)
    return {str(f["properties"]["id"]): one["properties"] for f, one in zip(features, found, strict=True)}


@pytest.mark.parametrize("month", MONTHS)
def test_every_district_month_equals_an_independent_computation(
    rows: dict[tuple[str, str], Any], site: Path, month: str
) -> None:
    for zone, wanted in independent(site, month).items():
        row = rows[zone, month]
        assert row["count"] == pytest.approx(wanted["count"], rel=1e-9)
        if not wanted["count"]:
            assert row["mean"] is None, "no observation is no darkness"
            continue
        for name, other in (("sum",) * 2, ("mean",) * 2, ("min",) * 2, ("max",) * 2, ("stddev", "stdev")):
            assert row[name] == pytest.approx(wanted[other], rel=1e-9), f"{zone} {name}"


def test_the_first_rows(rows: dict[tuple[str, str], Any]) -> None:
    """Shown with -s: what a user would look at."""
    names = ("zone_name", "period", "count", "mean", "min", "max", "stddev", "valid_share")
    table = Table(*names)
    for row in list(rows.values())[:8]:
        table.add_row(*(f"{row[name]:.6g}" if isinstance(row[name], float) else str(row[name]) for name in names))
    Console(width=160).print(table)
    assert len(rows) == 2 * len(MONTHS)
