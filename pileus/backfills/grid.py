"""The grid of a backfill: years down and months across, a letter for the state of each point in time."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pileus.backfills.status import Cell
from pileus.calendars import SEASONS, Unit
from pileus.models import State

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


_MONTHS = [f"{month:02}" for month in range(1, 13)]
_CUTS: Mapping[Unit, tuple[int, Sequence[str]]] = {
    Unit.day: (7, [f"-{day:02}" for day in range(1, 32)]),
    Unit.week: (4, [f"-W{week:02}" for week in range(1, 54)]),
    Unit.dekad: (4, [f"-{month}-D{dekad}" for month in _MONTHS for dekad in (1, 2, 3)]),
    Unit.month: (4, [f"-{month}" for month in _MONTHS]),
    Unit.quarter: (4, [f"-Q{quarter}" for quarter in (1, 2, 3, 4)]),
    Unit.season: (4, [f"-S{number}-{season}" for number, season in enumerate(SEASONS, 1)]),
    Unit.year: (3, [str(digit) for digit in range(10)]),
}
"""Where a period is cut into its row and its column, and the columns."""
_PREFIX = re.compile("-(?:W|D|S[1-4]-)?")
"""What the head of a column leaves out."""


def layout(unit: str, cells: Iterable[Cell]) -> tuple[list[str], list[GridRow]]:
    """Return the column heads and the rows: years by the periods of a year, months by days, or decades by years.

    >>> from collections import Counter
    >>> heads, rows = layout("month", [Cell("2015-03", Counter([State.failed]))])
    >>> heads[2], rows[0].label, symbol(rows[0].cells[2]), rows[0].cells[0]
    ('03', '2015', 'F', None)
    >>> [layout(unit, [])[0][1] for unit in ("week", "dekad", "quarter", "season")]
    ['02', '012', 'Q2', 'MAM']
    """
    cut, columns = _CUTS[Unit(unit)]
    lines: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        lines.setdefault(cell.period[:cut], {})[cell.period[cut:]] = cell
    rows = [GridRow(_label(label, cut), tuple(map(line.get, columns))) for label, line in sorted(lines.items())]
    return [_PREFIX.sub("", column) for column in columns], rows


def _label(text: str, cut: int) -> str:
    return f"{text}0s" if cut == 3 else text
