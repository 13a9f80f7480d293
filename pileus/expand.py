"""Expand: a collection template becomes concrete collections, one per point in time, or one for each of its ids."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pileus.documents import Collection
from pileus.errors import DocumentError, UsageError
from pileus.periods import Period, Periods
from pileus.point_collections import PointCollections, Text

MOST_POINTS = 200_000
"""Points of one template, a point in time with each id: an hour for each of 22 years, or a day for each of 547."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point in time of a template."""

    period: Period
    own_folder: bool = False
    """Whether its folders at the provider differ from each other, and from those of the points before and after it."""
    collections: PointCollections = field(kw_only=True, repr=False)

    @property
    def by_id(self) -> dict[str, Collection]:
        """Return its concrete collections by id, made anew: `name` is the template's `templated_name`, every
        placeholder is replaced, there are no options. A template without ids has one, `""`.
        """
        return self.collections.of(self.period)

    @property
    def collection(self) -> Collection:
        """Return the concrete collection of a template without ids."""
        return self.by_id[""]


def expand(template: Collection, periods: Periods) -> list[Point]:
    """Return the point of each period, in order of time.

    Placeholders are replaced anywhere in the template's text; `pileus.placeholders` has their names.
    Raises DocumentError when two points get one name, when there are more than 200,000, or when one's collection is not
    sound.
    """
    collections, points = PointCollections(template), []
    if len(periods) * len(collections.values) > MOST_POINTS:
        ids = f" for each of {len(collections.values):,} ids" if len(collections.values) > 1 else ""
        first, last = periods.first.iso, periods.last.iso
        words = f"the span from {first} to {last} has {len(periods):,} {periods.unit}s{ids}: {MOST_POINTS:,}"
        raise DocumentError(f"options: {words} are the most", where=template.name)
    for period, own in _with_folders(Text(template.provider_path), collections, periods):
        collections.check(period)
        points.append(Point(period, own, collections=collections))
    _refuse_twins(template, collections, periods)
    return points


def _with_folders(folder: Text, collections: PointCollections, periods: Periods) -> Iterator[tuple[Period, bool]]:
    """Yield each period, and whether its folders are its own."""
    ids = tuple(collections.values.values())

    def near(period: Period, steps: int) -> frozenset[str]:
        """Return the folders of the period so many steps away; none beyond the end of the calendar."""
        try:
            return frozenset(folder.filled(period.shift(steps), values) for values in ids)
        except UsageError:
            return frozenset()

    def own(before: frozenset[str], here: frozenset[str], after: frozenset[str]) -> bool:
        return bool(before and after) and len(here) == len(ids) and here.isdisjoint(before | after)

    following: Period | None = None
    before = here = frozenset[str]()
    for period in periods:
        if folder.is_plain:
            yield period, False
            continue
        if period != following:
            before, here = near(period, -1), near(period, 0)
        after = near(period, 1)
        yield period, own(before, here, after)
        before, here, following = here, after, period.shift(1) if after else None


def _refuse_twins(template: Collection, collections: PointCollections, periods: Periods) -> None:
    """Raise DocumentError where two points get one name."""
    seen: dict[str, tuple[Period, str]] = {}
    for period in periods:
        for id, name in zip(collections.values, collections.names_of(period), strict=True):
            at, other = seen.setdefault(name, (period, id))
            if (at, other) == (period, id):
                continue
            one, two = (at.point, period.point) if at != period else (other, id)
            expected = "{{pointInTime}}" if at != period else "{{id}}"
            raise DocumentError(
                f"templated_name: {one} and {two} both become {name!r}: expected {expected} in it", where=template.name
            )
