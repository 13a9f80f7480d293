"""Zone sets: the zones that rows were measured in, with their geometry, once for all partitions.

A set is named by the hash of its ids, names, coordinates and coordinate reference system. Rows have the name in their
column `zone_set`; `zones/collection=C/NAME.parquet` has a row for each zone. Zones that were edited are another set:
older rows still join to the shapes that they were measured in.
"""

import hashlib
import io
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet
import shapely

from pileus import keys
from pileus.edges.store import Reader, Store
from pileus.errors import Conflict, NotFound
from pileus.models import Output
from pileus.outputs.geoparquet import TYPE, to_geoparquet
from pileus.outputs.shapes import lonlat
from pileus.zonal.zones import Zones, read_zones

Shapes = dict[tuple[str | None, str], Any]
"""Geometry in longitude and latitude of each zone, by its set and its id. The set is None for rows that name none."""


SURE = 2.0
"""Seconds for which a set that was there is there: less than `pileus.backfills.remove`, which alone deletes sets, takes
after it has deleted one."""


def name_of(zones: Zones) -> str:
    """Return the name of a set: 16 hexadecimal digits."""
    return zones.hash[:16]


def to_parquet(zones: Zones) -> bytes:
    """Return the set as GeoParquet: zone_set, zone, name, geometry, bbox. Coordinates are those of the zones' file."""
    names = [name_of(zones)] * len(zones)
    table = pa.table({"zone_set": names, "zone": list(zones.ids), "name": list(zones.names)})
    return to_geoparquet(table.replace_schema_metadata({"pileus": "zones"}), zones.geometries, zones.crs)


class Seen(NamedTuple):
    """A set that this process has seen in the store."""

    output: Output
    time: float
    """When it was last there, Unix time."""


def publish(store: Store, url: str, zones: Zones, known: dict[str, Seen], *, now: float) -> Output:
    """Write the set to `url` if it is not there yet, and return it as an output. `known`: what this process has seen,
    by address; it is completed. A set that was there less than SURE seconds before `now` is not looked for again.

    What is there already is kept if it says the same, and is replaced if it is damaged. A set never changes, and rows
    that name it are committed after this: a reader that finds a row finds its zone, and sees no part of a file. Where
    the partition fails after this, the set stays, and nothing names it.
    """
    seen = known.get(url)
    if seen is not None and now - seen.time < SURE:
        return seen.output
    if seen is None or _size(store, url) != seen.output.size:
        body = _kept(store, url, to_parquet(zones))
        known[url] = Seen(Output(url, len(body), hashlib.sha256(body).hexdigest(), "zones"), now)
    else:
        known[url] = Seen(seen.output, now)
    return known[url].output


def _size(store: Store, url: str) -> int | None:
    try:
        return store.mark(url)[0]
    except NotFound:
        return None


def _kept(store: Store, url: str, body: bytes) -> bytes:
    """Write the bytes unless what is there says the same; return what is there after that."""
    there, tag = _tagged(store, url)
    while there is None or not same(there, body):
        try:
            store.swap(url, body, tag, TYPE)
        except Conflict:  # another worker was faster
            there, tag = _tagged(store, url)
        else:
            return body
    return there


def _tagged(store: Store, url: str) -> tuple[bytes | None, str | None]:
    try:
        return store.tagged(url)
    except NotFound:
        return None, None


def same(there: bytes, body: bytes) -> bool:
    """Return whether two files have the same rows. Other versions of the writer may give other bytes."""
    if there == body:
        return True
    try:
        return bool(_read(there).equals(_read(body)))
    except (pa.ArrowException, OSError, ValueError):
        return False


def _read(body: bytes) -> pa.Table:
    return pa.parquet.ParquetFile(io.BytesIO(body), pre_buffer=False).read(use_threads=False)


def shapes_of(store: Reader, bucket: str, collection: str, names: Iterable[str | None], now: Zones | None) -> Shapes:
    """Return the geometries of these sets of a collection.

    `now`: its zones as they are, for rows that name no set, and in place of
    the set that they still are. Raises NotFound for another set that is not there, and ZonesError for a damaged one.
    """
    shapes: Shapes = {}
    for name in sorted(set(names), key=str):
        if name is None or (now and name == name_of(now)):
            zones = now
        else:
            zones = _stored(store, f"s3://{bucket}/{keys.zones_key(collection, name)}")
        if zones is not None:
            shapes |= {(name, zone): shape for zone, shape in zip(zones.ids, _outlines(zones), strict=True)}
    return shapes


def _outlines(zones: Zones) -> Any:
    return shapely.orient_polygons(lonlat(zones))


def _stored(store: Reader, url: str) -> Zones:
    return read_zones(store.get(url), zone_id="zone", where=url)
