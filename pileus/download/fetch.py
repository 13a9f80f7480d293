"""Download: granules become verified archives in a folder, or one granule becomes a stream."""

import io
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from pileus.download.checksum import Checksum
from pileus.download.dispatch import Dispatch
from pileus.download.partial_file import blocks, open_partial, partial_path
from pileus.download.small_files import SmallFiles
from pileus.download.source import Announced, Cancellation, Inspect, Opener, Progress
from pileus.download.streams import Stream
from pileus.download.transfer import BLOCK, Transfer
from pileus.errors import NoSpace, PileusError, UnsafeName, UsageError
from pileus.models import Archive, Granule, Listed
from pileus.names import FileName, shown_name

SPARE = 16 << 20
"""Bytes that stay free on the volume."""


def download(
    granules: Sequence[Granule],
    folder: Path,
    edge: Opener,
    *,
    parallel: int,
    progress: Progress | None = None,
    inspect: Inspect | None = None,
    first: Callable[[Archive], None] | None = None,
    cancelled: threading.Event | None = None,
    reason: Callable[[], PileusError] | None = None,
) -> list[Archive]:
    """Download `granules` into `folder`, at most `parallel` at once. Return the archives in the order of `granules`.

    A file gets its name only when it is whole and verified; before that it is `.NAME.part`, which a later call
    continues. A file that exists, with the listed size and checksum, is kept.
    `first` is called with the first archive that is whole, while the others come; what it raises stops them.
    The first failure stops the others and is raised; its `where` is the URL. When `cancelled` is set, the error that
    `reason` makes (by default HandedBack) is raised within about a second; partial files stay.
    Raises NoSpace before the first byte when the volume cannot hold what is missing.
    """
    stop = cancelled or threading.Event()
    check_space(granules, folder)
    results: list[Archive | None] = [None] * len(granules)
    for index, result in fetch_all(
        granules, folder, edge, Cancellation(stop, reason), parallel=parallel, progress=progress, inspect=inspect
    ):
        if isinstance(result, PileusError):
            raise result
        if first and not any(results):
            first(result)
        results[index] = result
    return [result for result in results if result is not None]


def check_space(granules: Sequence[Granule], folder: Path) -> None:
    """Raise NoSpace when the listed sizes do not fit on the volume of `folder`, UsageError when two files have one
    name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [granule.file.name for granule in granules]
    if twins := {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set():
        raise UsageError(f"several files are called {min(twins)}: they cannot go into one folder", where=str(folder))
    needed = 0
    for granule in [granule for granule in granules if granule.file.size]:
        target = folder / granule.file.name
        here = next((path.stat().st_size for path in (target, partial_path(target)) if path.exists()), 0)
        needed += max(0, (granule.file.size or 0) - here)
    free = shutil.disk_usage(folder).free
    if needed + SPARE > free and needed:
        raise NoSpace(f"{needed} bytes are to come, {free} are free", where=str(folder))


def fetch_all(
    granules: Sequence[Granule],
    folder: Path,
    edge: Opener,
    cancellation: Cancellation,
    *,
    parallel: int,
    progress: Progress | None = None,
    announced: Announced | None = None,
    inspect: Inspect | None = None,
) -> Iterator[tuple[int, Archive | PileusError]]:
    """Fetch each granule. Yield (its index, the archive or its error), in the order in which they end.

    Leaving the loop early stops the others. Raises the reason of the cancellation when cancelled.
    """
    left = threading.Event()
    inner = Cancellation(left, cancellation.reason)

    def fetch_one(index: int, opener: Opener, block: memoryview) -> Archive:
        told = partial(fetch, progress=progress, announced=announced, inspect=inspect)
        return told(granules[index], folder, opener, inner, block=block)

    small = SmallFiles(folder, progress, announced, inspect)
    dispatch = Dispatch(granules, edge, small, fetch_one, left, parallel=parallel)
    dispatch.start()
    try:
        for _ in granules:
            index, result = dispatch.next(cancellation)
            if isinstance(result, BaseException) and not isinstance(result, PileusError):
                raise result
            yield index, result
    finally:
        dispatch.stop()
        edge.rest()


def fetch(
    granule: Granule,
    folder: Path,
    edge: Opener,
    cancellation: Cancellation,
    *,
    progress: Progress | None = None,
    announced: Announced | None = None,
    inspect: Inspect | None = None,
    block: memoryview | None = None,
) -> Archive:
    """Download one granule into `folder`, and return the archive. `block`: a buffer to use.

    Raises what a Transfer raises, and NoSpace.
    """
    target = folder / granule.file.name
    if _is_here(target, granule.file):
        return Archive(granule, target, target.stat().st_size)
    block = memoryview(bytearray(BLOCK)) if block is None else block
    with open_partial(target) as part:
        size_is = partial(announced, granule.file.name) if announced else None
        seen = partial(inspect, granule.file.name) if inspect else None
        transfer = Transfer(edge, granule.file, cancellation, restart=part.restart, announced=size_is, inspect=seen)
        try:
            part.resume(transfer, granule.file.url)
            while transfer.write_to(part.fileno(), block):
                part.note(transfer, granule.file.url)
                if progress:
                    progress(granule.file.name, transfer.position)
            part.publish(transfer.modified)
        finally:
            transfer.close()
    return Archive(granule, target, transfer.position)


def open_stream(
    source: Granule | str,
    edge: Opener,
    *,
    cancelled: threading.Event | None = None,
    reason: Callable[[], PileusError] | None = None,
) -> BinaryIO:
    """Return a file object over a granule or a URL that continues after disconnects and is verified at its end.

    A read at the end raises Corrupt if size or checksum disagree; a reader that stops before the end has
    verified nothing. Raises Changed when the file changed after its first bytes were read.
    """
    if isinstance(source, str):
        source = granule_of(source)
    return io.BufferedReader(
        Stream(source.file.name, Transfer(edge, source.file, Cancellation(cancelled, reason))), BLOCK
    )


def granule_of(url: str) -> Granule:
    """Return a granule for a URL that is in no listing.

    >>> granule_of("https://x.org/v10/a%20b.tgz?token=1").file.name
    'a b.tgz'
    """
    try:
        return Granule(Listed(FileName(unquote(urlsplit(url).path.rsplit("/", 1)[-1])), url), {})
    except UnsafeName as exc:
        raise UsageError(f"names no file: its name {exc.message}", where=shown_name(url)) from exc


def _is_here(target: Path, file: Listed) -> bool:
    if file.size is None or not target.is_file() or target.stat().st_size != file.size:
        return False
    checksum = Checksum(file.checksum)
    for block in blocks(target):
        checksum.update(block)
    return checksum.wrong() is None
