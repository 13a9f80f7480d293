"""Uncompressed strips of a TIFF in a stream, such as a member of an archive: read once, from front to back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from pileus.raster.grid import BAND_ROWS, Grid, Needed
from pileus.raster.longitudes import rolled
from pileus.raster.opening import opened
from pileus.raster.packed import pack
from pileus.raster.request import BandRequest
from pileus.raster.signatures import GEOTIFF
from pileus.raster.stored import Stored
from pileus.raster.tiff import Head, NotPlain, Strips, read_strips
from pileus.unpack.streams import Forward


@dataclass(frozen=True)
class StreamLayer:
    """Uncompressed strips in a stream."""

    grid: Grid
    stored: Stored
    strips: Strips
    stream: Forward
    base: int
    """Bytes of the TIFF that were read before."""

    def read(self, needed: Needed) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield each needed band and its packed pixels, from the top.

        Raises ArchiveError when the stream ends early.
        """
        at = self.base
        rows = np.empty((BAND_ROWS, self.strips.width), self.strips.dtype)
        view = rows.view(np.uint8).data.cast("B")
        size = self.strips.row_bytes
        for band in needed.bands():
            first, last = needed.rows(band)
            for start, end, offset in self.strips.chunks(first, last):
                self.stream.skip(offset - at)
                self.stream.fill(view[(start - first) * size : (end - first) * size])
                at = offset + (end - start) * size
            yield band, pack(needed, band, rows[: last - first], first)
        self.stream.skip(self.strips.end - at)


def open_stream(stream: Forward, request: BandRequest, where: str) -> tuple[StreamLayer | None, bytes]:
    """Return a layer over a TIFF in a stream. Else return None and the bytes that were read to find out."""
    head = Head(lambda size: _upto(stream, size))
    try:
        head.upto(16)
        strips = read_strips(head)
        if not strips.in_order:
            raise NotPlain("its strips are out of order")
        if len(head.data) > strips.start:
            raise NotPlain("its directory lies behind its strips")
        head.upto(strips.start)
    except NotPlain:
        return None, bytes(head.data)
    with MemoryFile(bytes(head.data)) as memory, opened(memory, GEOTIFF.driver, where) as dataset:
        # Its system may lie behind the strips, so that the whole file is needed.
        if dataset.crs is None or not strips.fits(dataset):
            return None, bytes(head.data)
        grid, roll = rolled(request.place.grid(dataset, where))
        if roll:
            return None, bytes(head.data)
        return StreamLayer(grid, request.stored(dataset, 1, where), strips, stream, len(head.data)), b""


def _upto(stream: Forward, size: int) -> bytes:
    data = bytearray(size)
    done = 0
    while done < size and (n := stream.some(memoryview(data)[done:])):
        done += n
    return bytes(data[:done])
