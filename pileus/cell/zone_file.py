"""Zones as one block of bytes, so that they can be given to a cell in an open file.

8 bytes  length of a JSON header, little-endian
         header: ids, names, crs, hash; the notes stay with the worker
         (zones + 1) int64: where each WKB begins; then the WKBs
"""

import json
import struct
from typing import Any

import numpy as np
import shapely
from shapely.errors import GEOSException

from pileus.cell.results import BadAnswer, notes_of
from pileus.zonal.zones import Zones, make_zones

MULTIPOLYGON = 6
"""GEOS's type id."""
LONGEST_CRS = 100_000
"""Most characters of a coordinate reference system."""


def zones_to_bytes(zones: Zones) -> bytes:
    """Return what `zones_from_bytes` reads."""
    header = json.dumps([zones.ids, zones.names, zones.crs, zones.hash]).encode()
    shapes = shapely.to_wkb(zones.geometries, output_dimension=2, byte_order=1)
    starts = np.cumsum([0, *map(len, shapes)], dtype=np.int64)
    return b"".join([struct.pack("<Q", len(header)), header, starts.tobytes(), *shapes])


def zones_from_bytes(content: bytes) -> Zones:
    """Return the zones that `zones_to_bytes` was given, without notes.

    >>> from pileus.zonal import make_zones
    >>> zones = make_zones(["a"], ["A"], [shapely.box(0, 0, 1, 1)], "EPSG:4326")
    >>> again = zones_from_bytes(zones_to_bytes(zones))
    >>> again.ids, again.hash == zones.hash, again.geometries[0].equals(zones.geometries[0])
    (('a',), True, True)
    """
    size = struct.unpack("<Q", content[:8])[0]
    ids, names, crs, digest = json.loads(content[8 : 8 + size])
    first = 8 + size + 8 * (len(ids) + 1)
    starts = np.frombuffer(content, np.int64, len(ids) + 1, 8 + size) + first
    shapes = [content[start:end] for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)]
    return Zones(tuple(ids), tuple(names), shapely.from_wkb(np.array(shapes, object)), crs, digest)


def zones_of(notes: Any, content: bytes) -> Zones:
    """Return the zones that a child has read in a stranger's file. Raises BadAnswer for what `read_zones` never gives.

    Their hash is made here: a child cannot pass its zones off as others.
    """
    try:
        told = zones_from_bytes(content)
        shapes = told.geometries
        areal = shapely.get_type_id(shapes) == MULTIPOLYGON
        sound = bool(areal.all() and shapely.is_valid(shapes).all() and not shapely.is_empty(shapes).any())
    except (ValueError, LookupError, TypeError, AttributeError, struct.error, RecursionError, GEOSException) as exc:
        raise BadAnswer("no zones") from exc
    named = [isinstance(text, str) for text in (*told.ids, *told.names, told.crs)]
    counts = {len(told.ids), len(told.names), len(shapes), len(set(told.ids))}
    if not (sound and all(named) and len(counts) == 1 and told.ids and len(told.crs) <= LONGEST_CRS):
        raise BadAnswer("no zones")
    return make_zones(told.ids, told.names, shapes, told.crs, notes_of(notes))
