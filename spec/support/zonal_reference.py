"""A slow, obvious reference for zonal statistics, and small rasters to try it on."""

import io
import tarfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from rasterio.transform import Affine

from pileus.documents import Process
from pileus.zonal import Measured, Source, Zones, make_zones, measure


def write(
    path: Path, values: Any, *, west: float = 0, north: float | None = None, size: float = 1, **profile: Any
) -> Path:
    """A GeoTIFF of `values` (rows, columns); by default its lower left corner is (0, 0) and pixels are 1 degree."""
    values = np.asarray(values)
    top = values.shape[0] * size if north is None else north
    place = Affine(size, 0, west, 0, -size, top)
    options = {"driver": "GTiff", "count": 1, "crs": "EPSG:4326", "transform": place, "dtype": values.dtype, **profile}
    with rasterio.open(path, "w", width=values.shape[1], height=values.shape[0], **options) as file:
        file.write(values, 1)
    return path


def tgz(entries: dict[str, bytes]) -> bytes:
    """An archive of files by name."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zones_of(*shapes: Any, crs: str = "EPSG:4326") -> Zones:
    """Zones named a, b, c, ..."""
    names = [chr(ord("a") + n) for n in range(len(shapes))]
    return make_zones(names, names, shapes, crs)


def rows(path: Path, zones: Zones, *stats: str, scratch: Path, **process: Any) -> list[dict[str, Any]]:
    """The rows of one raster with one band `b`."""
    return run(path, zones, *stats, scratch=scratch, **process).table.to_pylist()


def run(path: Path, zones: Zones, *stats: str, scratch: Path, threads: int = 2, **process: Any) -> Measured:
    rule = Process(band="b", zones="", stats=stats or ("count", "sum", "mean", "min", "max", "stddev"), **process)
    return measure([Source("b.tif", path=path)], rule, zones, scratch=scratch, threads=threads)


def coverage(shape: Any, height: int, width: int, north: float, size: float = 1, west: float = 0) -> Any:
    """(height, width): the share of each pixel that `shape` covers, by intersecting it with each pixel's square."""
    rows_, cols = np.mgrid[:height, :width]
    x, y = west + cols * size, north - rows_ * size
    squares = shapely.box(x, y - size, x + size, y)
    return shapely.area(shapely.intersection(squares, shape)) / (size * size)


def exact_moments(values: Any, weights: Any) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """Mean and the 2nd, 3rd and 4th central moment of the population, without any rounding."""
    x = [Fraction(float(v)) for v in values]
    w = [Fraction(float(v)) for v in weights]
    total = sum(w)
    mean = sum(a * b for a, b in zip(x, w, strict=True)) / total
    second, third, fourth = (sum(b * (a - mean) ** k for a, b in zip(x, w, strict=True)) / total for k in (2, 3, 4))
    return mean, second, third, fourth
