"""Archives that a collection keeps in S3, as a backfill has left them."""

import hashlib
import json
from pathlib import Path

from pileus import keys
from pileus.models import Granule, Listed, Manifest, Output, Partition
from pileus.names import FileName
from pileus.wiring import Edges


def keep(edges: Edges, name: str, period: str, path: Path, group: str | None = None) -> str:
    """Put an archive where it is kept, with the manifest of its partition. Return its address."""
    partition = Partition(name, "001", period, group or period.replace("-", ""))
    body, url = path.read_bytes(), edges.internal(keys.archive_key(partition, path.name))
    edges.store.put(url, body)
    granule = Granule(Listed(FileName(path.name), path.as_uri(), size=len(body)), {})
    output = Output(url, len(body), hashlib.sha256(body).hexdigest(), "archive")
    manifest = Manifest(partition, "print", (granule,), {}, (output,), "1", "2026-01-01T00:00:00+00:00")
    edges.store.put(edges.protected(keys.manifest_key(partition)), json.dumps(manifest.to_json()).encode())
    return url
