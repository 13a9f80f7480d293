"""One statistic of one zone over time, with its gaps; and finding zones, bands and statistics by name."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pileus.errors import Unknown, UsageError
from pileus.near import unknown
from pileus.periods import Period, parse_period, span
from pileus.statistics import statistic_of

KEYS = ("version", "period", "group", "time", "zone", "zone_name", "zone_set", "band", "unit")
"""Columns that identify a row; all others are statistics."""
BLOCKS = "▁▂▃▄▅▆▇█"
THIN = 0.1
"""Share of a zone's pixels below which a value is not reliable."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values by period; each period of the axis is there."""

    zone: str
    name: str
    band: str
    stat: str
    unit: str
    periods: tuple[Period, ...]
    values: tuple[float | None, ...]
    """None: nothing was observed, or there is no row."""
    share: tuple[float | None, ...]
    """Valid pixels over all, 0..1; None where there is no row."""

    @property
    def unobserved(self) -> tuple[Period, ...]:
        """Return the periods with a row and no value: no pixel of the zone was observed."""
        pairs = zip(self.periods, self.values, self.share, strict=True)
        return tuple(p for p, value, share in pairs if value is None and share is not None)

    @property
    def missing(self) -> tuple[Period, ...]:
        """Return the periods without a row."""
        pairs = zip(self.periods, self.values, self.share, strict=True)
        return tuple(p for p, value, share in pairs if value is None and share is None)


def near(kind: str, name: str, there: Iterable[str]) -> Unknown:
    """Return the error for an unknown name, with the near matches, or with the names that exist."""
    return Unknown(unknown(kind, name, there))


def statistics_of(table: pa.Table) -> list[str]:
    """Return the columns that hold statistics.

    >>> statistics_of(pa.table({"zone": ["a"], "mean": [1.0]}))
    ['mean']
    """
    return [name for name in table.column_names if name not in KEYS]


def mean_first(table: pa.Table) -> list[str]:
    """Return the same, the mean first: what is meant where none is named.

    >>> mean_first(pa.table({"zone": ["a"], "count": [1.0], "mean": [1.0]}))
    ['mean', 'count']
    """
    return sorted(statistics_of(table), key=lambda stat: stat != "mean")


def typed_span(table: pa.Table, first: str | None, last: str | None) -> tuple[str | None, str | None]:
    """Return two periods that a person typed, in ISO 8601; None for none, and where there are no rows.

    Raises UsageError.
    """
    if not table.num_rows:
        return None, None
    unit, today = parse_period(table["period"][0].as_py()).unit, datetime.now(UTC).date()
    begin, end = (text if text is None else Period.parse(text, unit, today).iso for text in (first, last))
    return begin, end


def zones_of(table: pa.Table) -> dict[str, str]:
    """Return the name of each zone by its id, in order of first appearance."""
    if not table.num_rows:
        return {}
    found = table.select(["zone", "zone_name"]).group_by(["zone", "zone_name"], use_threads=False).aggregate([])
    return dict(zip(found["zone"].to_pylist(), found["zone_name"].to_pylist(), strict=True))


def pick_zones(table: pa.Table, wanted: Sequence[str]) -> list[str]:
    """Return the ids of the zones that a person named, by id or name, in any case; all where none is named.

    Raises UsageError with the near matches.
    """
    zones = zones_of(table)
    if not wanted:
        return list(zones)
    picked = []
    for name in wanted:
        exact = [name] if name in zones else [z for z, title in zones.items() if title == name]
        folded = [z for z, title in zones.items() if name.casefold() in (z.casefold(), (title or "").casefold())]
        if not (found := exact or folded):
            raise near("zone", name, {*zones, *filter(None, zones.values())})
        picked += [zone for zone in found if zone not in picked]
    return picked


def pick(kind: str, name: str | None, there: Collection[str]) -> str:
    """Return `name` if it exists, or the first where none is given. Raises UsageError with the near matches."""
    if name is None:
        if not there:
            raise UsageError(f"there is no {kind} yet")
        return next(iter(there))
    if name not in there:
        raise near(kind, name, there)
    return name


def bands_of(table: pa.Table) -> list[str]:
    """Return the bands, in order of first appearance."""
    return list(dict.fromkeys(table["band"].to_pylist())) if table.num_rows else []


def unit_of(table: pa.Table, stat: str, band: str) -> str:
    """Return the unit of a statistic of a band, by the rows, else by the Parquet metadata; empty where it has none."""
    if "unit" in table.column_names:
        told = table.filter(pa.compute.equal(table["band"], band))["unit"].drop_null().unique().to_pylist()
        if told := sorted(filter(None, told)):
            unit = statistic_of(stat).unit.replace("{unit}", " or ".join(told))
            return "" if unit == "1" else unit
    unit = (table.schema.field(stat).metadata or {}).get(b"unit", b"").decode()
    return "" if unit == "1" else unit


