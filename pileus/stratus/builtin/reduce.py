"""`pileus:mean`, `min`, `max`, `sum` and `std`: one value of all along some axes, of variables that have these."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pileus.endpoint import endpoint

if TYPE_CHECKING:
    from xarray import Dataset

Axis = Annotated[
    str | list[str], Field(description="Dimensions: letters of t, z, y and x as in `tyx`, or names as in `time,lat`")
]
Weighted = Annotated[
    bool, Field(description="Weigh cells by the cosine of their latitude, as their area on a sphere is")
]


@endpoint("pileus")
def mean(data: "Dataset", *, axis: Axis, weighted: Weighted = False) -> "Dataset":
    """Mean along axes.

    Of the values that there are. Weighted, the latitude must be one of the axes.
    """
    from pileus.stratus.axes import dimensions
    from pileus.stratus.reduced import reduced, weighted_mean

    along = dimensions(data, axis)
    return weighted_mean(data, along) if weighted else reduced(data, along, lambda array, dims: array.mean(dims))


@endpoint("pileus", op="min")
def least(data: "Dataset", *, axis: Axis) -> "Dataset":
    """Least value along axes."""
    from pileus.stratus.axes import dimensions
    from pileus.stratus.reduced import reduced

    return reduced(data, dimensions(data, axis), lambda array, dims: array.min(dims))


@endpoint("pileus", op="max")
def greatest(data: "Dataset", *, axis: Axis) -> "Dataset":
    """Greatest value along axes."""
    from pileus.stratus.axes import dimensions
    from pileus.stratus.reduced import reduced

    return reduced(data, dimensions(data, axis), lambda array, dims: array.max(dims))


@endpoint("pileus", op="sum")
def total(data: "Dataset", *, axis: Axis) -> "Dataset":
    """Sum along axes; none where there is no value."""
    from pileus.stratus.axes import dimensions
    from pileus.stratus.reduced import reduced

    return reduced(data, dimensions(data, axis), lambda array, dims: array.sum(dims, min_count=1))


@endpoint("pileus")
def std(data: "Dataset", *, axis: Axis) -> "Dataset":
    """Population standard deviation along axes."""
    from pileus.stratus.axes import dimensions
    from pileus.stratus.reduced import reduced

    return reduced(data, dimensions(data, axis), lambda array, dims: array.std(dims, ddof=0))
