"""Rows as a wide table: a row for each zone, a column for each period, one such sheet for each statistic and band."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from pileus.errors import UsageError
from pileus.outputs.series import axis, newest, over_times, statistics_of, unit_of
from pileus.outputs.zone_sets import Shapes


@dataclass(frozen=True, slots=True)
class Sheet:
    """One statistic of one band."""

    stat: str
    band: str
    name: str
    """That of the statistic, and of the band where there are several."""
    unit: str
    """Empty where it has none."""
    description: str
    values: NDArray[np.float64]
    """By zone and period. NaN: nothing was observed, or there is no row."""


@dataclass(frozen=True, slots=True)
class Wide:
    """Sheets with the same rows and columns."""

    keys: pa.Table
    """zone, name; and zone_set where a zone has several rows, since it was measured in several shapes."""
    shapes: tuple[Any, ...]
    """Geometry of each row in longitude and latitude; None where it is not known."""
    periods: tuple[str, ...]
    """ISO 8601: all from the first to the last."""
    sheets: tuple[Sheet, ...]


def wide(table: pa.Table, shapes: Shapes) -> Wide:
    """Return the rows that `single` keeps as a wide table. A zone that was measured in several shapes has a row for
    each. Raises UsageError where there are no rows.
    """
    table = single(table)
    if not table.num_rows:
        raise UsageError("there are no rows in these months: choose others with --from and --to")
    months, named = _coded(table, "period")
    periods = tuple(period.iso for period in axis(named))
    place = {period: number for number, period in enumerate(periods)}
    column = np.array([place[one] for one in named])[months]
    keys, line = _lines(table, shapes)
    bands, known = _coded(table, "band")
    stats = [name for name in statistics_of(table) if _is_number(table.schema.field(name).type)]
    sheets = []
    for number, band in enumerate(known):
        mine = bands == number
        for stat in stats:
            values = np.full((len(keys), len(periods)), np.nan)
            values[line[mine], column[mine]] = _numbers(table[stat])[mine]
            name = f"{stat} {band}" if len(known) > 1 else stat
            meaning = (table.schema.field(stat).metadata or {}).get(b"description", b"").decode()
            sheets.append(Sheet(stat, band, name, unit_of(table, stat, band), meaning, values))
    return Wide(_table(keys), tuple(shapes.get(key[:2]) for key in keys), periods, tuple(sheets))


def single(table: pa.Table) -> pa.Table:
    """Return the rows of the highest version, one a period: see `over_times`; and where a period has several groups,
    those with the most valid pixels.

    >>> rows = pa.table({"version": ["1"] * 2, "period": ["2015-01"] * 2, "group": ["a", "b"], "zone": ["z"] * 2,
    ...                  "band": ["b"] * 2, "count": [5.0, 2.0]})
    >>> single(rows)["group"].to_pylist()
    ['a']
    """
    table = over_times(newest(table))
    place = np.zeros(table.num_rows, np.int64)
    for name in ("zone", "band", "period"):
        codes, known = _coded(table, name)
        place = place * max(1, len(known)) + codes
    counts = _numbers(table["count"]) if "count" in table.column_names else np.zeros(table.num_rows)
    order = np.argsort(-np.nan_to_num(counts), kind="stable")
    _, first = np.unique(place[order], return_index=True)
    return table if len(first) == table.num_rows else table.take(pa.array(np.sort(order[first])))


def features(found: Wide) -> pa.Table:
    """Return one table with all sheets side by side, for maps. The metadata of a column say what it is.

    >>> rows = pa.table({"version": ["1"], "period": ["2015-01"], "zone": ["a"], "zone_name": ["A"], "band": ["b"],
    ...                  "mean": [2.0]})
    >>> features(wide(rows, {})).to_pylist()
    [{'zone': 'a', 'name': 'A', 'mean_2015_01': 2.0}]
    """
    wanted = (re.sub(r"\W+", "_", f"{sheet.name} {period}") for sheet in found.sheets for period in found.periods)
    names = unique(wanted, taken=("fid", "geometry", "bbox", *found.keys.column_names))
    fields, columns = list(found.keys.schema), found.keys.columns
    for sheet in found.sheets:
        for number, period in enumerate(found.periods):
            told = {"statistic": sheet.stat, "band": sheet.band, "period": period}
            told |= {"unit": sheet.unit, "description": sheet.description}
            values = sheet.values[:, number]
            fields.append(pa.field(next(names), pa.float64(), metadata=told))
            columns.append(pa.array(values, mask=np.isnan(values)))
    return pa.table(columns, schema=pa.schema(fields))


def unique(names: Iterable[str], *, taken: Sequence[str] = (), longest: int = 60) -> Iterator[str]:
    """Yield the names, cut to their length and numbered where they would repeat in any case.

    >>> list(unique(["mean", "Mean", "zone"], taken=["zone"]))
    ['mean', 'Mean_2', 'zone_2']
    """
    seen = {name.casefold() for name in taken}
    for name in names:
        told, number = name[:longest], 1
        while told.casefold() in seen:
            number += 1
            told = f"{name[: longest - len(str(number)) - 1]}_{number}"
        seen.add(told.casefold())
        yield told


Key = tuple[str | None, str, str]
"""Zone set, id and name of a row."""


def _lines(table: pa.Table, shapes: Shapes) -> tuple[list[Key], NDArray[np.intp]]:
    """Return what the lines are of, and the line of each row. Zones of one id and one shape share a line."""
    sets, set_names = _coded(table, "zone_set")
    zones, zone_ids = _coded(table, "zone")
    titles, title_names = _coded(table, "zone_name")
    _, first, pair = np.unique(sets * len(zone_ids) + zones, return_index=True, return_inverse=True)
    line_of = np.zeros(len(first), np.intp)
    keys: list[Key] = []
    known: dict[tuple[str, bytes | None], int] = {}
    for number in np.argsort(first, kind="stable"):
        row = first[number]
        key = set_names[sets[row]], zone_ids[zones[row]], title_names[titles[row]]
        line_of[number] = known.setdefault((key[1], shapely.to_wkb(shapes.get(key[:2]))), len(keys))
        if line_of[number] == len(keys):
            keys.append((key[0], key[1], key[2] or key[1]))
    return keys, line_of[pair]


def _coded(table: pa.Table, name: str) -> tuple[NDArray[np.int64], list[Any]]:
    """Return a number for the value of each row, and the value of each number. A column that is not there is None."""
    column = table[name].combine_chunks() if name in table.column_names else pa.nulls(table.num_rows, pa.string())
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode("encode")
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _table(keys: Sequence[Key]) -> pa.Table:
    sets, zones, names = zip(*keys, strict=True)
    table = pa.table({"zone": pa.array(zones, pa.string()), "name": pa.array(names, pa.string())})
    several = len(set(zones)) < len(zones)
    return table.append_column("zone_set", pa.array(sets, pa.string())) if several else table
