"""Which fields of a file are the band that is wanted: by variable, name, dimensions and time."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from rasterio.enums import ColorInterp

from pileus.errors import RasterError
from pileus.names import one_line
from pileus.raster.request import BandRequest

SINCE = re.compile(r"(second|minute|hour|day)s? since (\d+)-(\d+)-(\d+)(?:[T ](\d+):(\d+):?(\d+)?)?")
CALENDARS = ("", "standard", "gregorian", "proleptic_gregorian")
SHOWN = 12
"""Most names that a message lists."""


class LacksBand(RasterError):
    """The file does not hold the band; another of its group may."""


@dataclass(frozen=True, slots=True)
class Field:
    """One band of an open dataset."""

    number: int
    """From 1."""
    name: str
    """Its variable or description; empty where it has none."""
    dims: Mapping[str, str]
    """Its place along dimensions other than time."""
    time: datetime | None


def match(pattern: str, names: Iterable[str]) -> list[str]:
    """Return the names that are meant: those that are the pattern, else whose last part is, else that it fits.

    >>> match("b", ["/x/b", "/y/bb"]), match("*/b*", ["/x/b", "/y/bb"]), match("/x/b", ["/x/b"])
    (['/x/b'], ['/x/b', '/y/bb'], ['/x/b'])
    """
    alike, every = _plain(pattern), {name: _plain(name) for name in names}
    for fits in (
        lambda name: name == alike,
        lambda name: name.rpartition("/")[2] == alike,
        lambda name: fnmatchcase(name, alike) or fnmatchcase("/" + name, alike),
    ):
        if found := [name for name, plain in every.items() if fits(plain)]:
            return found
    return []


def _plain(name: str) -> str:
    """Return a path without what GDAL's drivers write in different ways: slashes before it, and spaces."""
    return name.lstrip("/").replace(" ", "_")


def value_bands(dataset: Any) -> list[int]:
    """Return the numbers, from 1, of an open dataset's bands but for the alpha band."""
    return [number for number, holds in enumerate(dataset.colorinterp, 1) if holds is not ColorInterp.alpha]


def fields(dataset: Any, where: str) -> list[Field]:
    """Return the fields of an open rasterio dataset. Raises RasterError for times that cannot be read."""
    about = dataset.tags()
    return [_field(dataset, number, about, where) for number in value_bands(dataset)]


def _field(dataset: Any, number: int, about: Mapping[str, str], where: str) -> Field:
    tags = dataset.tags(number)
    name = tags.get("NETCDF_VARNAME") or tags.get("GRIB_ELEMENT") or dataset.descriptions[number - 1] or ""
    if "GRIB_ELEMENT" in tags:
        valid = tags.get("GRIB_VALID_TIME", "").split()
        time = datetime.fromtimestamp(int(valid[0]), UTC).replace(tzinfo=None) if valid else None
        return Field(number, name, {"level": tags.get("GRIB_SHORT_NAME", "")}, time)
    dims = {key.removeprefix("NETCDF_DIM_"): value for key, value in tags.items() if key.startswith("NETCDF_DIM_")}
    along = [dim for dim in dims if " since " in about.get(f"{dim}#units", "")]
    time = _time(dims.pop(along[0]), along[0], about, where) if along else None
    return Field(number, name, dims, time)


def _time(value: str, dim: str, about: Mapping[str, str], where: str) -> datetime:
    """Return a time of the CF conventions (https://cfconventions.org, section 4.4). Raises RasterError."""
    units, calendar = about[f"{dim}#units"], about.get(f"{dim}#calendar", "").lower()
    found = SINCE.match(units)
    if found is None or calendar not in CALENDARS:
        told = f"has times in {one_line(units, 60)!r}" + (f" of the calendar {calendar!r}" if calendar else "")
        raise RasterError(f"{told}: expected seconds, minutes, hours or days of the Gregorian calendar", where=where)
    unit, *start = found.groups()
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in start)
        return datetime(year, month, day, hour, minute, second) + timedelta(**{f"{unit}s": float(value)})
    except (ValueError, OverflowError) as exc:
        raise RasterError(f"has a time that is none: {one_line(f'{value} {units}', 60)!r}", where=where) from exc


