"""Discover: the files of a provider's folder, their names understood by the collection's regexes."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from pileus.documents import File
from pileus.models import Granule, Listed, Problem
from pileus.patterns import NamePattern

SIDECARS = ("md5", "sha1", "sha256", "sha512", "cksum")
"""Endings of files that hold the checksum of the file they are named after."""
WINDOW = 4096
"""Entries kept back while their checksum file may still come; a listing of any length needs no more memory."""


class Lister(Protocol):
    """What discovery needs of a provider."""

    def list(self, path: str) -> Iterator[Listed | Problem]:
        """Yield the files directly in folder `path`, as the provider orders them; folders are left out.

        Entries are made by `pileus.models.listed`: a name that must not be used is a Problem.

        Raises NotFound (no such folder), NotAListing, Refused, Unreachable, Busy.
        """
        ...

    def describe(self, file: Listed) -> Listed:
        """The same file with the size, date and entity tag that the listing left out, if the provider tells."""
        ...


def discover(edge: Lister, path: str, files: Sequence[File]) -> Iterator[Granule | Problem]:
    """Yield a Granule for each file in `path` whose whole name a regex matches, a Problem for each other file.

    The first regex of `files` that matches wins. A file `NAME.md5` (.sha1, .sha256, .sha512, .cksum) beside a
    matched NAME becomes its `sidecar` and is not reported, unless it matches a regex itself; one with `checksumFor`
    is both. Sizes that the listing does not show are asked for.
    Raises DocumentError for a regex that takes too long, and what `edge.list` raises: a folder that is not there is
    NotFound, for the caller to judge.
    """
    understand = [(kind, NamePattern(file.regex), file.bucket) for kind, file in enumerate(files)]
    checksums = frozenset(kind for kind, file in enumerate(files) if file.checksumFor)
    for found in _with_sidecars(_parsed(edge.list(path), understand), checksums):
        if isinstance(found, Granule) and found.file.size is None:
            found = replace(found, file=edge.describe(found.file))
        yield found


def _parsed(
    listing: Iterator[Listed | Problem], understand: Sequence[tuple[int, NamePattern, str]]
) -> Iterator[Granule | Listed | Problem]:
    for file in listing:
        if isinstance(file, Problem):
            yield file
            continue
        for kind, regex, bucket in understand:
            if (parts := regex.parts(file.name)) is not None:
                yield Granule(file, parts, bucket, kind)
                break
        else:
            yield file


def _with_sidecars(
    entries: Iterator[Granule | Listed | Problem], checksums: frozenset[int]
) -> Iterator[Granule | Problem]:
    """Join granules and their checksum files, which may come up to WINDOW entries apart in either order.

    `checksums`: the kinds of granules that are checksum files themselves.
    """
    held: deque[Granule | Listed] = deque()
    sidecars: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, Problem):
            yield entry
            continue
        held.append(entry)
        file = entry if isinstance(entry, Listed) else entry.file if entry.kind in checksums else None
        if file and _sidecar_of(file.name):
            sidecars[file.name] = file.url
        if len(held) == 2 * WINDOW:
            yield from _released(held, sidecars, WINDOW)
    yield from _released(held, sidecars, len(held))


def _released(held: deque[Granule | Listed], sidecars: dict[str, str], count: int) -> Iterator[Granule | Problem]:
    names = {entry.file.name for entry in held if isinstance(entry, Granule)} if sidecars else set()
    for _ in range(count):
        entry = held.popleft()
        if isinstance(entry, Granule):
            urls = [sidecars.pop(f"{entry.file.name}.{ending}", None) for ending in SIDECARS] if sidecars else []
            sidecar = next(filter(None, urls), None)
            yield replace(entry, file=replace(entry.file, sidecar=sidecar)) if sidecar else entry
        elif _sidecar_of(entry.name) not in names:
            sidecars.pop(entry.name, None)
            yield Problem("stranger", entry.name, "no regex of the collection matches this name")


def _sidecar_of(name: str) -> str | None:
    stem, _, ending = name.rpartition(".")
    return stem if stem and ending.lower() in SIDECARS else None
