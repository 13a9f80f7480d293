"""What `meta.process.engine: gippy` says by itself of the other rules, and which of them it does not know."""

from collections.abc import Mapping
from typing import Any

from pileus.version import __version__

IMAGE = f"pileus-gippy:{__version__}"
"""Workers that have gippy."""
RUN = f"run workers of the image {IMAGE}, by `pileus up --workers gippy:2` or `pileus deploy --image {IMAGE}`"
"""What to do where workers do not have it."""
STATISTICS = ("count", "mean", "min", "max", "stddev", "skew")
"""What gippy computes."""
OWN = {"coverage": "gippy", "zero_is_nodata": True, "stats": STATISTICS}
"""How gippy counts."""
UNKNOWN = ("valid", "range", "nodata", "overlap", "area_weighted")
"""Rules that gippy does not know."""


def completed(value: Any) -> Any:
    """Return what a user wrote of a process, with what engine `gippy` says of the rest.

    >>> completed({"engine": "gippy", "band": "b"})["coverage"], completed({"band": "b"})
    ('gippy', {'band': 'b'})
    """
    return OWN | dict(value) if isinstance(value, Mapping) and value.get("engine") == "gippy" else value


def check_gippy(process: Any) -> None:
    """Raise ValueError for a rule of engine `gippy` that it cannot keep."""
    if process.coverage != "gippy" or not process.zero_is_nodata:
        name = "coverage" if process.coverage != "gippy" else "zero_is_nodata"
        raise ValueError(f"{name}: engine gippy counts in its own way: leave it out")
    fields = type(process).model_fields
    if asked := [name for name in UNKNOWN if getattr(process, name) != fields[name].default]:
        raise ValueError(f"{asked[0]}: engine gippy does not know it: leave it out, or take engine pileus")
    if strange := [name for name in process.stats if name not in STATISTICS]:
        raise ValueError(f"stats: engine gippy has no {strange[0]}: expected {', '.join(STATISTICS)}")
