"""Write what stands beside the tables: clips, pictures, and the STAC item that names everything."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pileus import keys
from pileus.errors import UsageError
from pileus.models import Group, Output, Partition
from pileus.outputs.draw import Drawing
from pileus.outputs.shapes import lonlat
from pileus.outputs.stac import COG, Made, bounds_of, item
from pileus.version import __version__
from pileus.zonal.zones import Zones

Put = Callable[[str, bytes, str], str]
"""Writes an object by key, bytes and content type, and returns its address."""


@dataclass
class Written:
    """The outputs of one partition as they are written, for its item and its manifest."""

    put: Put
    made: list[Made] = field(default_factory=list)
    kept: list[Output] = field(default_factory=list)
    """Archives."""
    _keys: set[str] = field(default_factory=set)

    def add(self, key: str, body: bytes, content_type: str, kind: str, title: str, **facts: Any) -> None:
        """Write one output and note it. `facts`: fields of its STAC asset. Raises UsageError for a key that another
        output of the partition has: one of the two would be lost.
        """
        if key in self._keys:
            raise UsageError("two outputs of one partition would have this key", where=key)
        self._keys.add(key)
        output = Output(self.put(key, body, content_type), len(body), hashlib.sha256(body).hexdigest(), kind)
        self.made.append(Made(output, title, facts))

    def note(self, output: Output, title: str) -> None:
        """Note an output that was written already."""
        self.made.append(Made(output, title))

    @property
    def outputs(self) -> list[Output]:
        return [one.output for one in self.made]


def write_drawn(written: Written, partition: Partition, zones: Zones, drawing: Drawing) -> None:
    """Write clips and quicklooks as they are drawn."""
    names = dict(zip(zones.ids, zones.names, strict=True))
    kinds = {"clip": (keys.clip_key, COG), "picture": (keys.picture_key, "image/png")}
    for one in drawing:
        key, content_type = kinds[one.kind]
        title = f"{names[one.zone]}, {one.band}"
        written.add(key(partition, one.band, one.zone), one.body, content_type, one.kind, title, **one.facts)


def write_item(
    written: Written,
    partition: Partition,
    group: Group,
    zones: Zones,
    *,
    manifest: str,
    created: str,
) -> None:
    """Write the STAC item, after all other outputs and before the manifest."""
    body = item(
        partition,
        bounds=bounds_of(lonlat(zones)),
        inputs=group.granules,
        made=written.made,
        manifest=manifest,
        created=created,
        software=__version__,
        lineage=f"zonal statistics of {len(group.granules)} archives over {len(zones)} zones",
    )
    written.add(keys.item_key(partition), body, "application/geo+json", "item", "STAC item")
