"""What subscribers are told of an item: SNS's attributes, named and formed as Cirrus has them."""

from collections.abc import Mapping
from typing import Any

CORNERS = ("bbox.ll_lon", "bbox.ll_lat", "bbox.ur_lon", "bbox.ur_lat")


def attributes_of(item: Mapping[str, Any]) -> dict[str, str | float]:
    """Return the attributes of a STAC Item's message: texts and numbers, at most ten.

    A bounding box with heights tells its longitudes and latitudes, where Cirrus takes its first four numbers.

    >>> attributes_of({"collection": "viirs", "bbox": [1, 2, 3, 4], "properties": {"datetime": "2015-01-01T00:00:00Z"}})
    {'collection': 'viirs', 'bbox.ll_lon': 1, 'bbox.ll_lat': 2, 'bbox.ur_lon': 3, 'bbox.ur_lat': 4, \
'start_datetime': '2015-01-01T00:00:00Z', 'end_datetime': '2015-01-01T00:00:00Z', 'datetime': '2015-01-01T00:00:00Z'}
    """
    found: dict[str, Any] = {"collection": item.get("collection")}
    box = item.get("bbox")
    if isinstance(box, list) and len(box) in (4, 6):
        half = len(box) // 2
        found |= dict(zip(CORNERS, (*box[:2], *box[half : half + 2]), strict=True))
    told = item.get("properties")
    told = told if isinstance(told, Mapping) else {}
    for name in ("start_datetime", "end_datetime", "datetime"):
        found[name] = told.get(name) or told.get("datetime")
    found["cloud_cover"] = told.get("eo:cloud_cover")
    return {name: value for name, value in found.items() if _is_told(value)}


def _is_told(value: Any) -> bool:
    return (isinstance(value, str) and value != "") or (isinstance(value, int | float) and not isinstance(value, bool))
