"""The grid of a backfill in the terminal: years down, months across, colour and letter by state."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pileus.models import State

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pileus.glance import Glance

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


def grid(found: "Glance") -> "RenderableType":
    """The table; what lies outside the span is blank."""
    from pileus.glance import layout

    heads, rows = layout(found.backfill.unit, found.cells)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("", style="bold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        letters = (Text(cell.letter, style=STYLES[cell.state]) if cell else Text("") for cell in row.cells)
        table.add_row(row.label, *letters)
    return table


def legend(found: "Glance") -> Text:
    """What the letters mean, and how many partitions each has."""
    from pileus.glance import LETTERS, MEANINGS

    text = Text()
    for state in State:
        if count := found.counts[state]:
            text.append("  " if text else "")
            text.append(LETTERS[state], style=STYLES[state])
            text.append(f" {count} {MEANINGS.get(state, state)}")
    if any(len(cell.counts) > 1 for cell in found.cells):
        text.append("  (lower case: not all groups)", style="dim")
    return text
