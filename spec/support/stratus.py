"""Operations and files of Stratus for specs: small whole numbers, so that every sum is exact."""

from pathlib import Path
from typing import Any

import numpy as np
from xarray import Dataset, load_dataset

from pileus.endpoint import endpoint
from pileus.stratus.endpoints import Endpoints
from pileus.stratus.request import StratusRequest


def grid(start: int = 1, **about: str) -> Dataset:
    """`tas` of two days, latitudes 1, 0, -1 and longitudes 0, 1, 2: 18 numbers from `start` on, in reading order."""
    values = np.arange(start, start + 18, dtype=np.float64).reshape(2, 3, 3)
    days = np.array(["2000-01-01", "2000-01-02"], "M8[ns]")
    return Dataset(
        {"tas": (("time", "lat", "lon"), values, {"units": "K", **about})},
        {"time": days, "lat": [1.0, 0.0, -1.0], "lon": [0.0, 1.0, 2.0]},
    )


def saved(data: Dataset, path: Path) -> Path:
    """The data set as a NetCDF4 file."""
    data.to_netcdf(path, engine="h5netcdf")
    return path


def read(path: Path) -> Dataset:
    """What a file holds."""
    return load_dataset(path, engine="h5netcdf")


def request(*operations: dict[str, Any], inputs: Any = ("v0",), **more: Any) -> StratusRequest:
    """A request over inputs that are files."""
    listed = [one if isinstance(one, dict) else {"name": one, "uri": f"file:{one}"} for one in inputs]
    return StratusRequest.from_json({"operation": list(operations), "input": listed, **more})


@endpoint("alu*")
def add(first: Dataset, *others: Dataset) -> Dataset:
    """Sum of data sets."""
    for one in others:
        first = first + one
    return first


@endpoint("alu*")
def scale(data: Dataset, *, times: int) -> Dataset:
    """Multiple of a data set."""
    return data * times


@endpoint("alu*")
def turn(data: Dataset) -> Dataset:
    """The same values, the first latitude last."""
    return data.isel(lat=slice(None, None, -1)).assign_coords(lat=data.lat.values)


@endpoint("cut*")
def first(data: Dataset) -> Dataset:
    """The first day alone."""
    return data.isel(time=[0]) if "time" in data.sizes else data


@endpoint("cut*")
def total(data: Dataset) -> Dataset:
    """Sum of all days."""
    return data.sum("time") if "time" in data.sizes else data


ALL = Endpoints.of([add, scale, turn, first, total])
