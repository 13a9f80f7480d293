"""JSONPath as Cirrus and stac-task read it: jsonpath-ng with its extensions, which has filters."""

from functools import lru_cache
from typing import Any, NamedTuple

import regex

from pileus.errors import DocumentError, UsageError
from pileus.patterns import SearchPattern

KEPT = 1000
"""Most paths that are kept: one takes milliseconds to parse."""
SECONDS = 5.0
"""Longest time of a path's regular expression, over all items."""
MISSING = "JSONPath needs jsonpath-ng, which is not installed: `pip install 'pileus[cirrus]'`"


class Parsed(NamedTuple):
    """A path, and the regular expressions in it."""

    path: Any
    patterns: tuple[SearchPattern, ...]


@lru_cache(maxsize=KEPT)
def parsed(path: str) -> Parsed:
    """Return what finds a path. Raises DocumentError for what is none, UsageError where jsonpath-ng is missing."""
    try:
        from jsonpath_ng.ext.parser import parse
    except ImportError as exc:
        raise UsageError(MISSING) from exc
    try:
        found, patterns = parse(path), list[SearchPattern]()
        return Parsed(_bounded(found, patterns), tuple(patterns))
    except Exception as exc:
        raise DocumentError(f"{path[:80]!r} is not a JSONPath: {_why(exc)}") from exc


def find(path: str, value: Any) -> list[Any]:
    """Return all that a path finds in a JSON value, in its order. Raises DocumentError where it cannot be applied or
    its regular expressions take too long, and as `parsed` does.

    >>> find("$[?(@.id =~ 'S2.*')]", [{"id": "S2A"}, {"id": "LC8"}])
    [{'id': 'S2A'}]
    """
    found = parsed(path)
    for pattern in found.patterns:
        pattern.renew(SECONDS)
    try:
        return [match.value for match in found.path.find(value)]
    except Exception as exc:
        raise DocumentError(f"{path[:80]!r} cannot be applied: {_why(exc)}") from exc


def _why(error: Exception) -> str:
    return str(error)[:120] or type(error).__name__


def _bounded(node: Any, patterns: list[SearchPattern]) -> Any:
    """Return a part of a path whose regular expressions cannot go on for ever; those of filters are added to the list.

    jsonpath-ng matches by Python's `re`, which some patterns keep busy for years.
    """
    from jsonpath_ng.ext.filter import Expression
    from jsonpath_ng.ext.string import Sub
    from jsonpath_ng.jsonpath import JSONPath

    if isinstance(node, list | tuple):
        return type(node)(_bounded(one, patterns) for one in node)
    if not isinstance(node, JSONPath):
        return node
    for name, part in vars(node).items():
        setattr(node, name, _bounded(part, patterns))
    if isinstance(node, Sub):
        node.regex = _Substituted(node.expr)  # type: ignore[assignment]
    if isinstance(node, Expression) and node.op == "=~" and isinstance(node.value, str):
        patterns.append(SearchPattern(node.value))
        return _Matching(node.target, patterns[-1])
    return node


class _Matching:
    """A filter by a regular expression, in place of jsonpath-ng's."""

    def __init__(self, target: Any, pattern: SearchPattern) -> None:
        self._target, self._pattern = target, pattern

    def find(self, datum: Any) -> list[Any]:
        """Return of what the filter is about the texts in which the expression is found."""
        found = self._target.find(datum)
        return [one for one in found if isinstance(one.value, str) and self._pattern.first(one.value) is not None]


class _Substituted:
    """The regular expression of a substitution, in place of Python's."""

    def __init__(self, pattern: str) -> None:
        self._pattern = regex.compile(pattern)

    def sub(self, new: str, text: str) -> str:
        """Return the text with each match replaced. Raises TimeoutError."""
        return str(self._pattern.sub(new, text, timeout=SECONDS))


def chain_path(chain_filter: str) -> str:
    """Return the path of the items that a `chain_filter` leaves.

    >>> chain_path("@.properties.ready == true")
    '$.features[?(@.properties.ready == true)]'
    """
    return f"$.features[?({chain_filter})]"
