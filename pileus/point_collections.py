"""What a template makes of each point in time: its strings are filled, and the rest is shared by all.

A template is validated for one point in time, and not for each: what is put in are digits, so that a second point is
as sound as the first. That does not hold for a regular expression that has a placeholder where digits are no plain
characters, for a sample that a regex must match, and for keys; then each point is validated.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from pileus.documents import Collection, parse_value
from pileus.periods import Period

PLACEHOLDER = re.compile(r"\{\{ *([A-Za-z0-9_]+) *\}\}")
_VALUES: Mapping[str, Callable[[Period], str]] = {
    "pointInTime": lambda period: period.point,
    "year": lambda period: f"{period.start:%Y}",
    "month": lambda period: f"{period.start:%m}",
    "day": lambda period: f"{period.start:%d}",
}
_BEFORE = re.compile(
    r"(?:[A-Za-z0-9_./ %=,;:~@!&'\"<>^$|)*+?\0-]|\((?:\?:|\?P<[A-Za-z_]\w*>)?(?!\?)|\(\?i\)"
    r"|\\[dwsDWSbBAZ.\\/+*?^$()\[\]{}|-]|\[\^?[A-Za-z0-9_. -]+\]|\{[0-9]+(?:,[0-9]*)?\})*"
)
"""What may stand before a placeholder in a regex, for its digits to be plain characters. NUL: another placeholder."""


class Text:
    """A text with placeholders."""

    __slots__ = ("_names", "_plain")

    def __init__(self, text: str) -> None:
        parts = PLACEHOLDER.split(text)
        self._plain, self._names = parts[::2], [_VALUES[name] for name in parts[1::2]]

    @property
    def is_plain(self) -> bool:
        """Whether it has no placeholder."""
        return not self._names

    def filled(self, period: Period) -> str:
        """Return the text of one point in time."""
        found = [self._plain[0]]
        for value, plain in zip(self._names, self._plain[1:], strict=True):
            found += (value(period), plain)
        return "".join(found)


class PointCollections:
    """Makes the concrete collection of any point in time of a template."""

    def __init__(self, template: Collection) -> None:
        self._source = template.name
        self._value = template.to_json() | {"name": template.templated_name or template.name}
        self._value.pop("templated_name", None)
        self._value.pop("options", None)
        self._name = Text(self._value["name"])
        self._text = Text(json.dumps(self._value))
        self._branches = _branches(self._value)
        self._checked = None if _is_checked_for_each(self._value) else dict[int, Collection]()

    def name_of(self, period: Period) -> str:
        """Return the name of the collection of a point in time."""
        return self._name.filled(period)

    def check(self, period: Period) -> None:
        """Raise DocumentError where the collection of a point in time is not sound."""
        if self._checked is None:
            self._validated(period)
        elif (digits := len(str(period.start.year))) not in self._checked:
            self._checked[digits] = self._validated(period)

    def of(self, period: Period) -> Collection:
        """Return the concrete collection of a point in time. Raises DocumentError."""
        if self._checked is None:
            return self._validated(period)
        self.check(period)
        like = self._checked[len(str(period.start.year))]
        made: Collection = _filled(like, self._branches, period) if self._branches else like
        return made

    def _validated(self, period: Period) -> Collection:
        return parse_value(Collection, json.loads(self._text.filled(period)), f"{self._source} at {period.point}")


def _branches(value: object) -> Any:
    """Return the texts with placeholders: one Text, or by key or place where they are; None where there is none."""
    if isinstance(value, str):
        text = Text(value)
        return None if text.is_plain else text
    if not isinstance(value, Mapping | list):
        return None
    steps = value.items() if isinstance(value, Mapping) else enumerate(value)
    found = {step: branch for step, item in steps if (branch := _branches(item)) is not None}
    return found or None


def _filled(like: Any, branches: Any, period: Period) -> Any:
    """Return a copy of `like` in which the texts of `branches` are those of one point in time."""
    if isinstance(branches, Text):
        return branches.filled(period)
    if isinstance(like, BaseModel):
        fields = like.__dict__ | (like.__pydantic_extra__ or {})
        return like.model_copy(update={name: _filled(fields[name], one, period) for name, one in branches.items()})
    if isinstance(like, Mapping):
        return {**like, **{name: _filled(like[name], one, period) for name, one in branches.items()}}
    kind = type(like)
    return kind(_filled(item, branches[n], period) if n in branches else item for n, item in enumerate(like))


def _is_checked_for_each(value: Mapping[str, Any]) -> bool:
    """Return whether other digits may make a sound collection unsound."""
    regexes = [file["regex"] for file in value["files"]]
    samples = [f"{file['regex']}{file['sampleFileName']}" for file in value["files"] if file.get("sampleFileName")]
    regexes += filter(None, [value.get("granuleIdExtraction")])
    odd = any(not _are_plain_characters(regex) for regex in regexes)
    return odd or any(map(PLACEHOLDER.search, samples)) or any(map(PLACEHOLDER.search, _keys(value)))


def _are_plain_characters(regex: str) -> bool:
    """Return whether each placeholder stands for characters that match themselves.

    >>> [_are_plain_characters(regex) for regex in (r"a{{day}}[.]{{year}}", r"[{{day}}]x{{day}}", r"(.)\\1{{day}}")]
    [True, False, False]
    """
    last = max((match.start() for match in PLACEHOLDER.finditer(regex)), default=0)
    return _BEFORE.fullmatch(PLACEHOLDER.sub("\0", regex[:last])) is not None


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for item in inner:
        yield from _keys(item)
