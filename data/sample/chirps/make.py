"""Make a site as CHIRPS's is laid out: three months and five days of rain over a made-up world of one degree a pixel.

In month m it rains 10 x m mm everywhere, on each day as many mm as the day's number; over the sea every pixel is -9999.
No file says that -9999 means nodata, as real ones often do not.

    python data/sample/chirps/make.py OUT
"""

import argparse
import gzip
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

MONTHS = [date(2015, month, 1) for month in (1, 2, 3)]
DAYS = [date(2015, 1, 30) + timedelta(days) for days in range(5)]
SEA = (slice(36, 40), slice(190, 194))
"""Rows and columns: 10 to 14 N, 10 to 14 E."""


def geotiff(millimetres: float) -> bytes:
    """A file of one amount of rain: 180 W to 180 E and 50 N to 50 S."""
    rain = np.full((100, 360), millimetres, "float32")
    rain[SEA] = -9999
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "width": 360, "height": 100, "crs": "EPSG:4326"}
    with MemoryFile() as memory:
        with memory.open(**profile, transform=from_origin(-180, 50, 1, 1)) as raster:
            raster.write(rain, 1)
        return bytes(memory.read())


def make(out: Path) -> None:
    """Write the site to `out`/global_monthly and `out`/global_daily."""
    for month in MONTHS:
        _write(out / f"global_monthly/tifs/chirps-v2.0.{month:%Y.%m}.tif.gz", 10 * month.month)
    for day in DAYS:
        _write(out / f"global_daily/tifs/p05/{day:%Y}/chirps-v2.0.{day:%Y.%m.%d}.tif.gz", day.day)


def _write(path: Path, millimetres: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(geotiff(millimetres), mtime=0))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    make(parser.parse_args().out)
