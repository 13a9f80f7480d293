"""Where the time of a backfill went, in the terminal: a table of steps, a picture over time, bars of partitions."""

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.text import Text

from pileus.cli import show
from pileus.names import printable
from pileus.timing import BEFORE, HOPS

if TYPE_CHECKING:
    from pileus.client.timing_answers import StepAnswer, TimedPartitionAnswer, TimingAnswer

BARS = 15
"""Partitions that are drawn."""
PLAIN_WIDTH = 100
"""Characters of a line where there is no terminal."""
HEIGHTS = " ▁▂▃▄▅▆▇█"
SIGNS = {
    "listing": ("l", "dim"),
    "queue": ("q", "dim"),
    "space": ("s", "magenta"),
    "zones": ("z", "bright_yellow"),
    "connection": ("c", "yellow"),
    "download": ("d", "blue"),
    "compile": ("i", "cyan"),
    "measure": ("m", "green"),
    "task": ("t", "bright_cyan"),
    "payload": ("y", "bright_cyan"),
    "write": ("w", "bright_magenta"),
    "commit": ("k", "red"),
    "publish": ("p", "red"),
}
"""Letter and colour of each step."""
LEFT = 34
"""Most characters of a partition's name before its bar."""


def tell(found: "TimingAnswer") -> None:
    """Print where the time went."""
    if not found.partitions:
        show.line("no partition has its times yet" + (f": {found.unknown} have ended without" if found.unknown else ""))
        return
    width = show.console.width if sys.stdout.isatty() else PLAIN_WIDTH
    about = f"{found.partitions} partitions, {_long(found.worked)} of workers in {_long(found.seconds)}"
    show.line(f"{about}, of which {_long(found.other)} in no step", style="bold")
    if found.idle:
        show.line(f"{_long(found.idle)} in which nothing went on are left out", style="dim")
    if found.unknown:
        show.line(f"{found.unknown} more have ended without times", style="dim")
    _table(found)
    show.line("steps overlap: shares of the workers' time may be above 100 % together", style="dim")
    _moments(found, width)
    _slowest(found, width)


def _long(value: float) -> str:
    """Return a length of time for people: short ones in milliseconds."""
    return f"{1000 * value:.0f} ms" if value < 1 else show.seconds(value)


def _table(found: "TimingAnswer") -> None:
    columns = ("", "step", "partitions", "total", "share", "median", "p95", "most", "bytes", "")
    rows = [
        (
            SIGNS.get(one.name, ("?", ""))[0],
            one.name,
            one.partitions,
            _long(one.seconds),
            "" if one.share is None else f"{100 * one.share:.0f} %",
            _long(one.median),
            _long(one.p95),
            _long(one.most),
            show.size(one.bytes) if one.bytes else "",
            one.about,
        )
        for one in found.steps
    ]
    show.table(columns, rows)


def _moments(found: "TimingAnswer", width: int) -> None:
    """Print one line for each step: how many partitions were in it, from the first moment to the last."""
    most = {name: max(values, default=0) for name, values in found.moments.steps.items()}
    if not any(most.values()):
        return
    show.line("")
    show.line(f"partitions in each step; a column is {_long(found.seconds / _columns(width))}", style="bold")
    for name, values in found.moments.steps.items():
        line = Text(f"{name:>11} ")
        line.append(_heights(_fitted(values, _columns(width)), most[name]), style=SIGNS.get(name, ("", ""))[1])
        line.append(f" up to {most[name]:.3g}")
        show.console.print(line, soft_wrap=True)


def _columns(width: int) -> int:
    return max(10, min(60, width - 26))


def _fitted(values: Sequence[float], columns: int) -> list[float]:
    """Return the values over another number of columns, each the mean of what it covers."""
    if columns >= len(values):
        return list(values)
    edges = [round(number * len(values) / columns) for number in range(columns + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def _heights(values: Sequence[float], most: float) -> str:
    """Return a block for each value. What is above 0 is seen.

    >>> _heights([0, 0.01, 1, 2], 2)
    ' ▁▄█'
    """
    top = len(HEIGHTS) - 1
    return "".join(HEIGHTS[max(1, round(top * value / most)) if value > 0 and most else 0] for value in values)


def _slowest(found: "TimingAnswer", width: int) -> None:
    """Print a bar for each of the slowest partitions, from when a worker took it, all of one scale."""
    shown = [one for one in found.slowest if one.seconds > 0][:BARS]
    if not shown:
        return
    longest = max(_length(one) for one in shown)
    names = [printable(f"{one.period} {one.group}") for one in shown]
    left = min(LEFT, max(map(len, names)))
    columns = max(10, width - left - 12)
    show.line("")
    show.line(f"the slowest partitions; a column is {_long(longest / columns)}", style="bold")
    for name, one in zip(names, shown, strict=True):
        line = Text(f"{name if len(name) <= left else name[: left - 1] + '…':{left}} ")
        line.append(bar(one.steps, longest / columns, columns))
        line.append(f" {_long(one.seconds)}", style="bold red" if one.state == "failed" else "")
        show.console.print(line, soft_wrap=True)
    legend = Text()
    for name in [name for name in HOPS if name not in BEFORE and any(name in one.steps for one in shown)]:
        letter, style = SIGNS[name]
        legend.append(f"{letter * 2} ", style=style)
        legend.append(f"{name}  ")
    legend.append("·· other", style="dim")
    show.console.print(legend, soft_wrap=True)


def _length(one: "TimedPartitionAnswer") -> float:
    ends = [hop.start + hop.span for name, hop in one.steps.items() if name not in BEFORE]
    return max(one.seconds, *ends, 0.001)


def bar(steps: Mapping[str, "StepAnswer"], scale: float, columns: int) -> Text:
    """Return a bar of letters. Steps that overlap take turns. `scale`: seconds of a column.

    >>> from pileus.client.timing_answers import StepAnswer
    >>> one = {"connection": (0, 2), "download": (0, 4), "measure": (6, 2)}
    >>> bar({name: StepAnswer(start=a, seconds=s, span=s) for name, (a, s) in one.items()}, 1, 10).plain
    'cddd··mm  '
    """
    mine = {name: hop for name, hop in steps.items() if name not in BEFORE}
    end = max((hop.start + hop.span for hop in mine.values()), default=0.0)
    text = Text()
    for column in range(columns):
        start = column * scale
        there = [n for n, hop in mine.items() if hop.start < start + scale and hop.start + hop.span > start]
        if len(there) > 1:  # what only touches the column gives way to what fills more of it
            middle = start + scale / 2
            there = [n for n in there if mine[n].start <= middle < mine[n].start + mine[n].span] or there
        letter, style = SIGNS.get(there[column % len(there)], ("?", "")) if there else ("·", "dim")
        text.append(letter if start < end else " ", style=style)
    return text
