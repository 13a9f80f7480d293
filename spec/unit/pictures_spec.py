"""Clips and pictures: the pixels around a zone, over tile seams, and what was not observed."""

import io
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from rasterio.transform import Affine
from rio_cogeo import cog_validate

from pileus import keys
from pileus.errors import UsageError
from pileus.models import Partition
from pileus.outputs import frames, gather, pictures, series
from pileus.outputs.clips import cog
from pileus.outputs.windows import Window
from pileus.periods import Periods, Unit
from spec.support import stage
from spec.support.outputs import HOSTILE, Made

CITY, HAZE, *_ = HOSTILE
WGS84 = "EPSG:4326"


def clip(made: Made, zone: str, month: str = "2015-02") -> Path:
    partition = Partition("lights", "001", month, month.replace("-", "") + "01")
    return made.bucket / keys.clip_key(partition, "avg_rade9h", zone)


def window(values: np.ndarray, valid: np.ndarray | None = None, unit: float = 0.01) -> Window:
    """Pixels near the equator, a zone over the left half."""
    rows, columns = values.shape
    outline = shapely.MultiPolygon([shapely.box(0, -rows * unit, columns * unit / 2, 0)])
    valid = np.ones(values.shape, bool) if valid is None else valid
    affine = Affine(unit, 0, 0, 0, -unit, 0)
    return Window("z", "Zone", "b", values, valid, affine, rasterio.CRS.from_epsg(4326).to_wkt(), outline)


def test_a_clip_over_the_seam_of_two_tiles_is_the_mosaic(hostile: Made) -> None:
    with rasterio.open(clip(hostile, CITY)) as raster:
        assert raster.bounds == (54, 38, 66, 50), "the city's 4 x 4 degrees and four pixels around"
        values = raster.read(1)
        expected = np.full((12, 12), 2)
        expected[4:8, 4:8] = 20
        assert (values == expected).all()
        assert raster.dataset_mask().all()
        assert raster.units == ("nW/cm2/sr",)


def test_what_was_not_observed_is_masked(hostile: Made) -> None:
    with rasterio.open(clip(hostile, HAZE)) as raster:
        mask = raster.dataset_mask() > 0
        assert not mask[4:8, 4:8].any()
        assert mask.sum() == 12 * 12 - 16


@pytest.mark.parametrize("zone", HOSTILE)
def test_every_clip_is_a_valid_cog_under_a_safe_name(hostile: Made, zone: str) -> None:
    path = clip(hostile, zone)
    assert path.resolve().is_relative_to(hostile.bucket.resolve())
    assert cog_validate(str(path), strict=True) == (True, [], [])


def test_a_large_clip_has_overviews_a_predictor_and_zstd(tmp_path: Path) -> None:
    values = np.arange(1500 * 1200, dtype="float32").reshape(1500, 1200)
    path = tmp_path / "large.tif"
    path.write_bytes(cog(window(values, values % 7 > 0)))
    assert cog_validate(str(path), strict=True) == (True, [], [])
    with rasterio.open(path) as raster:
        assert raster.overviews(1)
        assert raster.compression.name == "zstd"
        assert raster.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "3"
        valid = raster.dataset_mask() > 0
        assert (raster.read(1)[valid] == values[values % 7 > 0]).all()


def test_a_real_clip_has_the_statistics_pixels(mumbai: Made) -> None:
    partition = Partition("lights", "001", "2018-08", "20180801")
    path = mumbai.bucket / keys.clip_key(partition, "avg_rade9h", "519")
    assert cog_validate(str(path), strict=True) == (True, [], [])
    with rasterio.open(path) as raster:
        valid = raster.dataset_mask() > 0
        values = raster.read(1)
    assert values[valid].min() > 0
    rows = {(row["zone"], row["period"]): row for row in mumbai.table().to_pylist()}
    assert rows["519", "2018-08"]["max"] <= values[valid].max()
    assert 0.2 < valid.mean() < 0.3


def test_a_quicklook_hatches_what_was_not_observed_and_outlines_the_zone() -> None:
    valid = np.ones((10, 10), bool)
    valid[:5] = False
    made = window(np.full((10, 10), 10.0), valid)
    shown = np.asarray(pictures.map_of(made, (1, 100), 200)).reshape(-1, 3)
    colours = {tuple(int(c) for c in pixel) for pixel in shown}
    assert {*pictures.HATCH, pictures.OUTLINE} <= colours
    middle = tuple(int(c) for c in pictures.colours(np.array([[10.0]]), (1, 100))[0, 0])
    assert middle in colours
    image = Image.open(io.BytesIO(pictures.quicklook(made, period="2015-01", unit="nW", scale=(1, 100))))
    assert image.format == "PNG"


