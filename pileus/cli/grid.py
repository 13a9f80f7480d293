"""The grid of a backfill in the terminal: years by months, with a colour and a letter for each state."""

from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from pileus.models import State

if TYPE_CHECKING:
    from pileus.backfills.status import Status

STYLES = {
    State.succeeded: "green",
    State.skipped: "dim green",
    State.failed: "bold red",
    State.running: "bold cyan",
    State.queued: "blue",
    State.waiting: "yellow",
    State.planned: "dim",
    State.cancelled: "magenta",
}
STACKED = 12
"""With more columns than this, no space is left between them."""


def grid(found: "Status") -> Text:
    """Return the grid: years by months, months by days, or decades by years; blank outside the span.

    Days have their two digits one above the other, so that a month fits into 80 columns.
    """
    from pileus.backfills.grid import layout, symbol

    heads, rows = layout(found.backfill.unit, found.cells)
    margin, stacked = max((len(row.label) for row in rows), default=0), len(heads) > STACKED
    wide = 1 if stacked else max(map(len, heads))
    text = Text(no_wrap=True)
    for line in zip(*heads, strict=True) if stacked else [heads]:
        text.append(f"{'':{margin}} {' '.join(line)}\n", style="dim")
    for row in rows:
        text.append(f"{row.label:{margin}} ", style="bold")
        # One piece of text for each run of equal cells: a long backfill has thousands of cells.
        for state, run in groupby(row.cells, key=lambda cell: cell.state if cell else None):
            letters = " ".join(f"{symbol(cell) if cell else '':>{wide}}" for cell in run)
            text.append(f"{letters} ", style=STYLES[state] if state else "")
        text.append("\n")
    text.right_crop()
    return text


def legend(found: "Status") -> Text:
    """Return the meaning of each letter, and the number of its partitions."""
    from pileus.backfills.grid import MEANINGS, SYMBOLS

    text, counts = Text(), found.counts
    for state in State:
        if count := counts[state]:
            text.append("  " if text else "")
            text.append(SYMBOLS[state], style=STYLES[state])
            text.append(f" {count} {MEANINGS.get(state, state)}")
    if any(len(cell.counts) > 1 for cell in found.cells):
        text.append("  (lower case: not all groups)", style="dim")
    return text
