"""Pixels that are kept for a while take fewer bytes, and come back bit for bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pileus.raster.short import BLOCK, restore, shorten

HUNDREDTHS = (np.arange(100_000) % 200 / 100).astype(np.float32)


@pytest.mark.parametrize(
    ("pixels", "share"),
    [
        (HUNDREDTHS, 1 / 4),
        ((np.arange(100_000) % 50_000 / 100).astype(np.float32), 1 / 2),
        (np.arange(100_000).astype(np.float32) % 300, 1 / 2),
        ((np.arange(100_000) % 200 + 1000).astype(np.uint16), 1 / 2),
        (np.random.default_rng(1).normal(size=100_000).astype(np.float32), 1),
        (np.random.default_rng(1).normal(size=100_000), 1),
        (np.full(100_000, np.nan, np.float32), 1),
        (np.arange(100_000, dtype=np.uint8), 1),
    ],
    ids=["hundredths", "many hundredths", "whole floats", "counts", "noise", "float64", "NaN", "bytes"],
)
def test_decimals_take_one_or_two_bytes_and_noise_what_it_took(pixels: NDArray[Any], share: float) -> None:
    short = shorten(pixels.copy())
    assert restore(short).tobytes() == pixels.tobytes()
    assert short.nbytes == pytest.approx(pixels.nbytes * share, rel=0.01)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, -0.0, 3e38, -999.3, 0.123456789, 1e-45])
def test_a_block_with_one_odd_value_stays_as_it_is_and_the_others_do_not(odd: float) -> None:
    pixels = HUNDREDTHS.copy()
    pixels[2 * BLOCK + 7] = odd
    short = shorten(pixels.copy())
    assert restore(short).tobytes() == pixels.tobytes()
    assert sorted(short.widths.tolist())[:-1] == [1] * (len(short.widths) - 1)


@given(
    st.sampled_from(["f4", "f8", "u2", "i2", "u1", "i4", "u4"]).flatmap(
        lambda kind: arrays(np.dtype(kind), st.integers(1, 3000))
    )
)
def test_any_pixels_come_back_bit_for_bit(pixels: NDArray[Any]) -> None:
    assert restore(shorten(pixels.copy())).tobytes() == pixels.tobytes()


@given(
    arrays(np.int32, st.integers(1, 9000), elements=st.integers(-(10**7), 10**7)), st.sampled_from([1, 10, 100, 1000])
)
def test_any_decimals_come_back_bit_for_bit(numbers: NDArray[Any], parts: int) -> None:
    pixels = (numbers / parts).astype(np.float32)
    assert restore(shorten(pixels.copy())).tobytes() == pixels.tobytes()
