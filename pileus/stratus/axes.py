"""Which dimension of a data set is its latitude, longitude, level or time."""

from collections.abc import Mapping, Sequence

from xarray import DataArray, Dataset

from pileus.errors import DocumentError
from pileus.near import unknown
from pileus.stratus.request import AXES

STANDARD = {
    "lat": ("latitude", "projection_y_coordinate"),
    "lon": ("longitude", "projection_x_coordinate"),
    "lev": ("air_pressure", "height", "altitude", "depth", "model_level_number"),
    "time": ("time",),
}
UNITS = {
    "lat": ("degrees_north", "degree_north", "degrees_n", "degree_n"),
    "lon": ("degrees_east", "degree_east", "degrees_e", "degree_e"),
}
TITLES = {"lat": "latitude", "lon": "longitude", "lev": "level", "time": "time"}
WORDS = {**AXES, "latitude": "lat", "longitude": "lon"}
LETTERS = {"lat": "y", "lon": "x", "lev": "z", "time": "t"}
NAMES: Mapping[str, tuple[str, ...]] = {
    "lat": ("lat", "latitude", "nav_lat", "y"),
    "lon": ("lon", "longitude", "nav_lon", "x"),
    "lev": ("lev", "level", "plev", "height", "depth", "altitude", "isobaric", "pressure_level", "z"),
    "time": ("time", "valid_time", "t"),
}


def axis_of(data: Dataset | DataArray, axis: str) -> str | None:
    """Return the name of the dimension that is `lat`, `lon`, `lev` or `time`; None where there is none, or several.

    1. By what its coordinate says of itself: `standard_name`, `axis`, units of degrees north or east, moments.
    2. By its name.
    """
    told = [str(name) for name in data.sizes if _says(data, str(name), axis)]
    if len(told) == 1:
        return told[0]
    for name in NAMES[axis]:
        for one in map(str, data.sizes):
            if one.casefold() == name and (not told or one in told):
                return one
    return None


def is_longitude(coordinate: DataArray) -> bool:
    """Return whether a coordinate is in degrees east: not the metres of a projection."""
    units, standard = _text(coordinate, "units"), _text(coordinate, "standard_name")
    if units in UNITS["lon"] or standard == "longitude":
        return True
    return units in ("", "degrees", "degree") and str(coordinate.name).casefold() in ("lon", "longitude", "nav_lon")


def holds_moments(coordinate: DataArray) -> bool:
    """Return whether it holds moments, of numpy or of a calendar of cftime."""
    kind = coordinate.dtype.kind
    return kind == "M" or (kind == "O" and coordinate.size > 0 and hasattr(coordinate.values.flat[0], "calendar"))


def _says(data: Dataset | DataArray, name: str, axis: str) -> bool:
    if name not in data.coords:
        return False
    coordinate = data.coords[name]
    if axis == "time" and holds_moments(coordinate):
        return True
    return (
        _text(coordinate, "standard_name") in STANDARD[axis]
        or _text(coordinate, "axis") == LETTERS[axis]
        or _text(coordinate, "units") in UNITS.get(axis, ())
    )


def _text(coordinate: DataArray, name: str) -> str:
    return str(coordinate.attrs.get(name, "")).casefold()


def dimensions(data: Dataset | DataArray, asked: str | Sequence[str]) -> list[str]:
    """Return the dimensions that are asked for, each once. Each word is, in this order:

    1. the name of a dimension;
    2. a name of an axis, such as `lat`, `longitude`, `y` or `level`;
    3. several letters of `t`, `z`, `y` and `x`, as in `tyx`.

    Raises DocumentError for what there is not.
    """
    words = [word.strip() for word in asked.split(",")] if isinstance(asked, str) else list(asked)
    found: list[str] = []
    for word in words:
        if word in data.sizes:
            found.append(word)
        elif word in WORDS:
            found.append(needed(data, WORDS[word]))
        elif word and not set(word) - set(LETTERS.values()):
            found += [needed(data, AXES[letter]) for letter in word]
        else:
            raise DocumentError(f"axis: {unknown('dimension', word, [str(name) for name in data.sizes])}")
    if not found:
        raise DocumentError("axis: expected at least one dimension")
    return list(dict.fromkeys(found))


def needed(data: Dataset | DataArray, axis: str) -> str:
    """Return the dimension that is an axis. Raises DocumentError where there is none of one dimension."""
    found = axis_of(data, axis)
    if found is None:
        there = ", ".join(map(str, data.sizes)) or "none"
        raise DocumentError(f"there is no {TITLES[axis]} of one dimension: the dimensions are {there}")
    return found
