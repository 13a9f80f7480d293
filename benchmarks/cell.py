"""What the cell costs: one archive measured in a child without rights, and in this process, in turns.

Makes an archive of one tile (float32 values and an uint16 mask, deflated strips, as .tgz) and forty zones, and prints
one JSON line: median seconds of each, and their ratio. The child, like a worker's, lives on from run to run.

    python benchmarks/cell.py [--side 8000] [--runs 7]
"""

import argparse
import json
import os
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin

from benchmarks.zonal import alternate
from pileus.cell.cell import Cell
from pileus.cell.confine import Limits
from pileus.cell.inside import Here, Inside
from pileus.cell.room import Room
from pileus.documents import Process
from pileus.stopping import go_on
from pileus.zonal import FolderCache, Source, Zones, make_zones

STATS = ["count", "sum", "mean", "stddev", "min", "max"]
LIMITS = Limits(memory=4 << 30, seconds=600, file_size=8 << 30, files=256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=8000)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        archive, zones = make_archive(scratch, arguments.side), circles()
        process = Process(band="light", zones="", stats=STATS, valid={"band": "seen", "min": 1})  # type: ignore[arg-type]
        cell = Cell(os.environ, scratch, LIMITS)
        try:

            def measured(inside: Inside) -> object:
                source = Source(archive.name, path=archive)
                found, _ = inside.measure(
                    [source], process, zones, bands={}, cache=cache, scratch=scratch, check=go_on, task=None
                )
                return found.table

            cache = FolderCache(scratch / "indexes")
            here, room = Here(), Room(cell, "benchmark")
            assert measured(here).equals(measured(room)), "both give the same rows"  # type: ignore[attr-defined]
            ours, peer = alternate(arguments.runs, lambda: measured(room), lambda: measured(here))
        finally:
            cell.close()
    line = {"case": "cell", "side": arguments.side, "in_the_cell_s": round(ours, 4), "here_s": round(peer, 4)}
    print(json.dumps(line | {"ratio": round(ours / peer, 3)}))


def make_archive(folder: Path, side: int) -> Path:
    """Return the path of an archive of one tile in `folder`: `light` and its mask `seen`."""
    values = np.random.default_rng(1).gamma(2, 3, (side, side)).round(2).astype(np.float32)
    seen = np.random.default_rng(2).integers(0, 20, (side, side)).astype(np.uint16)
    path = folder / "tile.tgz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for band, pixels in (("light", values), ("seen", seen)):
            name = folder / f"tile.{band}.tif"
            profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": pixels.dtype}
            profile |= {"crs": "EPSG:4326", "transform": from_origin(0, 60, 60 / side, 60 / side)}
            with rasterio.open(name, "w", **profile) as to:
                to.write(pixels, 1)
            tar.add(name, name.name)
            name.unlink()
    return path


def circles() -> Zones:
    """Return forty circles that lie over the tile."""
    centres = [(4 + 7 * column, 4 + 12 * row) for column in range(8) for row in range(5)]
    shapes = [shapely.Point(x, y).buffer(3.3) for x, y in centres]
    names = [f"z{number:02}" for number in range(len(shapes))]
    return make_zones(names, names, shapes, "EPSG:4326")


if __name__ == "__main__":
    main()
