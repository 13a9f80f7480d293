"""One value of all along some dimensions, with or without weights of cells by their area."""

from collections.abc import Callable, Sequence

import numpy as np
from xarray import DataArray, Dataset

from pileus.errors import DocumentError
from pileus.stratus.axes import needed

Reduce = Callable[[DataArray, list[str]], DataArray]


def reduced(data: Dataset, along: Sequence[str], reduce: Reduce) -> Dataset:
    """Return the data set without the dimensions `along`. `reduce` is called with each variable of numbers that has
    some of them, and with those; variables that have none stay as they are, others of no numbers are left out.
    """
    found: dict[str, DataArray] = {}
    for name, array in data.data_vars.items():
        dims = [dim for dim in along if dim in array.dims]
        if not dims:
            found[str(name)] = array
        elif array.dtype.kind in "iufb":
            found[str(name)] = reduce(array, dims).assign_attrs(array.attrs)
    kept = {name: one for name, one in data.coords.items() if not set(along) & set(one.dims)}
    return Dataset(found, kept, data.attrs)


def weighted_mean(data: Dataset, along: Sequence[str]) -> Dataset:
    """Return the mean along dimensions, each row weighed by the cosine of its latitude: on a sphere, by the area of its
    cells.

    Raises DocumentError where the latitude is not one of the dimensions, or is not in degrees.
    """
    latitude = needed(data, "lat")
    if latitude not in along:
        raise DocumentError(f"weighted: the latitude, {latitude}, is not one of the axes {', '.join(along)}")
    degrees = data[latitude]
    if latitude not in data.coords or degrees.dtype.kind not in "iuf" or float(np.abs(degrees).max()) > 90.001:
        raise DocumentError(f"weighted: {latitude} holds no degrees from -90 to 90")
    weights = DataArray(np.cos(np.radians(degrees.values.astype(np.float64))).clip(0), {latitude: degrees}, latitude)

    def mean(array: DataArray, dims: list[str]) -> DataArray:
        return array.weighted(weights).mean(dims) if latitude in dims else array.mean(dims)

    return reduced(data, along, mean)
