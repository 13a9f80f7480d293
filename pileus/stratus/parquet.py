"""A result as a table: a row for each cell, with the coordinates and the variables as columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from xarray import DataArray, Dataset

from pileus.errors import UsageError
from pileus.stratus.axes import holds_moments

ROWS = 250_000
"""Most rows that are made at one time."""


def write_parquet(data: Dataset, path: Path) -> None:
    """Write a row for each cell of all dimensions of a result, in their order: a column for each dimension, each
    coordinate along them and each variable. A variable without a dimension has its value in each row of it; what is no
    number is null. Raises UsageError for names that two columns would have.
    """
    dims = [str(name) for name in data.sizes]
    columns = [*dims, *(str(name) for name in data.variables if name not in dims)]
    writer: pq.ParquetWriter | None = None
    try:
        for block in _blocks(data, dims):
            shape = tuple(block.sizes[name] for name in dims)
            table = pa.table({name: _column(block, name, dims, shape) for name in columns})
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise UsageError(f"the result has no form of a table: {str(error).splitlines()[0]}") from error
    finally:
        if writer is not None:
            writer.close()


def _blocks(data: Dataset, dims: list[str]) -> Iterator[Dataset]:
    """Return a data set in parts of at most ROWS cells, in the order of its rows; one part of an empty one."""
    cells = int(np.prod([data.sizes[name] for name in dims], dtype=np.int64)) if dims else 1
    if cells <= ROWS or not dims:
        yield data
        return
    name, rest = dims[0], dims[1:]
    inner = cells // data.sizes[name]
    if inner > ROWS and rest:
        for place in range(data.sizes[name]):
            yield from _blocks(data.isel({name: slice(place, place + 1)}), rest)
        return
    step = max(1, ROWS // max(1, inner))
    for start in range(0, data.sizes[name], step):
        yield data.isel({name: slice(start, start + step)})


def _column(data: Dataset, name: str, dims: list[str], shape: tuple[int, ...]) -> pa.Array:
    """Return a value for each cell of a variable, a coordinate, or a dimension that has none: its positions."""
    array = data[name] if name in data.variables else DataArray(np.arange(data.sizes[name]), dims=[name])
    placed = array.transpose(*(dim for dim in dims if dim in array.dims))
    at = tuple(slice(None) if dim in placed.dims else np.newaxis for dim in dims)
    values = np.broadcast_to(placed.values[at], shape).ravel()
    return _typed(values, moments=holds_moments(array))


def _typed(values: Any, *, moments: bool) -> pa.Array:
    kind = values.dtype.kind
    if kind == "M":
        return pa.array(values.astype("M8[us]"), pa.timestamp("us"))
    if moments:  # of a calendar of its own
        return pa.array([one.isoformat() for one in values], pa.string())
    if kind == "m":
        return pa.array(values.astype("m8[us]"), pa.duration("us"))
    if kind == "f":
        values = values if values.dtype.itemsize in (4, 8) else values.astype(np.float64)
        return pa.array(values, mask=np.isnan(values))
    return pa.array(values if kind in "iub" else [str(one) for one in values])
