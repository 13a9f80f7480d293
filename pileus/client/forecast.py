"""A plan with its price: what a backfill would do, and what that would cost on AWS."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pileus.backfills.plan import Plan


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

    def to_json(self) -> dict[str, Any]:
        value = self.plan.to_json()
        value["totals"] |= {name: getattr(self, name) for name in ("dollars", "minutes", "prices", "workers")}
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Forecast":
        totals = value["totals"]
        facts = {name: totals[name] for name in ("dollars", "minutes", "prices", "workers")}
        return cls(Plan.from_json(value), **facts)
