"""What a raster file is, told by its first bytes before a library sees it.

GDAL has many drivers whose files name other files, servers and URLs, which it then reads and asks. So a file is opened
by the drivers of its own kind alone, and what is of no kind listed here is opened by none.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pileus.errors import RasterError

HEAD = 16
"""Bytes that tell the kind."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of raster file."""

    name: str
    starts: tuple[bytes, ...]
    """What its files may begin with."""
    driver: str
    """GDAL's driver for it; empty where this build has none."""
    inner: str = ""
    """GDAL's driver for one variable of it, where a file holds several."""
    named: bool = False
    """Whether each of its fields has a name of its own, so that a file of one is not simply that."""
    endings: tuple[str, ...] = ()
    """Endings that its files must have, in lower case: whoever names such files in a collection expects the kind.
    Empty: any. Only GeoTIFF, which every collection may hold, opens whatever its name."""


HDF5 = b"\x89HDF\r\n\x1a\n"
GEOTIFF = Kind("GeoTIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "GTiff")
KINDS = (
    GEOTIFF,
    Kind("netCDF", (b"CDF\x01", b"CDF\x02", b"CDF\x05"), "netCDF", "netCDF", True, (".nc", ".nc3", ".cdf")),
    Kind("netCDF 4", (HDF5,), "netCDF", "netCDF", True, (".nc4", ".nc")),
    Kind("HDF5", (HDF5,), "HDF5", "HDF5Image", False, (".h5", ".he5", ".hdf5", ".hdf")),
    Kind("GRIB", (b"GRIB",), "GRIB", "", True, (".grib", ".grib2", ".grb", ".grb2", ".grb1", ".grib1")),
    Kind("JPEG 2000", (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), "JP2OpenJPEG", "", False, (".jp2", ".j2k")),
)
HDF4 = b"\x0e\x03\x13\x01"


def refuse_unreadable(name: str, head: bytes) -> None:
    """Raise RasterError for a file that begins as one of a kind for which this build has no driver."""
    if head.startswith(HDF4):
        raise RasterError("is HDF4, for which this build has no driver: convert it to netCDF or GeoTIFF", where=name)


def kind_of(path: Path, where: str) -> Kind:
    """Return the kind of a file. Raises RasterError for one that cannot be read, or is of no kind that is listed."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as exc:
        raise RasterError(f"cannot be read: {exc.strerror}", where=where) from exc
    except ValueError as exc:
        raise RasterError("cannot be read: it has no name of a file", where=where) from exc
    refuse_unreadable(where, head)
    alike = [kind for kind in KINDS if head.startswith(kind.starts)]
    if not alike:
        raise RasterError(f"is no raster of a known kind: expected {', '.join(k.name for k in KINDS)}", where=where)
    ending = PurePosixPath(path.name).suffix.lower()
    fitting = next((kind for kind in alike if not kind.endings or ending in kind.endings), None)
    if fitting is None:
        expected = ", ".join(ending for kind in alike for ending in kind.endings)
        raise RasterError(f"is {alike[0].name} under another name: expected it to end in {expected}", where=where)
    return fitting
