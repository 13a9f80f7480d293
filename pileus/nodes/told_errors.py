"""Errors as two nodes tell them to each other: a sentence, and which of the errors of Pileus it is."""

from collections.abc import Mapping
from typing import Any

from pileus.errors import (
    Conflict,
    DamagedObject,
    Denied,
    DocumentError,
    NoSpace,
    NotFound,
    NotNow,
    OperationFailed,
    PileusError,
    Refused,
    StoreError,
    Unavailable,
    Unreachable,
    UsageError,
)

LONGEST = 2000
"""Characters of a sentence."""
_KINDS: tuple[type[PileusError], ...] = (
    Conflict,
    DamagedObject,
    Denied,
    DocumentError,
    NoSpace,
    NotFound,
    NotNow,
    OperationFailed,
    Refused,
    StoreError,
    Unavailable,
    Unreachable,
    UsageError,
)
_BY_NAME = {one.__name__: one for one in _KINDS}


def error_value(error: PileusError) -> dict[str, str]:
    """Return what is told of an error: it, or the nearest of its bases that others know.

    >>> error_value(NotFound("there is none"))
    {'error': 'there is none', 'kind': 'NotFound'}
    """
    kind = next((one.__name__ for one in type(error).__mro__ if one in _KINDS), "OperationFailed")
    return {"error": str(error)[:LONGEST], "kind": kind}


def raise_told(value: Mapping[str, Any]) -> None:
    """Raise the error that another node told; of a kind that is not known here, StoreError."""
    if "error" in value:
        raise _BY_NAME.get(str(value.get("kind")), StoreError)(str(value["error"])[:LONGEST])