def axis(texts: Iterable[str], first: str | None = None, last: str | None = None) -> tuple[Period, ...]:
    """Return every period from the first to the last, also those not in `texts`. `first`, `last`: ISO 8601.

    >>> [p.iso for p in axis(["2015-01", "2015-03"])]
    ['2015-01', '2015-02', '2015-03']
    """
    known = sorted({*texts, *filter(None, (first, last))})
    if not known:
        return ()
    begin, end = parse_period(first or known[0]), parse_period(last or known[-1])
    return tuple(span(begin, Period.containing(end.start, begin.unit)))


def between(table: pa.Table, first: str | None, last: str | None) -> pa.Table:
    """Return the rows of periods from `first` to `last` (ISO 8601), both included."""
    if first:
        table = table.filter(pc.greater_equal(table["period"], first))
    if last:
        table = table.filter(pc.less_equal(table["period"], last))
    return table


def newest(table: pa.Table) -> pa.Table:
    """Return the rows of the highest version, so that each period comes once."""
    if not table.num_rows:
        return table
    return table.filter(pc.equal(table["version"], pc.max(table["version"])))


def over_times(table: pa.Table) -> pa.Table:
    """Return the rows, where a group has rows of several times one for them: the means of their statistics.

    >>> rows = pa.table({"period": ["2015-01"] * 2, "zone": ["z"] * 2, "band": ["b"] * 2, "mean": [1.0, 3.0]})
    >>> over_times(rows).to_pylist()
    [{'period': '2015-01', 'zone': 'z', 'band': 'b', 'mean': 2.0}]
    """
    names = table.column_names
    if "time" in names and not pa.types.is_timestamp(table.schema.field("time").type):
        return table  # a row a period
    keys, stats = [name for name in KEYS if name in names and name != "time"], statistics_of(table)
    made = table.group_by(keys, use_threads=False).aggregate([(stat, "mean") for stat in stats])
    if made.num_rows == table.num_rows:
        return table
    fields = [table.schema.field(name) for name in (*keys, *stats)]
    columns = [made[name] for name in keys] + [made[f"{stat}_mean"] for stat in stats]
    return pa.table(columns, schema=pa.schema(fields, metadata=table.schema.metadata))


def series(table: pa.Table, zone: str, stat: str, band: str, periods: Sequence[Period] | None = None) -> Series:
    """Return the series of one zone. `periods`: the axis; None: from the table's first to its last.

    Where a period has several groups, the one with the most valid pixels counts; where a group has rows of several
    times, the mean over these.
    """
    periods = periods if periods is not None else axis(table["period"].to_pylist())
    mine = table.filter(pc.and_(pc.equal(table["zone"], zone), pc.equal(table["band"], band)))
    best: dict[str, Mapping[str, Any]] = {}
    for row in over_times(mine).to_pylist():
        held = best.get(row["period"])
        if held is None or (row.get("count") or 0) > (held.get("count") or 0):
            best[row["period"]] = row
    values = tuple(_number(best.get(period.iso, {}).get(stat)) for period in periods)
    share = tuple(_share(best.get(period.iso)) for period in periods)
    name = next((row["zone_name"] for row in best.values() if row["zone_name"]), zone)
    return Series(zone, name, band, stat, unit_of(table, stat, band), tuple(periods), values, share)


def _share(row: Mapping[str, Any] | None) -> float | None:
    if row is None:
        return None
    if row.get("valid_share") is not None:
        return float(row["valid_share"])
    return 1.0 if row.get("count") or row.get("mean") is not None else 0.0


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)


def rolling(values: Sequence[float | None], window: int) -> list[float | None]:
    """Return the centred mean over `window` values, of those that are there; None where fewer than half are.

    >>> rolling([1, 2, 3, None, None, None], 3)
    [1.5, 2.0, 2.5, None, None, None]
    """
    before, smooth = window // 2, []
    for at in range(len(values)):
        some = [v for v in values[max(0, at - before) : at - before + window] if v is not None]
        smooth.append(sum(some) / len(some) if 2 * len(some) > window else None)
    return smooth


def spark(values: Sequence[float | None]) -> str:
    """Return a line of blocks, a gap where there is no value. Infinite ones have the first block, or the last.

    >>> spark([0, 1, None, 7]), spark([0, float("inf"), 7])
    ('▁▂·█', '▁██')
    """
    some = [v for v in values if v is not None and math.isfinite(v)]
    low, high = (min(some), max(some)) if some else (0.0, 0.0)
    top = len(BLOCKS) - 1

    def block(value: float) -> str:
        if math.isinf(value):
            return BLOCKS[top if value > 0 else 0]
        return BLOCKS[round((value - low) / (high - low) * top) if high > low else 3]

    return "".join("·" if v is None else block(v) for v in values)


def gaps(periods: Sequence[Period]) -> str:
    """Return periods as people write them, with neighbours joined.

    >>> gaps(axis(["2015-01", "2015-03"]) + axis(["2015-06"]))
    '2015-01 to 2015-03, 2015-06'
    """
    runs: list[list[Period]] = []
    for period in periods:
        if runs and runs[-1][-1].shift(1) == period:
            runs[-1].append(period)
        else:
            runs.append([period])
    return ", ".join(run[0].iso if len(run) == 1 else f"{run[0].iso} to {run[-1].iso}" for run in runs)
