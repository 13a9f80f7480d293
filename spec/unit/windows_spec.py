"""Windows of clips and pictures, taken while tiles are measured: the pixels of the tiles, and no second read."""

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely

from pileus.documents import Process, Valid
from pileus.errors import RasterError
from pileus.outputs.windows import Mosaic, Window
from pileus.zonal import Measured, Source, context, measure
from spec.support.zonal_reference import write, zones_of

ROWS, COLUMNS = 100, 70
"""Of one tile."""
DOWN, ACROSS = 2, 3
"""Tiles of the mosaic, whose upper left pixel is (0, 0) and lies at (0, 200)."""
RNG = np.random.default_rng(7)
SHAPE = (DOWN * ROWS, ACROSS * COLUMNS)
LIGHT, DARK = RNG.random(SHAPE).astype("f4"), RNG.integers(0, 1000, SHAPE).astype("u2")
SEEN = RNG.integers(0, 3, SHAPE).astype("u1")
BANDS = {"light": LIGHT, "dark": DARK, "seen": SEEN}
ZONES = zones_of(
    shapely.box(60, 90, 80, 110),  # over four tiles
    shapely.box(10, 150, 12, 152),  # in one
    shapely.box(0, 0, 210, 200),  # all of them
    shapely.box(500, 500, 510, 510),  # on none
    shapely.box(212, 100, 220, 110),  # on none, but its surroundings are
    crs="EPSG:3857",
)
EXPECTED = {
    "a": (slice(86, 114), slice(56, 84)),
    "b": (slice(44, 54), slice(6, 16)),
    "c": (slice(0, 200), slice(0, 210)),
    "e": (slice(86, 104), slice(208, 210)),
}
"""Rows and columns of the mosaic: four pixels around each zone, as far as there are tiles."""
PROCESS = Process(band=("light", "dark"), zones="", valid=Valid(band="seen", min=1), stats=("count", "mean", "median"))


def tgz(files: list[Path], path: Path) -> None:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for file in files:
            tar.add(file, file.name)


