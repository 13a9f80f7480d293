"""Pixels on their way out of a cell: a grid and numbers alone; the worker adds the names of bands, which it knows."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import datetime
from typing import Any

import numpy as np

from pileus.cell.results import BadAnswer, grid_from, time_from, units_from
from pileus.documents import Process
from pileus.raster.times_layer import MOST_TIMES
from pileus.zonal.pixels import Field, Pixels

KINDS = ("float32", "float64")


def pixels_to_numbers(pixels: Pixels, process: Process) -> tuple[dict[str, Any], bytes]:
    """Return what `pixels_from_numbers` reads."""
    numbers = {band: number for number, band in enumerate(process.bands)}
    fields = [
        [numbers[one.band], one.time.isoformat() if one.time else None, one.values.dtype.name] for one in pixels.fields
    ]
    units = [pixels.units.get(band, "") for band in process.bands]
    facts = {"grid": astuple(pixels.grid), "fields": fields, "units": units}
    return facts, b"".join(np.ascontiguousarray(one.values).tobytes() for one in pixels.fields)


def pixels_from_numbers(facts: Mapping[str, Any], body: bytes, process: Process) -> Pixels:
    """Return the pixels. Raises BadAnswer."""
    if not isinstance(facts, dict) or set(facts) != {"grid", "fields", "units"}:
        raise BadAnswer("no pixels")
    grid, told, units = grid_from(facts["grid"]), facts["fields"], units_from(facts["units"], process)
    if not isinstance(told, list) or len(told) > MOST_TIMES * len(process.bands):
        raise BadAnswer("no fields")
    fields, at = list[Field](), 0
    for one in told:
        number, time, kind = _field(one, len(process.bands))
        size = grid.width * grid.height * np.dtype(kind).itemsize
        if at + size > len(body):
            raise BadAnswer("numbers of another length")
        values = np.frombuffer(body, kind, grid.width * grid.height, at).reshape(grid.height, grid.width)
        fields.append(Field(process.bands[number], time, values))
        at += size
    if at != len(body) or not fields:
        raise BadAnswer("numbers of another length")
    return Pixels(grid, tuple(fields), units)


def _field(value: Any, bands: int) -> tuple[int, datetime | None, str]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 3:
        raise BadAnswer("no field")
    number, time, kind = value
    if type(number) is not int or not 0 <= number < bands or kind not in KINDS:
        raise BadAnswer("a field of nothing that was asked for")
    return number, None if time is None else time_from(time), kind
