"""Results as NetCDF4: what a data set loses on the way, it loses at once, so that it is the same in memory and read."""

import os
import tempfile
from pathlib import Path
from typing import Any

from xarray import DataArray, Dataset

from pileus.errors import NoSpace, OperationFailed

RESERVED = ("_FillValue", "missing_value", "scale_factor", "add_offset", "coordinates", "calendar")
"""Attributes that say how values are stored. Those of a file that was read say nothing of a result."""
COMPRESSED = 1 << 20
"""Bytes from which on a variable is compressed."""


def plain(result: object, what: str) -> Dataset:
    """Return what a function returned as a data set without the way in which its inputs were stored: packed integers
    of an input are no reason to round a mean.

    Raises OperationFailed for what is no data set, and for names that a file cannot have.
    """
    if isinstance(result, DataArray):
        result = _named(result, what)
    if not isinstance(result, Dataset):
        raise OperationFailed(f"expected an xarray.Dataset, not {type(result).__name__}", where=what)
    result = result.drop_encoding()
    for name, variable in result.variables.items():
        if not isinstance(name, str) or not name or "/" in name:
            raise OperationFailed(f"a variable cannot be named {str(name)[:60]!r}", where=what)
        held = set(variable.attrs) & set(RESERVED)
        if held:
            result[name].attrs = {key: value for key, value in variable.attrs.items() if key not in held}
    return result


def _named(array: DataArray, what: str) -> Dataset:
    try:
        return array.to_dataset(name=array.name if array.name is not None else "result")
    except ValueError as error:
        raise OperationFailed(f"its result cannot be a data set: {error}", where=what) from error


def write(data: Dataset, path: Path, what: str) -> None:
    """Write a data set of `plain`. The file has its name when it is whole. Raises OperationFailed for values that
    NetCDF4 cannot hold, NoSpace.
    """
    encoding: dict[Any, dict[str, Any]] = {
        name: {"zlib": True, "complevel": 1, "shuffle": True}
        for name, one in data.variables.items()
        if one.nbytes >= COMPRESSED and one.dtype.kind in "iufb"
    }
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".result-", suffix=".part")
    os.close(number)
    temporary = Path(name)
    try:
        data.to_netcdf(temporary, engine="h5netcdf", format="NETCDF4", encoding=encoding)
        temporary.replace(path)
    except (TypeError, ValueError, KeyError, RuntimeError, NotImplementedError, AttributeError) as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise OperationFailed(f"its result cannot be written as NetCDF: {told}", where=what) from error
    except OSError as error:
        raise NoSpace(f"its result cannot be written: {error}", where=what) from error
    finally:
        temporary.unlink(missing_ok=True)
