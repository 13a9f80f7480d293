"""Rows of statistics as Parquet, CSV and the CSV of the classic statistics (gippy)."""

import io
import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pileus.errors import UsageError
from pileus.models import Partition
from pileus.outputs.cells import safe_table
from pileus.periods import parse_period
from pileus.statistics import statistic_of

CLASSIC_COLUMNS = ("min", "max", "mean", "stddev", "skew", "count")
KEYS = {
    "period": ("text", "point in time of the rows' collection"),
    "group": ("text", "group of the point in time"),
    "raster": ("text", "address of the raster, where each is measured alone"),
    "time": ("date", "first day of the period; or the time of the field, where each is measured"),
    "zone": ("text", "id of the zone"),
    "zone_name": ("text", "name of the zone"),
    "zone_set": ("text", "name of the set of zones that has its shape: zones/collection=C/NAME.parquet"),
    "band": ("text", "band that was measured"),
    "unit": ("text", "unit of the band's values; empty where it is not known"),
}
"""Unit and meaning of the columns that identify a row."""


def with_time(table: pa.Table, partition: Partition) -> pa.Table:
    """Return the rows with the first day of their period as first column, where they have no times of their own.

    `table`: as `measure` gives it.
    """
    if "time" in table.column_names:
        return table
    day = parse_period(partition.period).start
    return table.add_column(0, "time", pa.array([day] * table.num_rows, pa.date32()))


def with_zone_set(table: pa.Table, name: str) -> pa.Table:
    """Return the rows with the name of their zone set after that of their zone.

    >>> with_zone_set(pa.table({"zone_name": ["A"], "mean": [1.0]}), "0a1b").column_names
    ['zone_name', 'zone_set', 'mean']
    """
    after = table.column_names.index("zone_name") + 1
    return table.add_column(after, "zone_set", pa.array([name] * table.num_rows, pa.string()))


def with_unit(table: pa.Table, units: Mapping[str, str]) -> pa.Table:
    """Return the rows with the unit of their band after it.

    >>> with_unit(pa.table({"band": ["rain"], "mean": [1.0]}), {"rain": "mm"}).to_pylist()
    [{'band': 'rain', 'unit': 'mm', 'mean': 1.0}]
    """
    after = table.column_names.index("band") + 1
    told = [units.get(band, "") for band in table["band"].to_pylist()]
    return table.add_column(after, "unit", pa.array(told, pa.string()))


def to_parquet(table: pa.Table, partition: Partition, units: Mapping[str, str]) -> bytes:
    """Return Parquet bytes with ZSTD. Every column's unit and meaning are in its field metadata.

    `units`: unit of each band, empty where it is not known; the metadata of the table has them as JSON, `units`.
    """
    return parquet_of(table, {"pileus": "statistics", "partition": partition.key}, units)


def parquet_of(table: pa.Table, about: Mapping[str, str], units: Mapping[str, str]) -> bytes:
    """Do as `to_parquet`, for rows of anything: columns that are neither keys nor statistics are not described.

    `about`: what the metadata of the table says beside `units`.
    """
    unit = " or ".join(sorted({unit for unit in units.values() if unit})) or "unit of the band"
    fields = [_described(field, unit) for field in table.schema]
    metadata = {**about, "units": json.dumps(dict(units), ensure_ascii=False)}
    schema = pa.schema(fields, metadata=metadata)
    sink = io.BytesIO()
    pa.parquet.write_table(table.cast(schema), sink, compression="zstd")
    return sink.getvalue()


def _described(field: pa.Field, unit: str) -> pa.Field:
    if field.name in KEYS:
        measure, meaning = KEYS[field.name]
    else:
        try:
            statistic = statistic_of(field.name)
        except UsageError:
            return field
        measure, meaning = statistic.unit, statistic.description
    return field.with_metadata({"unit": measure.replace("{unit}", unit), "description": meaning})


def to_csv(table: pa.Table) -> bytes:
    """Return CSV bytes with a header; missing values are empty, and no text is a formula: see `safe_table`."""
    sink = io.BytesIO()
    pa.csv.write_csv(safe_table(table), sink)
    return sink.getvalue()


def classic_csv(row: Mapping[str, float | None]) -> bytes:
    """Return the CSV of one zone on one tile, in the form of the classic statistics (gippy).

    >>> classic_csv({"min": 0.0, "max": 2.0, "mean": 1.0, "stddev": 1.0, "skew": 0.0, "count": 2.0}).decode()
    'min,max,mean,stddev,skew,count\\n0.0,2.0,1.0,1.0,0.0,2.0\\n'
    """
    values = ("" if row[name] is None else repr(float(row[name] or 0)) for name in CLASSIC_COLUMNS)
    return f"{','.join(CLASSIC_COLUMNS)}\n{','.join(values)}\n".encode()
