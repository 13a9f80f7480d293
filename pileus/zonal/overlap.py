"""One owner for each pixel of a mosaic: where the rasters of two sources overlap, the pixels of one of them count."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.raster.grid import Box
from pileus.zonal.index import ZoneIndex
from pileus.zonal.kernel import AREA, COUNT, accumulate_band, empty, merge
from pileus.zonal.validity import Validity


@dataclass(frozen=True, slots=True)
class Overlap:
    """The part of a source's grid that sources before it have taken."""

    index: ZoneIndex
    taken: tuple[Box, ...]

    def free(self, band: int) -> NDArray[np.uint8]:
        """Return 1 for each needed pixel of one band of rows that no other source has, else 0."""
        needed = self.index.needed
        which, free = needed.stretches(band, band), np.ones(needed.pixels(band), np.uint8)
        row, start, at = needed.row[which], needed.col[which], needed.at[which]
        end = start + needed.length[which]
        for box in self.taken:
            first, last = np.maximum(start, box.left), np.minimum(end, box.right)
            hit = (row >= box.top) & (row < box.bottom) & (last > first)
            for offset, low, high in zip((at - start)[hit], first[hit], last[hit], strict=True):
                free[offset + low : offset + high] = 0
        return free

    def totals(self, areas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much of each zone lies on the free part: (zones, 2), in pixels and m2."""
        acc = empty(len(self.index.zones))
        for band in self.index.needed.bands():
            free = self.free(band)
            ones: Any = np.ones(free.size, np.float32)
            zones, part = accumulate_band(self.index, band, ones, free, Validity(), areas, False)
            merge(acc, part, zones)
        return acc[:, [COUNT, AREA]]
