"""Expand: a collection template becomes one concrete collection per point in time."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pileus.documents import Collection, parse_value
from pileus.errors import DocumentError, UsageError
from pileus.periods import Period, count, span

MOST_POINTS = 200_000
"""Points in time of one template: an hour for each of 22 years, or a day for each of 547."""
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Point:
    """One point in time of a template: its period and its concrete collection."""

    period: Period
    collection: Collection
    """`name` is the template's `templated_name`, every placeholder is replaced, there is no span."""
    own_folder: bool = False
    """Whether its folder at the provider differs from those of the points before and after it."""


def expand(template: Collection, first: Period, last: Period) -> list[Point]:
    """Return one concrete collection for every period from `first` to `last`, both included, in that order.

    `{{pointInTime}}`, `{{year}}`, `{{month}}` and `{{day}}` are replaced anywhere in the template's text.
    Raises DocumentError when two points in time get one name, or when there are more than 200,000; UsageError when
    `first` is after `last`.
    """
    if (steps := count(first, last)) > MOST_POINTS:
        words = f"the span from {first.iso} to {last.iso} has {steps:,} {first.unit}s: {MOST_POINTS:,} are the most"
        raise DocumentError(f"options: {words}", where=template.name)
    text = json.dumps(template.to_json() | {"name": template.templated_name or template.name})
    folder = json.dumps(template.provider_path)
    points = [
        Point(period, _concrete(text, period, template.name), _own(folder, period)) for period in span(first, last)
    ]
    _refuse_twins(points, template)
    return points


def _filled(text: str, period: Period) -> str:
    values = {
        "pointInTime": period.point,
        "year": f"{period.start:%Y}",
        "month": f"{period.start:%m}",
        "day": f"{period.start:%d}",
    }
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _own(folder: str, period: Period) -> bool:
    if "{{" not in folder:
        return False
    try:
        near = {_filled(folder, period.shift(step)) for step in (-1, 1)}
    except UsageError:  # the end of the calendar
        return False
    return _filled(folder, period) not in near


def _concrete(text: str, period: Period, source: str) -> Collection:
    value = json.loads(_filled(text, period))
    value.pop("templated_name", None)
    value.pop("options", None)
    return parse_value(Collection, value, f"{source} at {period.point}")


def _refuse_twins(points: Sequence[Point], template: Collection) -> None:
    seen: dict[str, Period] = {}
    for point in points:
        if twin := seen.get(point.collection.name):
            raise DocumentError(
                f"templated_name: {twin.point} and {point.period.point} both become {point.collection.name!r}: "
                "expected {{pointInTime}} in it",
                where=template.name,
            )
        seen[point.collection.name] = point.period
