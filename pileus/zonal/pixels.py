"""Pixels: bands of a group's files within a box, as values on one grid, where nothing is measured."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.documents import Band, Process
from pileus.errors import RasterError, UsageError
from pileus.raster.grid import BAND_ROWS, Box, Grid, Needed, covering
from pileus.raster.member_layers import read_packed
from pileus.raster.packed import float_of, spread
from pileus.raster.stored import Stored, physical
from pileus.raster.times_layer import by_time
from pileus.stopping import Check
from pileus.zonal.look import wanted_layers
from pileus.zonal.source import Source
from pileus.zonal.validity import all_of, lets_count, validity_of

TOO_MUCH = "is too much to read: rasters of one input may have {:,} bytes; name fewer points in time, or a smaller box"


@dataclass(frozen=True, slots=True)
class Within:
    """What is read of a grid, in its own units; None: all of that axis. Longitudes may be of any turn."""

    x: tuple[float, float] | None = None
    """West and east."""
    y: tuple[float, float] | None = None
    """The lesser and the greater."""

    def box(self, grid: Grid) -> Box:
        """Return the pixels of a grid that lie within, and one more on each side. It may be empty.

        >>> grid = Grid(8, 8, 0, 8, 1, -1, "EPSG:4326")
        >>> Within((2.5, 3.5), (4.5, 5.5)).box(grid), Within((362.5, 363.5), (20, 30)).box(grid)
        (Box(top=1, left=1, bottom=5, right=5), Box(top=0, left=1, bottom=0, right=5))
        """
        top, bottom = 0, grid.height
        if self.y:
            top, bottom = _span(self.y, grid.north, grid.dy, grid.height)
        left, right = 0, grid.width
        if self.x:
            west, east = self.x
            if grid.geographic and east < west:
                east += 360
            turns = (-720, -360, 0, 360, 720) if grid.geographic else (0,)
            spans = [_span((west + turn, east + turn), grid.west, grid.dx, grid.width) for turn in turns]
            spans = [(first, last) for first, last in spans if first < last] or [(0, 0)]
            left, right = min(first for first, _ in spans), max(last for _, last in spans)
        return Box(top, left, bottom, right)


@dataclass(frozen=True, slots=True)
class Field:
    """The values of one band at one time."""

    band: str
    time: datetime | None
    """None: the file says none, or one was made of several."""
    values: NDArray[Any]
    """(rows, columns) of float32 or float64; NaN where nothing was observed, by the rules of the collection."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a group's files hold within a box."""

    grid: Grid
    fields: tuple[Field, ...]
    """By band, in the order in which these were asked for, and time."""
    units: Mapping[str, str]
    """Of each band; empty where it is not known."""


