"""Records that come as JSON: whether each field has the type that the record says."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def check_types(record: Any) -> None:
    """Raise TypeError for a field of a dataclass, or of one inside of it, whose value is of another type.

    >>> from pileus.models import Partition
    >>> check_types(Partition("viirs", "001", 201501, "all"))
    Traceback (most recent call last):
    TypeError: period is of the wrong type: int
    """
    kind: Any = type(record)
    for name, hint in _hints(kind).items():
        value = getattr(record, name)
        if not _fits(value, hint):
            raise TypeError(f"{name} is of the wrong type: {type(value).__name__}")


@lru_cache(64)
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: _ANY_RECORD if _is_protocol(hints[field.name]) else hints[field.name] for field in fields(kind)}


_ANY_RECORD = object()
"""Stands for a protocol of records, such as Subject: a dataclass, whose own fields are checked."""


def _is_protocol(hint: Any) -> bool:
    return bool(getattr(hint, "_is_protocol", False))


def _fits(value: Any, kind: Any) -> bool:
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if kind is _ANY_RECORD:
        check_types(value)
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in args)
    if origin is Literal:
        return value in args
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, args[0]) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(_fits(k, args[0]) and _fits(v, args[1]) for k, v in value.items())
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    if kind is None or kind is type(None):
        return value is None
    if is_dataclass(kind) and isinstance(value, kind):  # type: ignore[arg-type]
        check_types(value)
    return isinstance(value, kind)
