"""`pileus:anomaly`."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pileus.endpoint import endpoint

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

Against = Annotated[
    Literal["all", "month"],
    Field(description="`all`: less the mean of all times. `month`: less that of the same month of all years"),
]


@endpoint("pileus")
def anomaly(data: "Dataset", *, against: Against = "all") -> "Dataset":
    """Difference from the mean along time.

    Variables without time stay as they are.
    """
    from pileus.errors import DocumentError
    from pileus.stratus.axes import holds_moments, needed

    time = needed(data, "time")
    timed = [str(name) for name, one in data.data_vars.items() if time in one.dims and one.dtype.kind in "iufb"]
    if against == "month" and (time not in data.coords or not holds_moments(data[time])):
        raise DocumentError(f"against: {time} holds no moments, so it has no months")
    found = {name: _less(data[name], time, against == "month") for name in timed}
    return data.assign({name: one.assign_attrs(data[name].attrs) for name, one in found.items()})


def _less(array: "DataArray", time: str, monthly: bool) -> "DataArray":
    if not monthly:
        return array - array.mean(time)
    grouped = array.groupby(array[time].dt.month.rename("month"))
    return (grouped - grouped.mean()).drop_vars("month").transpose(*array.dims)
