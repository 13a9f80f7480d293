"""A netCDF file of several days, written by a library of another house."""

from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np

STEPS = np.array([[[1, 10]], [[2, 20]], [[3, -1]], [[6, 40]]], "i2")
"""Four days of two pixels; -1 is nodata. Left: 1, 2, 3, 6. Right: 10, 20, none, 40."""


def series(
    path: Path, days: Any, *, factor: float = 1, units: str = "days since 2015-01-01", **attributes: str
) -> Path:
    """A file with the variable `rain` over two pixels, at `days` in `units`; `attributes`: of the times."""
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": len(days), "lat": 1, "lon": 2}
        for name, values, unit in (
            ("time", days, units),
            ("lat", [0.5], "degrees_north"),
            ("lon", [0.5, 1.5], "degrees_east"),
        ):
            made = file.create_variable(name, (name,), "f8")
            made[:], made.attrs["units"] = values, unit
        file["time"].attrs.update(attributes)
        rain = file.create_variable("rain", ("time", "lat", "lon"), "i2", fillvalue=np.int16(-1))
        rain[:] = STEPS[: len(days)]
        rain.attrs["scale_factor"], rain.attrs["units"] = factor, "mm"
    return path
