"""The zone index: which pixels of one grid each zone covers, and how much of each. Compiled once for each grid.

The pixels that any zone needs are numbered in reading order band by band (a band is `BAND_ROWS` rows): the packed
order. An entry is one zone in one row: runs of wholly covered pixels and single, partly covered ones, all given by
their packed number. Entries are ordered by band, then zone, then row. Runs of one entry overlap only under the rule
`gippy`, which may count a pixel several times.
"""

import hashlib
import json
import struct
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from pileus.raster.grid import Grid, Needed
from pileus.zonal.zones import Zones

CoverageRule = Literal["exact", "center", "all_touched", "gippy"]
FORMAT = 2
"""Number of the format. Increase it when the meaning or the layout of an index changes."""
MAGIC = b"PILEUSZX"


@dataclass(frozen=True)
class ZoneIndex:
    """Zones on a grid. The arrays must not be changed: several threads share them."""

    zones: NDArray[np.float64]
    """(zones, 2): coverage of each zone on the grid in pixels, and in square metres."""
    whole: NDArray[np.float64]
    """(zones,): size of each zone in pixels, on the grid and beyond."""
    stretch_row: NDArray[np.int32]
    """Row of each stretch of needed pixels; ordered by row and column."""
    stretch_col: NDArray[np.int32]
    stretch_len: NDArray[np.int32]
    stretch_at: NDArray[np.int32]
    """Packed number, in its band, of the first pixel of a stretch."""
    band_stretches: NDArray[np.int64]
    """(bands + 1): where the stretches of each band start."""
    band_slots: NDArray[np.int64]
    """(bands + 1): where the slots of each band start. A slot is one zone in one band."""
    slot_zone: NDArray[np.int32]
    slot_entries: NDArray[np.int64]
    """(slots + 1): where the entries of each slot start."""
    entry_row: NDArray[np.int32]
    entry_runs: NDArray[np.int64]
    """(entries + 1)."""
    entry_parts: NDArray[np.int64]
    """(entries + 1)."""
    run_at: NDArray[np.uint32]
    run_len: NDArray[np.int32]
    part_at: NDArray[np.uint32]
    part_share: NDArray[np.float32]
    notes: tuple[str, ...] = ()

    ARRAYS: ClassVar[tuple[str, ...]]

    @property
    def bands(self) -> int:
        return len(self.band_slots) - 1

    @cached_property
    def needed(self) -> Needed:
        """Return the pixels that any zone needs."""
        return Needed(self.stretch_row, self.stretch_col, self.stretch_len, self.stretch_at, self.band_stretches)

    def to_bytes(self) -> bytes:
        """Return `MAGIC`, length of a JSON header, the header, the arrays little-endian and aligned to 64 bytes,
        CRC-32.
        """
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in self.ARRAYS}
        layout = {name: [a.dtype.str, list(a.shape)] for name, a in arrays.items()}
        header = json.dumps({"format": FORMAT, "arrays": layout, "notes": self.notes}).encode()
        parts = [MAGIC, struct.pack("<Q", len(header)), header]
        size = sum(map(len, parts))
        for array in arrays.values():
            pad = -size % 64
            parts += [bytes(pad), array.tobytes()]
            size += pad + array.nbytes
        blob = b"".join(parts)
        return blob + struct.pack("<I", isal_zlib.crc32(blob))

    @classmethod
    def from_bytes(cls, blob: bytes) -> "ZoneIndex":
        """Read what `to_bytes` wrote. Raises ValueError for anything else: a bad cache entry is compiled again."""
        if blob[:8] != MAGIC or len(blob) < 20:
            raise ValueError("not a zone index")
        if struct.unpack("<I", blob[-4:])[0] != isal_zlib.crc32(memoryview(blob)[:-4]):
            raise ValueError("damaged zone index")
        size = struct.unpack("<Q", blob[8:16])[0]
        header = json.loads(blob[16 : 16 + size])
        if header["format"] != FORMAT or set(header["arrays"]) != set(cls.ARRAYS):
            raise ValueError("zone index of another format")
        at = 16 + size
        arrays: dict[str, Any] = {}
        for name, (dtype, shape) in header["arrays"].items():
            at += -at % 64
            count = int(np.prod(shape))
            arrays[name] = np.frombuffer(blob, dtype, count, at).reshape(shape)
            at += arrays[name].nbytes
        return cls(**arrays, notes=tuple(header["notes"]))


ZoneIndex.ARRAYS = tuple(f.name for f in fields(ZoneIndex) if f.name != "notes")


def index_key(zones: Zones, grid: Grid, rule: CoverageRule) -> str:
    """Return the name of an index in a cache: a hash of the zones, the grid, the rule and the format."""
    text = json.dumps([zones.hash, grid.hash, rule, FORMAT])
    return hashlib.sha256(text.encode()).hexdigest()
