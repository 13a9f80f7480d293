"""`options` of a template: its points in time, and the ids that it is expanded over besides."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Self

from pydantic import Field, field_validator, model_validator

from pileus.calendars import Unit
from pileus.documents.base import Document
from pileus.errors import DocumentError, UsageError
from pileus.near import unknown
from pileus.periods import Period, Periods, is_absolute
from pileus.placeholders import VALUES, names_of

LISTED = 2000
"""Most entries of `points` and of `exclude`: a backfill keeps them in the index, where an item has 400 KB."""
MOST_IDS = 1000
"""Most ids: one step of the workflow lists all of a point in time."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VALUE = re.compile(r'[^"\\{}\x00-\x1f\x7f]{0,200}')
NEAR = 5000
"""Points in time among which near ones are looked for."""


class Options(Document):
    """The points that a template is expanded over: a span of time or a list, and ids for each point in time."""

    spanUnit: Unit = Unit.day
    """Length of one point in time. Example: `"month"`."""
    spanStart: str | None = None
    """First point in time: as 201501 or 2015-01, `now`, or relative as `-2 months`. Either `spanStart` or `points` is
    required. Example: `"201204"`."""
    spanEnd: str = "now"
    """Last point in time, included; written as `spanStart` is. Example: `"201805"`."""
    points: tuple[str, ...] = Field((), max_length=LISTED)
    """The points in time, or spans of them as `201506/201508`, in place of `spanStart` and `spanEnd`. Empty: all of the
    span. Example: `["201501", "201503"]`."""
    exclude: tuple[str, ...] = Field((), max_length=LISTED)
    """Points in time, or spans of them, that are left out. One that leaves nothing out is an error, unless the span
    moves with the day. Empty: nothing is left out. Example: `["201506/201508"]`."""
    ids: tuple[str, ...] | dict[str, dict[str, str]] = ()
    """Ids, such as tiles or regions, that `{{id}}` stands for; or placeholders by id, each a name and a text. Every
    point in time is listed for each id, and the files of an id are one group, whose key is the id. Empty: points in
    time alone. Example: `["h17v08", "h18v08"]`."""

    @field_validator("ids", mode="before")
    @classmethod
    def _ids_are_a_list_or_a_map(cls, ids: object) -> object:
        named = isinstance(ids, dict) and all(isinstance(values, dict) for values in ids.values())
        texts = (
            [text for values in ids.values() for text in values.values()] if isinstance(ids, dict) and named else ids
        )
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise ValueError('expected a list of ids, or texts by id and name, as {"africa": {"folder": "af"}}')
        return ids

    @field_validator("ids")
    @classmethod
    def _ids_are_plain(
        cls, ids: tuple[str, ...] | dict[str, dict[str, str]]
    ) -> tuple[str, ...] | dict[str, dict[str, str]]:
        if len(ids) > MOST_IDS:
            raise ValueError(f"{len(ids):,} ids: {MOST_IDS:,} are the most")
        for id in ids:
            if not _ID.fullmatch(id):
                raise ValueError(f"{id[:80]!r} is no id: expected up to 64 letters, digits, _ and -")
        if not isinstance(ids, dict):
            if twice := next((id for at, id in enumerate(ids) if id in ids[:at]), None):
                raise ValueError(f"{twice!r} is listed twice")
            return ids
        first = next(iter(ids.values()), {})
        for id, values in ids.items():
            if values.keys() != first.keys():
                raise ValueError(f"{id}: expected the same names as of the other ids: {', '.join(first) or 'none'}")
            for name, value in values.items():
                if name in VALUES or name == "id" or not re.fullmatch("[A-Za-z0-9_]{1,64}", name):
                    raise ValueError(f"{id}: {name[:80]!r} cannot name a placeholder of an id")
                if not _VALUE.fullmatch(value):
                    raise ValueError(f"{id}.{name}: expected text without quotes, backslashes and braces")
        return ids

    @model_validator(mode="after")
    def _is_a_span_or_a_list(self) -> Self:
        if self.points and (self.spanStart is not None or "spanEnd" in self.model_fields_set):
            raise ValueError("expected either points, or spanStart and spanEnd")
        if not self.points and self.spanStart is None:
            raise ValueError("expected spanStart, the first point in time, or points, a list of them")
        return self

    @property
    def values_by_id(self) -> Mapping[str, Mapping[str, str]]:
        """Return the text of each placeholder by id; with no ids one entry, `""`, without any."""
        if not self.ids:
            return {"": {}}
        if isinstance(self.ids, dict):
            return {id: {"id": id, **values} for id, values in self.ids.items()}
        return {id: {"id": id} for id in self.ids}

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Return the names of the placeholders that the template may have."""
        return (*names_of(self.spanUnit), *next(iter(self.values_by_id.values())))

    @property
    def moves(self) -> bool:
        """Whether its points in time move with the day."""
        ends = (self.spanStart or "", self.spanEnd) if not self.points else "/".join(self.points).split("/")
        return not all(map(is_absolute, ends))


def resolve_points(options: Options, today: date, source: str) -> Periods:
    """Return the points in time of a template. Raises DocumentError."""
    try:
        whole = _whole(options, today)
        left = whole.without(_excluded(options, whole, today))
    except UsageError as exc:
        raise DocumentError(f"options: {exc.message}", where=source) from exc
    if not left:
        raise DocumentError("options: exclude leaves no point in time", where=source)
    return left


def narrowed(
    options: Options, today: date, source: str, first: str | None, last: str | None, *, onward: bool = False
) -> Periods:
    """Return the points in time from `first` to `last`; None: the template's own end.

    `onward`: what begins before the template's span is cut, and what ends after it goes on, unless the template lists
    its points; with `first` alone it ends now. Raises DocumentError, and UsageError where the two leave the template's
    span or no point is between them.
    """
    points, whole = resolve_points(options, today, source), _whole(options, today)
    begin, end = _ends(options, today, source, (first, last or ("now" if onward and first else None)), whole)
    if onward:
        begin = max(begin, whole.first)
        if end > whole.last and not options.points:
            whole = Periods.of(whole.first, end)
            points = whole.without(_excluded(options, whole, today))
    elif begin < whole.first or end > whole.last:
        raise UsageError(f"{begin.iso} to {end.iso} leaves the span of {source}, {whole.first.iso} to {whole.last.iso}")
    if not (found := points.between(begin, end)):
        raise UsageError(f"{source} has no point in time from {begin.iso} to {end.iso}: its options leave them out")
    return found


def listed_points(options: Options, today: date, source: str, points: Sequence[str]) -> Periods:
    """Return the points in time that a person listed: each, or the two ends of a span. Raises UsageError for one that
    the template does not have, with those that are near.
    """
    whole = resolve_points(options, today, source)
    wanted = Periods.parse(points, options.spanUnit, today)
    for period in wanted:
        if period not in whole:
            there = [one.iso for one in whole] if len(whole) <= NEAR else [whole.first.iso, whole.last.iso]
            raise UsageError(unknown(f"point in time of {source}", period.iso, there))
    return wanted


def _ends(
    options: Options, today: date, source: str, wanted: tuple[str | None, str | None], whole: Periods
) -> tuple[Period, Period]:
    try:
        begin, end = (
            Period.parse(text, options.spanUnit, today) if text else own
            for text, own in zip(wanted, (whole.first, whole.last), strict=True)
        )
    except UsageError as exc:
        raise DocumentError(f"options: {exc.message}", where=source) from exc
    if begin > end:
        raise DocumentError(f"options: spanStart {begin.point} is after spanEnd {end.point}", where=source)
    return begin, end


def _whole(options: Options, today: date) -> Periods:
    """Return the points before any is left out. Raises UsageError."""
    if options.points:
        return Periods.parse(options.points, options.spanUnit, today)
    first, last = (Period.parse(text, options.spanUnit, today) for text in (options.spanStart or "", options.spanEnd))
    if first > last:
        raise UsageError(f"spanStart {first.point} is after spanEnd {last.point}")
    return Periods.of(first, last)


def _excluded(options: Options, whole: Periods, today: date) -> Periods:
    """Return the points that are left out. Raises UsageError, also for one that never leaves anything out."""
    found = [Periods.parse([text], options.spanUnit, today) for text in options.exclude]
    for text, one in zip(options.exclude, found, strict=True) if not options.moves else ():
        if not whole.between(one.first, one.last):
            raise UsageError(
                f"exclude: {text} leaves nothing out: expected points from {whole.first.iso} to {whole.last.iso}"
            )
    return Periods.these(options.spanUnit, found)
