"""Open a raster of GDAL as a data set: a variable for each band, read window by window."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from xarray import Dataset, Variable
from xarray.backends import BackendArray
from xarray.core import indexing

from pileus.errors import DocumentError, RasterError
from pileus.raster.gdal import foreign
from pileus.raster.opening import opened
from pileus.raster.signatures import Kind


@contextmanager
def open_raster(path: Path, kind: Kind, what: str) -> Iterator[Dataset]:
    """Yield the data set of a raster of one kind. Its dimensions are `lat` and `lon`, or `y` and `x` where it is
    projected; the coordinates are the middles of pixels. A variable for each band: float, scaled, NaN where it has
    nodata; its name is the band's, or `band1` and so on.

    Raises DocumentError for what cannot be opened, and for a raster that is turned.
    """
    try:
        with opened(path, kind.driver, what) as raster:
            yield _dataset(raster, what)
    except RasterError as error:
        raise DocumentError(str(error)) from error


def _dataset(raster: Any, what: str) -> Dataset:
    turn = raster.transform
    if turn.b or turn.d:
        raise DocumentError(f"{what}: its rows do not run from west to east, which is not read")
    geographic = raster.crs is not None and raster.crs.is_geographic
    rows, columns = ("lat", "lon") if geographic else ("y", "x")
    x = turn.c + turn.a * (np.arange(raster.width) + 0.5)
    y = turn.f + turn.e * (np.arange(raster.height) + 0.5)
    attributes = {"crs": raster.crs.to_wkt()} if raster.crs is not None else {}
    units = ("degrees_north", "degrees_east") if geographic else ("", "")
    variables: dict[str, Variable] = {}
    for band in range(1, raster.count + 1):
        lazy = indexing.LazilyIndexedArray(_Band(raster, band, what))
        told = {"units": raster.units[band - 1]} if raster.units[band - 1] else {}
        name = _name(raster, band)
        variables[name if name not in variables else f"{name}_{band}"] = Variable((rows, columns), lazy, told)
    return Dataset(
        variables,
        {rows: (rows, y, _given(units=units[0])), columns: (columns, x, _given(units=units[1]))},
        attributes,
    )


def _name(raster: Any, band: int) -> str:
    tags = raster.tags(band)
    said = tags.get("GRIB_ELEMENT") or raster.descriptions[band - 1] or ""
    name = "".join(letter if letter.isalnum() or letter in "_-." else "_" for letter in said).strip("_")
    return name or f"band{band}"


def _given(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


class _Band(BackendArray):
    """One band, which xarray reads in windows."""

    def __init__(self, raster: Any, band: int, what: str) -> None:
        self._raster, self._band, self._what = raster, band, what
        self.shape = (raster.height, raster.width)
        kind = np.dtype(raster.dtypes[band - 1])
        self._scale, self._offset = raster.scales[band - 1], raster.offsets[band - 1]
        plain = (self._scale, self._offset) == (1.0, 0.0) and kind.kind == "f"
        self.dtype = kind if plain else np.dtype(np.float64 if kind.itemsize > 2 else np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> Any:
        spans = [_span(one, size) for one, size in zip(key, self.shape, strict=True)]
        if any(start >= end for start, end in spans):
            return np.empty(self.shape, self.dtype)[key]
        with foreign(RasterError, "cannot be read", self._what):
            found = self._raster.read(self._band, window=tuple(spans), masked=True)
        values = found.filled(np.nan) if found.dtype.kind == "f" else found.astype(self.dtype).filled(np.nan)
        if (self._scale, self._offset) != (1.0, 0.0):
            values = values * self._scale + self._offset
        return values.astype(self.dtype)[tuple(_within(one, span) for one, span in zip(key, spans, strict=True))]


def _span(one: int | slice, size: int) -> tuple[int, int]:
    """Return the first and the last position but one, of a position or a slice in either direction."""
    if not isinstance(one, slice):
        one = one + size if one < 0 else one
        return int(one), int(one) + 1
    steps = range(*one.indices(size))
    return (min(steps[0], steps[-1]), max(steps[0], steps[-1]) + 1) if len(steps) else (0, 0)


def _within(one: int | slice, span: tuple[int, int]) -> int | slice:
    """Return the same position or slice, counted within the window that was read."""
    if not isinstance(one, slice):
        return 0
    step = one.step or 1
    return slice(None, None, step) if step > 0 else slice(span[1] - span[0] - 1, None, step)
