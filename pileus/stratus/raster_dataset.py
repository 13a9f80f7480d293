"""Open a raster of GDAL as a data set: a variable for each band, read window by window."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset, Variable
from xarray.backends import BackendArray
from xarray.core import indexing

from pileus.errors import DocumentError, RasterError
from pileus.raster.fields import Field, fields
from pileus.raster.gdal import foreign
from pileus.raster.opening import opened
from pileus.raster.signatures import Kind

ONE = "one"
"""Dimension of a variable's only band, which is taken away."""


@contextmanager
def open_raster(path: Path, kind: Kind, what: str) -> Iterator[Dataset]:
    """Yield the data set of a raster of one kind. Its dimensions are `lat` and `lon`, or `y` and `x` where it is
    projected; the coordinates are the middles of pixels. A variable for each band: float, scaled, NaN where it has
    nodata; its name is the band's, or `band1` and so on. Fields of one name at several times are one variable along
    `time`.

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
    variables, coordinates = _variables(raster, (rows, columns), what)
    places = {rows: (rows, y, _given(units=units[0])), columns: (columns, x, _given(units=units[1]))}
    return Dataset(variables, {**places, **coordinates}, attributes)


def _variables(
    raster: Any, dims: tuple[str, str], what: str
) -> tuple[dict[str, Variable], dict[str, tuple[str, NDArray[Any]]]]:
    """Return the variables, and the times that those of several have."""
    every, by_name = fields(raster, what), dict[str, list[Field]]()
    levels = {field.name: {str(other.dims) for other in every if other.name == field.name} for field in every}
    for field in every:
        by_name.setdefault(_name(field, of_several=len(levels[field.name]) > 1), []).append(field)
    variables: dict[str, Variable] = {}
    axes: dict[tuple[datetime, ...], str] = {}
    for name, held in by_name.items():
        told = _given(units=raster.units[held[0].number - 1] or "")
        times = {field.time: field.number for field in held if field.time}
        if len(times) == len(held):
            moments = tuple(sorted(times))
            axis = axes.setdefault(moments, f"time{len(axes) or ''}")
            lazy = indexing.LazilyIndexedArray(_Bands(raster, [times[moment] for moment in moments], what))
            variables[name] = Variable((axis, *dims), lazy, told)
            continue
        for place, field in enumerate(held):
            lazy = indexing.LazilyIndexedArray(_Bands(raster, [field.number], what))
            variables[f"{name}_{field.number}" if place else name] = Variable((ONE, *dims), lazy, told).isel({ONE: 0})
    return variables, {axis: (axis, np.array(moments, "M8[ns]")) for moments, axis in axes.items()}


def _name(field: Field, *, of_several: bool) -> str:
    """Return the name of a field's variable, with its level where it is one of several."""
    said = "_".join(filter(None, (field.name, *(field.dims.values() if of_several else ()))))
    name = "".join(letter if letter.isalnum() or letter in "_-." else "_" for letter in said).strip("_")
    return name or f"band{field.number}"


def _given(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


class _Bands(BackendArray):
    """Some bands, one behind the other, which xarray reads in windows."""

    def __init__(self, raster: Any, bands: list[int], what: str) -> None:
        self._raster, self._bands, self._what = raster, bands, what
        self.shape = (len(bands), raster.height, raster.width)
        kind = np.result_type(*(raster.dtypes[band - 1] for band in bands))
        self._scaled = [(raster.scales[band - 1], raster.offsets[band - 1]) for band in bands]
        plain = set(self._scaled) == {(1.0, 0.0)} and kind.kind == "f"
        self.dtype = kind if plain else np.dtype(np.float64 if kind.itemsize > 2 else np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> Any:
        bands = np.arange(len(self._bands))[key[0]]
        spans = [_span(one, size) for one, size in zip(key[1:], self.shape[1:], strict=True)]
        if not bands.size or any(start >= end for start, end in spans):
            return np.empty(self.shape, self.dtype)[key]
        within = tuple(map(_within, key[1:]))
        read = np.stack([self._band(int(band), spans)[within] for band in bands.ravel()])
        return read if bands.ndim else read[0]

    def _band(self, place: int, spans: list[tuple[int, int]]) -> NDArray[Any]:
        with foreign(RasterError, "cannot be read", self._what):
            found = self._raster.read(self._bands[place], window=tuple(spans), masked=True)
        scale, offset = self._scaled[place]
        values = found.astype(self.dtype).filled(np.nan)
        if (scale, offset) != (1.0, 0.0):
            values = values * scale + offset
        return np.asarray(values, self.dtype)


def _span(one: int | slice, size: int) -> tuple[int, int]:
    """Return the first position, and the one after the last, of a position or of a slice: xarray asks forwards."""
    steps = range(*one.indices(size)) if isinstance(one, slice) else range(size)[int(one) :][:1]
    return (steps[0], steps[-1] + 1) if len(steps) else (0, 0)


def _within(one: int | slice) -> int | slice:
    """Return the same position or slice, counted within the window that was read."""
    return slice(None, None, one.step) if isinstance(one, slice) else 0
