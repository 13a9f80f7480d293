"""Write what stands beside the tables: clips, pictures, and the STAC item that names everything."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pileus import keys
from pileus.documents import Collection, Process
from pileus.models import Archive, Group, Output, Partition
from pileus.outputs.shapes import lonlat
from pileus.outputs.stac import COG, Made, bounds_of, clip_facts, item, table_facts
from pileus.stopping import Check
from pileus.version import __version__
from pileus.zonal.zones import Zones

Put = Callable[[str, bytes, str], str]
"""Writes an object by key, bytes and content type, and returns its address."""


@dataclass
class Written:
    """The outputs of one partition as they are written, for its item and its manifest."""

    put: Put
    made: list[Made] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kept: list[Output] = field(default_factory=list)
    """Archives."""

    def add(self, key: str, body: bytes, content_type: str, kind: str, title: str, **facts: Any) -> None:
        """Write one output and note it. `facts`: fields of its STAC asset."""
        output = Output(self.put(key, body, content_type), len(body), hashlib.sha256(body).hexdigest(), kind)
        self.made.append(Made(output, title, facts))

    @property
    def outputs(self) -> list[Output]:
        return [one.output for one in self.made]


def write_windows(
    written: Written,
    partition: Partition,
    collection: Collection,
    zones: Zones,
    archives: tuple[Archive, ...],
    scratch: Path,
    check: Check,
) -> None:
    """Write clips where `meta.process.clips` asks for them, quicklooks where `meta.process.pictures` does.

    What `check` raises ends the work.
    """
    rules = collection.meta.process
    if rules is None or not (rules.clips or rules.pictures):
        return
    from pileus.outputs.windows import Windows

    windows = Windows(rules, zones, scratch, check)
    found = list(windows.of([(archive.granule.file.name, archive.path) for archive in archives]))
    written.notes += windows.notes
    for key, body, content_type, kind, title, facts in _files(found, partition, collection, rules):
        check()
        written.add(key, body, content_type, kind, title, **facts)


def _files(
    found: list[Any], partition: Partition, collection: Collection, rules: Process
) -> Iterator[tuple[str, bytes, str, str, str, dict[str, Any]]]:
    from pileus.outputs.clips import cog
    from pileus.outputs.pictures import pictured, quicklook

    for band in rules.bands:
        told = collection.meta.bands.get(band)
        unit = (told.unit if told else None) or ""
        mine = [window for window in found if window.band == band]
        scale = pictured(mine, told.display if told else None) if rules.pictures else (0.1, 100.0)
        for window in mine:
            title = f"{window.name}, {band}"
            if rules.clips:
                key = keys.clip_key(partition, band, window.zone)
                yield key, cog(window, unit), COG, "clip", title, clip_facts(window, unit)
            if rules.pictures:
                body = quicklook(window, period=partition.period, unit=unit, scale=scale)
                yield keys.picture_key(partition, band, window.zone), body, "image/png", "picture", title, {}


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


def facts_of(table: pa.Table, collection: Collection) -> dict[str, Any]:
    """Return the STAC fields of the table's asset."""
    return table_facts(table, {name: band.unit or "" for name, band in collection.meta.bands.items()})