def test_colours_rise_evenly_on_a_logarithmic_scale() -> None:
    shades = pictures.colours(np.array([[0.0, 1.0, 10.0, 100.0, 1e9]]), (1, 100))[0].sum(axis=1)
    assert shades[0] == shades[1] < shades[2] < shades[3] == shades[4]


def test_a_window_larger_than_the_screen_is_averaged_over_valid_pixels_alone() -> None:
    values = np.tile([[10.0, 1000.0]], (700, 700))
    valid = values < 100
    shown = np.asarray(pictures.map_of(window(values, valid, 0.0001), (1, 100), 350))
    assert tuple(shown[5, 300]) == tuple(pictures.colours(np.array([[10.0]]), (1, 100))[0, 0])


def test_a_name_of_any_length_fits_its_picture() -> None:
    face = pictures.font(20, bold=True)
    for name in HOSTILE:
        assert face.getlength(pictures.fit(name, face, 200)) <= 200
    assert pictures.fit("a\nb\x00c", face, 200) == "a b c"


def every_month(made: Made) -> frames.Frames:
    table = made.table()
    axis = series.axis(table["period"].to_pylist())
    shape = shapely.geometry.shape(stage.shapes(made.edges)["features"][0]["geometry"])
    why = {"2018-03": "waiting: nothing published"}
    return gather.frames(made.store, "protected", table, "lights", "519", "avg_rade9h", axis, shape, why)


@pytest.mark.parametrize("format", [".webp", ".gif"])
def test_an_animation_has_a_frame_a_month_also_for_those_without_rows(mumbai: Made, format: str) -> None:
    found = every_month(mumbai)
    image = Image.open(io.BytesIO(frames.animate(found, format, milliseconds=40)))
    assert getattr(image, "n_frames", 1) == 36
    assert len(found.windows) == 34


def test_a_contact_sheet_has_a_row_a_year(mumbai: Made) -> None:
    found = every_month(mumbai)
    sheet = frames.contact_sheet(found)
    assert sheet.width > 12 * 50
    assert sheet.height > 3 * pictures.MAP / 5


@pytest.mark.parametrize(
    ("unit", "span", "rows"),
    [
        (Unit.quarter, "2015Q4/2016Q1", 2),
        (Unit.season, "2015DJF/2015SON", 1),
        (Unit.week, "2015W01/2015W12", 1),
        (Unit.week, "2015W01/2015W13", 2),
    ],
)
def test_a_contact_sheet_has_a_row_a_year_of_what_a_year_has_few_of(unit: Unit, span: str, rows: int) -> None:
    periods = tuple(Periods.parse([span], unit))
    shown = {periods[0]: window(np.ones((8, 8), "float32"))}
    sheet = frames.contact_sheet(frames.Frames("Zone", "b", "", shown, periods, {}))
    one = frames.contact_sheet(frames.Frames("Zone", "b", "", shown, periods[:1], {}))
    row = pictures.map_of(shown[periods[0]], (1, 2), frames.THUMB).height + 26
    assert sheet.height - one.height == (rows - 1) * row


def test_without_clips_there_is_nothing_to_animate_and_what_to_do_is_said() -> None:
    nothing = frames.Frames("Zone", "b", "", {}, (stage.month("2015-01"),), {})
    with pytest.raises(UsageError, match=r"set meta\.process\.clips to true"):
        frames.animate(nothing, ".gif")


def test_a_zone_too_large_for_a_window_gets_none_and_that_is_noted(
    hostile: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pileus.documents import Process
    from pileus.outputs import windows
    from pileus.zonal import Source, make_zones, measure

    shapes = [shapely.box(-180, -80, 180, 80), shapely.box(58, 42, 62, 46)]
    zones = make_zones(["globe", "city"], ["Globe", "City"], shapes, WGS84)
    archive = next((hostile.folder / "site/viirs/201501").rglob("*75N060E*.tgz"))
    monkeypatch.setattr(windows, "LARGEST", 1000)
    process = Process(band="avg_rade9h", zones="")
    mosaic = windows.Mosaic(process, zones, tmp_path)
    measured = measure([Source(archive.name, path=archive)], process, zones, scratch=tmp_path, observer=mosaic)
    assert [one.zone for one in mosaic.windows("avg_rade9h")] == ["city"]
    # 360 x 160 degrees, and a margin of a twentieth of 360 on each side
    assert measured.notes[-1] == "zone globe: its window has 77,616 pixels: no clip and no picture"
