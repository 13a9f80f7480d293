"""`coverage: gippy`: the pixels that gippy counts, and as often as it counts them."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.warp import transform_geom

from ecs_tasks.gippy.compare import PROGRAM
from pileus.documents import Meta, Process
from pileus.lifecycle.fingerprint import fingerprint
from pileus.raster.grid import Grid
from pileus.zonal import Source, Zones, make_zones, measure
from pileus.zonal.index import CoverageRule, index_key
from spec.support.gippy_reference import cut
from spec.support.zonal_reference import rows, write, zones_of

IMAGE = os.environ.get("PILEUS_GIPPY_IMAGE", "pileus-gippy:0.1.0")
STATS = ("count", "mean", "min", "max", "stddev", "skew")
UNDEFINED = float("nan")
"""The skew of equal pixels: gippy divides 0 by 0."""
SIZE = 1 / 240
"""Degrees of a VIIRS pixel."""
WEST, NORTH = 60 - SIZE / 2, 20 + SIZE / 2
"""As VIIRS tiles lie: whole degrees are the middles of pixels."""


def image_is_there() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode == 0


def nine(folder: Path) -> Path:
    return write(folder / "b.tif", np.arange(1, 10, dtype="float32").reshape(3, 3))


@pytest.mark.parametrize(
    ("zone", "count", "mean"),
    [
        (shapely.box(0, 2, 1, 3), 1, 1.0),
        (shapely.box(0, 2, 1.2, 3), 2, 1.0),  # two new columns of 0.6, with middles at 0.3 and 0.9
        (shapely.box(0, 1.8, 1.2, 3), 4, 1.0),  # and two new rows
        (shapely.box(0, 2, 2.2, 3), 3, 5 / 3),  # three of 0.73: 0.37, 1.1, 1.83
        (shapely.box(0.4, 2.4, 0.6, 2.6), 1, 1.0),
        (shapely.box(0.1, 2.1, 0.3, 2.3), 0, None),  # the middle of no pixel lies in it
    ],
    ids=["a pixel", "a column twice", "a pixel four times", "one of two twice", "a small zone", "a smaller one"],
)
def test_a_pixel_counts_as_often_as_new_middles_lie_in_it(
    tmp_path: Path, zone: Any, count: int, mean: float | None
) -> None:
    (row,) = rows(nine(tmp_path), zones_of(zone), "count", "mean", scratch=tmp_path, coverage="gippy")
    assert (row["count"], row["mean"]) == (count, pytest.approx(mean) if mean else None)


def test_a_pixel_that_counts_twice_is_two_for_percentiles(tmp_path: Path) -> None:
    zone = zones_of(shapely.box(0, 2, 2.2, 3))  # 1, 2, 2 by new middles at 0.37, 1.1 and 1.83
    (row,) = rows(nine(tmp_path), zone, "p25", "median", scratch=tmp_path, coverage="gippy")
    assert (row["p25"], row["median"]) == (1.5, 2)


def outlines() -> list[Any]:
    """Zones of all kinds around two tiles that meet at 61 degrees: some lie on both, on one, or on neither. No edge
    lies on the middles of pixels, where two rasterizers may disagree.
    """
    random = np.random.default_rng(7)
    found = [
        shapely.box(59.001, 18.001, 63.001, 22.001),
        shapely.box(60.901, 19.201, 61.103, 19.802),
        shapely.MultiPolygon(
            [shapely.box(60.101, 19.101, 60.201, 19.203), shapely.box(61.501, 19.703, 61.602, 19.801)]
        ),
        shapely.Polygon([(60.2, 19), (61.7, 19.1), (60.5, 20)], [[(60.5, 19.3), (60.6, 19.3), (60.5, 19.5)]]),
        shapely.box(70, 10, 71, 11),
    ]
    for _ in range(60):
        x, y = random.uniform(59.95, 62.05), random.uniform(18.7, 20.05)
        found.append(shapely.Point(x, y).buffer(SIZE * 10 ** random.uniform(-0.7, 1.7), quad_segs=3))
    return found


def tiles(folder: Path) -> list[Path]:
    """Two tiles of 240 columns and 300 rows, a twentieth of their pixels 0."""
    random = np.random.default_rng(3)
    values = random.normal(5, 20, (300, 480)).astype("float32")
    values[random.random(values.shape) < 0.05] = 0
    return [
        write(
            folder / f"20N{60 + n:03d}E.tif", values[:, 240 * n : 240 * n + 240], west=WEST + n, north=NORTH, size=SIZE
        )
        for n in (0, 1)
    ]


def by_pileus(paths: list[Path], zones: Zones, folder: Path, *, joined: bool = False) -> dict[Any, dict[str, float]]:
    """The numbers of each zone and raster with a pixel that counts, as in the classic CSV; `joined`: of each zone."""
    process = Process(band="b", zones="", coverage="gippy", zero_is_nodata=True, stats=STATS)
    sources = [Source(path.name, path=path, band="b", tile=path.stem) for path in paths]
    found = measure(sources, process, zones, scratch=folder)
    rows_ = (found.table if joined else found.by_tile).to_pylist()
    return {row["zone"] if joined else (row["zone"], row["tile"]):
            {name: UNDEFINED if row[name] is None else row[name] for name in STATS}
            for row in rows_ if row["count"]}  # fmt: skip


def by_hand(paths: list[Path], zones: Zones) -> dict[tuple[str, str], dict[str, float]]:
    found = {}
    for path in paths:
        for zone, shape in zip(zones.ids, zones.geometries, strict=True):
            values = cut(path, shape).astype("f8")
            values = values[values != 0]
            if not values.size:
                continue
            off = values - values.mean()
            skew = (off**3).mean() / values.std() ** 3 if values.std() else UNDEFINED
            numbers = (values.size, values.mean(), values.min(), values.max(), values.std(), skew)
            found[zone, path.stem] = dict(zip(STATS, numbers, strict=True))
    return found


def same(ours: Any, theirs: Any, **within: float) -> None:
    assert ours.keys() == theirs.keys()
    for key, row in ours.items():
        assert row == pytest.approx(theirs[key], nan_ok=True, **within), key


def test_zones_across_tiles_count_as_in_cut_outs_made_by_hand(tmp_path: Path) -> None:
    shapes, paths = outlines(), tiles(tmp_path)
    ids = [str(number) for number in range(len(shapes))]
    zones = make_zones(ids, ids, shapes, "EPSG:4326")
    found = by_pileus(paths, zones, tmp_path)
    same(found, by_hand(paths, zones), rel=1e-9, abs=1e-9)
    assert len({tile for _, tile in found}) == 2
    assert len(found) > 40


def test_zones_in_degrees_count_on_a_raster_in_a_projected_system(tmp_path: Path) -> None:
    values = np.random.default_rng(5).normal(5, 20, (120, 90)).astype("float32")
    path = write(tmp_path / "utm.tif", values, west=300000, north=2000000, size=30, crs="EPSG:32643")
    moved = [shapely.Point(300000 + 30 * x, 2000000 - 30 * y).buffer(r) for x, y, r in ((20, 30, 200), (70, 90, 911))]
    degrees = [shapely.geometry.shape(transform_geom("EPSG:32643", "EPSG:4326", shapely.geometry.mapping(shape)))
               for shape in moved]  # fmt: skip
    found = by_pileus([path], make_zones(["0", "1"], ["0", "1"], degrees, "EPSG:4326"), tmp_path)
    same(found, by_hand([path], make_zones(["0", "1"], ["0", "1"], moved, "EPSG:32643")), rel=1e-9)


@pytest.mark.skipif(not image_is_there(), reason=f"no Docker engine with the image {IMAGE}: ecs_tasks/gippy/README.md")
def test_zones_across_tiles_have_the_numbers_of_gippy_itself(tmp_path: Path) -> None:
    """Boxes at quarters of a pixel are there too: edges and new middles lie on middles and borders of pixels."""
    paths = tiles(tmp_path)
    steps = [(i, j, k) for i in range(60, 64) for j in range(4) for k in (1, 3, 4, 6, 8, 13, 26)]
    boxes = [(60 + i * SIZE / 4, 19 + j * SIZE / 4, k * SIZE / 4) for i, j, k in steps]
    shapes = [*outlines(), *(shapely.box(x, y, x + side, y + side) for x, y, side in boxes)]
    ids = [str(number) for number in range(len(shapes))]
    features = [{"type": "Feature", "properties": {"id": zone}, "geometry": shapely.geometry.mapping(shape)}
                for zone, shape in zip(ids, shapes, strict=True)]  # fmt: skip
    (tmp_path / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    tmp_path.chmod(0o777)
    command = ["docker", "run", "--rm", "--network", "none", "-v", f"{tmp_path}:/data", IMAGE, *PROGRAM,
               *(f"/data/{path.name}" for path in paths), "--zones", "/data/zones.geojson", "--month", "201501",
               "--out", "/data"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    lines = map(json.loads, done.stdout.splitlines())
    gippy = {(line["zone"], line["tile"]): {name: line[name] for name in STATS} for line in lines}
    found = by_pileus(paths, make_zones(ids, ids, shapes, "EPSG:4326"), tmp_path)
    same(found, gippy, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("other", ["exact", "center"])
def test_indexes_and_results_of_other_rules_are_not_taken(tmp_path: Path, other: CoverageRule) -> None:
    zones = zones_of(shapely.box(0, 0, 1, 1))
    with rasterio.open(nine(tmp_path)) as file:
        grid = Grid.of(file, file.crs, file.transform, "b.tif")
    assert index_key(zones, grid, "gippy") != index_key(zones, grid, other)
    metas = [Meta(process=Process(band="b", zones="z", coverage=rule)) for rule in ("gippy", other)]
    assert fingerprint([], metas[0]).difference(fingerprint([], metas[1])) == "parameters changed"