def zipped(files: list[Path], path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        for file in files:
            made.write(file, file.name)


def sources(folder: Path, order: tuple[str, ...], pack: Callable[..., None] | None, **profile: Any) -> list[Source]:
    """The tiles of the mosaic, packed, or as plain files."""
    found = []
    for down in range(DOWN):
        for across in range(ACROSS):
            rows, columns = slice(down * ROWS, (down + 1) * ROWS), slice(across * COLUMNS, (across + 1) * COLUMNS)
            name, place = f"t{down}{across}", {"west": across * COLUMNS, "north": 200 - down * ROWS}
            files = [
                write(folder / f"{name}.{band}.tif", BANDS[band][rows, columns], **place, crs="EPSG:3857", **profile)
                for band in order
            ]
            if pack:
                pack(files, folder / name)
                files = [folder / name]
            found += [Source(file.name, path=file) for file in files]
    return found


def taken(tiles: list[Source], scratch: Path, process: Process = PROCESS) -> tuple[Measured, list[Window]]:
    mosaic = Mosaic(process, ZONES, scratch)
    measured = measure(tiles, process, ZONES, scratch=scratch, observer=mosaic)
    return measured, [window for band in process.bands for window in mosaic.windows(band)]


WAYS: dict[str, tuple[tuple[str, ...], Callable[..., None] | None, dict[str, Any]]] = {
    "the mask last": (("light", "dark", "seen"), tgz, {}),
    "the mask first": (("seen", "light", "dark"), tgz, {}),
    "the mask between": (("dark", "seen", "light"), zipped, {}),
    "from memory": (("light", "seen", "dark"), tgz, {"compress": "deflate"}),
    "in blocks": (("light", "dark", "seen"), zipped, {"tiled": True, "blockxsize": 16, "blockysize": 16}),
    "plain files": (("light", "dark", "seen"), None, {}),
    "plain files in blocks": (("light", "dark", "seen"), None, {"tiled": True, "blockxsize": 16, "blockysize": 16}),
}


@pytest.mark.parametrize("way", WAYS)
def test_windows_are_the_pixels_of_the_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(context, "HOLD", 5_000)  # some values wait for their mask in a scratch file
    order, pack, profile = WAYS[way]
    tiles = sources(tmp_path, order, pack, **profile)
    _, windows = taken(tiles, tmp_path)
    assert [(one.band, one.zone) for one in windows] == [(band, zone) for band in ("light", "dark") for zone in "abce"]
    for one in windows:
        rows, columns = EXPECTED[one.zone]
        assert (one.transform.f, one.transform.c) == (200 - rows.start, columns.start)
        assert one.values.dtype == BANDS[one.band].dtype
        assert np.array_equal(one.values, BANDS[one.band][rows, columns])
        assert np.array_equal(one.valid, SEEN[rows, columns] >= 1)


@pytest.mark.parametrize("way", WAYS)
def test_statistics_are_the_same_where_windows_are_taken(tmp_path: Path, way: str) -> None:
    order, pack, profile = WAYS[way]
    tiles = sources(tmp_path, order, pack, **profile)
    alone, together = measure(tiles, PROCESS, ZONES, scratch=tmp_path), taken(tiles, tmp_path)[0]
    assert together.table.equals(alone.table)
    assert together.by_tile.equals(alone.by_tile)
    assert (together.engine, together.notes) == (alone.engine, alone.notes)


def test_large_windows_are_on_the_scratch_volume_and_counted_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pileus.outputs.windows.SMALL", 20_000)
    tiles = sources(tmp_path, ("light",), tgz)
    before = set(tmp_path.iterdir())
    measured, windows = taken(tiles, tmp_path, Process(band="light", zones="", stats=("count",)))
    assert [isinstance(one.values.base, np.memmap) for one in windows] == [False, False, True, False]
    # zone c: 200 x 210 pixels, and a margin of a twentieth of 210 on each side; float32, and whether each is there
    assert measured.scratch_bytes == (200 + 2 * 11) * (210 + 2 * 11) * (4 + 1)
    assert set(tmp_path.iterdir()) == before


def test_a_mask_may_be_measured_and_shown_itself(tmp_path: Path) -> None:
    process = PROCESS.model_copy(update={"band": ("seen", "light")})
    _, windows = taken(sources(tmp_path, ("light", "seen"), None), tmp_path, process)
    for one in windows:
        assert np.array_equal(one.valid, SEEN[EXPECTED[one.zone]] >= 1)


def test_the_bands_of_one_plain_file_have_windows_too(tmp_path: Path) -> None:
    path = tmp_path / "both.tif"
    place = rasterio.Affine(1, 0, 0, 0, -1, 200)
    with rasterio.open(path, "w", driver="GTiff", width=210, height=200, count=2, dtype="uint16", crs="EPSG:3857",
                       transform=place) as file:  # fmt: skip
        for number, band in enumerate(("dark", "seen"), 1):
            file.write(BANDS[band].astype("u2"), number)
            file.set_band_description(number, band)
    _, windows = taken([Source("both.tif", path=path)], tmp_path, PROCESS.model_copy(update={"band": "dark"}))
    assert [one.zone for one in windows] == list(EXPECTED)
    for one in windows:
        assert np.array_equal(one.values, DARK[EXPECTED[one.zone]])


def test_of_two_tiles_on_one_place_the_first_is_shown(tmp_path: Path) -> None:
    process, tiles = Process(band="light", zones="", stats=("count",)), []
    for name, value in (("z", 1), ("a", 2)):
        tgz([write(tmp_path / f"{name}.light.tif", np.full((9, 9), value, "f4"), crs="EPSG:3857")], tmp_path / name)
        tiles.append(Source(name, path=tmp_path / name))
    mosaic = Mosaic(process, zones_of(shapely.box(1, 1, 3, 3), crs="EPSG:3857"), tmp_path)
    measure(tiles, process, mosaic._zones, scratch=tmp_path, observer=mosaic)
    assert {float(value) for one in mosaic.windows("light") for value in one.values.flat} == {1.0}


def test_a_tile_of_another_grid_is_named(tmp_path: Path) -> None:
    for name, crs in (("a", "EPSG:3857"), ("b", "EPSG:3395")):
        tgz([write(tmp_path / f"{name}.light.tif", np.ones((9, 9), "f4"), crs=crs)], tmp_path / name)
    tiles = [Source(name, path=tmp_path / name) for name in "ab"]
    with pytest.raises(RasterError, match=r"^b: b.light.tif: lies on another grid than its group's other tiles"):
        taken(tiles, tmp_path, Process(band="light", zones="", stats=("count",)))
