"""A domain cuts a data set: which cells lie within it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, Dataset

from pileus.errors import DocumentError
from pileus.stratus.axes import holds_moments, is_longitude, needed
from pileus.stratus.moments import PARTS, moment
from pileus.stratus.request import Axis, Domain

SLACK = 1e-3
"""Share of an axis's step by which a coordinate may lie outside a bound: 0.1 of float32 is greater than 0.1."""


def cut(data: Dataset, domain: Domain, what: str) -> Dataset:
    """Return the part of a data set that lies within a domain, both bounds included.

    Values of latitudes and levels may be given in either order. Of longitudes the first is west of the second, and the
    box may cross any meridian; what it gives is in its own longitudes, from west to east: of 170 to -170, from 170 to
    190. A moment that is given in part stands for all of it: until `2015-02` is until the end of February.

    `what`: of whom is spoken. Raises DocumentError for an axis that there is not, for what cannot be compared, and
    where no cell is left.
    """
    for axis, bounds in domain.axes.items():
        at = f"{what}: domain {domain.name}: {axis}"
        try:
            dimension = needed(data, axis)
        except DocumentError as error:
            raise DocumentError(f"{at}: {error.message}") from error
        coordinate = data[dimension]
        if bounds.system == "indices":
            data = _at(data, dimension, _by_index(coordinate.size, bounds, at))
        elif axis == "time":
            data = _at(data, dimension, _in_time(coordinate, bounds, at))
        elif axis == "lon" and is_longitude(coordinate):
            data = _in_longitude(data, dimension, bounds, at)
        else:
            data = _at(data, dimension, _in_values(coordinate, bounds, at))
        if not data.sizes[dimension]:
            raise DocumentError(f"{at}: no cell from {bounds.start} to {bounds.end}: {_reach(coordinate)}")
    return data


def nearest(data: Dataset, axis: str, value: float) -> Dataset:
    """Return the cells that are nearest to a value of an axis; the dimension stays, of one cell.

    Raises DocumentError for a value that lies more than half a step beyond the data.
    """
    dimension = needed(data, axis)
    coordinate = data[dimension]
    values, wanted, _, slack = _numbers(coordinate, Axis(value, value, "values"), axis)
    apart = np.abs(values - wanted)
    if axis == "lon" and is_longitude(coordinate):
        apart = np.minimum(apart % 360, -apart % 360)
    if np.isnan(apart).all():
        raise DocumentError(f"{axis}: its coordinate holds no numbers")
    place = int(np.nanargmin(apart))
    if slack and apart[place] > slack / SLACK * (0.5 + SLACK):
        raise DocumentError(f"{axis}: no cell at {value:g}: {_reach(coordinate)}")
    return data.isel({dimension: slice(place, place + 1)})


def _at(data: Dataset, dimension: str, positions: NDArray[np.intp]) -> Dataset:
    """Return the cells at some positions. Neighbours are a slice, which reads no more from a file than that."""
    if positions.size and positions[-1] - positions[0] + 1 == positions.size and (np.diff(positions) == 1).all():
        return data.isel({dimension: slice(int(positions[0]), int(positions[-1]) + 1)})
    return data.isel({dimension: positions})


def _by_index(size: int, bounds: Axis, at: str) -> NDArray[np.intp]:
    start, end = int(bounds.start), int(bounds.end)
    if start < 0 or end < start:
        raise DocumentError(f"{at}: expected positions from 0, the first not after the last, not {start} to {end}")
    return np.arange(min(start, size), min(end + 1, size))


def _numbers(coordinate: DataArray, bounds: Axis, at: str) -> tuple[NDArray[np.float64], float, float, float]:
    """Return the values of a coordinate, both bounds and the slack."""
    if coordinate.name not in coordinate.coords:
        raise DocumentError(f"{at}: {coordinate.name} has no coordinate: expected indices")
    if coordinate.dtype.kind not in "iuf":
        also = "timestamps or " if coordinate.dtype.kind in "MO" else ""
        raise DocumentError(f"{at}: its coordinate holds no numbers: expected {also}indices")
    values = coordinate.values.astype(np.float64)
    step = float(np.median(np.abs(np.diff(values)))) if values.size > 1 else 0.0
    start, end = float(bounds.start), float(bounds.end)
    if not (np.isfinite(start) and np.isfinite(end)):
        raise DocumentError(f"{at}: expected finite numbers")
    return values, start, end, step * SLACK


def _in_values(coordinate: DataArray, bounds: Axis, at: str) -> NDArray[np.intp]:
    values, start, end, slack = _numbers(coordinate, bounds, at)
    low, high = min(start, end), max(start, end)
    return np.flatnonzero((values >= low - slack) & (values <= high + slack))


def _in_longitude(data: Dataset, dimension: str, bounds: Axis, at: str) -> Dataset:
    coordinate = data[dimension]
    values, west, east, slack = _numbers(coordinate, bounds, at)
    if east < west:
        east += 360 * np.ceil((west - east) / 360)
    within = (values >= west - slack) & (values <= east + slack)
    turns = np.where(within, 0, np.floor((values - west + slack) / 360))
    turned = values - 360 * turns
    positions = np.flatnonzero(turned <= east + slack)
    positions = positions[np.argsort(turned[positions], kind="stable")]
    kept = _at(data, dimension, positions)
    if not turns[positions].any():
        return kept
    moved = turned[positions].astype(coordinate.dtype if coordinate.dtype.kind == "f" else np.float64)
    return kept.assign_coords({dimension: (dimension, moved, dict(coordinate.attrs))})


def _in_time(coordinate: DataArray, bounds: Axis, at: str) -> NDArray[np.intp]:
    if bounds.system == "values":
        return _in_values(coordinate, bounds, at)
    if not holds_moments(coordinate):
        raise DocumentError(f"{at}: its coordinate holds no moments: expected values or indices")
    start, end = moment(str(bounds.start), at), moment(str(bounds.end), at)
    return np.flatnonzero((_compared(coordinate, start) >= 0) & (_compared(coordinate, end) <= 0))


def _compared(coordinate: DataArray, bound: tuple[int, ...]) -> NDArray[np.int8]:
    """Return -1, 0 or 1 for each moment: before, within or after what is given. Of any calendar."""
    names = [name if name != "micro" else "microsecond" for name in PARTS[: len(bound)]]
    order = np.zeros(coordinate.size, np.int8)
    for name, value in zip(names, bound, strict=True):
        part = np.asarray(getattr(coordinate.dt, name).values)
        order = np.where(order == 0, np.sign(part - value).astype(np.int8), order)
    return order


def _reach(coordinate: DataArray) -> str:
    if not coordinate.size:
        return "there is none at all"
    first, last = coordinate.values[0], coordinate.values[-1]
    shown: list[Any] = [str(one).removesuffix(".000000000") for one in (first, last)]
    return f"the data reach from {shown[0]} to {shown[1]}"
