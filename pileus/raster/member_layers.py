"""Rasters inside archives: read from the stream where the format allows it, else from memory or a scratch file."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray
from rasterio.io import MemoryFile

from pileus.raster import signatures
from pileus.raster.formats import GEOTIFF, Layer, format_of, open_rasters
from pileus.raster.grid import Needed
from pileus.raster.request import BandRequest
from pileus.raster.stream_layer import StreamLayer, open_stream
from pileus.raster.times_layer import EachLayer
from pileus.unpack.member import Member
from pileus.unpack.streams import CHUNK

IN_MEMORY = 64 << 20
"""A GeoTIFF that cannot be streamed and is smaller than this is unpacked into memory, else into a scratch file."""


class MemberLayers:
    """Opens members as layers. What it unpacks for that is removed when `stack` closes."""

    def __init__(self, scratch: Path, stack: ExitStack) -> None:
        self._scratch, self._stack = scratch, stack
        self.spilled = 0
        """Bytes written to scratch files."""

    def open(
        self, member: Member, requests: Mapping[str, BandRequest]
    ) -> tuple[dict[str, StreamLayer | Layer | EachLayer], str]:
        """Return layers over those of the wanted bands that a member holds, and how they are read. Raises RasterError,
        ArchiveError.
        """
        head, alone = b"", [band for band, request in requests.items() if request.lone or request.path == "*"]
        if format_of(member.name) is GEOTIFF and len(alone) == 1:
            layer, head = open_stream(member.stream, requests[alone[0]], member.where)
            if layer is not None:
                return {alone[0]: layer}, "stream"
        if format_of(member.name) is GEOTIFF and member.size is not None and member.size <= IN_MEMORY:
            memory = self._stack.enter_context(MemoryFile(head + member.stream.read(member.size - len(head))))
            return dict(open_rasters(memory.name, requests, member.where, signatures.GEOTIFF)), "memory"
        return dict(open_rasters(self._to_scratch(member, head), requests, member.where)), "scratch"

    def _to_scratch(self, member: Member, head: bytes) -> Path:
        suffix = PurePosixPath(member.name).suffix
        with tempfile.NamedTemporaryFile(dir=self._scratch, suffix=suffix, delete=False) as file:
            path = Path(file.name)
            self._stack.callback(path.unlink, missing_ok=True)
            file.write(head)
            buffer = memoryview(bytearray(CHUNK))
            while count := member.stream.some(buffer):
                file.write(buffer[:count])
            self.spilled += file.tell()
        return path


def read_packed(layer: StreamLayer | Layer, needed: Needed) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield each needed strip of 64 rows, from the top, with its needed pixels."""
    if isinstance(layer, StreamLayer):
        yield from layer.read(needed)
        return
    with layer.open() as handle:
        for unit in layer.units(needed):
            yield from zip(unit, layer.read(handle, needed, unit), strict=True)
