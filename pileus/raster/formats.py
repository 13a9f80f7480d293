"""Raster formats: which files hold rasters, and how each kind is opened.

A new format is one file with a function that opens a `Layer`, and one `register(Format(...))`. Files with an ending
that is not registered are opened by rasterio; inside archives only registered endings are taken for rasters.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from numpy.typing import NDArray

from pileus.errors import RasterError, UsageError
from pileus.raster.grid import Grid, Needed
from pileus.raster.opening import open_bands
from pileus.raster.request import BandRequest
from pileus.raster.signatures import KINDS, Kind
from pileus.raster.stored import Stored
from pileus.raster.times_layer import EachLayer


class Layer(Protocol):
    """One band of a raster file. May be read by several threads at once, through one opened handle."""

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""
        ...

    @property
    def stored(self) -> Stored:
        """Which values its numbers stand for, and which number does not count."""
        ...

    @property
    def engine(self) -> str:
        """One word that says how it is read, for the notes of a run."""
        ...

    def open(self) -> AbstractContextManager[Any]:
        """Open what `read` is given as `handle`."""
        ...

    def units(self, needed: Needed) -> list[list[int]]:
        """Yield the needed strips of 64 rows, in groups that are best read together."""
        ...

    def read(self, handle: Any, needed: Needed, unit: list[int]) -> list[NDArray[Any]]:
        """Return the needed pixels of each strip of a unit; `packed.pack` makes them of rows. Raises RasterError."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of raster file."""

    name: str
    """Name for messages."""
    endings: tuple[str, ...]
    """Of its files' names, in lower case, with the dot."""
    open: Callable[[Path | str, str | None, str], Layer] | None = None
    """Opens one band: the file's path, the band (None: the only one) and the name for errors. Raises RasterError.
    None: rasterio opens it."""
    named: bool = False
    """Whether each of its fields has a name of its own."""


REGISTERED: dict[str, Format] = {}
"""By ending."""


def register(format: Format) -> None:
    """Add a format. Raises UsageError when one of its endings is taken."""
    for ending in format.endings:
        if ending in REGISTERED:
            raise UsageError(f"files {ending} are {REGISTERED[ending].name} already: choose another ending")
    REGISTERED.update(dict.fromkeys(format.endings, format))


def format_of(name: str) -> Format | None:
    """Return the format of a file by the ending of its name; None for an ending that is not registered."""
    return REGISTERED.get(PurePosixPath(name.replace("\\", "/")).suffix.lower())


def open_rasters(
    path: Path | str, requests: Mapping[str, BandRequest], where: str, kind: Kind | None = None
) -> dict[str, Layer | EachLayer]:
    """Return layers over those of the wanted bands that a file holds; at least one. `kind`: of a file in memory.

    Raises RasterError.
    """
    format = format_of(str(path))
    if format is None or format.open is None:
        return dict(open_bands(path, requests, where, kind))
    (band, request), *more = requests.items()
    if more:
        raise RasterError(f"is {format.name}, which is told apart by its name alone: expected NAME.BAND", where=where)
    layer = format.open(path, None if request.lone else request.path or request.name, where)
    return {band: Told(layer, request.of(layer.stored))}


@dataclass(frozen=True)
class Told:
    """A layer whose numbers stand for what a collection says."""

    layer: Layer
    stored: Stored

    @property
    def grid(self) -> Grid:
        return self.layer.grid

    @property
    def engine(self) -> str:
        return self.layer.engine

    def open(self) -> AbstractContextManager[Any]:
        """Open what `read` is given as `handle`."""
        return self.layer.open()

    def units(self, needed: Needed) -> list[list[int]]:
        """Yield the needed strips of 64 rows, in groups that are best read together."""
        return self.layer.units(needed)

    def read(self, handle: Any, needed: Needed, unit: list[int]) -> list[NDArray[Any]]:
        """Return the needed pixels of each strip of a unit. Raises RasterError."""
        return self.layer.read(handle, needed, unit)


GEOTIFF = Format("GeoTIFF", (".tif", ".tiff"))
register(GEOTIFF)
for _kind in KINDS:
    _endings = tuple(ending for ending in _kind.endings if ending not in REGISTERED)
    register(Format(_kind.name, _endings, named=_kind.named))
