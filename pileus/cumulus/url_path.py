"""`url_path` of Cumulus: templates of the folder that a granule's file is kept in.

`{file.fileName}` stands for a value of the granule, `{substring(file.fileName, 0, 3)}` for what a function makes of
one. They may be nested; the inner one is replaced first. As in Cumulus:

1. What a function is given is a place in the values if it begins with the name of one of them, else a text.
2. A value that is not there, and an empty one, is an error; `defaultTo` takes the second then.
3. What a value holds is looked through for templates again.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pileus.cumulus.moments import formatted, moment_of
from pileus.errors import DocumentError
from pileus.near import unknown

ROUNDS = 50
"""How deep templates may be nested."""
_PART = re.compile(r"\{([^{}]+)\}")
_CALL = re.compile(r"\s*([^(]+)\(([^)]+)\)\s*")
_STEP = re.compile(r"\[(?:(\d+)|'([^']*)'|\"([^\"]*)\")\]|([^.\[\]]+)")


def url_path(template: str, values: Mapping[str, Any]) -> str:
    """Return the path that a template gives with these values, such as `{"file": {...}, "granule": {...}}`.

    Raises DocumentError, which names the template, the place that cannot be resolved, and what is there.

    >>> url_path("{file.type}/{substring(file.fileName, 0, 3)}", {"file": {"fileName": "abcd.hdf", "type": "data"}})
    'data/abc'
    """
    path = template
    for _ in range(ROUNDS):
        if not _PART.search(path):
            return path
        path = _PART.sub(lambda part: _replaced(part[1], values, template), path)
    raise DocumentError(f"templates are nested in templates more than {ROUNDS} times", where=_where(template))


def check_template(template: str) -> None:
    """Raise ValueError for a template that no values could resolve: with a function that there is not, or a brace left
    over.

    >>> check_template("{extractYer(file.time)}")
    Traceback (most recent call last):
    ValueError: unknown function of url_path 'extractYer': did you mean extractYear, extractHour or extractDate?
    """
    left = template
    while found := _PART.search(left):
        call = _CALL.fullmatch(found[1])
        if call and call[1].strip() not in FUNCTIONS:
            raise ValueError(unknown("function of url_path", call[1].strip(), FUNCTIONS))
        left = _PART.sub("_", left)
    if "{" in left or "}" in left:
        raise ValueError(f"a brace of {template[:200]!r} has no other that belongs to it")


def _replaced(expression: str, values: Mapping[str, Any], template: str) -> str:
    call = _CALL.fullmatch(expression)
    if call is None:
        return _text(_found(expression, values, template), expression, template)
    name, arguments = call[1].strip(), [one.strip() for one in call[2].split(",")]
    if name not in FUNCTIONS:
        raise DocumentError(unknown("function of url_path", name, FUNCTIONS), where=_where(template))
    first, rest = arguments[0], arguments[1:]
    if name in DEFAULTS and _missing(first, values) and rest:
        first, rest = rest[0], []
    value = _found(first, values, template) if _is_place(first, values) else first
    try:
        return FUNCTIONS[name](value, rest)
    except ValueError as exc:
        raise DocumentError(f"{expression}: {exc}", where=_where(template)) from exc


def _is_place(text: str, values: Mapping[str, Any]) -> bool:
    return re.split(r"[.\[]", text, maxsplit=1)[0] in values


def _missing(text: str, values: Mapping[str, Any]) -> bool:
    return _is_place(text, values) and _is_nothing(_steps(text, values)[0])


def _is_nothing(value: Any) -> bool:
    return value is None or value is False or value == ""


def _found(place: str, values: Mapping[str, Any], template: str) -> Any:
    value, before, name, there = _steps(place, values)
    if not _is_nothing(value):
        return value
    if name is None:
        raise DocumentError(f"{place} is empty", where=_where(template))
    said = unknown(f"part of {before}" if before else "value", name, there)
    raise DocumentError(f"cannot resolve {place}: {said}", where=_where(template))


def _steps(place: str, values: Mapping[str, Any]) -> tuple[Any, str, str | None, list[str]]:
    """Return the value at a place; where a step of it is not there: None, the place before, the step, what is there."""
    at: Any = values
    before = ""
    for step in _STEP.finditer(place):
        name = next(part for part in step.groups() if part is not None)
        if isinstance(at, Mapping) and name in at:
            at = at[name]
        elif isinstance(at, list | tuple) and name.isdecimal() and int(name) < len(at):
            at = at[int(name)]
        else:
            there = [str(key) for key in at] if isinstance(at, Mapping) else []
            if isinstance(at, list | tuple):
                there = [f"[{number}]" for number in range(len(at))]
            return None, before, name, there
        before = f"{before}.{name}" if before else name
    return at, before, None, []


def _text(value: Any, place: str, template: str) -> str:
    """Return a value as JavaScript writes it."""
    if isinstance(value, Mapping | list | tuple):
        names = [str(key) for key in value] if isinstance(value, Mapping) else [f"[{n}]" for n in range(len(value))]
        raise DocumentError(f"{place} is no text: it has {', '.join(names[:8]) or 'nothing'}", where=_where(template))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _where(template: str) -> str:
    return f"url_path {template[:300]!r}"


def _plain(value: Any) -> str:
    return _text(value, "its argument", "")


def _moment(value: Any) -> datetime:
    moment = moment_of(value)
    if moment is None:
        raise ValueError(f"{str(value)[:80]!r} is no date: expected one as 2016-12-23T13:45:00Z")
    return moment


def _substring(value: Any, ends: Sequence[str]) -> str:
    """Return the characters from the first end to the second, as JavaScript's `substring` does."""
    text = _plain(value)
    first, last = (_index(end, len(text)) for end in ((*ends, "", "")[0], (*ends, str(len(text)), str(len(text)))[1]))
    return text[min(first, last) : max(first, last)]


def _index(text: str, longest: int) -> int:
    number = re.fullmatch(r"([+-]?\d+)(?:\.\d*)?", text)
    return min(max(int(number[1]), 0), longest) if number else 0


def _folder(value: Any, _: Sequence[str]) -> str:
    """Return the folder of a path, as Node's `path.dirname` does."""
    path = _plain(value)
    last = path.rstrip("/").rfind("/")
    if last <= 0:
        return "/" if path.startswith("/") else "."
    return path[:last]


FUNCTIONS: dict[str, Callable[[Any, Sequence[str]], str]] = {
    "extractYear": lambda value, _: str(_moment(value).year),
    "extractMonth": lambda value, _: str(_moment(value).month),
    "extractDate": lambda value, _: str(_moment(value).day),
    "extractHour": lambda value, _: str(_moment(value).hour),
    "dateFormat": lambda value, rest: formatted(_moment(value), rest[0] if rest else None),
    "substring": _substring,
    "extractPath": _folder,
    "defaultTo": lambda value, _: _plain(value),
    "firstDefined": lambda value, _: _plain(value),
}
"""What templates may call, by name. Each takes a value and the texts that follow it; raises ValueError."""
DEFAULTS = ("defaultTo", "firstDefined")
"""Functions that take their second argument where the first is not there."""
