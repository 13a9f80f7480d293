"""`pileus:mean`, `min`, `max`, `sum` and `std`: one value of all along some axes."""

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
    from pileus.stratus.weights import area_weights

    along = dimensions(data, axis)
    if weighted:
        return data.weighted(area_weights(data, along)).mean(along, keep_attrs=True)
    return data.mean(along, keep_attrs=True)


@endpoint("pileus", op="min")
def least(data: "Dataset", *, axis: Axis) -> "Dataset":
    """Least value along axes."""
    from pileus.stratus.axes import dimensions

    return data.min(dimensions(data, axis), keep_attrs=True)


@endpoint("pileus", op="max")
def greatest(data: "Dataset", *, axis: Axis) -> "Dataset":
    """Greatest value along axes."""
    from pileus.stratus.axes import dimensions

    return data.max(dimensions(data, axis), keep_attrs=True)


@endpoint("pileus", op="sum")
def total(data: "Dataset", *, axis: Axis) -> "Dataset":
    """Sum along axes; none where there is no value."""
    from pileus.stratus.axes import dimensions

    return data.sum(dimensions(data, axis), min_count=1, keep_attrs=True)


@endpoint("pileus")
def std(data: "Dataset", *, axis: Axis) -> "Dataset":
    """Population standard deviation along axes."""
    from pileus.stratus.axes import dimensions

    return data.std(dimensions(data, axis), ddof=0, keep_attrs=True)
