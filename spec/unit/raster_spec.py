"""Rasters: which are read how, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import Affine

from pileus.documents import Process
from pileus.errors import PileusError, RasterError, UsageError
from pileus.raster.grid import BAND_ROWS, Needed, covering, either
from pileus.raster.layers import FileLayer, WindowLayer
from pileus.raster.opening import open_file
from pileus.raster.packed import pack, spread
from pileus.raster.request import BandRequest
from pileus.zonal import Source, measure
from spec.support.zonal_reference import rows, run, write, zones_of

VALUES = np.arange(200 * 30, dtype="f4").reshape(200, 30)
SQUARE = zones_of(shapely.box(2.5, 10, 27.25, 190))


def test_uncompressed_strips_are_read_without_a_library_between(tmp_path: Path) -> None:
    assert isinstance(open_file(write(tmp_path / "a.tif", VALUES), BandRequest(), "a"), FileLayer)


@pytest.mark.parametrize("options", [{"compress": "zstd"}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_other_layouts_are_read_through_rasterio(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write(tmp_path / "a.tif", VALUES, **options)
    assert isinstance(open_file(path, BandRequest(), "a"), WindowLayer)
    assert (
        run(path, SQUARE, scratch=tmp_path).table
        == run(write(tmp_path / "b.tif", VALUES), SQUARE, scratch=tmp_path).table
    )


def test_only_blocks_that_hold_zones_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.ones((640, 640), "f4"), crs="EPSG:3857")
    layer = open_file(path, BandRequest(), "a")
    assert isinstance(layer, FileLayer)
    end = layer.strips.offset(100)
    with path.open("r+b") as file:
        file.truncate(end)
        file.truncate(layer.strips.end)  # a hole: whatever lay there reads as 0 now
    (row,) = rows(path, zones_of(shapely.box(3, 560, 8, 570), crs="EPSG:3857"), "sum", "count", scratch=tmp_path)
    assert (row["sum"], row["count"]) == (50, 50)


def test_the_rows_of_a_zone_are_read_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    read = []
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, views, at: read.append(len(views[0])) or real(fd, views, at))
    path = write(tmp_path / "a.tif", np.ones((20, 60_000), "u1"), crs="EPSG:3857")
    rows(path, zones_of(shapely.box(3000, 10, 3010, 15), crs="EPSG:3857"), scratch=tmp_path)
    assert sum(read) == 50


def test_bands_are_named_by_description_or_number(tmp_path: Path) -> None:
    path = tmp_path / "two.tif"
    profile = {"driver": "GTiff", "width": 2, "height": 1, "count": 2, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=Affine(1, 0, 0, 0, -1, 1), **profile) as file:
        file.write(np.array([[[1, 2]], [[30, 40]]], "f4"))
        file.set_band_description(2, "light")
    zones = zones_of(shapely.box(0, 0, 2, 1))
    for band, total in (("light", 70), ("1", 3)):
        process = Process(band=band, zones="", stats=("sum",))
        table = measure([Source("two.tif", path=path)], process, zones, scratch=tmp_path).table
        assert table["sum"].to_pylist() == [total]
    process = Process(band=("1", "light"), zones="", stats=("sum",))
    table = measure([Source("two.tif", path=path)], process, zones, scratch=tmp_path).table
    assert table.select(["band", "sum"]).to_pylist() == [{"band": "1", "sum": 3}, {"band": "light", "sum": 70}]
    with pytest.raises(RasterError, match=r"two.tif: has no band 'dark': its bands are 1, light"):
        measure([Source("two.tif", path=path)], Process(band="dark", zones=""), zones, scratch=tmp_path)


def bad(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "bad.tif"
    if name == "no georeference":
        return write(path, VALUES, crs=None, transform=Affine.identity())
    if name == "no system":
        return write(path, VALUES, crs=None)
    if name == "no place":
        return write(path, VALUES, transform=Affine.identity())
    if name == "rotated":
        return write(path, VALUES, transform=Affine(1, 0.2, 0, 0.2, -1, 200))
    if name == "complex":
        return write(path, VALUES.astype("c8"))
    if name == "not a raster":
        path.write_text("<html>busy</html>")
        return path
    whole = write(path, VALUES, compress="deflate" if name == "cut inside a compressed strip" else "none").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


BAD = {
    "no georeference": "bad.tif: has no coordinate reference system",
    "no system": "bad.tif: has no coordinate reference system",
    "no place": "bad.tif: has no georeference, so its pixels have no place",
    "rotated": "bad.tif: is rotated",
    "complex": "bad.tif: has values of type complex64: expected real numbers",
    "not a raster": "bad.tif: is no raster of a known kind",
    "cut": "bad.tif: is cut: its last strip ends at byte",
    "cut inside a compressed strip": "bad.tif: cannot be read",
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_that_cannot_be_measured_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = bad(tmp_path, name)
    process = Process(band="bad", zones="")
    with pytest.raises(RasterError, match=BAD[name]) as caught:
        measure([Source("bad.tif", path=path)], process, SQUARE, scratch=tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone.tif: no such file"):
        measure([Source("gone.tif", path=tmp_path / "gone.tif")], Process(band="b", zones=""), SQUARE, scratch=tmp_path)


def test_a_file_with_another_band_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "x.cvg.tif", VALUES)
    with pytest.raises(PileusError, match=r"x.cvg.tif: holds no band avg_rade9h"):
        measure([Source(path.name, path=path)], Process(band="avg_rade9h", zones=""), SQUARE, scratch=tmp_path)


def needed_of(pixels: Any) -> Needed:
    """The pixels that are not 0, each as its own stretch."""
    bands = range(-(-len(pixels) // BAND_ROWS))
    places = [np.nonzero(pixels[number * BAND_ROWS : (number + 1) * BAND_ROWS]) for number in bands]
    return covering(
        (row + number * BAND_ROWS, col, np.ones_like(row)) for number, (row, col) in zip(bands, places, strict=True)
    )


def places_of(needed: Needed, shape: tuple[int, int]) -> Any:
    pixels = np.zeros(shape, int)
    for row, col, length in zip(needed.row, needed.col, needed.length, strict=True):
        pixels[row, col : col + length] += 1
    return pixels


@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(1, 20), st.sampled_from([0.0, 0.1, 0.9]))
def test_what_two_need_is_read_once_and_each_gets_its_pixels(seed: int, height: int, width: int, share: float) -> None:
    dice = np.random.default_rng(seed)
    one, other = dice.random((2, height, width)) < [[[0.3]], [[share]]]
    values = dice.random((height, width), "f4")
    mine, both = needed_of(one), either(needed_of(one), needed_of(other))
    assert (places_of(both, one.shape) == (one | other)).all()
    for band in both.bands():
        first, last = both.rows(band)
        packed = pack(both, band, values[first:last], first)
        rows = spread(both, band, packed, width)
        assert (rows[(one | other)[first:last]] == packed).all()
        within = one[band * BAND_ROWS : (band + 1) * BAND_ROWS]
        assert (pack(mine, band, rows, first) == values[band * BAND_ROWS : (band + 1) * BAND_ROWS][within]).all()