def chosen(found: Sequence[Field], request: BandRequest, where: str) -> list[Field]:
    """Return the fields that are the band: one, or those of several times where the request says what is made of them.

    Raises LacksBand where none has the name, RasterError otherwise, with what there is and what to write.
    """
    fitting = _selected(_named(found, request, where), request, where)
    times = {field.time for field in fitting if field.time}
    if request.span and len(times) > 1:
        first, end = (datetime(day.year, day.month, day.day) for day in request.span)
        within = [field for field in fitting if field.time and first <= field.time < end]
        if not within:
            told = f"from {min(times):%Y-%m-%d} to {max(times):%Y-%m-%d}"
            raise RasterError(f"has times {told}, and none from {first:%Y-%m-%d} before {end:%Y-%m-%d}", where=where)
        fitting = within
    if len(fitting) > 1 and (request.time is None or len({field.time for field in fitting}) < len(fitting)):
        raise RasterError(_ambiguous(fitting, request), where=where)
    return fitting


def _named(found: Sequence[Field], request: BandRequest, where: str) -> list[Field]:
    path = request.path or request.name or "*"
    if path != "*":
        names = match(path, {field.name for field in found})
        fitting = [field for field in found if field.name in names and field.name]
        if not fitting and path.isdecimal():
            fitting = [field for field in found if str(field.number) == path.lstrip("0")]
        if not fitting and request.any_name and len(names_of(found)) == 1:
            fitting = list(found)
        if not fitting:
            raise LacksBand(f"has no band {request.shown}: its bands are {listed(names_of(found))}", where=where)
    else:
        fitting = list(found)
    if len({field.name for field in fitting}) > 1 or (len(fitting) > 1 and not any(f.dims or f.time for f in fitting)):
        raise RasterError(f"has {len(fitting)} bands: name one of {listed(names_of(fitting))}", where=where)
    return fitting


def names_of(found: Sequence[Field]) -> list[str]:
    """Return the names of fields, each once; the number of one that has no name."""
    return list(dict.fromkeys(field.name or str(field.number) for field in found))


def short(names: Sequence[str]) -> list[str]:
    """Return the last parts of names, where these differ; else the whole names.

    >>> short(["//x/b", "//x/c"]), short(["/x/b", "/y/b"])
    (['b', 'c'], ['x/b', 'y/b'])
    """
    last = [name.rpartition("/")[2] for name in names]
    return last if len(set(last)) == len(last) else [name.lstrip("/") for name in names]


def listed(names: Sequence[str]) -> str:
    """Return names for a message, the first dozen.

    >>> listed(["b"] * 14)
    'b, b, b, b, b, b, b, b, b, b, b, b, ...'
    """
    return one_line(", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else ""), 500)


def _selected(found: Sequence[Field], request: BandRequest, where: str) -> list[Field]:
    fitting = list(found)
    for dim, wanted in request.select.items():
        there = list(dict.fromkeys(field.dims[dim] for field in fitting if dim in field.dims))
        fitting = [field for field in fitting if dim in field.dims and _same(field.dims[dim], wanted)]
        if not fitting:
            dims = listed(sorted({name for field in found for name in field.dims})) or "none"
            told = f"only {listed(there)}" if there else f"no such dimension: it has {dims}"
            raise RasterError(f"has no {one_line(dim, 40)} {wanted}: {told}", where=where)
    return fitting


def _same(text: str, wanted: str | float) -> bool:
    """Return whether a value along a dimension is the one that is wanted: as text, or as a number.

    >>> _same("500", 500.0), _same("7", "07"), _same("0-SFC", "0-SFC")
    (True, True, True)
    """
    try:
        return float(text) == float(wanted)
    except ValueError:
        return text == str(wanted)


def _ambiguous(found: Sequence[Field], request: BandRequest) -> str:
    """Return the message for several fields where one is wanted."""
    band = f"meta.bands.{request.name or 'NAME'}"
    dims = [dim for dim in found[0].dims if len({field.dims.get(dim) for field in found}) > 1]
    if dims:
        values = listed(list(dict.fromkeys(field.dims.get(dims[0], "") for field in found)))
        told = f"has {len(found)} fields along {listed(dims)}, {dims[0]} being one of {values}"
        return f"{told}: select one with {band}.select, or --select {dims[0]}="
    if len({field.time for field in found}) < len(found):
        return f"has {len(found)} fields of one time and name: name one by its number with {band}.path, or --band"
    return f"has {len(found)} times: say with {band}.time, or --time, whether mean, sum, min or max is made of them"
