"""Output of commands: tables for people, JSON for programs, plain text where there is no terminal."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pileus.names import printable
from pileus.strict_json import plain_json

if TYPE_CHECKING:
    from pileus.backfills.record import Aside


class SafeConsole(Console):
    """A console on which a stranger's text cannot steer the terminal."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich does, with control characters of texts written as escapes."""
        super().print(*(printable(one) if isinstance(one, str) else one for one in objects), **options)


console = SafeConsole(soft_wrap=not sys.stdout.isatty(), highlight=False)
errors = SafeConsole(stderr=True, highlight=False)
ASIDE = 10
"""Files set aside that are listed."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""The option of every command that prints a result."""


def as_json(value: Any) -> None:
    """Print a value as JSON. At once: a reader who has closed the pipe is noticed here, not when Python ends."""
    print(plain_json(value, indent=1, default=str), flush=True)


def answer(json: bool, value: Any, *lines: str) -> None:
    """Print what a command did: `value` as JSON, or `lines` as text."""
    if json:
        as_json(value)
        return
    for text in lines:
        line(text)


def line(text: str, style: str = "") -> None:
    """Print one line. Square brackets in it are text, not markup."""
    console.print(Text(printable(text), style=style))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """Print a table, with numbers to the right and a dash for a missing value."""
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    rows = [list(row) for row in rows]
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float | None) for row in rows)
        shown.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*(Text(_cell(value)) for value in row))
    wide = Console(width=None if sys.stdout.isatty() else 400, highlight=False)
    wide.print(shown)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:.0f}"
    return printable(str(value))


def set_aside(files: "Sequence[Aside]") -> None:
    """List files that grouping set aside, with their points in time; of many the first."""
    for period, problem in files[:ASIDE]:
        line(f"  set aside  {period}  {problem.name}  {problem.kind}: {problem.detail}", style="yellow")
    if len(files) > ASIDE:
        line(f"  and {len(files) - ASIDE} more files set aside: --json shows all")


def size(count: float) -> str:
    """Return a number of bytes for people.

    >>> size(0), size(1500), size(2_500_000)
    ('0 B', '1.5 kB', '2.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def seconds(value: float) -> str:
    """Return a length of time for people.

    >>> seconds(0.42), seconds(75), seconds(7300)
    ('0.4 s', '1 min 15 s', '2 h 1 min')
    """
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    if value < 3600:
        return f"{int(value) // 60} min {int(value) % 60} s"
    return f"{int(value) // 3600} h {int(value) % 3600 // 60} min"
