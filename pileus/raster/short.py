"""Short: pixels in fewer bytes, without losing one bit, for those that must be kept for a while.

Archives write decimals: radiances are hundredths in a float32, so that most blocks of pixels are whole numbers of few
different values. A block of 4,096 pixels becomes one or two bytes a pixel where that gives back the same bits, else it
stays as it is. That takes about as long as copying it.
"""

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.raster.jit import compiled

BLOCK = 4096
FACTORS = (1.0, 10.0, 100.0, 1000.0)
"""Parts that a number may be counted in."""
SMALL = 1 << 17
"""Bytes below which the allocator is asked for memory."""
PROBE = 1024
"""Pixels by which the parts are chosen."""


@dataclass(frozen=True, slots=True)
class Short:
    """Pixels as `shorten` keeps them."""

    body: NDArray[np.uint8]
    widths: NDArray[np.uint8]
    """Bytes of a pixel, by block."""
    bases: NDArray[np.int64]
    """What is added to the numbers of each block."""
    factor: float
    """Parts of one that the numbers count; 0: the pixels as they were."""
    dtype: np.dtype[Any]
    size: int

    @property
    def nbytes(self) -> int:
        """Return the bytes that it takes."""
        return self.body.nbytes + self.widths.nbytes + self.bases.nbytes


def shorten(pixels: NDArray[Any]) -> Short:
    """Return pixels (n) in as few bytes as they can be.

    >>> kept = shorten((np.arange(10_000) % 200 / 100).astype("float32"))
    >>> kept.body.nbytes, restore(kept)[:4].tolist()
    (10000, [0.0, 0.009999999776482582, 0.019999999552965164, 0.029999999329447746])
    """
    blocks = -(-pixels.size // BLOCK)
    factor = _factor(pixels)
    widths, bases = np.zeros(blocks, np.uint8), np.zeros(blocks, np.int64)
    if not factor:
        return Short(_kept(pixels.view(np.uint8)), widths, bases, 0.0, pixels.dtype, pixels.size)
    body = np.empty(pixels.nbytes, np.uint8)
    raw, plain, whole = pixels.view(f"i{pixels.itemsize}"), pixels.view(np.uint8), pixels.dtype.kind in "iu"
    size = _shorten(whole, pixels, raw, plain, pixels.dtype.type(factor), widths, bases, body)
    return Short(_kept(body[:size]), widths, bases, factor, pixels.dtype, pixels.size)


def restore(short: Short) -> NDArray[Any]:
    """Return the pixels that were kept, bit for bit."""
    if not short.factor:
        return short.body.view(short.dtype).copy()
    pixels = np.empty(short.size, short.dtype)
    _restore(short.body, short.widths, short.bases, short.dtype.type(short.factor), pixels, pixels.view(np.uint8))
    return pixels


def _kept(body: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a copy in memory of its own, which goes back to the system when it is freed: the allocator would keep it
    in pieces between what is short-lived.
    """
    if body.size < SMALL:
        return body.copy()
    kept = np.frombuffer(mmap.mmap(-1, body.size), np.uint8)
    kept[:] = body
    return kept


def _factor(pixels: NDArray[Any]) -> float:
    """Return the parts of one that the first pixels are whole numbers of; 0 where there are none."""
    if pixels.dtype.kind in "iu":
        return 1.0 if pixels.itemsize == 2 else 0.0
    if pixels.dtype != np.float32:
        return 0.0
    probe = pixels[:PROBE]
    probe = probe[np.isfinite(probe)]
    for factor in FACTORS:
        part = np.float32(factor)
        if np.array_equal(np.rint(probe * part) / part, probe):
            return factor
    return 0.0


@compiled
def _decimals(pixels: Any, raw: Any, part: Any, numbers: Any) -> bool:
    """Count float32 pixels in parts. Return whether that gives back the same bits."""
    again = np.empty(pixels.size, np.float32)
    for i in range(pixels.size):
        numbers[i] = np.int32(np.rint(pixels[i] * part))
        again[i] = np.float32(numbers[i]) / part
    bits, differ = again.view(np.int32), 0
    for i in range(pixels.size):
        differ |= bits[i] ^ raw[i]
    return differ == 0


@compiled
def _shorten(whole: bool, pixels: Any, raw: Any, plain: Any, part: Any, widths: Any, bases: Any, body: Any) -> int:
    item, at = plain.size // pixels.size, 0
    numbers = np.empty(BLOCK, np.int32)
    for block in range(widths.size):
        first = block * BLOCK
        last = min(first + BLOCK, pixels.size)
        size, width = last - first, item
        if whole:
            for i in range(size):
                numbers[i] = pixels[first + i]
        if whole or _decimals(pixels[first:last], raw[first:last], part, numbers):
            low, high = numbers[0], numbers[0]
            for i in range(size):
                low, high = min(low, numbers[i]), max(high, numbers[i])
            if np.int64(high) - low < 65536:
                width = 1 if np.int64(high) - low < 256 else 2
        if width == item:
            body[at : at + size * item] = plain[first * item : last * item]
        else:
            bases[block] = low
            if width == 1:
                for i in range(size):
                    body[at + i] = np.uint8(numbers[i] - low)
            else:
                wide = body[at : at + 2 * size].view(np.uint16)
                for i in range(size):
                    wide[i] = np.uint16(numbers[i] - low)
        at += size * width
        widths[block] = width
    return at


@compiled
def _restore(body: Any, widths: Any, bases: Any, part: Any, pixels: Any, plain: Any) -> None:
    item, at = plain.size // pixels.size, 0
    for block in range(widths.size):
        first = block * BLOCK
        last = min(first + BLOCK, pixels.size)
        size, base, out = last - first, np.int32(bases[block]), pixels[first:last]
        if widths[block] == item:
            plain[first * item : last * item] = body[at : at + size * item]
        elif widths[block] == 1:
            for i in range(size):
                out[i] = pixels.dtype.type(np.int32(body[at + i]) + base) / part
        else:
            wide = body[at : at + 2 * size].view(np.uint16)
            for i in range(size):
                out[i] = pixels.dtype.type(np.int32(wide[i]) + base) / part
        at += size * widths[block]
