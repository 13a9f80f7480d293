"""Zonal statistics of a data set, by the kernel of `pileus.zonal`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, Dataset

from pileus.documents.collection import Coverage
from pileus.errors import DocumentError, UsageError
from pileus.raster.packed import pack
from pileus.statistics import need_percentiles, statistic_of
from pileus.stratus.axes import needed
from pileus.stratus.grid_of import eastwards, grid_of
from pileus.zonal.accumulators import Accumulators
from pileus.zonal.cache import fetch_index
from pileus.zonal.columns import statistics
from pileus.zonal.validity import Validity
from pileus.zonal.zones import Zones


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
    data = eastwards(data, columns)
    grid = grid_of(data, rows, columns)
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
