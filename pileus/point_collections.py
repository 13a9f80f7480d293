"""What a template makes of each point in time: its strings are filled, and the rest is shared by all.

A template is validated for one point in time of each id, and not for all: what time puts in are digits and letters, so
that a second point is as sound as the first. That does not hold for a regular expression that has a placeholder where
they are no plain characters, for a sample that a regex must match, and for keys; then each point is validated.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from pileus.documents import Collection, parse_value
from pileus.periods import Period
from pileus.placeholders import VALUES

PLACEHOLDER = re.compile(r"\{\{ *([A-Za-z0-9_]+) *\}\}")
_BEFORE = re.compile(
    r"(?:[A-Za-z0-9_./ %=,;:~@!&'\"<>^$|)*+?\0-]|\((?:\?:|\?P<[A-Za-z_]\w*>)?(?!\?)|\(\?i\)"
    r"|\\[dwsDWSbBAZ.\\/+*?^$()\[\]{}|-]|\[\^?[A-Za-z0-9_. -]+\]|\{[0-9]+(?:,[0-9]*)?\})*"
)
"""What may stand before a placeholder in a regex, to be plain characters. NUL: another placeholder."""


class Text:
    """A text with placeholders."""

    __slots__ = ("_names", "_plain")

    def __init__(self, text: str) -> None:
        parts = PLACEHOLDER.split(text)
        self._plain, self._names = parts[::2], parts[1::2]

    @property
    def is_plain(self) -> bool:
        """Whether it has no placeholder."""
        return not self._names

    def filled(self, period: Period, values: Mapping[str, str]) -> str:
        """Return the text of one point in time. `values`: of the placeholders that an id has."""
        found = [self._plain[0]]
        for name, plain in zip(self._names, self._plain[1:], strict=True):
            found += (VALUES[name](period) if name in VALUES else values[name], plain)
        return "".join(found)


class PointCollections:
    """Makes the concrete collections of any point in time of a template: one for each id, `""` where it has no ids."""

    def __init__(self, template: Collection) -> None:
        self._source = template.name
        self.values: Mapping[str, Mapping[str, str]] = template.options.values_by_id if template.options else {"": {}}
        self._value = template.to_json() | {"name": template.templated_name or template.name}
        self._value.pop("templated_name", None)
        self._value.pop("options", None)
        self._name = Text(self._value["name"])
        self._text = Text(json.dumps(self._value))
        named = {"name": self._value["name"], "templated_name": None, "options": None}
        self._branches = _branches(template.model_copy(update=named))
        self._checked = None if _is_checked_for_each(self._value) else dict[str, Collection]()

    def names_of(self, period: Period) -> list[str]:
        """Return the names of the collections of a point in time."""
        return [self._name.filled(period, values) for values in self.values.values()]

    def check(self, period: Period) -> None:
        """Raise DocumentError where a collection of a point in time is not sound."""
        for id in self.values:
            if self._checked is None:
                self._validated(period, id)
            elif id not in self._checked:
                self._checked[id] = self._validated(period, id)

    def of(self, period: Period) -> dict[str, Collection]:
        """Return the concrete collections of a point in time, by id. Raises DocumentError."""
        return {id: self._one(period, id) for id in self.values}

    def _one(self, period: Period, id: str) -> Collection:
        if self._checked is None:
            return self._validated(period, id)
        if id not in self._checked:
            self._checked[id] = self._validated(period, id)
        like = self._checked[id]
        made: Collection = _filled(like, self._branches, period, self.values[id]) if self._branches else like
        return made

    def _validated(self, period: Period, id: str) -> Collection:
        where = f"{self._source} at {period.point}{f' of {id}' if id else ''}"
        return parse_value(Collection, json.loads(self._text.filled(period, self.values[id])), where)


def _branches(value: object) -> Any:
    """Return the texts of a model with placeholders: one Text, or by field, key or place where they are; None where
    there is none. Not those of its JSON, which has another shape where a part may be written in a short form.
    """
    if isinstance(value, str):
        text = Text(value)
        return None if text.is_plain else text
    if isinstance(value, BaseModel):
        value = _fields(value)
    if not isinstance(value, Mapping | list | tuple):
        return None
    steps = value.items() if isinstance(value, Mapping) else enumerate(value)
    found = {step: branch for step, item in steps if (branch := _branches(item)) is not None}
    return found or None


def _filled(like: Any, branches: Any, period: Period, values: Mapping[str, str]) -> Any:
    """Return a copy of `like` in which the texts of `branches` are those of one point in time."""
    if isinstance(branches, Text):
        return branches.filled(period, values)
    if isinstance(like, BaseModel):
        fields = _fields(like)
        changed = {name: _filled(fields[name], one, period, values) for name, one in branches.items()}
        return like.model_copy(update=changed)
    if isinstance(like, Mapping):
        return {**like, **{name: _filled(like[name], one, period, values) for name, one in branches.items()}}
    kind = type(like)
    return kind(_filled(item, branches[n], period, values) if n in branches else item for n, item in enumerate(like))


def _fields(model: BaseModel) -> dict[str, Any]:
    return model.__dict__ | (model.__pydantic_extra__ or {})


def _is_checked_for_each(value: Mapping[str, Any]) -> bool:
    """Return whether other digits or letters may make a sound collection unsound."""
    regexes = [file["regex"] for file in value["files"]]
    samples = [f"{file['regex']}{file['sampleFileName']}" for file in value["files"] if file.get("sampleFileName")]
    samples += [value.get("sampleFileName") or ""]
    regexes += filter(None, [value.get("granuleIdExtraction"), value.get("granuleId")])
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
