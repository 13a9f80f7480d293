"""`pileus:timeseries`."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pileus.endpoint import endpoint

if TYPE_CHECKING:
    from xarray import Dataset

Place = Annotated[
    float | tuple[float, float],
    Field(description="Degrees: a number for the nearest cell, or two bounds, both included"),
]


@endpoint("pileus")
def timeseries(data: "Dataset", *, lat: Place, lon: Place) -> "Dataset":
    """Series of a point or a box.

    Of a box the mean of the cells whose middles lie in it, each weighed by the cosine of its latitude.
    """
    from pileus.stratus.axes import needed
    from pileus.stratus.domain import cut, nearest
    from pileus.stratus.reduced import weighted_mean
    from pileus.stratus.request import Axis, Domain

    for axis, place in (("lat", lat), ("lon", lon)):
        if isinstance(place, tuple):
            data = cut(data, Domain("box", {axis: Axis(*place, "values")}), "timeseries")
        else:
            data = nearest(data, axis, place)
    return weighted_mean(data, [needed(data, "lat"), needed(data, "lon")])
