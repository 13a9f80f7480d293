"""Open: a file becomes layers of the bands that are wanted of it."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Interleaving, MaskFlags
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.session import DummySession

from pileus.errors import RasterError, UsageError
from pileus.raster.fields import Field, LacksBand, chosen, fields, listed, match, names_of, short
from pileus.raster.gdal import SETTINGS, foreign
from pileus.raster.layers import FileLayer, WindowLayer
from pileus.raster.longitudes import rolled
from pileus.raster.request import BandRequest
from pileus.raster.signatures import Kind, kind_of
from pileus.raster.tiff import Head, NotPlain, Strips, read_strips
from pileus.raster.times_layer import MOST_TIMES, EachLayer, TimesLayer

BLOCK_BYTES = 512 << 20
"""Most bytes of a block: GDAL unpacks a block as a whole, for all bands that lie in it."""
Opened = FileLayer | WindowLayer | TimesLayer | EachLayer


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a file, or a file that is opened as a whole."""

    source: str
    """What rasterio opens."""
    driver: str
    name: str = ""
    """Its path in the file."""


@contextmanager
def opened(source: Path | str | MemoryFile, driver: str, where: str) -> Iterator[Any]:
    """Yield an open rasterio dataset of one driver. Raises RasterError for what GDAL cannot open or describe."""
    # Without a session given, every opening would look for AWS credentials.
    with warnings.catch_warnings(), rasterio.Env(DummySession(), **SETTINGS):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with foreign(RasterError, "cannot be opened as a raster", where):
            opening = source.open if isinstance(source, MemoryFile) else partial(rasterio.open, source)
            with opening(driver=driver) as dataset:
                yield dataset


def open_file(path: Path | str, request: BandRequest, where: str, kind: Kind | None = None) -> Opened:
    """Return a layer over one band of a raster file. `kind`: of a file in memory. Raises RasterError."""
    return open_bands(path, {request.name or "": request}, where, kind)[request.name or ""]


def open_bands(
    path: Path | str, requests: Mapping[str, BandRequest], where: str, kind: Kind | None = None
) -> dict[str, Opened]:
    """Return layers over those of the wanted bands that a file holds. Raises RasterError where it holds none, or more
    than one that is meant.
    """
    kind = kind or kind_of(Path(path), where)
    with opened(path, kind.driver, where) as dataset:
        inside = _variables(dataset, path, kind, where)
        if not inside:
            whole, known = Variable(str(path), kind.driver), fields(dataset, where)
            return _held(requests, where, lambda one: _layer(whole, dataset, known, _named(dataset, one), where))
    return _held(requests, where, lambda one: _open(_chosen(inside, one, where), one, where))


def _held(
    requests: Mapping[str, BandRequest], where: str, open_one: Callable[[BandRequest], Opened]
) -> dict[str, Opened]:
    """Return the layers of the bands that are there. Raises RasterError where there is none."""
    layers, lacking = {}, None
    for band, request in requests.items():
        try:
            layers[band] = open_one(request)
        except LacksBand as error:
            lacking = lacking or error
    if lacking and not layers:
        raise RasterError(lacking.message, where=where) from lacking
    return layers


def _named(dataset: Any, request: BandRequest) -> BandRequest:
    """Return what is wanted of a whole file. Of one with one HDF5 variable the driver does not say the name."""
    return replace(request, path="*") if dataset.driver == "HDF5Image" else request


def _open(variable: Variable, request: BandRequest, where: str) -> Opened:
    with opened(variable.source, variable.driver, where) as dataset:
        # The variable is the band, whatever its fields are called.
        return _layer(variable, dataset, fields(dataset, where), replace(request, path="*"), where)


def _variables(dataset: Any, path: Path | str, kind: Kind, where: str) -> list[Variable]:
    """Return the variables of an open file; none where its fields are those of the file. Raises RasterError."""
    inside = [text.split(":", 1)[1].removeprefix(f"{path}:") for text in dataset.subdatasets]
    if not inside:
        if not dataset.count:
            raise RasterError("holds no raster", where=where)
        return []
    if '"' in str(path):
        raise UsageError("a file with several variables cannot have a quote in its name", where=where)
    scheme = {"netCDF": "NETCDF", "HDF5": "HDF5"}.get(kind.driver)
    if scheme is None:
        raise RasterError("holds several rasters in one file, which is read of netCDF and HDF5 alone", where=where)
    safe = [name for name in inside if not set(name) & set('"\\:') and name.isprintable()]
    if not safe:
        raise RasterError("holds no variable whose name can be asked for", where=where)
    return [Variable(f'{scheme}:"{path}":{name}', kind.inner, name) for name in safe]


