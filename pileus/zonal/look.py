"""Look: whether a file holds what is wanted of it, before the others of its group are here. No pixel is measured."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pileus.documents import Band, Process
from pileus.raster.band_names import may_hold, member_may_hold
from pileus.raster.formats import open_rasters
from pileus.raster.member_layers import MemberLayers
from pileus.stopping import Check
from pileus.unpack.member import UnpackLimits
from pileus.unpack.members import is_archive, members
from pileus.zonal.archive import refuse_incomplete
from pileus.zonal.requests import requests_of
from pileus.zonal.source import Source


def wanted_layers(
    source: Source, process: Process, bands: Mapping[str, Band], *, scratch: Path, check: Check
) -> Iterator[tuple[str, Any]]:
    """Yield the wanted bands of one whole file, each with its layer, which must be read before the next is asked for.

    Raises what `measure` would raise for it: RasterError for a band that is unknown or ambiguous, a place that the
    collection contradicts, or a kind without a driver; ArchiveError also for a band that the archive lacks.
    """
    assert source.path is not None
    requests = requests_of(process, bands, source)
    if not is_archive(source.path):
        if wanted := may_hold(source.name, requests, process.bands):
            yield from open_rasters(source.path, wanted, source.name).items()
        return
    found, seen = set[str](), list[str]()
    with ExitStack() as stack, source.path.open("rb", buffering=0) as file:
        layers = MemberLayers(scratch, stack)
        with members(file, source.name, limits=UnpackLimits(), check=check) as every:
            for member in every:
                seen.append(member.name)
                if wanted := member_may_hold(member.name, requests, process.bands):
                    opened = layers.open(member, wanted)[0]
                    found |= set(opened)
                    yield from opened.items()
    refuse_incomplete(requests, found, seen, source.name)


def look(source: Source, process: Process, bands: Mapping[str, Band], *, scratch: Path, check: Check) -> None:
    """Open the wanted bands of one whole file. Raises as `wanted_layers` does."""
    for _ in wanted_layers(source, process, bands, scratch=scratch, check=check):
        pass
