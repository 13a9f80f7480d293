"""`pileus:zonal`: the zonal statistics of Pileus."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pileus.endpoint import endpoint

if TYPE_CHECKING:
    from xarray import Dataset

Zones = Annotated[dict[str, Any], Field(description="A FeatureCollection of GeoJSON with polygons, in degrees")]
Stats = Annotated[list[str], Field(description="Statistics of Pileus, such as mean, sum, count, max or p95")]
Coverage = Annotated[
    Literal["exact", "center", "all_touched"],
    Field(description="Which pixels are a zone's: each by its share in the zone, those whose middle lies in it, or all "
          "that it touches"),
]  # fmt: skip
Weighted = Annotated[bool, Field(description="Weigh pixels by their true area on the ellipsoid")]
ZoneId = Annotated[str, Field(description="Property with the id of a zone; empty: the feature's own id, or `name`")]


@endpoint("pileus")
def zonal(
    data: "Dataset",
    *,
    zones: Zones,
    stats: Stats = ["mean"],  # noqa: B006  (never changed; it is told as the default)
    coverage: Coverage = "exact",
    weighted: Weighted = False,
    zone_id: ZoneId = "",
) -> "Dataset":
    """Statistics of zones.

    Of each variable on latitude and longitude, or on y and x of a projection, for each zone and whatever other
    dimensions it has: `tas` becomes `tas_mean` and so on. Values that are not numbers do not count.
    """
    import json

    from pileus.stratus.zones import zonal_statistics
    from pileus.zonal.zones import read_zones

    read = read_zones(json.dumps(zones).encode(), zone_id=zone_id or None, where="zones")
    return zonal_statistics(data, read, tuple(stats), coverage=coverage, weighted=weighted)
