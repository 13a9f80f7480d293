"""`pileus:subset`."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pileus.endpoint import endpoint

if TYPE_CHECKING:
    from xarray import Dataset

Degrees = Annotated[
    tuple[float, float] | None, Field(description="Two bounds, both included; longitudes from west to east")
]
Moments = Annotated[
    tuple[str, str] | None, Field(description="First and last moment in ISO 8601, such as `2015` or `2015-02-03`")
]
Names = Annotated[list[str] | None, Field(description="Names of variables; none: all")]


@endpoint("pileus")
def subset(
    data: "Dataset",
    *,
    variables: Names = None,
    lat: Degrees = None,
    lon: Degrees = None,
    lev: Degrees = None,
    time: Moments = None,
) -> "Dataset":
    """Some variables, within bounds.

    As the domain of an input or an operation does it. A box may cross the date line.
    """
    from pileus.errors import DocumentError
    from pileus.near import unknown
    from pileus.stratus.domain import cut
    from pileus.stratus.request import Axis, Domain

    for name in variables or ():
        if name not in data.data_vars:
            raise DocumentError(f"variables: {unknown('variable', name, map(str, data.data_vars))}")
    axes = {
        name: Axis(bounds[0], bounds[1], "values")
        for name, bounds in (("lat", lat), ("lon", lon), ("lev", lev))
        if bounds is not None
    }
    if time is not None:
        axes["time"] = Axis(time[0], time[1], "timestamps")
    return cut(data if variables is None else data[variables], Domain("subset", axes), "subset")
