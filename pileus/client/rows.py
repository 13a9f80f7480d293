"""Rows of statistics for people who work with them: an Arrow table that a notebook shows."""

from dataclasses import dataclass
from html import escape
from typing import Any

import pyarrow as pa

SHOWN = 20
"""Rows that a notebook shows."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of a collection."""

    collection: str
    table: pa.Table
    """Columns: version, period, group, time, zone, zone_name, zone_set, band, unit, then the statistics."""

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def to_pandas(self) -> Any:
        """Return a DataFrame. pandas must be installed."""
        return self.table.to_pandas()

    def _repr_html_(self) -> str:
        names = self.table.column_names
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_text(row[name]))}</td>" for name in names) + "</tr>"
            for row in self.table.slice(0, SHOWN).to_pylist()
        )
        more = f"<p>and {len(self) - SHOWN} more rows</p>" if len(self) > SHOWN else ""
        return f"<table><caption>{escape(self.collection)}</caption><tr>{head}</tr>{body}</table>{more}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
