"""The rasters that gippy measures: the pixels of one group that zones touch, written while the group is read.

gippy never opens a file of a provider. It gets GeoTIFFs with the same values on the same grid, whatever the format
was, and the zones in the grid's coordinate system.
"""

import json
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from pileus.documents import Process
from pileus.errors import RasterError
from pileus.raster.grid import Grid, Needed
from pileus.raster.stored import Stored, physical
from pileus.zonal import Source, Zones
from pileus.zonal.compile import compile_index, on_grid

FOLDER = "gippy"
"""Name of the folder on the scratch volume."""
KINDS = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Types of numbers that gippy reads; others become float64."""


def paths_of(scratch: Path, source: int, band: int) -> tuple[Path, Path]:
    """Return where the raster of a source's band lies, and its zones. They are there only if the source has them."""
    return scratch / FOLDER / f"{source}_{band}.tif", scratch / FOLDER / f"{source}_{band}.geojson"


class GippyRasters:
    """Writes the rasters: an `Observer`. `reading` must be called with the name of each source before it is opened."""

    def __init__(self, sources: Sequence[Source], process: Process, zones: Zones, scratch: Path) -> None:
        self.notes: list[str] = []
        self._process, self._zones, self._scratch = process, zones, scratch
        self._numbers = {source.name: number for number, source in enumerate(sources)}
        self._source = ""
        self._grid: Grid | None = None
        self._needed: Needed | None = None
        self._stored = Stored()
        self._path = Path()
        self._file: Any = None
        self._one = threading.Lock()
        shutil.rmtree(scratch / FOLDER, ignore_errors=True)  # an earlier try may have left it
        (scratch / FOLDER).mkdir()

    @property
    def scratch_bytes(self) -> int:
        """Return the bytes that lie in the folder."""
        return sum(path.stat().st_blocks * 512 for path in (self._scratch / FOLDER).iterdir())

    def reading(self, name: str) -> None:
        """Take the name of the source that is opened next."""
        self._source = name

    def needed(self, band: str, grid: Grid, stored: Stored, where: str) -> Needed:
        """Begin the raster of a layer, and return which of its pixels zones touch. Raises RasterError."""
        if grid.dy > 0:
            raise RasterError("has its rows from south to north, which gippy does not read", where=where)
        self.close()
        source = self._numbers.get(where, self._numbers.get(self._source, 0))
        self._path, zones = paths_of(self._scratch, source, self._process.bands.index(band))
        if self._needed is None or self._grid != grid:
            self._grid, self._needed = grid, compile_index(self._zones, grid, "all_touched").needed
        zones.write_text(json.dumps(_features(self._zones, grid)))
        self._stored = stored
        return self._needed

    def take(self, _band: str, grid: Grid, _number: int, first: int, rows: NDArray[Any]) -> None:
        """Write the pixels of one band of rows."""
        values = physical(rows, self._stored)
        if values.dtype.name not in KINDS:
            values = values.astype(np.float64)
        with self._one:
            if self._file is None:
                self._file = _begin(self._path, grid, values.dtype.name)
            self._file.write(values, 1, window=Window(0, first, grid.width, len(values)))

    def close(self) -> None:
        """Finish the raster that was begun last."""
        if self._file is not None:
            self._file.close()
        self._file = None


def _begin(path: Path, grid: Grid, kind: str) -> Any:
    place = Affine(grid.dx, 0, grid.west, 0, grid.dy, grid.north)
    how = {"crs": CRS.from_user_input(grid.crs), "transform": place, "BIGTIFF": "IF_SAFER", "SPARSE_OK": "TRUE"}
    return rasterio.open(path, "w", driver="GTiff", width=grid.width, height=grid.height, count=1, dtype=kind, **how)


def _features(zones: Zones, grid: Grid) -> dict[str, Any]:
    """Return the zones that meet a grid as GeoJSON in its coordinate system, each with its number."""
    shapes = on_grid(zones, grid)
    meet = np.flatnonzero(shapely.intersects(shapely.box(*grid.bounds), shapes))
    features = [
        {"type": "Feature", "properties": {"id": int(zone)}, "geometry": shapely.geometry.mapping(shapes[zone])}
        for zone in meet
    ]
    return {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": grid.crs}},
        "features": features,
    }
