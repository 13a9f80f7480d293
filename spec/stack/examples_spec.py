"""`pileus init --example`, and what a newcomer types next, on the embedded stack."""

import re
from typing import Any

from spec.support.stack import Project


def rows(stack: Project, collection: str) -> dict[str, dict[str, Any]]:
    """Mean of each zone by period."""
    found: dict[str, dict[str, Any]] = {}
    for row in stack.json("outputs", "show", collection):
        found.setdefault(row["period"], {})[row["zone"]] = row["mean"]
    return found


def test_rain_of_months_and_of_days(stack: Project) -> None:
    said = stack.pileus("init", ".", "--example", "chirps")
    for line in re.findall(r"pileus (populate|backfill .*)", said):
        stack.pileus(*line.split())
    months = {f"2015-0{m}": 10 * m for m in (1, 2, 3)}
    days = {"2015-01-30": 30, "2015-01-31": 31, "2015-02-01": 1, "2015-02-02": 2, "2015-02-03": 3}
    for collection, truth in (("chirps_monthly", months), ("chirps_daily", days)):
        wanted = {period: {"coast": mm, "plain": mm, "sea": None, "west": mm} for period, mm in truth.items()}
        assert rows(stack, collection) == wanted
    shown = stack.pileus("outputs", "show", "chirps_daily")
    assert "never processed" not in shown
    assert [line.split()[:4] for line in shown.splitlines()[:3]] == [
        ["zone", "name", "days", "least"], ["plain", "Plain", "5", "1"], ["sea", "Sea", "0", "–"],
    ]  # fmt: skip
    assert "5 partitions: 5 skip" in stack.pileus("plan", "chirps_daily")
