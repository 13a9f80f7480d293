"""JSON that others wrote, of which what could do harm later is refused; and JSON for others, which any parser reads."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

DEEPEST = 64
"""Levels of lists and objects."""
DIGITS = 40
"""Characters of a number."""


def parse_json(text: str | bytes) -> Any:
    """Return the value of a text, which is in UTF-8. Raises ValueError with one sentence for what is not JSON, and for

    1. an object that has a key twice;
    2. NaN, Infinity, and a number that no float holds or that has more than 40 characters;
    3. a text or key with half a character (a lone surrogate) or with the character 0;
    4. more than 64 levels.

    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: has the key 'a' twice
    >>> parse_json("[1e999]")
    Traceback (most recent call last):
    ValueError: has the number 1e999, which is too large
    """
    try:
        plain = text.decode() if isinstance(text, bytes) else text
        value = json.loads(
            plain, object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant
        )
    except json.JSONDecodeError as exc:
        if exc.doc.startswith("\ufeff"):
            raise ValueError("begins with a byte order mark: save it as UTF-8 without one") from exc
        raise ValueError(f"not JSON: {exc.msg} at line {exc.lineno} column {exc.colno}") from exc
    except UnicodeDecodeError as exc:
        raise ValueError("is not in UTF-8") from exc
    except RecursionError as exc:
        raise ValueError(_TOO_DEEP) from exc
    _check(value)
    return value


def plain_json(value: Any, **how: Any) -> str:
    """Return JSON that every parser reads: null stands for what JSON has no number for. `how`: as for `json.dumps`.

    >>> plain_json([1.5, float("inf"), {"a": float("nan")}])
    '[1.5, null, {"a": null}]'
    """
    try:
        return json.dumps(value, allow_nan=False, **how)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, **how)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


_TOO_DEEP = f"has more than {DEEPEST} levels of lists and objects"


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"has the key {twice[:60]!r} twice")
    return found


def _int(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f"has a number of {len(text):,} characters, and {DIGITS} are the most")
    return int(text)


def _float(text: str) -> float:
    if len(text) > DIGITS:
        raise ValueError(f"has a number of {len(text):,} characters, and {DIGITS} are the most")
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"has the number {text}, which is too large")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"has {name}, which is no number of JSON")


def _check(value: Any) -> None:
    """Look at every text, level by level."""
    level = [value]
    for _ in range(DEEPEST + 1):
        following: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                following += item
                following += item.values()
            elif isinstance(item, list):
                following += item
        if not following:
            return
        level = following
    raise ValueError(_TOO_DEEP)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("has a text with the character 0")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ValueError("has a text with half a character") from exc
