"""Statistics on their way out of a cell: numbers alone; the worker adds the names of zones and bands, which it knows.

float64 (bands x times x zones, statistics)    the table; NaN where a cell is empty
int32   (3, rows), float64 (rows, classic)     the table by tile: source, band and zone by number; statistics
"""

import math
import re
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pileus.documents import Process
from pileus.names import one_line
from pileus.raster.grid import PIXELS, SIDE, Grid
from pileus.raster.request import LONGEST_UNIT
from pileus.raster.times_layer import MOST_TIMES
from pileus.zonal import Measured, Source, Zones
from pileus.zonal.accumulators import TIME
from pileus.zonal.measure import CLASSIC

NOTES, LONGEST = 100_000, 2000
"""Most notes of a job, and most characters of one."""


TIME_TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?")


class BadAnswer(ValueError):
    """A cell has answered what it never should."""


def measured_to_numbers(
    measured: Measured, sources: Sequence[Source], process: Process, zones: Zones
) -> tuple[dict[str, Any], bytes]:
    """Return what `measured_from_numbers` reads."""
    tiles = {source.tile or source.name: number for number, source in enumerate(sources)}
    bands = {band: number for number, band in enumerate(process.bands)}
    places = {zone: number for number, zone in enumerate(zones.ids)}
    rows = measured.by_tile
    names = zip(*(rows[column].to_pylist() for column in ("tile", "band", "zone")), strict=True)
    found = [(tiles[tile], bands[band], places[zone]) for tile, band, zone in names]
    numbers = np.array(found, np.int32).reshape(-1, 3)
    parts = (_matrix(measured.table, process.stats), numbers.T, _matrix(rows, CLASSIC))
    facts = {
        "rows": len(numbers),
        "engine": measured.engine,
        "indexes": measured.index_hashes,
        "notes": measured.notes,
        "seconds": measured.seconds,
        "scratch": measured.scratch_bytes,
        "times": _times_of(measured.table, process),
        "units": [measured.units.get(band, "") for band in process.bands],
    }
    return facts, b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


def _matrix(table: pa.Table, stats: Sequence[str]) -> NDArray[np.float64]:
    return np.column_stack([table[stat].to_numpy() for stat in stats]).astype(np.float64)


def _times_of(table: pa.Table, process: Process) -> list[list[str]]:
    """Return the times of each band, as ISO 8601 in order; none where it has one field."""
    if "time" not in table.column_names:
        return [[] for _ in process.bands]
    found: dict[str, dict[datetime, None]] = {band: {} for band in process.bands}
    for band, time in zip(table["band"].to_pylist(), table["time"].to_pylist(), strict=True):
        found[band] |= {time: None} if time else {}
    return [[time.isoformat() for time in found[band]] for band in process.bands]


def most_bytes(sources: Sequence[Source], process: Process, zones: Zones, *, each: bool) -> int:
    """Return the most bytes that the numbers of a job can have. `each`: whether a band has rows of several times."""
    rows = len(process.bands) * len(zones)
    table = rows * 8 * len(process.stats) * (MOST_TIMES if each else 1)
    return table + rows * len(sources) * (12 + 8 * len(CLASSIC))


def measured_from_numbers(
    facts: Mapping[str, Any],
    body: bytes,
    sources: Sequence[Source],
    process: Process,
    zones: Zones,
    given: Container[str],
) -> Measured:
    """Return the statistics. `given`: the keys of the indexes that the cell has. Raises BadAnswer."""
    times = _times(facts.get("times"), process)
    whole, count = sum(max(1, len(one)) for one in times) * len(zones), number_of(facts.get("rows"))
    sizes = [8 * whole * len(process.stats), 12 * count, 8 * count * len(CLASSIC)]
    if len(body) != sum(sizes):
        raise BadAnswer("numbers of another length")
    first, second = sizes[0], sizes[0] + sizes[1]
    table = np.frombuffer(body[:first], np.float64).reshape(whole, len(process.stats))
    tiles, bands, places = np.frombuffer(body[first:second], np.int32).reshape(3, count)
    rows = np.frombuffer(body[second:], np.float64).reshape(count, len(CLASSIC))
    for numbers, most in ((tiles, len(sources)), (bands, len(process.bands)), (places, len(zones))):
        if count and (int(numbers.min()) < 0 or int(numbers.max()) >= most):
            raise BadAnswer("a row of nothing that was asked for")
    each = [(band, time) for band, one in enumerate(times) for time in (one or [None])]
    every = np.tile(np.arange(len(zones)), len(each))
    named = np.repeat([band for band, _ in each], len(zones))
    when = [time for _, time in each for _ in range(len(zones))]
    dated = {"time": pa.array(when, TIME)} if any(times) else {}
    by = {"tile": _chosen([source.tile or source.name for source in sources], tiles)}
    if any(key not in given for key in _texts(facts.get("indexes"))):
        raise BadAnswer("an index that it was not given")
    return Measured(
        pa.table(dated | _names(zones, process, every, named) | _columns(table, process.stats)),
        pa.table(by | _names(zones, process, places, bands) | _columns(rows, CLASSIC)),
        _engine(facts.get("engine")),
        tuple(_texts(facts.get("indexes"))),
        (*zones.notes, *notes_of(facts.get("notes"))),
        _seconds(facts.get("seconds")),
        number_of(facts.get("scratch")),
        units_from(facts.get("units"), process),
    )


