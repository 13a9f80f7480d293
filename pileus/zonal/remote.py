"""Files that are not whole here: their beginning, their directories and the pixels that zones need are fetched.

Files that are not read in parts (archives, netCDF, HDF5, GRIB) are fetched whole.
"""

from pileus.raster.byte_ranges import HEAD, NoTiff, directories, is_ranged, needed_ranges
from pileus.raster.formats import Layer
from pileus.raster.grid import Needed
from pileus.zonal.source import Source

WHOLE = [(0, 1 << 62)]
"""Every byte of a file."""


def begin(source: Source) -> None:
    """Fetch what opening a source reads. Raises what fetching raises."""
    if source.bring is None or source.path is None:
        return
    source.bring([(0, HEAD)])
    with source.path.open("rb") as file:
        head = file.read(16)
    try:
        if not is_ranged(head):
            raise NoTiff
        directories(source.path, source.bring)
    except NoTiff:
        source.bring(WHOLE)


def bring_pixels(source: Source, layer: Layer, needed: Needed) -> None:
    """Fetch what reading some pixels of a layer reads. Raises what fetching raises."""
    if source.bring is None or source.path is None:
        return
    try:
        source.bring(needed_ranges(layer, needed, directories(source.path, source.bring)))
    except NoTiff:
        source.bring(WHOLE)
