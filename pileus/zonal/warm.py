"""Compile the kernels before they are needed: `python -m pileus.zonal.warm`, when an image is built."""

import tempfile
from pathlib import Path

import numpy as np
import rasterio
import shapely

from pileus.documents import Process, Valid
from pileus.zonal import MemoryCache, Source, make_zones, measure


def warm() -> None:
    """Measure four pixels of each kind that archives have, with and without a mask: numba compiles the kernels, for
    indexes that were just made and for those of a cache, which cannot be written to.
    """
    indexes = MemoryCache()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        zones = make_zones(["a"], ["a"], [shapely.Point(1, 1).buffer(0.7)], "EPSG:4326")
        for kind in ("float32", "uint16", "uint8", "float64"):
            path = folder / f"{kind}.tif"
            place = rasterio.Affine(1, 0, 0, 0, -1, 2)
            with rasterio.open(path, "w", driver="GTiff", width=2, height=2, count=1, dtype=kind, crs="EPSG:4326",
                               transform=place) as file:  # fmt: skip
                file.write(np.ones((1, 2, 2), kind))
            sources = [Source("x.b.tif", path=path, band="b"), Source("x.m.tif", path=path, band="m")]
            for valid in ((), (Valid(band="m"),)):
                process = Process(band="b", zones="", valid=valid, stats=("count", "median"))
                for cache in (None, indexes):
                    measure(sources, process, zones, cache=cache, scratch=folder)
        measure(sources, Process(band="b", zones="", coverage="center"), zones, scratch=folder)


if __name__ == "__main__":
    warm()
