"""JSONPath as Cirrus and stac-task read it: jsonpath-ng with its extensions, which has filters."""

import re
from functools import lru_cache
from typing import Any

from pileus.errors import DocumentError, UsageError

KEPT = 1000
"""Most paths that are kept: one takes milliseconds to parse."""
MISSING = "JSONPath needs jsonpath-ng, which is not installed: `pip install 'pileus[cirrus]'`"


@lru_cache(maxsize=KEPT)
def parsed(path: str) -> Any:
    """Return what finds a path. Raises DocumentError for what is none, UsageError where jsonpath-ng is missing."""
    try:
        from jsonpath_ng.exceptions import JSONPathError
        from jsonpath_ng.ext.parser import parse
    except ImportError as exc:
        raise UsageError(MISSING) from exc
    try:
        return parse(path)
    except (JSONPathError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as exc:
        raise DocumentError(f"{path[:80]!r} is not a JSONPath: {str(exc)[:120]}") from exc


def find(path: str, value: Any) -> list[Any]:
    """Return all that a path finds in a JSON value, in its order. Raises DocumentError where it cannot be applied, and
    as `parsed` does.

    >>> find("$[?(@.id =~ 'S2.*')]", [{"id": "S2A"}, {"id": "LC8"}])
    [{'id': 'S2A'}]
    """
    try:
        return [match.value for match in parsed(path).find(value)]
    except (re.error, ValueError, TypeError, AttributeError, LookupError, RecursionError) as exc:
        raise DocumentError(f"{path[:80]!r} cannot be applied: {str(exc)[:120]}") from exc


def chain_path(chain_filter: str) -> str:
    """Return the path of the items that a `chain_filter` leaves.

    >>> chain_path("@.properties.ready == true")
    '$.features[?(@.properties.ready == true)]'
    """
    return f"$.features[?({chain_filter})]"
