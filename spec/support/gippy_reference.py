"""What gippy's `cookie_cutter` makes of a zone, as an array: slow and obvious, made from its source by another way."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.features import rasterize


def cut(raster: Path, zone: Any) -> Any:
    """Return the cut-out.

    Pixels of the raster whose middle lies in the zone, moved to a grid that starts at the zone's upper left corner and
    has one pixel more than fits whole, squeezed into the zone's extent; each new pixel with the value of the old one
    under its middle; 0 elsewhere. `zone`: in the raster's coordinates.
    """
    with rasterio.open(raster) as file:
        values, t, bounds = file.read(1), file.transform, file.bounds
    inside = rasterize([(zone, 1)], values.shape, transform=t, dtype="uint8") != 0
    left, low, right, top = zone.bounds
    x_size, y_size = float(np.float32(t.a)), float(np.float32(-t.e))
    x0 = left + math.floor((max(left, bounds.left) - left) / x_size) * x_size
    y1 = top - math.floor((top - min(top, bounds.top)) / y_size) * y_size
    x1, y0 = min(right, bounds.right), max(low, bounds.bottom)
    if x1 <= x0 or y1 <= y0:
        return np.zeros((0, 0), values.dtype)
    width, height = math.ceil((x1 - x0) / x_size), math.ceil((y1 - y0) / y_size)
    x_size, y_size = (x1 - x0) / width, (y1 - y0) / height
    col = np.floor((x0 + (np.arange(width) + 0.5) * x_size - t.c) / t.a).astype(int)
    row = np.floor((y1 - (np.arange(height) + 0.5) * y_size - t.f) / t.e).astype(int)
    padded = np.pad(np.where(inside, values, 0), 1)
    row, col = np.clip(row + 1, 0, values.shape[0] + 1), np.clip(col + 1, 0, values.shape[1] + 1)
    return padded[row[:, None], col[None, :]]
