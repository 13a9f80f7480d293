"""Which point in time of a template a file of a message is of: told by its folder, its name, or a date in it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from urllib.parse import unquote, urlsplit

from pileus.calendars import CALENDARS
from pileus.documents import Collection
from pileus.errors import DocumentError, UsageError
from pileus.models import Listed
from pileus.patterns import NamePattern
from pileus.periods import Period, Unit
from pileus.point_collections import PLACEHOLDER, PointCollections

DAYS = (("%Y%m%d", r"[12][0-9]{7}"), ("%Y%j", r"[12][0-9]{6}"), ("%Y-%m-%d", r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}"))
"""How names write a day."""


def point_of(template: Collection, file: Listed) -> Period | None:
    """Return the point in time that a file is of; None where no regex of the template matches its name.

    Of the points in time that its address can be read to name, and for which a regex matches its name, it is the one

    1. in whose folder it lies, where the template's folders differ from point to point;
    2. else, where the regexes differ from point to point, whose regex it is;
    3. else that a named group of the regex tells: one of those that the template groups by, else any but `newest`.

    Raises DocumentError where that is none, or more than one.
    """
    assert template.options is not None  # a template has them
    unit, collections = template.options.spanUnit, PointCollections(template)
    whole = f"{unquote(urlsplit(file.url).path)} {file.name}"
    found = {period: parts for period in _told(whole, unit) if (parts := _parts(collections, period, file)) is not None}
    if not found and _is_strange(collections, unit, file):
        return None
    ways = [_whose_folder(collections, found, file)] if PLACEHOLDER.search(template.provider_path) else []
    if any(PLACEHOLDER.search(one.regex) for one in template.files):
        ways.append(set(found))
    ways.append({period for period, parts in found.items() if period in _of_groups(template, parts, unit)})
    for way in ways:
        if len(way) == 1:
            return way.pop()
    doubt = sorted(one.iso for one in next(filter(None, ways), ()))
    told = f"may be of {', '.join(doubt[:5])}" if doubt else "names no point in time"
    raise DocumentError(f"{file.url} {told}: cannot tell which of {template.name} it is of", where=file.name)


def _told(text: str, unit: Unit) -> set[Period]:
    """Return every period that some part of a text may be read as, also where `-`, `.`, `_` or `/` stand between."""
    found = set()
    for pattern in (CALENDARS[unit].pattern, *(pattern for _, pattern in DAYS)):
        for part in (text, re.sub("[-._/]", "", text)):
            for match in re.finditer(f"(?=({pattern}))", part):
                found |= set(_read(match[1], unit))
    return found


def _read(text: str, unit: Unit) -> Iterator[Period]:
    """Yield the periods that a text is, or whose day it is."""
    if re.fullmatch(CALENDARS[unit].pattern, text):
        with suppress(UsageError):
            yield Period.parse(text, unit, date.min)
    for form, pattern in DAYS:
        if re.fullmatch(pattern, text):
            with suppress(ValueError, UsageError):
                yield Period.containing(datetime.strptime(text, form).date(), unit)


def _parts(collections: PointCollections, period: Period, file: Listed) -> dict[str, str] | None:
    """Return the named groups of the first regex of a point in time that matches; None where none does."""
    with suppress(DocumentError):
        for collection in collections.of(period).values():
            for one in collection.files:
                if (parts := NamePattern(one.regex).parts(file.name)) is not None:
                    return parts
    return None


def _is_strange(collections: PointCollections, unit: Unit, file: Listed) -> bool:
    """Return whether a name is of no file of the collection, whatever its point in time."""
    return _parts(collections, Period.containing(date(2000, 1, 1), unit), file) is None


def _whose_folder(collections: PointCollections, found: dict[Period, dict[str, str]], file: Listed) -> set[Period]:
    folder = unquote(urlsplit(file.url).path).rpartition("/")[0]

    def lies_in(path: str) -> bool:
        wanted = path.strip("/")
        return folder.strip("/") == wanted or folder.endswith(f"/{wanted}")

    return {period for period in found if any(lies_in(one.provider_path) for one in collections.of(period).values())}


def _of_groups(template: Collection, parts: dict[str, str], unit: Unit) -> set[Period]:
    """Return the periods that the named groups tell."""
    grouping = template.meta.group
    for names in (grouping.by, [name for name in parts if name != grouping.newest]):
        if told := {period for name in names for period in _read(parts.get(name, ""), unit)}:
            return told
    return set()
