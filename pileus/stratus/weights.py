"""Weights of cells by their area."""

from collections.abc import Sequence

import numpy as np
from xarray import DataArray, Dataset

from pileus.errors import DocumentError
from pileus.stratus.axes import needed


def area_weights(data: Dataset, along: Sequence[str]) -> DataArray:
    """Return the cosine of the latitude of each row, which on a sphere is as the area of its cells.

    Raises DocumentError where the latitude is not one of the dimensions `along`, or is not in degrees.
    """
    latitude = needed(data, "lat")
    if latitude not in along:
        raise DocumentError(f"weighted: the latitude, {latitude}, is not one of the axes {', '.join(along)}")
    degrees = data[latitude]
    if latitude not in data.coords or degrees.dtype.kind not in "iuf" or float(np.abs(degrees).max()) > 90.001:
        raise DocumentError(f"weighted: {latitude} holds no degrees from -90 to 90")
    return DataArray(np.cos(np.radians(degrees.values.astype(np.float64))).clip(0), {latitude: degrees}, latitude)
