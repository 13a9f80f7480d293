"""The bands of one archive, measured while its members are read.

The values and their mask are separate members, in any order. The first is kept until the second comes: a mask as bits,
values as the pixels that zones need. Beyond `HOLD` bytes they go to a scratch file.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pileus.errors import ArchiveError, RasterError
from pileus.raster.formats import Layer
from pileus.raster.grid import Grid
from pileus.raster.member_layers import MemberLayers, member_band, read_packed
from pileus.raster.stored import Stored
from pileus.raster.stream_layer import StreamLayer
from pileus.unpack.member import Member
from pileus.unpack.members import members
from pileus.zonal.accumulators import Accumulators, Found
from pileus.zonal.context import Context, Source
from pileus.zonal.validity import lets_count

HOLD = 512 << 20
"""Bytes of pixels that are kept in memory until their mask comes."""


class SpillBuffer:
    """Packed pixels that are kept until their mask comes: in memory, and beyond `HOLD` bytes in a scratch file."""

    def __init__(self, scratch: Path, limit: int) -> None:
        self._scratch, self._limit = scratch, limit
        self._kept: list[tuple[int, NDArray[Any] | tuple[int, int, str]]] = []
        self._in_memory = 0
        self._file: Any = None
        self.spilled = 0
        """Bytes in the scratch file."""

    def put(self, band: int, packed: NDArray[Any]) -> None:
        """Keep the pixels of one band of rows."""
        if self._in_memory + packed.nbytes <= self._limit:
            self._in_memory += packed.nbytes
            self._kept.append((band, packed))
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115  (closed in `close`)
        self._kept.append((band, (self.spilled, packed.size, packed.dtype.str)))
        self._file.write(packed.view(np.uint8).data)
        self.spilled += packed.nbytes

    def take(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield all bands in the order of `put`, and free the memory of each."""
        for position, (band, what) in enumerate(self._kept):
            self._kept[position] = (band, (0, 0, ""))
            if isinstance(what, tuple):
                start, count, dtype = what
                self._file.seek(start)
                what = np.fromfile(self._file, dtype, count)
            yield band, what

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class ArchiveBands:
    """Measures the wanted bands of one archive."""

    def __init__(self, context: Context, source: Source) -> None:
        self._context, self._source = context, source
        self._wanted = {*context.process.bands, *filter(None, [context.mask])}
        self._mask: dict[int, NDArray[np.uint8]] | None = None
        self._mask_grid: Grid | None = None
        self._held: dict[str, SpillBuffer] = {}
        self._accumulators: dict[str, Accumulators] = {}
        self._grids: dict[str, Grid] = {}
        self._seen: list[str] = []
        self._exit = ExitStack()
        self._layers = MemberLayers(context.scratch, self._exit)

    def found(self) -> list[Found]:
        """Read the archive to its end, and return the results. Raises ArchiveError, also when a band is missing."""
        source = self._source
        with self._exit, self._open() as file:
            reading = members(
                file, source.name, limits=self._context.limits, spool=self._spool, check=self._context.check
            )
            with reading as every:
                for member in every:
                    self._seen.append(member.name)
                    band = self._band(member.name)
                    if band is not None:
                        self._take(member, band)
            self._complete()
            spilled = self._layers.spilled + sum(held.spilled for held in self._held.values())
        self._context.scratch_bytes = max(self._context.scratch_bytes, spilled)
        return [
            accumulators.result(source.name, source.tile, band) for band, accumulators in self._accumulators.items()
        ]

    def _open(self) -> BinaryIO:
        if self._source.open is not None:
            return self._source.open()
        assert self._source.path is not None
        return self._source.path.open("rb", buffering=0)

    def _spool(self) -> BinaryIO:
        return tempfile.TemporaryFile(dir=self._context.scratch)

    def _band(self, name: str) -> str | None:
        return member_band(name, self._wanted, self._context.process.bands)

    def _take(self, member: Member, band: str) -> None:
        if band in self._accumulators or (band == self._context.mask and self._mask_grid is not None):
            raise ArchiveError(f"holds band {band} twice", where=member.where)
        layer, engine = self._layers.open(member)
        self._context.engines.add(engine)
        grid = layer.grid
        other = next(iter(self._grids.values()), grid)
        if self._context.mask and other.hash != grid.hash:
            raise RasterError("lies on another grid than the archive's other bands", where=member.where)
        self._grids[band] = grid
        if band == self._context.mask:
            self._take_mask(grid, layer.stored, self._pixels(layer, band, member.where))
        if band in self._context.process.bands:
            if band == self._context.mask:
                raise RasterError(f"band {band} cannot be measured and be the mask in one archive", where=member.where)
            self._take_band(band, grid, layer.stored, self._pixels(layer, band, member.where))

    def _pixels(self, layer: StreamLayer | Layer, band: str, where: str) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield each band of rows that a zone needs, from the top, with its needed pixels."""
        reading = self._context.layer(band, layer.grid, layer.stored, where)
        for number, packed in read_packed(layer, reading.needed):
            zones = reading.take(number, packed)
            if zones is not None:
                yield number, zones

    def _take_band(self, band: str, grid: Grid, stored: Stored, pixels: Iterator[tuple[int, NDArray[Any]]]) -> None:
        accumulators = self._accumulators[band] = self._context.accumulators(band, grid, stored, self._source.name)
        if self._context.mask and self._mask is None:
            held = self._held[band] = SpillBuffer(self._context.scratch, HOLD)
            self._exit.callback(held.close)
            for number, packed in pixels:
                self._context.check()
                held.put(number, packed)
            if held.spilled:
                self._context.engines.add("scratch")
                self._context.notes.append(
                    f"{self._source.name}: {held.spilled:,} bytes of {band} waited for {self._context.mask} on disk"
                )
            return
        for number, packed in pixels:
            self._context.check()
            accumulators.add(number, packed, self._valid(number, packed.size))

    def _valid(self, number: int, size: int) -> NDArray[np.uint8] | None:
        return None if self._mask is None else np.unpackbits(self._mask[number], count=size)

    def _take_mask(self, grid: Grid, stored: Stored, pixels: Iterator[tuple[int, NDArray[Any]]]) -> None:
        self._mask_grid = grid
        waiting = {band: held.take() for band, held in self._held.items()}
        more = len(self._accumulators) < len(self._context.process.bands)
        mask: dict[int, NDArray[np.uint8]] = {}
        for number, packed in pixels:
            self._context.check()
            valid = lets_count(self._context.process, packed, stored).view(np.uint8)
            if more:
                mask[number] = np.packbits(valid)
            for band, held in waiting.items():
                at, values = next(held)
                assert at == number
                self._accumulators[band].add(number, values, valid)
        self._mask = mask

    def _complete(self) -> None:
        lacking = [band for band in self._context.process.bands if band not in self._accumulators]
        if self._context.mask and self._mask_grid is None:
            lacking.append(self._context.mask)
        if lacking:
            held = ", ".join(self._seen) or "none"
            raise ArchiveError(f"lacks {' and '.join(lacking)}: its members are {held[:300]}", where=self._source.name)
