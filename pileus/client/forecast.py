"""A plan with its price: what a backfill would do, and what that would cost on AWS."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from pileus.backfills.plan import Plan, Planned

SHOWN = 50
"""Partitions that a notebook shows."""


def _cells(row: Planned) -> tuple[object, ...]:
    return row.partition.period, row.partition.group, row.action, row.reason, row.files, row.size


@dataclass(frozen=True, slots=True)
class Forecast:
    """A plan with its price."""

    plan: Plan
    dollars: float
    """Estimated for AWS."""
    minutes: float
    """Estimated for AWS, with `workers`."""
    prices: str
    """Date and region of the prices."""
    workers: int

    def _repr_html_(self) -> str:
        actions = ", ".join(f"{count} {action}" for action, count in self.plan.actions.most_common())
        cost = f"on AWS: {self.dollars:,.2f} dollars and {self.minutes:,.0f} minutes for {self.workers} workers"
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in _cells(row)) + "</tr>"
            for row in self.plan.rows[:SHOWN]
        )
        more = f"<p>and {len(self.plan.rows) - SHOWN} more</p>" if len(self.plan.rows) > SHOWN else ""
        head = "<tr><th>period</th><th>group</th><th>action</th><th>why</th><th>files</th><th>bytes</th></tr>"
        return f"<p><b>{escape(actions)}</b>; {escape(cost)}</p><table>{head}{rows}</table>{more}"

    def to_json(self) -> dict[str, Any]:
        value = self.plan.to_json()
        value["totals"] |= {name: getattr(self, name) for name in ("dollars", "minutes", "prices", "workers")}
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Forecast":
        totals = value["totals"]
        facts = {name: totals[name] for name in ("dollars", "minutes", "prices", "workers")}
        return cls(Plan.from_json(value), **facts)
