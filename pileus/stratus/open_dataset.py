"""Open: a file becomes a data set, whose values are read when they are needed."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray
from xarray import Dataset

from pileus.errors import DocumentError
from pileus.raster.signatures import HDF5, KINDS
from pileus.stratus.raster_dataset import open_raster

CLASSIC = (b"CDF\x01", b"CDF\x02")
RASTERS = tuple(kind for kind in KINDS if kind.name in ("GeoTIFF", "GRIB", "JPEG 2000"))


@contextmanager
def open_dataset(path: Path, what: str) -> Iterator[Dataset]:
    """Yield the data set of a file, by its first bytes: NetCDF4, NetCDF3 where a library for it is there, GeoTIFF,
    GRIB or JPEG 2000. It cannot be read after.

    `what`: of whom is spoken. Raises DocumentError for what cannot be opened.
    """
    head = _head(path, what)
    if kind := next((one for one in RASTERS if head.startswith(one.starts)), None):
        with open_raster(path, kind, what) as data:
            yield data
        return
    with _opened(path, _engine(head, what), what) as data:
        yield data


def _opened(path: Path, engine: Any, what: str) -> Dataset:
    try:
        return xarray.open_dataset(path, engine=engine, decode_timedelta=None, cache=False)
    except MemoryError:
        raise
    except Exception as error:
        raise DocumentError(f"{what}: cannot be opened as NetCDF: {_line(error)}") from error


def _engine(head: bytes, what: str) -> str:
    if head.startswith(HDF5):
        return "h5netcdf"
    if head.startswith(CLASSIC):
        for engine, module in (("scipy", "scipy"), ("netcdf4", "netCDF4")):
            if importlib.util.find_spec(module):
                return engine
        raise DocumentError(f"{what}: is NetCDF3, which needs `pip install scipy`; NetCDF4 is read without")
    raise DocumentError(f"{what}: expected NetCDF, GeoTIFF, GRIB or JPEG 2000: it begins with {head[:8]!r}")


def _head(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise DocumentError(f"{what}: cannot be read: {error.strerror}") from error


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
