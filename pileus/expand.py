"""Expand: a collection template becomes one concrete collection per point in time."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pileus.documents import Collection
from pileus.errors import DocumentError, UsageError
from pileus.periods import Period, count, span
from pileus.point_collections import PointCollections, Text

MOST_POINTS = 200_000
"""Points in time of one template: an hour for each of 22 years, or a day for each of 547."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point in time of a template."""

    period: Period
    own_folder: bool = False
    """Whether its folder at the provider differs from those of the points before and after it."""
    collections: PointCollections = field(kw_only=True, repr=False)

    @property
    def collection(self) -> Collection:
        """Return its concrete collection, made anew: `name` is the template's `templated_name`, every placeholder is
        replaced, there is no span.
        """
        return self.collections.of(self.period)


def expand(template: Collection, first: Period, last: Period) -> list[Point]:
    """Return every point in time from `first` to `last`, both included, in that order.

    `{{pointInTime}}`, `{{year}}`, `{{month}}` and `{{day}}` are replaced anywhere in the template's text.
    Raises DocumentError when two points in time get one name, when there are more than 200,000, or when one's
    collection is not sound; UsageError when `first` is after `last`.
    """
    if (steps := count(first, last)) > MOST_POINTS:
        words = f"the span from {first.iso} to {last.iso} has {steps:,} {first.unit}s: {MOST_POINTS:,} are the most"
        raise DocumentError(f"options: {words}", where=template.name)
    collections, points = PointCollections(template), []
    for period, own in _with_folders(Text(template.provider_path), first, last):
        collections.check(period)
        points.append(Point(period, own, collections=collections))
    _refuse_twins(template, first, last)
    return points


def _with_folders(folder: Text, first: Period, last: Period) -> Iterator[tuple[Period, bool]]:
    """Yield each period, and whether its folder is its own."""
    before, here = _near(folder, first, -1), folder.filled(first)
    for period in span(first, last):
        after = _near(folder, period, 1)
        own = not folder.is_plain and None not in (before, after) and here not in (before, after)
        yield period, own
        if after is not None:
            before, here = here, after


def _near(folder: Text, period: Period, steps: int) -> str | None:
    """Return the folder of the period so many steps away; None beyond the end of the calendar."""
    try:
        return folder.filled(period.shift(steps))
    except UsageError:
        return None


def _refuse_twins(template: Collection, first: Period, last: Period) -> None:
    text = Text(template.templated_name or template.name)
    seen: dict[str, Period] = {}
    for period in span(first, last):
        name = text.filled(period)
        if (twin := seen.setdefault(name, period)) is not period:
            raise DocumentError(
                f"templated_name: {twin.point} and {period.point} both become {name!r}: expected {{{{pointInTime}}}}"
                " in it",
                where=template.name,
            )
