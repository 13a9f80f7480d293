"""Where the time of a backfill went: sums over its partitions, the slowest of them, and how many were where when."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from operator import attrgetter
from statistics import median

from pileus.backfills.status import Status
from pileus.models import State
from pileus.timing import BEFORE, HOPS, Hop, Timing, covered

COLUMNS = 60
"""Spans of time that the whole is divided into."""
IDLE = 60.0
"""Seconds in which nothing of a backfill went on that are left out, as between two of its runs."""
SHOWN = 50
"""Partitions that are told one by one, if not asked for more."""


@dataclass(frozen=True, slots=True)
class HopTotal:
    """One hop over all partitions that have it."""

    name: str
    about: str
    partitions: int
    seconds: float
    """Of all partitions. The listing of a point in time counts once for all its groups."""
    median: float
    p95: float
    """Of twenty partitions nineteen took no longer."""
    most: float
    share: float | None
    """Of the time of the workers, 0 to 1; None: before a worker had it. Hops overlap: together they may be above 1."""
    bytes: int


@dataclass(frozen=True, slots=True)
class TimedPartition:
    """One partition and its hops."""

    period: str
    group: str
    state: State
    began: float
    """Unix time: when a worker took it."""
    at: float
    """Seconds from the first moment of the backfill, idle time left out."""
    seconds: float
    """For which a worker had it."""
    hops: Mapping[str, Hop]
    """Each from `began`."""


@dataclass(frozen=True, slots=True)
class Moments:
    """How many partitions were in each hop, one span of time after the other."""

    seconds: float
    """Length of each span."""
    hops: Mapping[str, Sequence[float]]
    """By hop, mean number of partitions in it."""


@dataclass(frozen=True, slots=True)
class WhereTimeWent:
    """The times of a backfill."""

    partitions: int
    """Of which the times are known."""
    unknown: int
    """Succeeded or failed, of which they are not: older records do not have them."""
    began: float | None
    """Unix time of the first moment; None: nothing is known."""
    seconds: float
    """From the first moment to the last, idle time left out."""
    idle: float
    """Seconds that are left out."""
    worked: float
    """Seconds of workers, of all partitions."""
    other: float
    """Of these, seconds in none of the hops."""
    hops: Sequence[HopTotal]
    """In the order of the data."""
    slowest: Sequence[TimedPartition]
    moments: Moments


class Axis:
    """Time without that in which nothing went on.

    >>> axis = Axis([(100.0, 110.0), (105.0, 120.0), (1000.0, 1010.0)])
    >>> axis.first, axis.length, axis.idle, axis.at(1005)
    (100.0, 30.0, 880.0, 25.0)
    """

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        """`spans`: from and until when something went on, Unix time."""
        self._starts: list[float] = []
        self._gone: list[float] = []
        """Idle seconds before each start."""
        self.idle, until = 0.0, None
        for start, end in sorted(spans):
            if until is None or start - until > IDLE:
                self.idle += start - until if until is not None else 0
                self._starts.append(start)
                self._gone.append(self.idle)
            until = end if until is None else max(until, end)
        self.first = self._starts[0] if self._starts else 0.0
        self.length = (until or 0.0) - self.first - self.idle

    def at(self, time: float) -> float:
        """Return how far along a moment is, in seconds."""
        place = max(0, bisect_right(self._starts, time) - 1)
        return time - self.first - self._gone[place]


def where_time_went(found: Status, *, limit: int = SHOWN) -> WhereTimeWent:
    """Return where the time of a backfill went. `found`: with all details. `limit`: of the slowest partitions."""
    every = list(_timed(found))
    ended = sum(one.state in (State.succeeded, State.failed) for one in found.outcomes)
    axis = Axis([(one.began + hop.start, one.began + hop.end) for one in every for hop in one.hops.values()])
    worked = sum(one.seconds for one in every)
    inside = sum(min(one.seconds, covered([h for n, h in one.hops.items() if n not in BEFORE])) for one in every)
    slowest = sorted(every, key=attrgetter("seconds"), reverse=True)[:limit]
    return WhereTimeWent(
        partitions=len(every),
        unknown=max(0, ended - len(every)),
        began=axis.first if every else None,
        seconds=round(axis.length, 3),
        idle=round(axis.idle, 3),
        worked=round(worked, 3),
        other=round(worked - inside, 3),
        hops=[_total(name, every, worked) for name in _names(every)],
        slowest=[replace(one, at=round(axis.at(one.began), 3)) for one in slowest],
        moments=_moments(every, axis),
    )


def _timed(found: Status) -> Iterator[TimedPartition]:
    """Yield the partitions whose times are known."""
    for one in found.outcomes:
        timing = Timing.from_json(one.details.get("timing") or {})
        if timing is not None and one.state in (State.succeeded, State.failed):
            taken = float(one.details.get("seconds") or 0)
            yield TimedPartition(one.period, one.group, one.state, timing.began, 0.0, taken, timing.hops)


def _names(every: Sequence[TimedPartition]) -> list[str]:
    known = {name for one in every for name in one.hops}
    return [*(name for name in HOPS if name in known), *sorted(known - set(HOPS))]


def _total(name: str, every: Sequence[TimedPartition], worked: float) -> HopTotal:
    mine = [one for one in every if name in one.hops]
    if name == "listing":  # its groups share it
        mine = list({one.period: one for one in mine}.values())
    took = sorted(one.hops[name].seconds for one in mine)
    total = sum(took)
    return HopTotal(
        name=name,
        about=HOPS.get(name, name),
        partitions=len(mine),
        seconds=round(total, 3),
        median=round(median(took), 3),
        p95=took[ceil(0.95 * len(took)) - 1],
        most=took[-1],
        share=None if name in BEFORE else round(total / worked, 4) if worked else 0.0,
        bytes=sum(one.hops[name].bytes for one in mine),
    )


def _moments(every: Sequence[TimedPartition], axis: Axis) -> Moments:
    width = axis.length / COLUMNS
    steps: dict[str, list[float]] = defaultdict(lambda: [0.0] * (COLUMNS + 1))
    """By hop, by how much the number changes from one span to the next."""
    for one in every if width else ():
        for name, hop in one.hops.items():
            _spread(steps[name], axis.at(one.began + hop.start) / width, axis.at(one.began + hop.end) / width, hop)
    return Moments(round(width, 3), {name: _summed(steps[name]) for name in _names(every) if name in steps})


def _spread(steps: list[float], start: float, end: float, hop: Hop) -> None:
    """Add one partition between two places on the axis, counted in columns. One that waited now and then counts for as
    much as it waited.
    """
    weight = hop.seconds / (hop.end - hop.start) if hop.end > hop.start else 0.0
    for place, sign in ((start, weight), (end, -weight)):
        column = min(COLUMNS - 1, max(0, int(place)))
        part = min(1.0, max(0.0, place - column))
        steps[column] += sign * (1 - part)
        steps[column + 1] += sign * part


def _summed(steps: Sequence[float]) -> list[float]:
    found, level = [], 0.0
    for step in steps[:COLUMNS]:
        level += step
        found.append(round(max(0.0, level), 3))
    return found
