"""The smallest collection that passes through every hop: one archive of 8 x 8 pixels a month in a folder, one zone."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from pileus.models import Partition
from pileus.wiring import Edges, wire_folder
from spec.support.stack import Project

SQUARE = {"type": "Polygon", "coordinates": [[[1, 1], [5, 1], [5, 5], [1, 5], [1, 1]]]}
ZONE = {"type": "Feature", "id": "square", "properties": {}, "geometry": SQUARE}


def raster(values: Any = None, size: float = 1, west: float = 0) -> bytes:
    """A GeoTIFF of ones, or of other values; its upper left corner is (`west`, 8)."""
    values = np.ones((8, 8), "float32") if values is None else values
    height, width = values.shape
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "width": width, "height": height, "crs": "EPSG:4326"}
    with MemoryFile() as memory:
        with memory.open(**profile, transform=from_origin(west, 8, size, size)) as dataset:
            dataset.write(values, 1)
        return bytes(memory.read())


def archive(tif: bytes | None = None) -> bytes:
    """A .tgz with one raster, of ones unless another is given."""
    tif = tif or raster()
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        info = tarfile.TarInfo("tiny.light.tif")
        info.size = len(tif)
        tar.addfile(info, io.BytesIO(tif))
    return sink.getvalue()


def folder_edges(folder: Path) -> Edges:
    """Edges without AWS, whose store has the zone."""
    edges = wire_folder(folder / "buckets", {})
    edges.store.put("s3://internal/zones/tiny.geojson", json.dumps(ZONE).encode())
    return edges


def group_event(path: Path, month: str, meta: dict[str, Any]) -> dict[str, Any]:
    """The message of one group, of the archive at `path` of a month (YYYYMM). `meta`: of its collection."""
    document = {
        "name": f"tiny_{month}",
        "files": [{"regex": r"tiny_(?P<month>\d{6})\.tgz"}],
        "provider": "folder",
        "provider_path": str(path.parent),
        "meta": meta,
    }
    granule = {"name": path.name, "url": path.as_uri(), "size": path.stat().st_size, "parts": {}, "bucket": "internal"}
    partition = Partition("tiny", "001", f"{month[:4]}-{month[4:]}", month)
    group = {"key": month, "granules": [granule], "missing": []}
    return event_of(partition, document, {"id": "folder", "protocol": "file"}, group, fingerprint=f"f-{month}")


def event_of(
    partition: Partition,
    collection: dict[str, Any],
    provider: dict[str, Any],
    group: dict[str, Any],
    *,
    fingerprint: str = "f",
    backfill: str = "b",
    run: int = 1,
) -> dict[str, Any]:
    """The message of one group; documents and group as JSON."""
    config = {
        "partition": partition.key,
        "collection": collection,
        "provider": provider,
        "fingerprint": fingerprint,
        "backfill": backfill,
        "run": run,
    }
    return {"config": config, "input": group}


def publish(project: Project, name: str, *months: str, body: bytes | None = None) -> None:
    """Put the months of collection `name` where its provider finds them."""
    for month in months:
        folder = project.path / "site" / name / month
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"tiny_{month}.tgz").write_bytes(body or archive())


def collection(project: Project, name: str, first: str, last: str, **changes: Any) -> None:
    """Its documents; `publish` puts files there."""
    project.document("data/zones/tiny.geojson", ZONE)
    project.document("data/providers/folder.json", {"id": "folder", "protocol": "file", "attempts": 2})
    value = {
        "name": name,
        "templated_name": f"{name}_{{{{pointInTime}}}}",
        "files": [{"regex": r"tiny_(?P<month>\d{6})\.tgz"}],
        "provider": "folder",
        "provider_path": f"{project.path}/site/{name}/{{{{pointInTime}}}}",
        "options": {"spanUnit": "month", "spanStart": first, "spanEnd": last},
        "meta": {"group": {"by": ["month"]}, "process": {"band": "light", "zones": "data/zones/tiny.geojson"}},
    }
    project.document(f"collections/{name}.json", value | changes)
