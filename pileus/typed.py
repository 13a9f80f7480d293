"""Records that come as JSON: whether each field has the type that the record says."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from operator import attrgetter
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Check = Callable[[Any], bool]


def check_types(record: Any) -> None:
    """Raise TypeError for a field of a dataclass, or of one inside of it, whose value is of another type.

    >>> from pileus.models import Partition
    >>> check_types(Partition("viirs", "001", 201501, "all"))
    Traceback (most recent call last):
    TypeError: period is of the wrong type: int
    """
    kind: Any = type(record)
    for name, value_of, fits in _fields(kind):
        value = value_of(record)
        if not fits(value):
            raise TypeError(f"{name} is of the wrong type: {type(value).__name__}")


@cache
def _fields(kind: Any) -> list[tuple[str, Callable[[Any], Any], Check]]:
    """Return the fields of a dataclass: the name, what reads it, and what says whether a value fits."""
    hints = get_type_hints(kind)
    return [(field.name, attrgetter(field.name), _check(hints[field.name])) for field in fields(kind)]


def _check(hint: Any) -> Check:
    """Return what says whether a value is of the type. It raises TypeError for a record in which something is not."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda _: True
    if getattr(hint, "_is_protocol", False):  # of records, such as Subject: a dataclass, whose own fields are checked
        return _record
    if origin in (Union, UnionType):
        return _any_of([_check(one) for one in args])
    if origin is Literal:
        return args.__contains__
    if origin is tuple:
        return _items_of(_check(args[0]))
    if origin is not None and issubclass(origin, Mapping):
        return _pairs_of(_check(args[0]), _check(args[1]))
    if hint in (int, float):
        wanted = int | hint
        return lambda value: isinstance(value, wanted) and not isinstance(value, bool)
    if hint is None or hint is type(None):
        return lambda value: value is None
    if is_dataclass(hint):
        return lambda value: isinstance(value, hint) and _record(value)  # type: ignore[arg-type]
    return lambda value: isinstance(value, hint)


def _record(value: Any) -> bool:
    check_types(value)
    return True


def _any_of(checks: list[Check]) -> Check:
    return lambda value: any(fits(value) for fits in checks)


def _items_of(fits: Check) -> Check:
    return lambda value: isinstance(value, tuple) and all(map(fits, value))


def _pairs_of(key_fits: Check, item_fits: Check) -> Check:
    return lambda value: (
        isinstance(value, Mapping) and all(map(key_fits, value)) and all(map(item_fits, value.values()))
    )
