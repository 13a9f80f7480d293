"""The static STAC catalog over all items of a collection, and an index of them that DuckDB and geopandas read."""

import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import shapely

from pileus.documents import Collection
from pileus.edges.store import Store, parsed
from pileus.errors import UsageError
from pileus.models import safe, unsafe
from pileus.outputs.read import PARALLEL
from pileus.outputs.stac import VERSION, to_root

ROOT = "stac/catalog.json"
TIMES = ("datetime", "start_datetime", "end_datetime", "created")


def write_catalog(store: Store, bucket: str, name: str, document: Collection | None = None) -> list[str]:
    """Write collection.json and items.parquet of each version, and the root catalog. Return their addresses, root
    first.

    `document`: the populated collection, for its description, license and bands. Raises UsageError when there is no
    item.
    """
    root = f"s3://{bucket}/"
    versions: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for key, value in _items(store, root, name):
        versions.setdefault(unsafe(key.split("/")[2]), []).append((key, value))
    if not versions:
        raise UsageError(f"collection {name} has no items yet: process some months first")
    written = []
    for version, items in versions.items():
        folder = f"{root}stac/{safe(name)}/{safe(version)}"
        index = to_geoparquet([value for _, value in items])
        store.put(f"{folder}/items.parquet", index, "application/vnd.apache.parquet")
        described = collection_json(name, version, items, document)
        store.put(f"{folder}/collection.json", _json(described), "application/json")
        written += [f"{folder}/collection.json", f"{folder}/items.parquet"]
    store.put(f"{root}{ROOT}", _json(_root(store, root)), "application/json")
    return [f"{root}{ROOT}", *written]


def _items(store: Store, root: str, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return key and content of every item of a collection."""
    urls = [url for url, _ in store.list(f"{root}stac/{safe(name)}/") if url.endswith(".json")]
    urls = [url for url in urls if url.count("/") == root.count("/") + 4]
    with ThreadPoolExecutor(PARALLEL) as pool:
        bodies = list(pool.map(store.get, urls))
    return [(url.removeprefix(root), parsed(url, body, _item)) for url, body in zip(urls, bodies, strict=True)]


def _item(body: bytes) -> dict[str, Any]:
    """Return an item that can be a row of the index. Raises LookupError, TypeError or ValueError for any other."""
    item: dict[str, Any] = json.loads(body)
    _row(item)
    return item


def _root(store: Store, root: str) -> dict[str, Any]:
    keys = [url.removeprefix(f"{root}stac/") for url, _ in store.list(f"{root}stac/")]
    children = [key for key in keys if key.endswith("/collection.json")]
    links = [_link("root", "./catalog.json")]
    for key in children:
        name, version = map(unsafe, key.split("/")[:2])
        links.append(_link("child", f"./{_quoted(key)}", title=f"{name} {version}"))
    return {
        "type": "Catalog",
        "stac_version": VERSION,
        "id": "pileus",
        "title": "Pileus",
        "description": "Zonal statistics of satellite archives, month by month.",
        "links": links,
    }


def _link(rel: str, href: str, *, type: str = "application/json", title: str | None = None) -> dict[str, str]:
    return {"rel": rel, "href": href, "type": type, **({"title": title} if title else {})}


def _quoted(key: str) -> str:
    from urllib.parse import quote

    return quote(key, safe="/=~")


def collection_json(
    name: str, version: str, items: Sequence[tuple[str, dict[str, Any]]], document: Collection | None
) -> dict[str, Any]:
    """Return the STAC collection over `items` (key and content of each)."""
    boxes = [value["bbox"] for _, value in items]
    spatial = [min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)]
    starts = [value["properties"]["start_datetime"] for _, value in items]
    ends = [value["properties"]["end_datetime"] for _, value in items]
    links = [_link("root", "../../catalog.json"), _link("parent", "../../catalog.json")]
    for key, value in items:
        href = "./" + _quoted("/".join(key.split("/")[3:]))
        links.append(_link("item", href, type="application/geo+json", title=value["properties"]["title"]))
    index = {"href": "./items.parquet", "type": "application/vnd.apache.parquet", "roles": ["collection-mirror"]}
    assets = {"items": index | {"title": "all items, as stac-geoparquet"}, **_zone_sets(items)}
    return described(name, version, spatial, (min(starts), max(ends)), document) | {"assets": assets, "links": links}


def described(
    name: str, version: str, bbox: Sequence[float], interval: tuple[str, str], document: Collection | None
) -> dict[str, Any]:
    """Return the STAC collection without links and assets.

    `bbox`: west, south, east, north in degrees; `interval`: its first and last moment, ISO 8601 UTC; `document`: for
    its description, license and bands.
    """
    meta = (document.meta.model_extra or {}) if document else {}
    told: dict[str, Any] = {
        "type": "Collection",
        "stac_version": VERSION,
        "id": f"{name}-{version}",
        "title": f"{name} {version}",
        "description": str(meta.get("description") or f"Statistics of {name}, a row per zone and period."),
        "license": str(meta.get("license") or "other"),
        "extent": {"spatial": {"bbox": [list(bbox)]}, "temporal": {"interval": [list(interval)]}},
    }
    if document and document.meta.bands:
        bands = {band: one.model_dump(include={"unit", "description"}, exclude_none=True) for band, one in
                 document.meta.bands.items()}  # fmt: skip
        told["summaries"] = {"bands": [{"name": band, **one} for band, one in bands.items()]}
    return told


def _zone_sets(items: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return an asset for each zone set that these items name, with its address from the collection."""
    found = {}
    for key, value in items:
        if asset := value["assets"].get("zones"):
            path = asset["href"].removeprefix(to_root(key))
            name = path.rpartition("/")[2].removesuffix(".parquet")
            found[f"zones-{name}"] = asset | {"href": f"../../../{path}"}
    return found


def _row(item: dict[str, Any]) -> dict[str, Any]:
    row = {key: item[key] for key in ("type", "stac_version", "stac_extensions", "id", "collection")}
    row["geometry"] = shapely.to_wkb(shapely.geometry.shape(item["geometry"]))
    row["bbox"] = dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, item["bbox"]), strict=True))
    return row | {"links": item["links"], "assets": item["assets"], **item["properties"]}


def to_geoparquet(items: Sequence[dict[str, Any]]) -> bytes:
    """Return items as stac-geoparquet: geometry in WKB, properties as columns, links and assets nested."""
    table = pa.Table.from_pylist(list(map(_row, items)))
    for name in TIMES:
        if name in table.column_names:
            moments = pa.compute.strptime(table[name], format="%Y-%m-%dT%H:%M:%SZ", unit="us")
            stamps = pa.compute.assume_timezone(moments, "UTC")
            table = table.set_column(table.column_names.index(name), name, stamps)
    boxes = [value["bbox"] for value in items]
    extent = [min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)]
    column = {"encoding": "WKB", "geometry_types": ["Polygon"], "bbox": extent}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    told = {"geo": json.dumps(geo), "stac-geoparquet": json.dumps({"version": "1.0.0"})}
    sink = io.BytesIO()
    pa.parquet.write_table(table.replace_schema_metadata(told), sink, compression="zstd")
    return sink.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()
