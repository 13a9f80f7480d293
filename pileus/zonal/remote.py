"""Files that are not whole here: their beginning, their directories and the pixels that zones need are fetched.

Files that are not read in parts (archives, netCDF, HDF5, GRIB) are fetched whole.
"""

from collections.abc import Sequence

from pileus.raster.byte_ranges import HEAD, Directory, NoTiff, directories, is_ranged, needed_ranges
from pileus.raster.formats import Layer
from pileus.raster.grid import Needed
from pileus.zonal.source import Source

WHOLE = [(0, 1 << 62)]
"""Every byte of a file."""


def begin(source: Source) -> list[Directory]:
    """Fetch what opening a source reads. Return its images, by which `bring_pixels` finds pixels.

    There are none where the file is whole after this. Raises what fetching raises.
    """
    if source.bring is None or source.path is None:
        return []
    source.bring([(0, HEAD)])
    with source.path.open("rb") as file:
        head = file.read(16)
    try:
        if is_ranged(head):
            return directories(source.path, source.bring)
    except NoTiff:
        pass
    source.bring(WHOLE)
    return []


def bring_pixels(source: Source, layer: Layer, needed: Needed, images: Sequence[Directory]) -> None:
    """Fetch what reading some pixels of a layer reads. `images`: what `begin` returned. Raises what fetching raises."""
    if source.bring is None or not images:
        return
    try:
        source.bring(needed_ranges(layer, needed, images))
    except NoTiff:
        source.bring(WHOLE)
