"""`meta.process.valid` and `range`: which pixels count."""

import math
import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, WrapSerializer, model_serializer, model_validator

from pileus.documents.base import Document

BITS = re.compile(r"([0-9]{1,2})(?:-([0-9]{1,2}))?")


class Bounds(Document):
    """Values from `min` to `max`, both included, and above `above` and below `below`, these excluded."""

    min: float | None = None
    """Least value that counts. Without it: no limit. Example: `1`."""
    max: float | None = None
    """Greatest value that counts. Without it: no limit. Example: `1000`."""
    above: float | None = None
    """Value that all values that count are greater than. Without it: no limit. Example: `0`."""
    below: float | None = None
    """Value that all values that count are less than. Without it: no limit. Example: `100`."""

    @model_serializer(mode="wrap")
    def _as_written(self, dump: Any) -> Any:
        """Write a lowest and a highest value as a pair."""
        value = dump(self)
        return [value["min"], value["max"]] if set(value) == {"min", "max"} else value

    @model_validator(mode="after")
    def _hold_a_number(self) -> Self:
        low, high = self.ends
        if not low <= high:
            raise ValueError(f"no value lies in it: its least is {low:g} and its greatest {high:g}")
        return self

    @property
    def ends(self) -> tuple[float, float]:
        """Return the least and the greatest float64 in it.

        >>> Bounds(above=0, max=5).ends
        (5e-324, 5.0)
        """
        lows = [-math.inf if self.min is None else self.min]
        highs = [math.inf if self.max is None else self.max]
        if self.above is not None:
            lows.append(math.nextafter(self.above, math.inf))
        if self.below is not None:
            highs.append(math.nextafter(self.below, -math.inf))
        return max(lows), min(highs)

    @property
    def given(self) -> bool:
        """Return whether it has a limit."""
        return self.ends != (-math.inf, math.inf)


def _of_pair(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    if len(value) != 2:
        raise ValueError("expected [lowest, highest]; null where there is no limit")
    return {name: end for name, end in zip(("min", "max"), value, strict=True) if end is not None}


Pair = tuple[float | None, float | None]
Range = Annotated[Bounds, BeforeValidator(_of_pair, json_schema_input_type=Bounds | Pair)]
"""Bounds, also as a pair: the lowest and the highest value, both included; None for no limit."""


class Valid(Bounds):
    """A condition on a band of the group: a pixel counts where that band's value meets all that is given here. With
    `band` alone: where it is at least 1.
    """

    band: str
    """Band that says which pixels count, on the same pixels as the measured band. Example: `"cf_cvg"`."""
    among: tuple[float, ...] = Field(default=(), alias="in")
    """Values that count. Empty: no limit. Example: `[0, 1]`."""
    bits: dict[str, int | tuple[int, ...]] = Field(default_factory=dict)
    """Bits of the band's stored whole number, counted from 0 at the least, and the value or values that they must
    have: of one bit, `"3"`, or of several, `"6-7"`. Example: `{"1": 0, "6-7": [0, 1]}`."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    @model_validator(mode="before")
    @classmethod
    def _least_of_one_is_understood(cls, value: Any) -> Any:
        if isinstance(value, dict) and {name for name, one in value.items() if one} == {"band", "min"}:
            return {"band": value["band"]} if value["min"] == 1 else value
        return value

    @model_validator(mode="after")
    def _bits_are_bits(self) -> Self:
        for place, values in self.bits.items():
            first, last = bit_places(place)
            for value in (values,) if isinstance(values, int) else values:
                if not 0 <= value < 1 << (last - first + 1):
                    raise ValueError(f"bits {place} cannot have the value {value}")
        return self

    @property
    def limits(self) -> Bounds:
        """Return the bounds; from 1 where nothing else is said."""
        return self if self.given or self.among or self.bits else Bounds(min=1)


def _of_one(value: Any) -> Any:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _as_one(value: tuple[Valid, ...], dump: Any) -> Any:
    found = dump(value)
    return found[0] if len(found) == 1 else found


Conditions = Annotated[
    tuple[Valid, ...],
    BeforeValidator(_of_one, json_schema_input_type=Valid | tuple[Valid, ...]),
    WrapSerializer(_as_one),
]
"""Conditions that a pixel must meet, all of them; one may stand without its list."""


def bit_places(text: str) -> tuple[int, int]:
    """Return the first and the last bit of `3` or `6-7`. Raises ValueError.

    >>> bit_places("3"), bit_places("6-7")
    ((3, 3), (6, 7))
    """
    found = BITS.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not first <= last < 64:
        raise ValueError(f"bits {text[:20]!r} are none: expected one, as 3, or several, as 6-7, below 64")
    return first, last
