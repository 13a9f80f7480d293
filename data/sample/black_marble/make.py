"""Make a site as Black Marble's monthly composites are laid out: three months of five tiles of a made-up world.

In month m every pixel of one degree is 10 x m nW/cm2/sr, stored as 100 x m with a scale of 0.1. The sea is 65535, fill.
In the west of tile h11v11 half the pixels are 999 nW/cm2/sr with quality 2, filled from other months: not seen.

`tile.h5` beside this is a tile whose pixels are 40000, 40001, ... (radiance) and 100, 101, ... (quality);
spec/support/black_marble.py made it. Its pixels lie in the file as they are, so that this needs no library for HDF5.

    python data/sample/black_marble/make.py OUT
"""

import argparse
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MONTHS = [date(2015, month, 1) for month in (1, 2, 3)]
TILES = ("h11v11", "h18v07", "h19v07", "h23v04", "h24v04")
STAMP, OLDER = "2025034121055", "2024034121055"
SEA = (slice(6, 10), slice(0, 4))
"""Rows and columns of tile h19v07: 10 to 14 N, 10 to 14 E."""
FILL, FILLED = 65535, 2
TILE = Path(__file__).with_name("tile.h5")
RADIANCE = np.arange(40000, 40100, dtype="<u2").tobytes()
QUALITY = np.arange(100, 200, dtype="u1").tobytes()


def pixels(month: date, tile: str) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Stored radiance and quality of a tile, 10 rows by 10 columns."""
    radiance, quality = np.full((10, 10), 100 * month.month, "<u2"), np.zeros((10, 10), "u1")
    if tile == "h19v07":
        radiance[SEA], quality[SEA] = FILL, 255
    if tile == "h11v11":
        radiance[:, :5], quality[:, :5] = 9990, FILLED
    return radiance, quality


def hdf5(radiance: NDArray[np.uint16], quality: NDArray[np.uint8]) -> bytes:
    """A tile with other pixels."""
    return TILE.read_bytes().replace(RADIANCE, radiance.tobytes()).replace(QUALITY, quality.tobytes())


def make(out: Path) -> None:
    """Write the site to `out`/5200. Of one tile there is an older file too, which is wrong."""
    for month in MONTHS:
        folder = out / f"5200/VNP46A3/{month:%Y/%j}"
        folder.mkdir(parents=True, exist_ok=True)
        for tile in TILES:
            (folder / f"VNP46A3.A{month:%Y%j}.{tile}.002.{STAMP}.h5").write_bytes(hdf5(*pixels(month, tile)))
    wrong = np.full((10, 10), 9990, "<u2"), np.zeros((10, 10), "u1")
    (out / f"5200/VNP46A3/2015/032/VNP46A3.A2015032.h23v04.002.{OLDER}.h5").write_bytes(hdf5(*wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    make(parser.parse_args().out)
