"""Write what stands beside the tables: clips, pictures, and the STAC item that names everything."""

import hashlib
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pileus import keys
from pileus.documents import Collection
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


@dataclass(frozen=True, slots=True)
class Drawn:
    """A clip or a picture of one zone and band."""

    kind: str
    """`clip` or `picture`."""
    band: str
    zone: str
    """Its id."""
    body: bytes
    facts: dict[str, Any]
    """Fields of its STAC asset."""


@dataclass(frozen=True)
class DrawTask:
    """What is drawn of one partition."""

    partition: Partition
    collection: Collection
    zones: Zones
    archives: Iterable[Archive]
    scratch: Path
    check: Check
    """Called often; what it raises ends the work."""
    notes: list[str]
    """Things that a person should know are added here."""


Drawing = Generator[Drawn, None, None]
Draw = Callable[[DrawTask], Drawing]
"""What `draw` is, here or in a process of its own."""


def draw(task: DrawTask) -> Drawing:
    """Yield clips where `meta.process.clips` asks for them, quicklooks where `meta.process.pictures` does."""
    from pileus.outputs.clips import cog
    from pileus.outputs.pictures import pictured, quicklook
    from pileus.outputs.windows import Windows

    rules = task.collection.meta.process
    assert rules is not None  # `write_windows` has looked
    windows = Windows(rules, task.zones, task.scratch, task.check)
    found = list(windows.of((archive.granule.file.name, archive.path) for archive in task.archives))
    task.notes.extend(windows.notes)
    for band in rules.bands:
        told = task.collection.meta.bands.get(band)
        unit = (told.unit if told else None) or ""
        mine = [window for window in found if window.band == band]
        scale = pictured(mine, told.display if told else None) if rules.pictures else (0.1, 100.0)
        for window in mine:
            task.check()
            if rules.clips:
                yield Drawn("clip", band, window.zone, cog(window, unit), clip_facts(window, unit))
            if rules.pictures:
                body = quicklook(window, period=task.partition.period, unit=unit, scale=scale)
                yield Drawn("picture", band, window.zone, body, {})


def write_windows(written: Written, task: DrawTask, draw: Draw) -> None:
    """Write clips and quicklooks, where the collection asks for them."""
    rules = task.collection.meta.process
    if rules is None or not (rules.clips or rules.pictures):
        return
    names = dict(zip(task.zones.ids, task.zones.names, strict=True))
    kinds = {"clip": (keys.clip_key, COG), "picture": (keys.picture_key, "image/png")}
    with closing(draw(task)) as every:
        for one in every:
            task.check()
            key, content_type = kinds[one.kind]
            title = f"{names[one.zone]}, {one.band}"
            written.add(key(task.partition, one.band, one.zone), one.body, content_type, one.kind, title, **one.facts)


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
