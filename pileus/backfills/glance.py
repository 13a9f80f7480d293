"""A backfill at a glance: the state of every point in time, light enough for a hundred thousand partitions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pileus.backfills.control import WHOLE_POINT, find
from pileus.backfills.status import Runs, span_of, unseen
from pileus.edges.index import Brief
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import seen_from
from pileus.models import Partition, State
from pileus.periods import Unit
from pileus.wiring import Edges

WORST_FIRST = (
    State.failed,
    State.running,
    State.queued,
    State.waiting,
    State.cancelled,
    State.planned,
    State.succeeded,
    State.skipped,
)
TROUBLE = (State.failed, State.waiting, State.running)
LETTERS = {
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
"""What people call a state, where it is not its name."""


class Seen(NamedTuple):
    """One partition as the backfill sees it."""

    period: str
    group: str
    state: State
    why: str

    def key(self, backfill: Backfill) -> str:
        return Partition(backfill.collection, backfill.version, self.period, self.group).key


@dataclass(frozen=True, slots=True)
class Cell:
    """One point in time and the states of its groups."""

    period: str
    counts: Counter[State]

    @property
    def state(self) -> State:
        """The one that most wants to be looked at."""
        return next(state for state in WORST_FIRST if self.counts[state])

    @property
    def letter(self) -> str:
        """Lower case where the groups are not all in that state."""
        letter = LETTERS[self.state]
        return letter if len(self.counts) == 1 else letter.lower()

    @property
    def told(self) -> str:
        """`2015-01: 5 succeeded, 1 failed`"""
        return f"{self.period}: {', '.join(f'{count} {state}' for state, count in sorted(self.counts.items()))}"


@dataclass(frozen=True, slots=True)
class Glance:
    """A backfill as of one moment."""

    backfill: Backfill
    cells: tuple[Cell, ...]
    """In order of time."""
    seen: Sequence[Seen] = field(repr=False)
    bytes_done: int = 0
    """Downloaded for this backfill."""
    bytes_wanted: int = 0

    @property
    def counts(self) -> Counter[State]:
        return sum((cell.counts for cell in self.cells), Counter())

    @property
    def trouble(self) -> Iterator[Seen]:
        """What failed, waits or runs."""
        return (one for one in self.seen if one.state in TROUBLE)


def glance(edges: Edges, id: str) -> Glance:
    """The backfill as of now. Raises UsageError when there is none."""
    backfill = find(edges, id)
    span = (backfill.collection, backfill.version, backfill.first, backfill.last)
    return look(edges, backfill, edges.index.briefs(*span))


def look(edges: Edges, backfill: Backfill, briefs: Iterable[Brief]) -> Glance:
    """The state of every point in time, those without an entry included."""
    counts: dict[str, Counter[State]] = {period.iso: Counter() for period in span_of(backfill)}
    runs, now, seen, done, wanted = Runs(edges, backfill), edges.now(), [], 0, 0
    for brief in briefs:
        if brief.state is State.succeeded and brief.run.startswith(f"{backfill.id}/"):
            state = State.succeeded  # most of them, and nothing more to ask
        else:
            ended = not brief.state.ended and runs.ended(brief)
            state = runs.shown(brief, seen_from(brief, backfill.id, run_ended=ended, now=now))
        if brief.backfill == backfill.id:
            done += brief.downloaded
            wanted += max(brief.size, brief.downloaded)
        counts.setdefault(brief.period, Counter())[state] += 1
        seen.append(Seen(brief.period, brief.group, state, "" if state is State.skipped else brief.why))
    for period, found in counts.items():
        if not found:
            found[unseen(backfill)] = 1
            seen.append(Seen(period, WHOLE_POINT, unseen(backfill), ""))
    return Glance(backfill, tuple(Cell(*item) for item in sorted(counts.items())), seen, done, wanted)


class Row(NamedTuple):
    """One line of the grid."""

    label: str
    cells: tuple[Cell | None, ...]


def layout(unit: str, cells: Iterable[Cell]) -> tuple[list[str], list[Row]]:
    """Column heads and rows: years down and months across; months and days; decades and years.

    >>> heads, rows = layout("month", [Cell("2015-03", Counter([State.failed]))])
    >>> heads[2], rows[0].label, rows[0].cells[2].letter, rows[0].cells[0]
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
    rows = [Row(_label(label, cut), tuple(map(line.get, heads))) for label, line in sorted(lines.items())]
    return heads, rows


def _label(text: str, cut: int) -> str:
    return f"{text}0s" if cut == 3 else text


def to_json(cell: Cell) -> dict[str, Any]:
    return {"period": cell.period, "state": str(cell.state), "groups": dict(cell.counts)}
