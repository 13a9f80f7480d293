"""Rasters inside archives: read from the stream where the format allows it, else from memory or a scratch file."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray
from rasterio.io import MemoryFile

from pileus.raster.formats import Layer, band_of, format_of, named_band
from pileus.raster.grid import Needed
from pileus.raster.layers import open_file
from pileus.raster.signatures import GEOTIFF
from pileus.raster.stream_layer import StreamLayer, open_stream
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

    def open(self, member: Member) -> tuple[StreamLayer | Layer, str]:
        """Return a layer over a member, and how it is read. Raises RasterError, ArchiveError."""
        format = format_of(member.name)
        if format is not None and format.open is not open_file:
            return format.open(self._to_scratch(member, b""), None, member.where), "scratch"
        layer, head = open_stream(member.stream, member.where)
        if layer is not None:
            return layer, "stream"
        if member.size is not None and member.size <= IN_MEMORY:
            memory = self._stack.enter_context(MemoryFile(head + member.stream.read(member.size - len(head))))
            return open_file(memory.name, None, member.where, GEOTIFF), "memory"
        return open_file(self._to_scratch(member, head), None, member.where), "scratch"

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


def member_band(name: str, wanted: Iterable[str], measured: tuple[str, ...]) -> str | None:
    """Return which of the wanted bands a member holds; None for one that is no raster, or holds another band.

    Where one band is measured, a raster whose name tells no band holds it.

    >>> [member_band(name, ["b", "mask"], ("b",)) for name in ("a/x.tif", "x.mask.tif", "b.txt")]
    ['b', 'mask', None]
    """
    if format_of(name) is None:
        return None
    if band := band_of(name, wanted):
        return band
    return measured[0] if len(measured) == 1 and named_band(name) is None else None


def read_packed(layer: StreamLayer | Layer, needed: Needed) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield each needed strip of 64 rows, from the top, with its needed pixels."""
    if isinstance(layer, StreamLayer):
        yield from layer.read(needed)
        return
    with layer.open() as handle:
        for unit in layer.units(needed):
            yield from zip(unit, layer.read(handle, needed, unit), strict=True)
