"""The table as Athena reads it: its DDL, with partition projection, so that no crawler is needed."""

import re
from collections.abc import Sequence

import pyarrow as pa

from pileus import keys
from pileus.models import safe
from pileus.periods import Unit, parse_period

TYPES = {pa.date32(): "date", pa.timestamp("ms"): "timestamp", pa.string(): "string", pa.float64(): "double"}
PARTITIONS = ("version", "period")
"""`group` is a folder below; Athena reads what lies in folders below a partition's, whatever their names."""
JAVA_DATE = {Unit.year: "yyyy", Unit.month: "yyyy-MM", Unit.day: "yyyy-MM-dd"}
"""Units whose periods Athena counts by itself."""


def ddl(table: pa.Table, bucket: str, collection: str, database: str = "default") -> str:
    """`CREATE EXTERNAL TABLE` over the tables of a collection. `table`: its rows, as `read_stats` gives them."""
    columns = [_column(field) for field in table.schema if field.name not in (*PARTITIONS, "group")]
    periods, versions = (sorted(set(table[name].to_pylist())) for name in ("period", "version"))
    location = f"s3://{bucket}/{keys.TABLES}/collection={safe(collection)}/"
    properties = {
        "projection.enabled": "true",
        "projection.version.type": "enum",
        "projection.version.values": ",".join(map(safe, versions)),
        **_projection(periods),
        "storage.location.template": f"{location}version=${{version}}/period=${{period}}/",
    }
    told = ",\n".join(f"  {_text(name)} = {_text(value)}" for name, value in properties.items())
    partitions = ", ".join(f"`{name}` string" for name in PARTITIONS)
    return (
        f"CREATE EXTERNAL TABLE `{database}`.`{table_name(collection)}` (\n"
        + ",\n".join(columns)
        + f"\n)\nPARTITIONED BY ({partitions})\nSTORED AS PARQUET\nLOCATION {_text(location)}\n"
        + f"TBLPROPERTIES (\n{told}\n);\n"
    )


def _projection(periods: Sequence[str]) -> dict[str, str]:
    """Return which periods there are: to this day, or of a unit that Athena does not know those that have rows."""
    unit = parse_period(periods[0]).unit
    if unit not in JAVA_DATE:
        return {"projection.period.type": "enum", "projection.period.values": ",".join(periods)}
    return {
        "projection.period.type": "date",
        "projection.period.range": f"{periods[0]},NOW",
        "projection.period.format": JAVA_DATE[unit],
        "projection.period.interval": "1",
        "projection.period.interval.unit": f"{unit.upper()}S",
    }


def table_name(collection: str) -> str:
    """Return a table name that Athena accepts.

    >>> table_name("Viirs-2.template")
    'viirs_2_template'
    """
    return re.sub(r"\W", "_", collection.lower(), flags=re.ASCII)


def _column(field: pa.Field) -> str:
    told = field.metadata or {}
    words = [told.get(b"description", b"").decode(), told.get(b"unit", b"").decode()]
    comment = ", ".join(filter(None, words))
    return f"  `{field.name}` {TYPES.get(field.type, 'string')}" + (f" COMMENT {_text(comment)}" if comment else "")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
