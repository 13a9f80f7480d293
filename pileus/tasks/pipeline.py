"""The hops of one group in order, once: download, unpack, raster, zonal.

`measure` runs unpack, raster and zonal in one pass over the archives' bytes, and takes the pixels of clips and pictures
from it. The bytes are those of files on the volume, or of connections, as they arrive; where the collection reads
ranges, those that zones need are fetched in that pass.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pileus.cell.inside import Inside
from pileus.documents import Meta
from pileus.download.fetch import download
from pileus.download.parts import Parts, Range
from pileus.download.source import Cancellation
from pileus.download.streams import Streams
from pileus.edges.providers import ProviderEdge
from pileus.errors import ArchiveError, Changed, Corrupt, RasterError
from pileus.models import Archive, Granule, Group
from pileus.outputs.draw import Drawing, DrawTask, nothing
from pileus.periods import Period
from pileus.raster.signatures import refuse_unreadable
from pileus.scratch.volume import ARCHIVES
from pileus.stopping import unless
from pileus.timing import Recorder
from pileus.zonal import Measured, Source, ZoneIndexCache, Zones
from pileus.zonal.requests import place_of

TRIES = 3
"""How often a group is measured while it arrives before a file that changes or comes damaged fails it."""


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
    looked: bool = False,
    arrives: bool = False,
    progress: Callable[[str, int], None] | None = None,
    cancelled: threading.Event | None = None,
    timing: Recorder | None = None,
) -> Processed:
    """Download a group and measure it. Return its archives, statistics and times.

    `meta`: what the collection says of groups, bands, grid and statistics. `period`: that of the partition. `task`:
    what is drawn; None for nothing. `inside`: opens the archives. `scratch`: a folder with nothing but the downloads of
    earlier tries; the caller removes it. `looked`: whether a file of this collection was opened before, so that the
    first that comes need not be looked at. `arrives`: whether the group is measured while it arrives, and nothing is
    downloaded. `timing`: what records the hops. Raises what the hops raise; HandedBack soon after `cancelled` is set.
    """
    timing = timing or Recorder()

    def measured(files: Sequence[File]) -> tuple[Measured, Drawing]:
        assert meta.process is not None
        assert zones is not None
        return inside.measure(
            sources_of(files, meta, period),
            meta.process,
            zones,
            bands=meta.bands,
            cache=cache,
            scratch=scratch,
            check=unless(cancelled),
            task=task,
        )

    if arrives:
        return _while_arriving(group, edge, measured, progress=progress, cancelled=cancelled, timing=timing)
    started, folder = time.perf_counter(), scratch / ARCHIVES
    archives: list[Archive] = []
    if meta.process and zones and meta.process.read == "ranges":
        files = list(_in_parts(group, folder, edge, parallel, cancelled, timing))
    else:
        inspect = refuse_unreadable if meta.process else None

        def first(archive: Archive) -> None:
            (source,) = sources_of([File(archive.granule, archive.path)], meta, period)
            assert meta.process is not None
            inside.look(source, meta.process, meta.bands, scratch=scratch, check=unless(cancelled))

        alone = looked or meta.process is None or len(group.granules) == 1
        with timing.hop("download"):
            archives = download(
                group.granules,
                folder,
                edge,
                parallel=parallel,
                progress=progress,
                inspect=inspect,
                first=None if alone else first,
                cancelled=cancelled,
            )
        timing.moved("download", sum(archive.size for archive in archives))
        files = [File(archive.granule, archive.path) for archive in archives]
    seconds = {"download": time.perf_counter() - started}
    size = sum(archive.size for archive in archives)
    if meta.process is None or zones is None:
        return Processed(tuple(archives), None, seconds, size, size)
    begun = timing.now()
    found, drawing = measured(files)
    _note(timing, begun, found)
    if moved := sum(file.parts.moved for file in files if file.parts):
        timing.moved("download", moved)
    size += moved
    took, most = seconds | found.seconds, size + found.scratch_bytes
    return Processed(tuple(archives), found, took, size, most, drawing)


def _while_arriving(
    group: Group,
    edge: ProviderEdge,
    measured: Callable[[Sequence["File"]], tuple[Measured, Drawing]],
    *,
    progress: Callable[[str, int], None] | None,
    cancelled: threading.Event | None,
    timing: Recorder,
) -> Processed:
    """Measure a group while it arrives. Begin again when a file has changed, or came damaged, after its first bytes
    were measured.
    """
    came, wait = 0, Cancellation(cancelled)
    for again in range(1, TRIES + 1):
        begun = timing.now()
        streams = Streams(edge, cancelled, progress=progress, inspect=refuse_unreadable)
        try:
            with closing(streams):
                files = [File(granule, open=partial(streams.open, granule)) for granule in group.granules]
                found, drawing = _told_apart(measured, files, streams)
                streams.check_ends()
            _note(timing, begun, found)
            seconds = _after(streams.seconds, found.seconds)
            return Processed((), found, seconds, came + streams.arrived, found.scratch_bytes, drawing)
        except (Changed, Corrupt):
            came += streams.arrived
            if again == TRIES:
                raise
            wait.wait(edge.limits.backoff(again))
        finally:
            timing.note("download", begun, streams.seconds)
            timing.moved("download", streams.arrived)
    raise AssertionError


def _note(timing: Recorder, begun: float, found: Measured) -> None:
    """Record the hops of what was measured since `begun`."""
    compiled = found.seconds.get("compile", 0.0)
    timing.note("compile", begun, compiled)
    timing.note("measure", begun + compiled, found.seconds.get("measure", 0.0))


def _after(download: float, seconds: dict[str, float]) -> dict[str, float]:
    """Return the seconds by hop of what was measured while it arrived: those of `measure` after the last byte.

    >>> _after(10.0, {"compile": 1.0, "measure": 11.5})
    {'download': 10.0, 'compile': 0.0, 'measure': 2.5}
    """
    rest = max(0.0, seconds["compile"] + seconds["measure"] - download)
    return {"download": download, "compile": 0.0, "measure": rest}


def _told_apart(
    measured: Callable[[Sequence["File"]], tuple[Measured, Drawing]], files: Sequence["File"], streams: Streams
) -> tuple[Measured, Drawing]:
    """Measure. Raise Corrupt in place of what is wrong with an archive whose bytes are not those of the provider."""
    try:
        return measured(files)
    except (ArchiveError, RasterError) as error:
        streams.verify(error.where)
        raise


@dataclass(frozen=True, slots=True)
class File:
    """One file of a group: on the scratch volume, or while it arrives."""

    granule: Granule
    path: Path | None = None
    parts: Parts | None = None
    """What fetches bytes of a file that is not whole."""
    bring: Callable[[Iterable[Range]], None] | None = None
    """Asks it to, and records the time."""
    open: Callable[[], BinaryIO] | None = None
    """Returns its bytes while they arrive."""


def _in_parts(
    group: Group,
    folder: Path,
    edge: ProviderEdge,
    parallel: int,
    cancelled: threading.Event | None,
    timing: Recorder,
) -> Iterator[File]:
    """Yield the files of a group, of which nothing is here yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for granule in group.granules:
        path = folder / granule.file.name
        path.unlink(missing_ok=True)
        parts = Parts(edge, granule.file, path, Cancellation(cancelled), parallel=parallel)
        yield File(granule, path, parts, partial(_brought, parts, timing))


def _brought(parts: Parts, timing: Recorder, wanted: Iterable[Range]) -> None:
    with timing.hop("download"):
        parts.bring(wanted)


def sources_of(files: Sequence[File], meta: Meta, period: Period) -> list[Source]:
    """Return what is measured, in the order in which files own pixels that several hold.

    Raises RasterError for a name that tells no place, where the collection wants that.
    """
    newest, span = meta.group.newest, (period.start, period.shift(1).start)
    if meta.process and meta.process.overlap == "newest" and newest:
        files = sorted(files, key=lambda file: file.granule.parts.get(newest, ""), reverse=True)
    return [
        Source(
            file.granule.file.name,
            file.granule.parts.get(meta.group.each) if meta.group.each else None,
            path=file.path,
            open=file.open,
            place=place_of(meta.grid, file.granule.parts, file.granule.file.name),
            span=span,
            bring=file.bring,
        )
        for file in files
    ]
