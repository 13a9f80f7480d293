"""The bands of one archive, measured while its members are read.

Values and their masks are separate members, or variables of one, in any order. Masks are kept as bits; values that
come before the last mask as the pixels that zones need, shortened. What the memory of all archives cannot hold goes to
a scratch file.
"""

import tempfile
from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pileus.errors import ArchiveError, RasterError
from pileus.raster.band_names import member_may_hold
from pileus.raster.formats import Layer
from pileus.raster.grid import Grid
from pileus.raster.member_layers import MemberLayers, read_packed
from pileus.raster.short import Short, restore, shorten
from pileus.raster.stream_layer import StreamLayer
from pileus.raster.times_layer import by_time
from pileus.unpack.member import Member
from pileus.unpack.members import members
from pileus.zonal.accumulators import Accumulators, Found
from pileus.zonal.context import Context, Memory
from pileus.zonal.requests import requests_of
from pileus.zonal.source import Source
from pileus.zonal.validity import all_of, lets_count


class SpillBuffer:
    """Packed pixels that are kept until their mask comes: in memory, and beyond its limit in a scratch file."""

    def __init__(self, scratch: Path, memory: Memory) -> None:
        self._scratch, self._memory = scratch, memory
        self._kept: deque[tuple[int, Short, tuple[int, int] | None]] = deque()
        """Band of rows, its pixels, and place and size of their bytes in the file; None: in memory."""
        self._file: Any = None
        self.spilled = 0
        """Bytes in the scratch file."""

    def put(self, band: int, packed: NDArray[Any]) -> None:
        """Keep the pixels of one band of rows."""
        short = shorten(packed)
        if self._memory.take(short.nbytes):
            self._kept.append((band, short, None))
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115  (closed in `close`)
        self._file.write(short.body.data)
        self._kept.append((band, replace(short, body=short.body[:0].copy()), (self.spilled, short.body.size)))
        self.spilled += short.body.size

    def take(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield all bands in the order of `put`, and free the memory of each."""
        while self._kept:
            band, short, at = self._kept.popleft()
            if at is None:
                self._memory.give_back(short.nbytes)
            else:
                self._file.seek(at[0])
                short = replace(short, body=np.fromfile(self._file, np.uint8, at[1]))
            yield band, restore(short)

    def close(self) -> None:
        """Free what is left."""
        self._memory.give_back(sum(short.nbytes for _, short, at in self._kept if at is None))
        self._kept.clear()
        if self._file is not None:
            self._file.close()


class ArchiveBands:
    """Measures the wanted bands of one archive."""

    def __init__(self, context: Context, source: Source) -> None:
        self._context, self._source, self._process = context, source, context.process
        self._requests = requests_of(context.process, context.bands, source)
        self._mask: dict[int, NDArray[np.uint8]] = {}
        """Where pixels may count, as bits, by the masks so far."""
        self._masks: set[str] = set()
        """Those that have been read."""
        self._held: dict[tuple[str, datetime | None], SpillBuffer] = {}
        self._accumulators: dict[tuple[str, datetime | None], Accumulators] = {}
        self._found: set[str] = set()
        self._grid: Grid | None = None
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
                    self._take(member)
            self._complete()
            spilled = self._layers.spilled + sum(held.spilled for held in self._held.values())
        self._context.spilled(spilled)
        return [
            accumulators.result(source.name, source.tile, band, time)
            for (band, time), accumulators in self._accumulators.items()
        ]

    def _open(self) -> BinaryIO:
        if self._source.open is not None:
            return self._source.open()
        assert self._source.path is not None
        return self._source.path.open("rb", buffering=0)

    def _spool(self) -> BinaryIO:
        return tempfile.TemporaryFile(dir=self._context.scratch)

    def _take(self, member: Member) -> None:
        """Measure the wanted bands of a member. One that is no raster, or holds another band, is passed over."""
        wanted = member_may_hold(member.name, self._requests, self._process.bands)
        if not wanted:
            return
        layers, engine = self._layers.open(member, wanted)
        self._context.engines.add(engine)
        for band, layer in layers.items():
            if band in self._found:
                raise ArchiveError(f"holds band {band} twice", where=member.where)
            if self._process.masks and self._grid is not None and self._grid.hash != layer.grid.hash:
                raise RasterError("lies on another grid than the archive's other bands", where=member.where)
            self._grid = layer.grid
            self._found.add(band)
            for time, one in by_time(layer):
                self._take_band(band, time, one, member.where)
            if band in self._process.masks:
                self._masks.add(band)

    def _take_band(self, band: str, time: datetime | None, layer: StreamLayer | Layer, where: str) -> None:
        """Read a layer once: pixels of a measured band are added, or kept until the masks are there.

        While the last mask is read, what has waited for it is added.
        """
        context, measured, condition = self._context, band in self._process.bands, band in self._process.masks
        last = self._masks | ({band} if condition else set()) == set(self._process.masks)
        reading = context.layer(band, layer.grid, layer.stored, where)
        waiting = self._waiting() if condition and last else {}
        if measured:
            name = self._source.name
            self._accumulators[band, time] = context.accumulators(band, layer.grid, layer.stored, name, time)
            if not last:
                self._held[band, time] = SpillBuffer(context.scratch, context.memory)
                self._exit.callback(self._held[band, time].close)
        for number, packed in read_packed(layer, reading.needed):
            zones = reading.take(number, packed)
            context.check()
            if zones is None:
                continue
            good = lets_count(self._process, band, zones, layer.stored, where) if condition else None
            valid = self._joined(number, zones.size, good, keep=condition and not (last and self._all_found))
            for key, held in waiting.items():
                at, values = next(held)
                assert at == number
                self._accumulators[key].add(number, values, valid)
            if measured and last:
                self._accumulators[band, time].add(number, zones, valid)
            elif measured:
                self._held[band, time].put(number, zones)

    def _joined(
        self, number: int, size: int, good: NDArray[np.bool_] | None, *, keep: bool
    ) -> NDArray[np.uint8] | None:
        """Return where all masks so far let pixels of a band of rows count, `good` among them; None for everywhere."""
        masks = [np.unpackbits(self._mask[number], count=size).view(np.bool_)] if number in self._mask else []
        valid = all_of([*masks, good])
        if keep and valid is not None:
            self._mask[number] = np.packbits(valid)
        return valid

    @property
    def _all_found(self) -> bool:
        """Return whether no measured band is still to come."""
        return self._found >= set(self._process.bands)

    def _waiting(self) -> dict[tuple[str, datetime | None], Iterator[tuple[int, NDArray[Any]]]]:
        """Return the pixels of each band that has waited for the last mask; say which waited on disk."""
        for (band, _), held in self._held.items():
            if held.spilled:
                self._context.engines.add("scratch")
                self._context.note(
                    f"{self._source.name}: {held.spilled:,} bytes of {band} waited for their mask on disk"
                )
        return {key: held.take() for key, held in self._held.items()}

    def _complete(self) -> None:
        refuse_incomplete(self._requests, self._found, self._seen, self._source.name)


def refuse_incomplete(wanted: Iterable[str], found: Container[str], members: Sequence[str], where: str) -> None:
    """Raise ArchiveError for an archive that lacks a wanted band. `members`: the names of its members."""
    if lacking := [band for band in wanted if band not in found]:
        held = ", ".join(members) or "none"
        raise ArchiveError(f"lacks {' and '.join(lacking)}: its members are {held[:300]}", where=where)
