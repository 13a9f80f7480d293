"""The grid of a raster: where its pixels lie, and which of them are needed."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from pileus.errors import RasterError

BAND_ROWS = 64
"""Rows that are measured together. Fixed, so that sums are added in one order whatever the blocks and threads."""

SIDE = 1 << 22
"""Most columns, and most rows: a grid of 10 m around the equator has fewer."""
PIXELS = 1 << 37
"""Most pixels. A file of a few kilobytes may claim any number, and reading them takes a second for each 10^9."""
WGS84 = (6378137.0, 298.257223563)
"""Semi-major axis in metres and inverse flattening."""


@dataclass(frozen=True, slots=True)
class Box:
    """Rows and columns of a grid; ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def pixels(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)


@dataclass(frozen=True, slots=True)
class Grid:
    """`width` x `height` pixels, axis-aligned, north-up or south-up.

    Pixel (row, col) spans x from west + col * dx and y from north + row * dy.
    """

    width: int
    height: int
    west: float
    """x of the outer edge of column 0, in units of the CRS."""
    north: float
    """y of the outer edge of row 0."""
    dx: float
    """Width of a pixel, above 0."""
    dy: float
    """Step from one row to the next: below 0 for north-up, above 0 for south-up."""
    crs: str
    """WKT, or an authority's code."""

    @classmethod
    def of(cls, dataset: Any, crs: CRS, t: Any, where: str) -> "Grid":
        """Return the grid of an open rasterio dataset, given its system and its affine transform.

        Raises RasterError without a georeference, or when rotated.
        """
        if not (crs.is_geographic or crs.is_projected):
            raise RasterError("has a coordinate reference system that is not one of the Earth's surface", where=where)
        if t.is_identity:
            raise RasterError(
                "has no georeference, so its pixels have no place: give it with meta.grid.bounds, or --bounds",
                where=where,
            )
        if t.b or t.d:
            raise RasterError("is rotated: rotated and sheared grids are not measured; warp it first", where=where)
        if not all(map(math.isfinite, (t.a, t.c, t.e, t.f))):
            raise RasterError("has a georeference that is not a number, so its pixels have no place", where=where)
        if t.a <= 0 or t.e == 0:
            raise RasterError(
                f"has pixels of width {t.a} and height {t.e}: expected columns from west to east", where=where
            )
        grid = cls(dataset.width, dataset.height, t.c, t.f, t.a, t.e, crs.to_wkt())
        grid._check(where)
        return grid

    def _check(self, where: str) -> None:
        """Raise RasterError for a place that is none, and for more pixels than can be measured."""
        if not all(map(math.isfinite, self.bounds)):
            raise RasterError("has pixels that lie infinitely far away", where=where)
        if self.west + self.dx <= self.west or self.north + self.dy == self.north:
            raise RasterError("has pixels that are too small for their place: all lie at one point", where=where)
        if max(self.width, self.height) > SIDE or self.width * self.height > PIXELS:
            raise RasterError(
                f"has {self.width:,} x {self.height:,} pixels: expected at most {SIDE:,} a side and {PIXELS:,} in all",
                where=where,
            )

    @property
    def bands(self) -> int:
        """Return how many bands of `BAND_ROWS` rows cover the height."""
        return -(-self.height // BAND_ROWS)

    @property
    def geographic(self) -> bool:
        return bool(CRS.from_user_input(self.crs).is_geographic)

    def like(self, other: "Grid") -> bool:
        """Return whether a pixel is as large as one of the other grid: in degrees on both, or on neither."""
        sizes = ((self.dx, other.dx), (abs(self.dy), abs(other.dy)))
        units = self.crs == other.crs or self.geographic == other.geographic
        return units and all(math.isclose(a, b, rel_tol=5e-7) for a, b in sizes)

    def overlap(self, other: "Grid") -> Box | None:
        """Return the pixels whose middle lies on the other grid; None where there are none, or its system differs.

        >>> west, east = Grid(10, 4, 0, 4, 1, -1, "EPSG:4326"), Grid(10, 4, 8, 4, 1, -1, "EPSG:4326")
        >>> east.overlap(west), west.overlap(Grid(10, 4, 10, 4, 1, -1, "EPSG:4326"))
        (Box(top=0, left=0, bottom=4, right=2), None)
        """
        if self.crs != other.crs:
            return None
        west, south, east, north = other.bounds
        left, right = _middles(west, east, self.west, self.dx, self.width)
        top, bottom = _middles(south, north, self.north, self.dy, self.height)
        return Box(top, left, bottom, right) if right > left and bottom > top else None

    @property
    def pixel(self) -> str:
        """Return the size of a pixel, for messages.

        >>> Grid(4, 4, 0, 4, 0.25, -0.5, "EPSG:4326").pixel
        '0.25 x 0.5 degrees'
        """
        return f"{self.dx:g} x {abs(self.dy):g} {'degrees' if self.geographic else 'units of its projection'}"

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Return least x, least y, greatest x, greatest y."""
        ends = (self.north, self.north + self.height * self.dy)
        return self.west, min(ends), self.west + self.width * self.dx, max(ends)

    @property
    def hash(self) -> str:
        """Return a hexadecimal hash of the exact numbers."""
        edges = (float(value).hex() for value in (self.west, self.north, self.dx, self.dy))
        parts = [self.width, self.height, *edges, self.crs]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def cell_areas(self) -> NDArray[np.float64]:
        """Return the area in square metres of a pixel of each row: on the ellipsoid for degrees, else width times
        height.

        For degrees the area between two parallels comes from the authalic function q of Snyder, Map Projections: A
        Working Manual (1987), equation 3-12: area = b^2 / 2 * dlon * (Q(lat2) - Q(lat1)).
        """
        crs = CRS.from_user_input(self.crs)
        if not crs.is_geographic:
            factor = float(crs.linear_units_factor[1]) if crs.is_projected else 1.0
            return np.full(self.height, abs(self.dx * self.dy) * factor * factor)
        edges = np.clip(self.north + np.arange(self.height + 1) * self.dy, -90, 90)
        a, inverse = WGS84
        f = 1 / inverse
        e2 = f * (2 - f)
        e = math.sqrt(e2)
        sine = np.sin(np.radians(edges))
        q = (1 - e2) * (sine / (1 - e2 * sine * sine) + np.arctanh(e * sine) / e)
        areas: NDArray[np.float64] = a * a * math.radians(self.dx) * np.abs(np.diff(q)) / 2
        return areas


def _middles(low: float, high: float, start: float, step: float, count: int) -> tuple[int, int]:
    """Return the first pixel of a row or column whose middle lies between two edges, and the one after the last."""
    first, last = sorted(((low - start) / step, (high - start) / step))
    return max(0, math.ceil(first - 0.5)), min(count, math.ceil(last - 0.5))


@dataclass(frozen=True, slots=True)
class Needed:
    """The pixels of a grid that are needed, as stretches of rows, numbered in reading order band by band.

    A band is `BAND_ROWS` rows. The number of a pixel in its band is its place in the band's packed pixels.
    """

    row: NDArray[np.int32]
    """Row of each stretch; stretches are ordered by row and column."""
    col: NDArray[np.int32]
    """First column."""
    length: NDArray[np.int32]
    at: NDArray[np.int32]
    """Packed number of the first pixel."""
    starts: NDArray[np.int64]
    """(bands + 1): where the stretches of each band start."""

    def bands(self) -> Iterator[int]:
        """Yield the bands of which a pixel is needed."""
        return (int(b) for b in np.flatnonzero(np.diff(self.starts)))

    def stretches(self, first: int, last: int) -> slice:
        """Return the stretches of bands first..last, both included."""
        return slice(int(self.starts[first]), int(self.starts[last + 1]))

    def pixels(self, band: int) -> int:
        """Return how many pixels of a band are needed."""
        end = self.starts[band + 1]
        return int(self.at[end - 1] + self.length[end - 1]) if end > self.starts[band] else 0

    def rows(self, band: int) -> tuple[int, int]:
        """Return the first needed row of a band and the one after the last."""
        return int(self.row[self.starts[band]]), int(self.row[self.starts[band + 1] - 1]) + 1

    @property
    def total(self) -> int:
        """Return how many pixels are needed in all."""
        return int(self.length.sum(dtype=np.int64))


Stretches = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Row, first column and length of stretches, in any order; they may overlap."""


def covering(bands: Iterable[Stretches]) -> Needed:
    """Return the pixels that lie in any stretch. `bands`: the stretches of each band of rows, from the top.

    >>> row, col, length = np.array([1, 1, 2, 2]), np.array([6, 2, 4, 0]), np.array([1, 3, 2, 4])
    >>> needed = covering([(row, col, length), (row[:0], col[:0], length[:0])])
    >>> needed.row.tolist(), needed.col.tolist(), needed.length.tolist(), needed.at.tolist(), needed.starts.tolist()
    ([1, 1, 2], [2, 6, 0], [3, 1, 6], [0, 3, 4], [0, 3, 3])
    """
    parts = [_merged(*band) for band in bands]
    ats = [np.cumsum(length, dtype=np.int32) - length for _, _, length in parts]
    starts = np.cumsum([0, *(len(at) for at in ats)], dtype=np.int64)
    row, col, length = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Needed(row, col, length, np.concatenate(ats), starts)


def _merged(row: NDArray[Any], col: NDArray[Any], length: NDArray[Any]) -> Stretches:
    """Return stretches in order, as int32, with those that overlap or touch as one."""
    start = (row.astype(np.int64) << 32) + col
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum.accumulate((start + length)[order])
    new = np.ones(len(start), bool)
    new[1:] = start[1:] > end[:-1]
    last = np.ones(len(start), bool)
    last[:-1] = new[1:]
    start, end = start[new], end[last]
    return (start >> 32).astype(np.int32), (start & 0xFFFFFFFF).astype(np.int32), (end - start).astype(np.int32)


def either(one: Needed, other: Needed) -> Needed:
    """Return the pixels of a grid that are needed here or there."""
    columns = [(one.row, other.row), (one.col, other.col), (one.length, other.length)]

    def band(number: int) -> Stretches:
        here, there = one.stretches(number, number), other.stretches(number, number)
        row, col, length = (np.concatenate([a[here], b[there]]) for a, b in columns)
        return row, col, length

    return covering(band(number) for number in range(len(one.starts) - 1))
