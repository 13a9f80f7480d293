"""Zonal statistics of a data set, by the kernel of `pileus.zonal`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, Dataset

from pileus.documents.collection import Coverage
from pileus.errors import DocumentError, UsageError
from pileus.raster.grid import Grid
from pileus.raster.packed import pack
from pileus.statistics import need_percentiles, statistic_of
from pileus.stratus.axes import is_longitude, needed
from pileus.zonal.accumulators import Accumulators
from pileus.zonal.cache import fetch_index
from pileus.zonal.columns import statistics
from pileus.zonal.validity import Validity
from pileus.zonal.zones import Zones

WGS84 = "EPSG:4326"
EVEN = 1e-3
"""Share of a step by which the steps of a coordinate may differ."""


def zonal_statistics(
    data: Dataset, zones: Zones, stats: Sequence[str], *, coverage: Coverage, weighted: bool
) -> Dataset:
    """Return `VARIABLE_STATISTIC` for each variable on the grid, on a dimension `zone` in place of both of the grid.

    Raises DocumentError for unknown statistics, and for coordinates that are no grid; ZonesError.
    """
    try:
        units = {stat: statistic_of(stat).unit for stat in stats}
    except UsageError as error:
        raise DocumentError(f"stats: {error.message}") from error
    rows, columns = needed(data, "lat"), needed(data, "lon")
    data = _eastwards(data, columns)
    grid = Grid(
        data.sizes[columns], data.sizes[rows], *_start(data[columns]), *_start(data[rows]), _system(data, columns)
    )
    grid = Grid(grid.width, grid.height, grid.west, grid.dx, grid.north, grid.dy, grid.crs)
    index = fetch_index(zones, grid, coverage, None, threads=1)[0]
    areas, kept = grid.cell_areas(), need_percentiles(stats)
    found: dict[str, DataArray] = {}
    for name, array in data.data_vars.items():
        if not {rows, columns} <= set(array.dims) or array.dtype.kind not in "iufb":
            continue
        others = [dim for dim in array.dims if dim not in (rows, columns)]
        values = array.transpose(*others, rows, columns)
        values = values if array.dtype in (np.float32, np.float64) else values.astype(np.float64)
        shape = tuple(values.sizes[dim] for dim in others)
        made = {stat: np.empty((*shape, len(zones))) for stat in stats}
        for place in np.ndindex(shape):
            accumulators = Accumulators(index, areas, Validity(), weighted, kept)
            for stat, column in _measured(accumulators, values[place].values, stats).items():
                made[stat][place] = column
        unit = str(array.attrs.get("units", ""))
        for stat, filled in made.items():
            told = {**array.attrs, "units": units[stat].replace("{unit}", unit).strip()}
            found[f"{name}_{stat}"] = DataArray(filled, dims=(*others, "zone"), attrs=told)
    if not found:
        raise DocumentError(f"there is no variable of numbers on {rows} and {columns}")
    coordinates = {name: one for name, one in data.coords.items() if not {rows, columns} & set(one.dims)}
    named = {"zone": list(zones.ids), "zone_name": ("zone", list(zones.names))}
    return Dataset(found, {**coordinates, **named}, data.attrs)


def _measured(accumulators: Accumulators, values: NDArray[Any], stats: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return a column of each statistic, with a value per zone."""
    needed_pixels = accumulators.index.needed
    for band in needed_pixels.bands():
        first, last = needed_pixels.rows(band)
        accumulators.add(band, pack(needed_pixels, band, np.ascontiguousarray(values[first:last]), first), None)
    found = accumulators.result("", None, "")
    columns = statistics(found.acc, found.totals, found.whole, found.samples, stats)
    return {stat: column.to_numpy(zero_copy_only=False) for stat, column in columns.items()}


def _eastwards(data: Dataset, columns: str) -> Dataset:
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
    if not step or not np.all(np.abs(steps - step) <= abs(step) * EVEN):
        raise DocumentError(f"{coordinate.name} has no even steps, so its cells are no grid")
    return float(values[0]) - step / 2, step


def _system(data: Dataset, columns: str) -> str:
    """Return the coordinate reference system."""
    if is_longitude(data[columns]):
        return str(data.attrs.get("crs", WGS84))
    if "crs" in data.attrs:
        return str(data.attrs["crs"])
    raise DocumentError(f"{columns} is in no degrees, and the data do not name their coordinate reference system")