def band_names(path: Path, where: str) -> list[str]:
    """Return the names of a file's variables or bands; the number of one that has no name. Raises RasterError."""
    kind = kind_of(path, where)
    with opened(path, kind.driver, where) as dataset:
        if inside := _variables(dataset, path, kind, where):
            return short([variable.name for variable in inside])
        return names_of(fields(dataset, where))


def _chosen(found: list[Variable], request: BandRequest, where: str) -> Variable:
    path, names = request.path or request.name or "*", [variable.name for variable in found]
    fitting = names if path == "*" else match(path, names)
    if not fitting and request.any_name and len(names) == 1:
        fitting = names
    if not fitting:
        raise LacksBand(f"has no band {request.shown}: its variables are {listed(short(names))}", where=where)
    if len(fitting) > 1:
        raise RasterError(
            f"has {len(fitting)} variables that are {request.shown}: {listed(short(fitting))}", where=where
        )
    return found[names.index(fitting[0])]


def _layer(variable: Variable, dataset: Any, known: list[Field], request: BandRequest, where: str) -> Opened:
    found = chosen(known, request, where)
    if request.time == "each":
        return _each(variable, dataset, request, found, where)
    window = _window(variable, dataset, request, found[0].number, where)
    if request.time is not None:
        numbers = tuple(field.number for field in found)
        if any(request.stored(dataset, number, where) != window.stored for number in numbers):
            raise RasterError("has times of different nodata, scale, offset or unit: one cannot be made", where=where)
        return TimesLayer(window, numbers, request.time)
    strips = None if window.roll else _strips(variable.source, dataset)
    if strips is None:
        return window
    size = Path(variable.source).stat().st_size
    if strips.end > size:
        raise RasterError(f"is cut: its last strip ends at byte {strips.end:,}, the file at {size:,}", where=where)
    return FileLayer(window.grid, window.stored, strips, Path(variable.source), where)


def _each(variable: Variable, dataset: Any, request: BandRequest, found: list[Field], where: str) -> EachLayer:
    """Return the layers of all times of a band. Raises RasterError for a field without a time."""
    numbers = {field.time: field.number for field in found if field.time}
    if len(numbers) < len(found):
        raise RasterError(f"has no times for {request.shown}, and each is asked for", where=where)
    if len(found) > MOST_TIMES:
        raise RasterError(f"has {len(found):,} times: each of at most {MOST_TIMES:,} is measured", where=where)
    return EachLayer({time: _window(variable, dataset, request, number, where) for time, number in numbers.items()})


def _window(variable: Variable, dataset: Any, request: BandRequest, number: int, where: str) -> WindowLayer:
    """Return one band of an open dataset as a layer."""
    if np.dtype(dataset.dtypes[number - 1]).kind not in "uif":
        raise RasterError(f"has values of type {dataset.dtypes[number - 1]}: expected real numbers", where=where)
    grid, roll = rolled(request.place.grid(dataset, where))
    stored, block = request.stored(dataset, number, where), _block(dataset, number, where)
    masked = MaskFlags.per_dataset in dataset.mask_flag_enums[number - 1]
    return WindowLayer(grid, stored, variable.source, variable.driver, number, block, where, masked, roll)


def _strips(path: Path | str, dataset: Any) -> Strips | None:
    """Return where the rows of a file on disk lie; None where only the library can read it."""
    if dataset.driver != "GTiff" or dataset.count > 1 or not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        try:
            strips = read_strips(Head(file.read))
        except NotPlain:
            return None
    return strips if strips.fits(dataset) else None


def _block(dataset: Any, number: int, where: str) -> tuple[int, int]:
    """Return rows and columns of a block. Raises RasterError for one that needs too much memory when it is unpacked."""
    rows, columns = dataset.block_shapes[number - 1]
    bands = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    size = rows * columns * bands * np.dtype(dataset.dtypes[number - 1]).itemsize
    if size > BLOCK_BYTES:
        raise RasterError(
            f"has blocks of {rows:,} x {columns:,} pixels and {size:,} bytes: expected at most {BLOCK_BYTES:,}",
            where=where,
        )
    return rows, columns
