"""A result as a GeoTIFF: a map of each variable and each cell of its other dimensions, as bands."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from xarray import DataArray, Dataset

from pileus.errors import DocumentError, UsageError
from pileus.stratus.axes import holds_moments, needed
from pileus.stratus.grid_of import grid_of

MOST_BANDS = 10_000


def write_geotiff(data: Dataset, path: Path) -> None:
    """Write the variables of a result that are maps: its band is named after the variable, and after the place along
    other dimensions: `tas time=2015-01-01T00:00:00`. Of 64-bit integers and several types: 64-bit floats.

    Raises UsageError for a result that is no map, or whose cells are no even grid.
    """
    try:
        rows, columns = needed(data, "lat"), needed(data, "lon")
        grid = grid_of(data, rows, columns)
    except DocumentError as error:
        raise UsageError(f"the result is no map, so it has no GeoTIFF: {error.message}") from error
    maps = {str(name): one for name, one in data.data_vars.items() if _is_map(one, rows, columns)}
    bands = sum(one.size // max(1, grid.width * grid.height) for one in maps.values())
    if not bands:
        raise UsageError(f"the result is no map, so it has no GeoTIFF: no variable has {rows} and {columns}")
    if bands > MOST_BANDS:
        raise UsageError(f"the result has {bands:,} maps, and {MOST_BANDS:,} are the most of a GeoTIFF: ask for NetCDF")
    kind = _kind(list(maps.values()))
    turn = rasterio.Affine(grid.dx, 0, grid.west, 0, -abs(grid.dy), max(grid.north, grid.north + grid.height * grid.dy))
    about: dict[str, Any] = {
        "driver": "GTiff", "width": grid.width, "height": grid.height, "count": bands, "dtype": kind, "crs": grid.crs,
        "transform": turn, "compress": "deflate", "tiled": min(grid.width, grid.height) >= 256, "BIGTIFF": "IF_SAFER",
        "nodata": np.nan if kind.kind == "f" else None,
    }  # fmt: skip
    southwards = data.sortby(columns).sortby(rows, ascending=False)
    with rasterio.open(path, "w", **about) as file:
        for number, (label, band) in enumerate(_bands(southwards, maps, rows, columns), 1):
            file.write(band.values.astype(kind), number)
            file.set_band_description(number, label)
            file.set_band_unit(number, str(band.attrs.get("units", "")))


def _is_map(array: DataArray, rows: str, columns: str) -> bool:
    return {rows, columns} <= set(array.dims) and array.dtype.kind in "iufb"


def _kind(arrays: list[DataArray]) -> np.dtype[Any]:
    kind = np.result_type(*(one.dtype if one.dtype.kind != "b" else np.uint8 for one in arrays))
    plain = kind in (np.float32, np.float64, np.uint8, np.int16, np.uint16, np.int32, np.uint32)
    return np.dtype(kind if plain else np.float64)


def _bands(data: Dataset, names: Any, rows: str, columns: str) -> Iterator[tuple[str, Any]]:
    """Yield what each band is called, and its values."""
    for name in names:
        array = data[name]
        others = [str(dim) for dim in array.dims if dim not in (rows, columns)]
        array = array.transpose(*others, rows, columns)
        for place in itertools.product(*(range(array.sizes[dim]) for dim in others)):
            at = dict(zip(others, place, strict=True))
            told = [f"{dim}={_told(data, dim, position)}" for dim, position in at.items()]
            yield " ".join([name, *told]), array.isel(at)


def _told(data: Dataset, dim: str, position: int) -> str:
    if dim not in data.coords:
        return str(position)
    coordinate = data[dim]
    value = coordinate.values[position]
    if holds_moments(coordinate):
        return str(np.datetime_as_string(value, unit="s")) if coordinate.dtype.kind == "M" else str(value.isoformat())
    return str(value)
