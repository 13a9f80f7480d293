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
from pileus.documents import Process
from pileus.download.fetch import download
from pileus.edges.providers import ProviderEdge
from pileus.models import Archive, Granule, Group
from pileus.outputs.draw import Drawing, DrawTask, nothing
from pileus.scratch.volume import ARCHIVES
from pileus.stopping import unless
from pileus.zonal import Measured, Source, ZoneIndexCache, Zones


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
    rules: Process | None,
    zones: Zones | None,
    *,
    edge: ProviderEdge,
    each: str | None,
    task: DrawTask | None,
    inside: Inside,
    cache: ZoneIndexCache | None,
    scratch: Path,
    parallel: int,
    progress: Callable[[str, int], None] | None = None,
    cancelled: threading.Event | None = None,
) -> Processed:
    """Download a group and measure it. Return its archives, statistics and times.

    `each`: the named group that tells the group's members apart, for the classic CSV. `task`: what is drawn; None for
    nothing. `inside`: opens the archives. `scratch`: a folder with nothing but the downloads of earlier tries; the
    caller removes it. Raises what the hops raise; HandedBack soon after `cancelled` is set.
    """
    started = time.perf_counter()
    archives = download(
        group.granules, scratch / ARCHIVES, edge, parallel=parallel, progress=progress, cancelled=cancelled
    )
    seconds = {"download": time.perf_counter() - started}
    size = sum(archive.size for archive in archives)
    if rules is None or zones is None:
        return Processed(tuple(archives), None, seconds, size, size)
    measured, drawing = inside.measure(
        _sources(archives, each), rules, zones, cache=cache, scratch=scratch, check=unless(cancelled), task=task
    )
    took, most = seconds | measured.seconds, size + measured.scratch_bytes
    return Processed(tuple(archives), measured, took, size, most, drawing)


def _sources(archives: Sequence[Archive], each: str | None) -> list[Source]:
    return [Source(archive.path.name, _tile(archive.granule, each), path=archive.path) for archive in archives]


def _tile(granule: Granule, each: str | None) -> str | None:
    return granule.parts.get(each) if each else None
