"""The forms of a result: the NetCDF file itself, JSON, Parquet or GeoTIFF."""

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray, Dataset

from pileus.errors import UsageError
from pileus.stratus.axes import holds_moments
from pileus.stratus.geotiff import write_geotiff
from pileus.stratus.open_dataset import open_dataset
from pileus.stratus.parquet import write_parquet
from pileus.stratus.service import FORMS, GEOTIFF, JSON, NETCDF, PARQUET

PIECE = 1 << 20
"""Bytes of a piece."""
MOST_VALUES = 1_000_000
"""Values of a result that JSON may have."""


def write_form(path: Path, form: str) -> Iterator[bytes]:
    """Return a result, a NetCDF4 file of `operate`, in one of FORMS, piece by piece.

    Raises UsageError for another form, and for a result that has not this form, with the one that it has: before the
    first piece.
    """
    if form not in FORMS:
        raise UsageError(f"there is no form {form[:80]!r}: there are {', '.join(FORMS)}")
    if form == NETCDF:
        return _pieces(path)
    if form == JSON:
        with open_dataset(path, "the result") as data:
            text = json.dumps(as_json(data), allow_nan=False).encode()
        return iter([text])
    return _made(path, WRITERS[form])


WRITERS: Mapping[str, Callable[[Dataset, Path], None]] = {PARQUET: write_parquet, GEOTIFF: write_geotiff}


def _made(path: Path, write: Callable[[Dataset, Path], None]) -> Iterator[bytes]:
    """Return the bytes of a file that is made of a result, and gone at the end."""
    folder = tempfile.TemporaryDirectory(prefix="pileus-form-")
    made = Path(folder.name) / "result"
    try:
        with open_dataset(path, "the result") as data:
            write(data, made)
    except BaseException:
        folder.cleanup()
        raise

    def pieces() -> Iterator[bytes]:
        with folder:
            yield from _pieces(made)

    return pieces()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def as_json(data: Dataset) -> dict[str, Any]:
    """Return `dims`, `coords`, `data_vars` and `attrs` as JSON can hold them: null for what is no number, moments in
    ISO 8601. Raises UsageError for a result of more than MOST_VALUES.
    """
    values = sum(int(one.size) for one in data.variables.values())
    if values > MOST_VALUES:
        raise UsageError(
            f"the result has {values:,} values, and JSON is for up to {MOST_VALUES:,}: ask for {NETCDF} or {PARQUET}"
        )
    return {
        "dims": {str(name): int(size) for name, size in data.sizes.items()},
        "coords": {str(name): _array(one) for name, one in data.coords.items()},
        "data_vars": {str(name): _array(one) for name, one in data.data_vars.items()},
        "attrs": _attributes(data.attrs),
    }


def _array(array: DataArray) -> dict[str, Any]:
    return {
        "dims": [str(name) for name in array.dims],
        "dtype": str(array.dtype),
        "units": str(array.attrs.get("units", "")),
        "attrs": _attributes(array.attrs),
        "values": _values(array),
    }


def _values(array: DataArray) -> Any:
    if array.size and holds_moments(array):
        found = array.values
        if array.dtype.kind == "M":
            return _where(np.asarray(np.datetime_as_string(found.astype("M8[us]"))), ~np.isnat(found))
        return np.vectorize(lambda one: one.isoformat(), otypes=[object])(found).tolist()
    if array.dtype.kind == "f":
        return _where(array.values, np.isfinite(array.values))
    if array.dtype.kind == "m":
        seconds = array.values / np.timedelta64(1, "s")
        return _where(seconds, np.isfinite(seconds))
    return array.values.tolist() if array.dtype.kind in "iub" else array.values.astype(str).tolist()


def _where(values: NDArray[Any], good: Any) -> Any:
    """Return values as lists, None where they are not good."""
    found = values.astype(object)
    found[~good] = None
    return found.tolist()


def _attributes(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): _attribute(value) for name, value in attributes.items()}


def _attribute(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_attribute(one) for one in value.tolist()]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)