def read_pixels(
    sources: Sequence[Source],
    process: Process,
    bands: Mapping[str, Band],
    within: Within,
    *,
    most: int,
    scratch: Path,
    check: Check,
    reading: Callable[[str], None] = lambda _name: None,
) -> Pixels:
    """Return the measured bands of files that together make one mosaic. Each file is whole at its `path`.

    Which pixels count, and whose they are where files overlap, is as `measure` has it. `most`: bytes of values. Raises
    RasterError, ArchiveError; UsageError for more than `most`, and where no file has a pixel within the box.
    """
    reader = _Reader(process, bands, within, most, scratch, check)
    for source in reversed(sources) if process.overlap == "last" else sources:
        reading(source.name)
        reader.read(source)
    return reader.pixels()


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one file has of a band at a time."""

    grid: Grid
    box: Box
    """Of that grid."""
    numbers: NDArray[Any]
    stored: Stored
    where: str


class _Reader:
    """Reads files, and puts their pieces together."""

    def __init__(
        self, process: Process, bands: Mapping[str, Band], within: Within, most: int, scratch: Path, check: Check
    ) -> None:
        self._process, self._bands, self._within = process, bands, within
        self._most, self._left, self._scratch, self._check = most, most, scratch, check
        self._pieces: dict[tuple[str, datetime | None], list[_Piece]] = defaultdict(list)
        self._files: list[str] = []

    def read(self, source: Source) -> None:
        """Read one file."""
        self._files.append(source.name)
        how: dict[str, Any] = {"scratch": self._scratch, "check": self._check}
        for band, layer in wanted_layers(source, self._process, self._bands, **how):
            for time, one in by_time(layer):
                box = self._within.box(one.grid)
                if box.top < box.bottom and box.left < box.right:
                    numbers = self._numbers(one, box)
                    self._pieces[band, time].append(_Piece(one.grid, box, numbers, one.stored, source.name))

    def _numbers(self, layer: Any, box: Box) -> NDArray[Any]:
        """Return the pixels of a box of a layer, as they are stored."""
        needed, parts = _needed(layer.grid, box), list[NDArray[Any]]()
        for number, packed in read_packed(layer, needed):
            self._check()
            if not parts:
                self._left -= box.pixels * float_of(packed.dtype).itemsize
                if self._left < 0:
                    raise UsageError(TOO_MUCH.format(self._most))
            rows = spread(needed, number, packed, layer.grid.width)
            parts.append(rows[:, box.left : box.right].copy())
        return np.concatenate(parts)

    def pixels(self) -> Pixels:
        """Return what was read."""
        wanted = {key: self._pieces[key] for key in self._keys()}
        if not wanted:
            raise UsageError(f"no file has a pixel within the domain: {', '.join(self._files[:3])}")
        first = next(iter(wanted.values()))[0].grid
        places = {id(one): _placed(one, first) for pieces in wanted.values() for one in pieces}
        top, left = min(one.top for one in places.values()), min(one.left for one in places.values())
        bottom, right = max(one.bottom for one in places.values()), max(one.right for one in places.values())
        if (bottom - top) * (right - left) * 4 * len(wanted) > self._most:
            raise UsageError(TOO_MUCH.format(self._most))
        north, west = first.north + top * first.dy, first.west + left * first.dx
        grid = Grid(right - left, bottom - top, west, north, first.dx, first.dy, first.crs)
        fields = []
        for (band, time), pieces in wanted.items():
            moved = [(one, places[id(one)]) for one in pieces]
            fields.append(Field(band, time, self._together(band, moved, (top, left), (grid.height, grid.width))))
        units = {band: pieces[0].stored.unit for (band, _), pieces in wanted.items()}
        return Pixels(grid, tuple(fields), units)

    def _keys(self) -> list[tuple[str, datetime | None]]:
        """Return each measured band and time of which there is a pixel."""
        order = {band: place for place, band in enumerate(self._process.bands)}
        found = [key for key in self._pieces if key[0] in order]
        return sorted(found, key=lambda key: (order[key[0]], key[1] or datetime.min))

    def _together(
        self, band: str, pieces: Sequence[tuple[_Piece, Box]], start: tuple[int, int], shape: tuple[int, int]
    ) -> NDArray[Any]:
        """Return the values of one band at one time. Where files overlap, the first has the pixel."""
        kinds = {_kind(one) for one, _ in pieces}
        values, filled = np.full(shape, np.nan, max(kinds, key=lambda kind: kind.itemsize)), np.zeros(shape, np.bool_)
        for one, place in pieces:
            into = (
                slice(place.top - start[0], place.bottom - start[0]),
                slice(place.left - start[1], place.right - start[1]),
            )
            if self._process.overlap == "error" and filled[into].any():
                raise RasterError(
                    "has pixels that another file has too, and meta.process.overlap is error", where=one.where
                )
            np.copyto(values[into], self._values(band, one), where=~filled[into], casting="same_kind")
            filled[into] = True
        return values

    def _values(self, band: str, piece: _Piece) -> NDArray[Any]:
        good = [validity_of(self._process, piece.stored).valid(piece.numbers)]
        for mask in self._process.masks:
            held = [one for one in self._pieces.get((mask, None), ()) if (one.grid, one.box) == (piece.grid, piece.box)]
            if not held:
                raise RasterError(
                    f"has no band {mask} to mask {band} with: expected one on the same grid", where=piece.where
                )
            good.append(lets_count(self._process, mask, held[0].numbers, held[0].stored, piece.where))
        values = physical(piece.numbers, piece.stored).astype(_kind(piece))
        values[np.asarray(all_of(good)) == 0] = np.nan
        return values


def _span(ends: tuple[float, float], start: float, step: float, size: int) -> tuple[int, int]:
    """Return the first cell of an axis that lies between two values, less one, and the one after the last, plus one."""
    low, high = sorted((end - start) / step for end in ends)
    first = int(np.clip(np.floor(low) - 1, 0, size))
    return first, int(np.clip(np.ceil(high) + 1, first, size))


def _needed(grid: Grid, box: Box) -> Needed:
    def rows(number: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        row = np.arange(max(box.top, number * BAND_ROWS), min(box.bottom, (number + 1) * BAND_ROWS))
        return row, np.full(row.size, box.left), np.full(row.size, box.right - box.left)

    return covering(rows(number) for number in range(grid.bands))


def _placed(piece: _Piece, first: Grid) -> Box:
    """Return where a piece lies, in rows and columns of the first grid. Raises RasterError for one of another grid."""
    grid, box = piece.grid, piece.box
    if grid.crs != first.crs or not grid.like(first) or (grid.dy < 0) != (first.dy < 0):
        raise RasterError("lies on another grid than what is read with it", where=piece.where)
    down, right = round((grid.north - first.north) / first.dy), round((grid.west - first.west) / first.dx)
    return Box(box.top + down, box.left + right, box.bottom + down, box.right + right)


def _kind(piece: _Piece) -> np.dtype[Any]:
    """Return the float that holds every value of a piece."""
    if piece.stored.scaled:
        return np.dtype(np.float32 if piece.numbers.dtype.itemsize <= 2 else np.float64)
    return float_of(piece.numbers.dtype)
