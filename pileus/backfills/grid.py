"""The grid of a backfill: years down and months across, a letter for the state of each point in time."""

from collections.abc import Iterable
from typing import NamedTuple

from pileus.backfills.status import Cell
from pileus.models import State
from pileus.periods import Unit

SYMBOLS = {
    State.succeeded: "S",
    State.skipped: "U",
    State.failed: "F",
    State.running: "R",
    State.queued: "Q",
    State.waiting: "W",
    State.planned: "P",
    State.cancelled: "C",
}
MEANINGS = {State.skipped: "up to date", State.waiting: "waiting to be published"}
"""The words for a state whose name does not explain itself."""


def symbol(cell: Cell) -> str:
    """Return the letter of a point in time, in lower case when its groups are not all in one state."""
    letter = SYMBOLS[cell.state]
    return letter if len(cell.counts) == 1 else letter.lower()


class GridRow(NamedTuple):
    """One line of the grid."""

    label: str
    cells: tuple[Cell | None, ...]


def layout(unit: str, cells: Iterable[Cell]) -> tuple[list[str], list[GridRow]]:
    """Return the column heads and the rows: years by months, months by days, or decades by years.

    >>> from collections import Counter
    >>> heads, rows = layout("month", [Cell("2015-03", Counter([State.failed]))])
    >>> heads[2], rows[0].label, symbol(rows[0].cells[2]), rows[0].cells[0]
    ('03', '2015', 'F', None)
    """
    cut, heads = {
        Unit.year: (3, [str(digit) for digit in range(10)]),
        Unit.month: (4, [f"{month:02}" for month in range(1, 13)]),
        Unit.day: (7, [f"{day:02}" for day in range(1, 32)]),
    }[Unit(unit)]
    lines: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        lines.setdefault(cell.period[:cut], {})[cell.period[cut:].lstrip("-")] = cell
    rows = [GridRow(_label(label, cut), tuple(map(line.get, heads))) for label, line in sorted(lines.items())]
    return heads, rows


def _label(text: str, cut: int) -> str:
    return f"{text}0s" if cut == 3 else text
