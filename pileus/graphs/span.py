"""Which rasters of a collection an input names: its bands, its points in time and its box."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import isfinite

from pileus.backfills.control import read_registry
from pileus.documents import Band, Collection, Process, Provider, narrowed
from pileus.errors import DocumentError, UsageError
from pileus.expand import Point, expand
from pileus.graphs.collection import OfCollection
from pileus.near import unknown
from pileus.stratus.moments import moment
from pileus.stratus.request import Domain
from pileus.wiring import Edges

MOST_POINTS = 400
"""Points in time of one input."""
RULES = {"valid", "range", "zero_is_nodata", "nodata", "overlap"}
"""What a collection's `meta.process` says of the pixels that count."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is read of a collection."""

    template: Collection
    provider: Provider
    process: Process
    """The bands, and which of their pixels count."""
    points: tuple[Point, ...]
    x: tuple[float, float] | None
    """West and east of what is read, in units of the grid; None: all."""
    y: tuple[float, float] | None
    group: str
    """Key of the group; empty: the only one there is."""

    @property
    def bands(self) -> dict[str, Band]:
        """What the collection says of its bands."""
        return dict(self.template.meta.bands)

    @property
    def told(self) -> str:
        """Return the span in words."""
        return f"from {self.points[0].period.iso} to {self.points[-1].period.iso}"


def span_of(edges: Edges, wanted: OfCollection, domain: Domain | None) -> Span:
    """Return what an input names; no provider is asked. Raises DocumentError for a collection, a version, a band and a
    span that there is not, and for more than 400 points in time.
    """
    try:
        registry = read_registry(edges.store, edges.stack)
        template = registry.collection(wanted.collection, wanted.query.get("version"))
        provider = registry.provider_of(template)
    except UsageError as error:
        raise DocumentError(error.message) from error
    what = f"collection {template.name}"
    process = _process(template, wanted.query.get("band", ""), what)
    points = _points(template, wanted, domain, datetime.fromtimestamp(edges.now(), UTC).date(), what)
    bands = template.meta.bands
    if not any(bands[name].time == "each" for name in process.bands if name in bands):
        days = _days(domain, what)
        points = [one for one in points if days[0] <= one.period.start <= days[1]]
    if not points:
        raise DocumentError(f"{what}: has no point in time within the domain")
    if len(points) > MOST_POINTS:
        told = f"from {points[0].period.iso} to {points[-1].period.iso}"
        raise DocumentError(f"{what}: {len(points):,} points in time {told}: {MOST_POINTS} are the most of an input")
    x, y = _ends(domain, "lon"), _ends(domain, "lat")
    return Span(template, provider, process, tuple(points), x, y, wanted.query.get("group", ""))


def _process(template: Collection, asked: str, what: str) -> Process:
    """Return the rules for the bands that are asked for; without a word: those that the collection measures."""
    own, rules = template.meta.process, dict[str, object]()
    there = list(dict.fromkeys((*(own.bands if own else ()), *template.meta.bands)))
    if not there:
        raise DocumentError(f"{what}: names no band, so its rasters cannot be read: write meta.bands")
    bands = tuple(filter(None, asked.split(","))) or (own.bands if own else tuple(there))
    if wrong := [band for band in bands if band not in there]:
        raise DocumentError(f"{what}: {unknown('band', wrong[0], there)}")
    if own:
        rules = own.model_dump(mode="json", include=RULES, exclude_defaults=True)
    return Process.model_validate({"zones": "", "band": list(dict.fromkeys(bands)), **rules})


def _points(template: Collection, wanted: OfCollection, domain: Domain | None, today: date, what: str) -> list[Point]:
    """Return the points in time, of which some part lies within the domain."""
    if template.options is None:
        raise DocumentError(f"{what}: has no options, so it has no points in time")
    first, last = _days(domain, what)
    try:
        periods = narrowed(template.options, today, template.name, wanted.query.get("from"), wanted.query.get("to"))
    except UsageError as error:
        raise DocumentError(f"{what}: {error.message}") from error
    inside = [one for one in periods if one.start <= last and one.end >= first]
    if not inside:
        told = f"{what}: has the points in time from {periods.first.iso} to {periods.last.iso}"
        raise DocumentError(f"{told}: none lies within the domain")
    found = periods.between(inside[0], inside[-1])
    return expand(template, found)


def _days(domain: Domain | None, what: str) -> tuple[date, date]:
    """Return the first and the last day of a domain; all days where it has no time."""
    bounds = domain.axes.get("time") if domain else None
    if bounds is None:
        return date.min, date.max
    at = f"{what}: domain {domain.name if domain else ''}: time"
    if bounds.system != "timestamps":
        raise DocumentError(f"{at}: expected timestamps, since rasters are found by their dates")
    start, end = (moment(str(one), at)[:3] for one in (bounds.start, bounds.end))
    try:
        return date(*(*start, 1, 1)[:3]), _last(end)
    except ValueError as error:
        raise DocumentError(f"{at}: {error}") from error


def _last(given: tuple[int, ...]) -> date:
    """Return the last day of a year, of a month, or a day.

    >>> _last((2015,)), _last((2016, 2)), _last((2015, 2, 3))
    (datetime.date(2015, 12, 31), datetime.date(2016, 2, 29), datetime.date(2015, 2, 3))
    """
    year, month, *day = (*given, 12)[:2] if len(given) < 2 else given
    if day:
        return date(year, month, day[0])
    return (date(year, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _ends(domain: Domain | None, axis: str) -> tuple[float, float] | None:
    """Return the bounds of an axis. Positions are counted in whole rasters, so all is read for them; and for what is no
    number, which is refused where the data are cut.
    """
    bounds = domain.axes.get(axis) if domain else None
    if bounds is None or bounds.system != "values":
        return None
    ends = float(bounds.start), float(bounds.end)
    return ends if all(map(isfinite, ends)) else None
