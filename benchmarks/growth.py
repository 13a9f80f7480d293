"""How time grows with zones, tiles and partitions: a line of JSON for each, with the exponent of growth.

    python benchmarks/growth.py [--zones 1 10 ... 100000] [--tiles 1 2 4 8 16] [--partitions 1 10 ... 10000] [--runs 3]

`exponent`: the slope of log time over log size, by least squares, over the sizes from `from` on: 1 is linear growth,
less is a cost that many share. Smaller sizes are told and not counted: there the start takes most of the time. An
option with no sizes leaves its case out, so `--partitions 10 30 --zones --tiles` is a short run.

Zones: squares that cover one raster of 2,048 x 2,048 pixels, index made anew. Tiles: rasters of 1,024 x 1,024 beside
each other, 400 zones each. Partitions: those of `backfill_overhead.py`, on the embedded stack, from the command to the
end of the backfill.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin
from shapely import box

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.backfill_overhead import backfill, make_project, pileus, starts
from pileus.documents import Process
from pileus.zonal import Source, Zones, make_zones, measure

STATS = ("count", "sum", "mean", "min", "max", "stddev")
RASTER, TILE, ZONES_OF_TILE = 2048, 1024, 400
DEGREES = 4.0
"""Side of the raster, and of each tile."""
COUNTED = {"zones": 1000, "tiles": 1, "partitions": 100}
"""Least size that the exponent is fitted to."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zones", type=int, nargs="*", default=[10**power for power in range(6)])
    parser.add_argument("--tiles", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--partitions", type=int, nargs="*", default=[1, 10, 100, 1000, 10_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="the least time of so many runs counts; not of partitions")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.zones:
            tell("zones", asked.zones, [of_zones(Path(folder), count, asked.runs) for count in asked.zones])
        if asked.tiles:
            tell("tiles", asked.tiles, [of_tiles(Path(folder), count, asked.runs) for count in asked.tiles])
        if asked.partitions:
            tell(
                "partitions", asked.partitions, of_partitions(Path(folder) / "project", asked.partitions, asked.workers)
            )


def tell(case: str, sizes: Sequence[int], seconds: Sequence[float]) -> None:
    """Print one line."""
    told: dict[str, Any] = {"case": f"growth_{case}", "from": COUNTED[case]}
    counted = [(size, time) for size, time in zip(sizes, seconds, strict=True) if size >= COUNTED[case]]
    told["exponent"] = round(exponent(*zip(*counted, strict=True)), 3) if len(dict(counted)) > 1 else None
    told["seconds"] = {str(size): round(time, 4) for size, time in zip(sizes, seconds, strict=True)}
    print(json.dumps(told), flush=True)


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the slope of log time over log size, by least squares. Two sizes at least.

    >>> round(exponent([1, 10, 100], [2.0, 20.0, 200.0]), 6), round(exponent([2, 4, 8], [4.0, 16.0, 64.0]), 6)
    (1.0, 2.0)
    """
    slope, _ = np.polyfit([math.log(size) for size in sizes], [math.log(time) for time in seconds], 1)
    return float(slope)


def of_zones(folder: Path, count: int, runs: int) -> float:
    """Return the seconds to measure one raster in so many zones."""
    path, zones = raster(folder, 0, RASTER), squares(count, 1)
    return least(runs, lambda: measured([path], zones, folder))


def of_tiles(folder: Path, count: int, runs: int) -> float:
    """Return the seconds to measure so many rasters, with as many zones in each."""
    paths, zones = [raster(folder, number, TILE) for number in range(count)], squares(ZONES_OF_TILE * count, count)
    return least(runs, lambda: measured(paths, zones, folder))


def of_partitions(project: Path, counts: Sequence[int], workers: int) -> list[float]:
    """Return the seconds of a backfill of so many partitions each, one after the other on one stack."""
    make_project(project, sum(counts))
    pileus(project, "up", "--detach", "--workers", str(workers))
    try:
        pileus(project, "populate")
        backfill(project, 0, 20, "warm-up")
        spans = zip(counts, starts(list(counts)), strict=True)
        return [backfill(project, skip, count, f"growth-{skip}") for count, skip in spans]
    finally:
        pileus(project, "down")


def raster(folder: Path, number: int, side: int) -> Path:
    """Return a raster of random values, the `number`-th from west to east."""
    path = folder / f"tile_{side}_{number}.tif"
    if not path.exists():
        values = np.random.default_rng(number).random((side, side), dtype="float32")
        where = from_origin(number * DEGREES, DEGREES, DEGREES / side, DEGREES / side)
        profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "width": side, "height": side, "crs": "EPSG:4326"}
        with rasterio.open(path, "w", **profile, transform=where) as file:
            file.write(values, 1)
    return path


def squares(count: int, tiles: int) -> Zones:
    """Return `count` zones that together cover as much of the tiles as one would."""
    wide = max(1, math.ceil(math.sqrt(count * tiles)))
    high = math.ceil(count / wide)
    width, height = tiles * DEGREES / wide, DEGREES / high
    corners = [(number % wide * width, number // wide * height) for number in range(count)]
    names = [str(number) for number in range(count)]
    return make_zones(names, names, [box(x, y, x + width, y + height) for x, y in corners], "EPSG:4326")


def measured(paths: Sequence[Path], zones: Zones, scratch: Path) -> None:
    sources = [Source(path.name, path=path) for path in paths]
    measure(sources, Process(band="tile", zones="", stats=STATS), zones, cache=None, scratch=scratch)


def least(runs: int, work: Callable[[], object]) -> float:
    """Return the seconds of the quickest of so many runs, after one that compiles."""
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times[1:])


if __name__ == "__main__":
    main()
