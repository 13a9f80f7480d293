"""`pileus:mean`."""

from typing import TYPE_CHECKING

from pileus.endpoint import endpoint

if TYPE_CHECKING:
    from xarray import Dataset


@endpoint("pileus")
def mean(data: "Dataset", *, axis: str) -> "Dataset":
    """Mean along an axis."""
    return data.mean(axis)
