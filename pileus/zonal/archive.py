"""The bands of one archive, measured as its members pass by.

Radiance and its mask are separate members, in any order. Whatever comes first is kept until the other has come: a
mask as bits, radiance as the pixels that zones need. Where those outgrow `HOLD` bytes they go to a scratch file.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from pileus.errors import ArchiveError, RasterError
from pileus.raster.grid import Grid
from pileus.raster.layers import FileLayer, StreamLayer, WindowLayer, open_file, open_stream
from pileus.unpack.members import Member, members
from pileus.unpack.streams import CHUNK
from pileus.zonal.accumulators import Accumulators, Found
from pileus.zonal.context import Bench, Source

HOLD = 512 << 20
"""Bytes of pixels that may wait for their mask in memory."""
IN_MEMORY = 64 << 20
"""A member that cannot be streamed and is smaller than this is unpacked into memory, else into a scratch file."""


def stem_of(name: str) -> str:
    """A file's name without folder and without what says that it is a TIFF.

    >>> stem_of("a/b.avg_rade9h.tif")
    'b.avg_rade9h'
    """
    path = PurePosixPath(name.replace("\\\\", "/"))
    return path.stem if path.suffix.lower() in (".tif", ".tiff") else path.name


def band_of(name: str, wanted: Iterable[str]) -> str | None:
    """Which of the wanted bands a file holds: NAME.BAND.tif, NAME_BAND.tif or BAND.tif.

    >>> band_of("SVDNB_npp_x.avg_rade9h.tif", ["avg_rade9h", "cf_cvg"])
    'avg_rade9h'
    """
    stem = stem_of(name)
    fitting = [band for band in wanted if stem == band or stem.endswith((f".{band}", f"_{band}"))]
    return max(fitting, key=len, default=None)


class Held:
    """Packed pixels that wait for their mask: in memory, and beyond `HOLD` bytes in a scratch file."""

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
        """All bands, in the order they were put; memory is given back as they are taken."""
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

    def __init__(self, bench: Bench, source: Source) -> None:
        self._bench, self._source = bench, source
        self._wanted = {*bench.process.bands, *filter(None, [bench.mask])}
        self._mask: dict[int, NDArray[np.uint8]] | None = None
        self._mask_grid: Grid | None = None
        self._held: dict[str, Held] = {}
        self._tallies: dict[str, Accumulators] = {}
        self._grids: dict[str, Grid] = {}
        self._seen: list[str] = []
        self._spilled = 0
        self._exit = ExitStack()

    def found(self) -> list[Found]:
        """Read the archive to its end. Raises ArchiveError, also when a wanted band is missing."""
        source = self._source
        with self._exit, self._open() as file:
            reading = members(file, source.name, limits=self._bench.limits, spool=self._spool)
            with reading as every:
                for member in every:
                    self._seen.append(member.name)
                    band = self._band(member.name)
                    if band is not None:
                        self._take(member, band)
            self._complete()
            for held in self._held.values():
                self._spilled += held.spilled
        self._bench.scratch_bytes = max(self._bench.scratch_bytes, self._spilled)
        return [tally.result(source.name, source.tile, band) for band, tally in self._tallies.items()]

    def _open(self) -> BinaryIO:
        if self._source.open is not None:
            return self._source.open()
        assert self._source.path is not None
        return self._source.path.open("rb", buffering=0)

    def _spool(self) -> BinaryIO:
        return tempfile.TemporaryFile(dir=self._bench.scratch)

    def _band(self, name: str) -> str | None:
        if not name.lower().endswith((".tif", ".tiff")):
            return None
        if band := band_of(name, self._wanted):
            return band
        bands = self._bench.process.bands
        return bands[0] if len(bands) == 1 and "." not in stem_of(name) else None

    def _take(self, member: Member, band: str) -> None:
        if band in self._tallies or (band == self._bench.mask and self._mask_grid is not None):
            raise ArchiveError(f"holds band {band} twice", where=member.where)
        layer, engine = self._layer(member)
        self._bench.engines.add(engine)
        grid = layer.grid
        other = next(iter(self._grids.values()), grid)
        if self._bench.mask and other.hash != grid.hash:
            raise RasterError("lies on another grid than the archive's other bands", where=member.where)
        self._grids[band] = grid
        if band == self._bench.mask:
            self._take_mask(grid, self._pixels(layer, grid))
        if band in self._bench.process.bands:
            if band == self._bench.mask:
                raise RasterError(f"band {band} cannot be measured and be the mask in one archive", where=member.where)
            self._take_band(band, grid, layer.nodata, self._pixels(layer, grid))

    def _pixels(self, layer: Any, grid: Grid) -> Iterator[tuple[int, NDArray[Any]]]:
        needed = self._bench.index(grid).needed
        if isinstance(layer, StreamLayer):
            yield from layer.read(needed)
            return
        with layer.open() as handle:
            for unit in layer.units(needed):
                yield from zip(unit, layer.read(handle, needed, unit), strict=True)

    def _take_band(
        self, band: str, grid: Grid, nodata: float | None, pixels: Iterator[tuple[int, NDArray[Any]]]
    ) -> None:
        tally = self._tallies[band] = self._bench.tally(grid, nodata)
        if self._bench.mask and self._mask is None:
            held = self._held[band] = Held(self._bench.scratch, HOLD)
            self._exit.callback(held.close)
            for number, packed in pixels:
                held.put(number, packed)
            if held.spilled:
                self._bench.engines.add("scratch")
                self._bench.notes.append(
                    f"{self._source.name}: {held.spilled:,} bytes of {band} waited for {self._bench.mask} on disk"
                )
            return
        for number, packed in pixels:
            tally.add(number, packed, self._valid(number, packed.size))

    def _valid(self, number: int, size: int) -> NDArray[np.uint8] | None:
        return None if self._mask is None else np.unpackbits(self._mask[number], count=size)

    def _take_mask(self, grid: Grid, pixels: Iterator[tuple[int, NDArray[Any]]]) -> None:
        assert self._bench.process.valid is not None
        least = self._bench.process.valid.min
        self._mask_grid = grid
        waiting = {band: held.take() for band, held in self._held.items()}
        more = len(self._tallies) < len(self._bench.process.bands)
        mask: dict[int, NDArray[np.uint8]] = {}
        for number, packed in pixels:
            valid = (packed >= least).view(np.uint8)
            if more:
                mask[number] = np.packbits(valid)
            for band, held in waiting.items():
                at, values = next(held)
                assert at == number
                self._tallies[band].add(number, values, valid)
        self._mask = mask

    def _layer(self, member: Member) -> tuple[StreamLayer | FileLayer | WindowLayer, str]:
        layer, head = open_stream(member.stream, member.where)
        if layer is not None:
            return layer, "stream"
        if member.size is not None and member.size <= IN_MEMORY:
            memory = self._exit.enter_context(MemoryFile(head + member.stream.read(member.size - len(head))))
            return open_file(memory.name, None, member.where), "memory"
        path = self._to_scratch(member, head)
        return open_file(path, None, member.where), "scratch"

    def _to_scratch(self, member: Member, head: bytes) -> Path:
        with tempfile.NamedTemporaryFile(dir=self._bench.scratch, suffix=".tif", delete=False) as file:
            path = Path(file.name)
            self._exit.callback(path.unlink, missing_ok=True)
            file.write(head)
            buffer = memoryview(bytearray(CHUNK))
            while n := member.stream.some(buffer):
                file.write(buffer[:n])
            self._spilled += file.tell()
        return path

    def _complete(self) -> None:
        lacking = [band for band in self._bench.process.bands if band not in self._tallies]
        if self._bench.mask and self._mask_grid is None:
            lacking.append(self._bench.mask)
        if lacking:
            held = ", ".join(self._seen) or "none"
            raise ArchiveError(f"lacks {' and '.join(lacking)}: its members are {held[:300]}", where=self._source.name)
