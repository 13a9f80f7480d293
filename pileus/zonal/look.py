"""Look: whether a file holds what is wanted of it, before the others of its group are here. No pixel is measured."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

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


def look(source: Source, process: Process, bands: Mapping[str, Band], *, scratch: Path, check: Check) -> None:
    """Open the wanted bands of one whole file.

    Raises what `measure` would raise for it: RasterError for a band that is unknown or ambiguous, a place that the
    collection contradicts, or a kind without a driver; ArchiveError also for a band that the archive lacks.
    """
    assert source.path is not None
    requests = requests_of(process, bands, source)
    if not is_archive(source.path):
        if wanted := may_hold(source.name, requests, process.bands):
            open_rasters(source.path, wanted, source.name)
        return
    found, seen = set[str](), []
    with ExitStack() as stack, source.path.open("rb", buffering=0) as file:
        layers = MemberLayers(scratch, stack)
        with members(file, source.name, limits=UnpackLimits(), check=check) as every:
            for member in every:
                seen.append(member.name)
                wanted = member_may_hold(member.name, requests, process.bands)
                found |= set(layers.open(member, wanted)[0]) if wanted else set()
    refuse_incomplete(requests, found, seen, source.name)
