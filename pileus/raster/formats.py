"""Raster formats: which files hold rasters, and how each kind is opened.

A new format is one file with a function that opens a `Layer`, and one `register(Format(...))`. Files with an ending
that is not registered are opened by rasterio; inside archives only registered endings are taken for rasters.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from numpy.typing import NDArray

from pileus.errors import UsageError
from pileus.raster.grid import Grid, Needed
from pileus.raster.layers import open_file
from pileus.raster.stored import Stored


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
    open: Callable[[Path | str, str | None, str], Layer]
    """Opens one band: the file's path, the band (None: the only one) and the name for errors. Raises RasterError."""


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


def open_layer(path: Path | str, band: str | None, where: str) -> Layer:
    """Open one band of a raster file. `band`: None for the only one, a number from 1, or a description.

    Raises RasterError.
    """
    format = format_of(str(path))
    return (format.open if format else open_file)(path, band, where)


def stem_of(name: str) -> str:
    """Return a file's name without folder and without the ending of its format.

    >>> stem_of("a/b.avg_rade9h.tif")
    'b.avg_rade9h'
    """
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if format_of(path.name) else path.name


def named_band(name: str) -> str | None:
    """Return the band that a file's name tells: the last part of NAME.BAND.tif, when it begins with a letter.

    >>> named_band("SVDNB_npp_x.avg_rade9h.tif"), named_band("chirps-v2.0.2015.01.tif"), named_band("nine.tif")
    ('avg_rade9h', None, None)
    """
    _, dot, last = stem_of(name).rpartition(".")
    return last if dot and last[:1].isalpha() else None


def band_of(name: str, wanted: Iterable[str]) -> str | None:
    """Return which of the wanted bands a file holds: NAME.BAND.tif, NAME_BAND.tif or BAND.tif.

    >>> band_of("SVDNB_npp_x.avg_rade9h.tif", ["avg_rade9h", "cf_cvg"])
    'avg_rade9h'
    """
    stem = stem_of(name)
    fitting = [band for band in wanted if stem == band or stem.endswith((f".{band}", f"_{band}"))]
    return max(fitting, key=len, default=None)


for _format in (Format("GeoTIFF", (".tif", ".tiff"), open_file),):
    register(_format)
