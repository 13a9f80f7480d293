"""The hops of one group in order, once: download, unpack, raster, zonal.

`measure` runs unpack, raster and zonal in one pass over the archives' bytes, and takes the pixels of clips and pictures
from it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pileus.cell.inside import Inside
from pileus.documents import Meta
from pileus.download.fetch import download
from pileus.edges.providers import ProviderEdge
from pileus.models import Archive, Group
from pileus.outputs.draw import Drawing, DrawTask, nothing
from pileus.periods import Period
from pileus.scratch.volume import ARCHIVES
from pileus.stopping import unless
from pileus.zonal import Measured, Source, ZoneIndexCache, Zones
from pileus.zonal.requests import place_of


@dataclass(frozen=True, slots=True)
class Processed:
    """A group's archives and the statistics that were measured in them."""

    archives: tuple[Archive, ...]
    measured: Measured | None
    """None where the collection asks for no processing."""
    seconds: dict[str, float]
    """Wall time by hop."""
    downloaded: int
    """Bytes."""
    scratch: int
    """Most bytes on the scratch volume at once."""
    drawing: Drawing = field(default_factory=nothing)
    """Clips and pictures, drawn as they are asked for; until it is closed it holds a process and scratch files."""


def process(
    group: Group,
    meta: Meta,
    zones: Zones | None,
    *,
    period: Period,
    edge: ProviderEdge,
    task: DrawTask | None,
    inside: Inside,
    cache: ZoneIndexCache | None,
    scratch: Path,
    parallel: int,
    progress: Callable[[str, int], None] | None = None,
    cancelled: threading.Event | None = None,
) -> Processed:
    """Download a group and measure it. Return its archives, statistics and times.

    `meta`: what the collection says of groups, bands, grid and statistics. `period`: that of the partition. `task`:
    what is drawn; None for nothing. `inside`: opens the archives. `scratch`: a folder with nothing but the downloads of
    earlier tries; the caller removes it. Raises what the hops raise; HandedBack soon after `cancelled` is set.
    """
    started = time.perf_counter()
    archives = download(
        group.granules, scratch / ARCHIVES, edge, parallel=parallel, progress=progress, cancelled=cancelled
    )
    seconds = {"download": time.perf_counter() - started}
    size = sum(archive.size for archive in archives)
    if meta.process is None or zones is None:
        return Processed(tuple(archives), None, seconds, size, size)
    measured, drawing = inside.measure(
        sources_of(archives, meta, period),
        meta.process,
        zones,
        bands=meta.bands,
        cache=cache,
        scratch=scratch,
        check=unless(cancelled),
        task=task,
    )
    took, most = seconds | measured.seconds, size + measured.scratch_bytes
    return Processed(tuple(archives), measured, took, size, most, drawing)


def sources_of(archives: Sequence[Archive], meta: Meta, period: Period) -> list[Source]:
    """Return the archives as files to measure, in the order in which they own pixels that several hold.

    Raises RasterError for a name that tells no place, where the collection wants that.
    """
    newest, span = meta.group.newest, (period.start, period.shift(1).start)
    if meta.process and meta.process.overlap == "newest" and newest:
        archives = sorted(archives, key=lambda archive: archive.granule.parts.get(newest, ""), reverse=True)
    return [
        Source(
            archive.path.name,
            archive.granule.parts.get(meta.group.each) if meta.group.each else None,
            path=archive.path,
            place=place_of(meta.grid, archive.granule.parts, archive.path.name),
            span=span,
        )
        for archive in archives
    ]
