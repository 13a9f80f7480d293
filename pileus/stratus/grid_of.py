"""The grid of a data set: cells of even steps, whose middles are the coordinates."""

import numpy as np
from xarray import DataArray, Dataset

from pileus.errors import DocumentError
from pileus.raster.grid import Grid
from pileus.stratus.axes import is_longitude

WGS84 = "EPSG:4326"
EVEN = 1e-3
"""Share of a step by which the steps of a coordinate may differ."""


def grid_of(data: Dataset, rows: str, columns: str) -> Grid:
    """Return the grid of two dimensions.

    Raises DocumentError for steps that differ, and where the coordinates are in no degrees and `crs` of the attributes
    does not say their system.
    """
    west, dx = _start(data[columns].sortby(columns))
    north, dy = _start(data[rows])
    return Grid(data.sizes[columns], data.sizes[rows], west, north, dx, dy, _system(data, columns))


def eastwards(data: Dataset, columns: str) -> Dataset:
    """Return the data from west to east, with longitudes from -180 to 180, where zones have theirs."""
    values = data[columns].values.astype(np.float64)
    if is_longitude(data[columns]) and values.size and values.max() > 180:
        attributes = dict(data[columns].attrs)
        data = data.assign_coords({columns: (columns, (values + 180) % 360 - 180, attributes)})
    return data.sortby(columns)


def _start(coordinate: DataArray) -> tuple[float, float]:
    """Return the outer edge of the first cell, and the step. Raises DocumentError for steps that differ."""
    values = coordinate.values.astype(np.float64)
    steps = np.diff(values)
    step = float(steps.mean()) if steps.size else 0.0
    if coordinate.name not in coordinate.coords or not step or not np.all(np.abs(steps - step) <= abs(step) * EVEN):
        raise DocumentError(f"{coordinate.name} has no even steps, so its cells are no grid")
    return float(values[0]) - step / 2, step


def _system(data: Dataset, columns: str) -> str:
    """Return the coordinate reference system."""
    if is_longitude(data[columns]):
        return str(data.attrs.get("crs", WGS84))
    if "crs" in data.attrs:
        return str(data.attrs["crs"])
    raise DocumentError(f"{columns} is in no degrees, and the data do not name their coordinate reference system")