def _names(zones: Zones, process: Process, places: Any, bands: Any) -> dict[str, pa.Array]:
    return {
        "zone": _chosen(zones.ids, places),
        "zone_name": _chosen(zones.names, places),
        "band": _chosen(process.bands, bands),
    }


def _chosen(texts: Sequence[str], numbers: Any) -> pa.Array:
    return pa.array(texts, pa.string()).take(pa.array(numbers, pa.int32()))


def _columns(matrix: NDArray[np.float64], stats: Sequence[str]) -> dict[str, pa.Array]:
    columns = zip(stats, np.ascontiguousarray(matrix.T), strict=True)
    return {stat: pa.array(values, pa.float64(), mask=np.isnan(values)) for stat, values in columns}


def number_of(value: Any) -> int:
    """Return a count. Raises BadAnswer for what is none."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise BadAnswer("no count")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > NOTES or not all(isinstance(one, str) for one in value):
        raise BadAnswer("no list of texts")
    return value


def notes_of(value: Any) -> tuple[str, ...]:
    """Return notes, each on one line. Raises BadAnswer."""
    return tuple(one_line(one, LONGEST) for one in _texts(value))


def _times(value: Any, process: Process) -> list[list[datetime | None]]:
    if not isinstance(value, list) or len(value) != len(process.bands):
        raise BadAnswer("no times")
    return [[*_in_order(_texts(one))] for one in value]


def _in_order(texts: Sequence[str]) -> list[datetime]:
    """Return times without a zone, each later than the one before. Raises BadAnswer."""
    if len(texts) > MOST_TIMES:
        raise BadAnswer("no times")
    times = [time_from(text) for text in texts]
    if sorted(set(times)) != times:
        raise BadAnswer("times that are not in order")
    return times


def time_from(value: Any) -> datetime:
    """Return a time without a zone. Raises BadAnswer."""
    if not isinstance(value, str) or not TIME_TEXT.fullmatch(value):
        raise BadAnswer("no times")
    try:
        return datetime.fromisoformat(value)
    except ValueError as exc:
        raise BadAnswer("no times") from exc


def units_from(value: Any, process: Process) -> dict[str, str]:
    """Return the unit of each band. Raises BadAnswer."""
    found = [one_line(one, LONGEST_UNIT) for one in _texts(value)]
    if len(found) != len(process.bands):
        raise BadAnswer("units of other bands")
    return dict(zip(process.bands, found, strict=True))


def _engine(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z+_-]{0,60}", value):
        raise BadAnswer("no engine")
    return value


def _seconds(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or set(value) != {"compile", "measure"}:
        raise BadAnswer("no seconds")
    if not all(isinstance(one, float) and math.isfinite(one) for one in value.values()):
        raise BadAnswer("no seconds")
    return value


def facts_of(value: Any) -> dict[str, Any]:
    """Return the STAC fields of a clip: numbers and short texts alone. Raises BadAnswer."""
    if not isinstance(value, dict) or len(str(value)) > 100_000:
        raise BadAnswer("no facts")
    _plain(value, 5)
    return value


def _plain(value: Any, depth: int) -> None:
    """Raise BadAnswer unless a JSON value holds finite numbers and printable texts alone."""
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, list):
        inner = value
    elif isinstance(value, str):
        if one_line(value, 20_000) != value:
            raise BadAnswer("a text that cannot be shown")
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadAnswer("not a number")
    if inner and not depth:
        raise BadAnswer("too deep")
    for one in inner:
        _plain(one, depth - 1)


def grid_from(value: Any) -> Grid:
    """Return a grid that a child tells. Raises BadAnswer for what no raster could have."""
    if not isinstance(value, list) or len(value) != 7:
        raise BadAnswer("no grid")
    width, height, *edges, crs = value
    if not all(type(side) is int and 0 < side <= SIDE for side in (width, height)) or width * height > PIXELS:
        raise BadAnswer("no grid")
    if not all(type(edge) in (int, float) and math.isfinite(edge) for edge in edges) or edges[2] <= 0 or not edges[3]:
        raise BadAnswer("no grid")
    if not isinstance(crs, str) or len(crs) > 100_000:
        raise BadAnswer("no grid")
    west, north, dx, dy = map(float, edges)
    return Grid(width, height, west, north, dx, dy, crs)
