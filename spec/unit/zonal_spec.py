"""Zonal statistics: numbers a reader can check, then equality with exactextract, numpy and exact arithmetic."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from pileus.documents import Process
from pileus.errors import RasterError
from pileus.raster.grid import Grid
from pileus.zonal import Source, measure
from pileus.zonal.compile import compile_index
from spec.support.zonal_reference import coverage, exact_moments, rows, run, write, zones_of

NINE = np.arange(1, 10, dtype="f4").reshape(3, 3)
"""1 2 3 / 4 5 6 / 7 8 9; pixel (0, 0) spans x 0..1 and y 2..3."""


@pytest.fixture
def nine(tmp_path: Path) -> Path:
    return write(tmp_path / "nine.tif", NINE)


def test_a_zone_over_half_a_raster(nine: Path, tmp_path: Path) -> None:
    (row,) = rows(nine, zones_of(shapely.box(0, 0, 1.5, 3)), "count", "sum", "mean", "min", "max", scratch=tmp_path)
    # 1 + 4 + 7 whole, 2 + 5 + 8 half
    assert row == {"zone": "a", "zone_name": "a", "band": "b", "count": 4.5, "sum": 19.5, "mean": 19.5 / 4.5,
                   "min": 1, "max": 8}  # fmt: skip


def test_the_whole_raster_has_numpys_deviation_and_textbook_skew_and_kurtosis(nine: Path, tmp_path: Path) -> None:
    (row,) = rows(nine, zones_of(shapely.box(0, 0, 3, 3)), "stddev", "skew", "kurtosis", scratch=tmp_path)
    assert row["stddev"] == pytest.approx(NINE.std(dtype="f8"))
    assert row["skew"] == 0
    assert row["kurtosis"] == pytest.approx(-1.23)  # (3 (3 n^2 - 7) / (5 (n^2 - 1))) - 3 for 1..n


def test_a_hole_is_left_out(nine: Path, tmp_path: Path) -> None:
    ring = shapely.box(0, 0, 3, 3).difference(shapely.box(1, 1, 2, 2))
    assert rows(nine, zones_of(ring), "count", "sum", scratch=tmp_path)[0]["sum"] == 45 - 5


def test_parts_add_up(nine: Path, tmp_path: Path) -> None:
    both = shapely.MultiPolygon([shapely.box(0, 2, 1, 3), shapely.box(2, 0, 3, 1)])
    assert rows(nine, zones_of(both), "count", "sum", scratch=tmp_path)[0]["sum"] == 1 + 9


def test_zones_that_overlap_each_count_all_their_pixels(nine: Path, tmp_path: Path) -> None:
    zones = zones_of(shapely.box(0, 0, 2, 3), shapely.box(1, 0, 3, 3))
    assert [row["sum"] for row in rows(nine, zones, "sum", scratch=tmp_path)] == [27, 33]


def test_a_zone_smaller_than_a_pixel(nine: Path, tmp_path: Path) -> None:
    (row,) = rows(nine, zones_of(shapely.box(1.25, 1.25, 1.75, 1.5)), "count", "mean", scratch=tmp_path)
    assert (row["count"], row["mean"]) == (0.125, 5)


def test_a_zone_partly_off_the_grid_counts_what_is_on_it(nine: Path, tmp_path: Path) -> None:
    (row,) = rows(nine, zones_of(shapely.box(-5, 2, 1, 9)), "count", "sum", "valid_share", scratch=tmp_path)
    assert (row["count"], row["sum"], row["valid_share"]) == (1, 1, 1)


def test_a_zone_off_the_grid_has_a_row_with_count_0_and_nulls_and_a_note(nine: Path, tmp_path: Path) -> None:
    measured = run(nine, zones_of(shapely.box(50, 50, 51, 51)), scratch=tmp_path)
    (row,) = measured.table.to_pylist()
    assert row["count"] == 0
    assert [row[name] for name in ("sum", "mean", "min", "max", "stddev")] == [None] * 5
    assert measured.by_tile.num_rows == 0
    assert measured.notes == ("1 of 1 zones touch no raster: a",)


def test_a_zone_that_only_touches_pixels_at_their_border_takes_nothing_from_them(nine: Path, tmp_path: Path) -> None:
    (row,) = rows(nine, zones_of(shapely.box(1, 1, 2, 2)), "count", "min", "max", scratch=tmp_path)
    assert (row["count"], row["min"], row["max"]) == (1, 5, 5)


@pytest.mark.parametrize(("west", "expected"), [(170, 1), (-190, 1)])
def test_a_zone_across_the_antimeridian_may_be_written_beyond_180(tmp_path: Path, west: float, expected: int) -> None:
    world = write(tmp_path / "world.tif", np.ones((18, 36), "f4"), west=-180, north=90, size=10)
    (row,) = rows(world, zones_of(shapely.box(west, 0, west + 20, 10)), "count", scratch=tmp_path)
    assert row["count"] == 2 * expected


def test_a_raster_from_0_to_360_meets_western_zones(tmp_path: Path) -> None:
    world = write(tmp_path / "world.tif", np.arange(36, dtype="f4").reshape(1, 36), west=0, north=10, size=10)
    (row,) = rows(world, zones_of(shapely.box(-100, 0, -90, 10)), "mean", scratch=tmp_path)
    assert row["mean"] == 26  # 260..270 degrees east


def test_a_south_up_raster_gives_the_same(tmp_path: Path) -> None:
    straight = write(tmp_path / "n.tif", NINE, west=10)
    flipped = write(tmp_path / "f.tif", NINE[::-1], transform=Affine(1, 0, 10, 0, 1, 0))
    zones = zones_of(shapely.Polygon([(10.2, 0.1), (12.9, 0.4), (11.3, 2.7)]))
    ours, same = (rows(path, zones, scratch=tmp_path)[0] for path in (flipped, straight))
    assert [ours[s] for s in ("count", "mean", "min", "max")] == pytest.approx(
        [same[s] for s in ("count", "mean", "min", "max")]
    )


def test_zones_in_another_system_are_reprojected_and_it_is_said(nine: Path, tmp_path: Path) -> None:
    degree = 111319.49079327357  # one degree of the equator in EPSG:3857
    mercator = zones_of(shapely.box(0, 0, degree, degree / 2), crs="EPSG:3857")
    measured = run(nine, mercator, "count", "mean", scratch=tmp_path)
    (row,) = measured.table.to_pylist()
    assert row["mean"] == 7
    assert row["count"] == pytest.approx(0.5, rel=1e-4)  # near the equator Mercator is almost true
    assert measured.notes == ("zones reprojected from EPSG:3857 to EPSG:4326",)


# Which pixels count


def test_nan_nodata_and_values_out_of_range_do_not_count(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.array([[1, np.nan, -9], [4, 50, 6]], "f4"), nodata=-9)
    (row,) = rows(path, zones_of(shapely.box(0, 0, 3, 2)), "count", "sum", "valid_share", scratch=tmp_path,
                  range=(0, 10))  # fmt: skip
    assert (row["count"], row["sum"], row["valid_share"]) == (3, 11, 0.5)


def test_the_process_may_name_another_nodata(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.array([[1, 2, 3]], "u1"))
    assert rows(path, zones_of(shapely.box(0, 0, 3, 1)), "sum", scratch=tmp_path, nodata=2)[0]["sum"] == 4


def test_zero_counts_unless_the_ancestors_rule_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.array([[0, 2]], "f4"))
    zones = zones_of(shapely.box(0, 0, 2, 1))
    assert rows(path, zones, "mean", scratch=tmp_path)[0]["mean"] == 1
    assert rows(path, zones, "mean", scratch=tmp_path, zero_is_nodata=True)[0]["mean"] == 2


def test_a_mask_says_which_pixels_count(tmp_path: Path) -> None:
    band = write(tmp_path / "x.b.tif", np.array([[1, 2, 3]], "f4"))
    mask = write(tmp_path / "x.cf_cvg.tif", np.array([[0, 5, 1]], "u2"))
    process = Process(band="b", zones="", valid={"band": "cf_cvg", "min": 1}, stats=("count", "sum"))
    zones = zones_of(shapely.box(0, 0, 3, 1))
    measured = measure([Source(p.name, path=p) for p in (band, mask)], process, zones, scratch=tmp_path)
    assert measured.table.to_pylist()[0]["sum"] == 5


def test_a_mask_on_another_grid_is_refused(tmp_path: Path) -> None:
    band = write(tmp_path / "x.b.tif", np.array([[1, 2, 3]], "f4"))
    mask = write(tmp_path / "x.cf_cvg.tif", np.array([[0, 5]], "u2"))
    process = Process(band="b", zones="", valid={"band": "cf_cvg", "min": 1})
    sources = [Source(p.name, path=p) for p in (band, mask)]
    with pytest.raises(
        RasterError, match=r"x.b.tif: has no band cf_cvg to mask it with: expected one on the same grid"
    ):
        measure(sources, process, zones_of(shapely.box(0, 0, 3, 1)), scratch=tmp_path)


def test_center_takes_pixels_whose_middle_is_inside(nine: Path, tmp_path: Path) -> None:
    (row,) = rows(nine, zones_of(shapely.box(0, 0, 1.6, 3)), "count", "sum", scratch=tmp_path, coverage="center")
    assert (row["count"], row["sum"]) == (6, 1 + 2 + 4 + 5 + 7 + 8)


def test_all_touched_takes_every_pixel_that_is_touched(nine: Path, tmp_path: Path) -> None:
    (row,) = rows(nine, zones_of(shapely.box(0.9, 1.1, 1.1, 1.9)), "count", scratch=tmp_path, coverage="all_touched")
    assert row["count"] == 2


# Weights and areas


def test_area_is_true_area(tmp_path: Path) -> None:
    world = write(tmp_path / "w.tif", np.ones((180, 360), "f4"), west=-180, north=90)
    (row,) = rows(world, zones_of(shapely.box(-180, -90, 180, 90)), "area", scratch=tmp_path)
    assert row["area"] == pytest.approx(510_065_621.724e6, rel=1e-9)  # surface of the WGS84 ellipsoid, m2


def test_area_weighting_lets_pixels_near_the_pole_weigh_less(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.array([[0], [1]], "f4"), north=61, size=30.5)  # 30.5..61 and 0..30.5 north
    (row,) = rows(path, zones_of(shapely.box(0, 0, 30.5, 61)), "mean", "count", scratch=tmp_path, area_weighted=True)
    areas = Grid(1, 2, 0, 61, 30.5, -30.5, "EPSG:4326").cell_areas()
    assert row["mean"] == pytest.approx(areas[1] / areas.sum())
    assert row["count"] == 2


# Truth


@st.composite
def polygon(draw: Any) -> Any:
    """Anything valid, near a grid of 12 x 10 pixels: stars, slivers, rectangles on pixel borders, with holes."""
    kind = draw(st.sampled_from(["star", "box", "hole", "two"]))
    number = st.floats(-3, 14, allow_nan=False, width=32)
    if kind == "box":
        x, y = draw(st.integers(-2, 12)), draw(st.integers(-2, 10))
        return shapely.box(x, y, x + draw(st.integers(1, 9)), y + draw(st.integers(1, 9)) / 2)
    angles = sorted(draw(st.lists(st.integers(0, 359), min_size=4, max_size=12, unique=True)))
    radii = draw(st.lists(st.floats(0.1, 8), min_size=len(angles), max_size=len(angles)))
    x, y = draw(number), draw(number)
    ring = [(x + r * np.cos(np.radians(a)), y + r * np.sin(np.radians(a))) for a, r in zip(angles, radii, strict=True)]
    star = shapely.make_valid(shapely.Polygon(ring), method="structure", keep_collapsed=False)
    if kind == "hole":
        star = star.difference(shapely.box(x - 0.3, y - 0.3, x + 0.5, y + 0.2))
    if kind == "two":
        star = star.union(shapely.box(0.25, 0.25, 0.75, 3.1))
    parts = [p for p in shapely.get_parts(star) if p.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts) if parts and star.area > 1e-6 else shapely.box(0, 0, 1, 1)


values = st.lists(
    st.one_of(st.floats(-100, 100, width=32), st.just(np.nan), st.just(0.0)), min_size=120, max_size=120
).map(lambda v: np.array(v, "f4").reshape(10, 12))


@settings(max_examples=150, deadline=None)
@given(polygon())
def test_coverage_equals_the_intersection_with_every_pixel(shape: Any) -> None:
    grid = Grid(12, 10, 0, 10, 1, -1, "EPSG:3857")
    index = compile_index(zones_of(shape, crs="EPSG:3857"), grid)
    assert expanded(index, grid)[0] == pytest.approx(coverage(shape, 10, 12, 10), abs=1e-7)  # float32's last digit


@settings(max_examples=60, deadline=None)
@given(polygon(), values)
def test_statistics_equal_exactextract(shape: Any, raster: Any) -> None:
    peer = exact_extract(
        NumPyRasterSource(raster, 0, 0, 12, 10, nodata=np.nan, srs_wkt=None),
        [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)}],
        ["count", "sum", "mean", "min", "max", "stdev"],
    )[0]["properties"]
    row = measured_in_memory(raster, shape)
    assert row["count"] == pytest.approx(peer["count"], rel=1e-6)  # a share rounds to a float32 or to the next
    if row["count"] > 1e-6:
        scale = max(abs(row["min"]), abs(row["max"]), 1e-30)
        assert (row["min"], row["max"]) == (peer["min"], peer["max"])
        assert row["mean"] == pytest.approx(peer["mean"], abs=1e-6 * scale)
        assert row["stddev"] == pytest.approx(peer["stdev"], abs=1e-3 * scale)


def expanded(index: Any, grid: Grid) -> Any:
    """(zones, height, width): the shares that an index says."""
    out = np.zeros((len(index.zones), grid.height, grid.width))
    needed = index.needed
    for band in needed.bands():
        which = needed.stretches(band, band)
        place = np.zeros((needed.pixels(band), 2), int)
        for row, col, length, at in zip(needed.row[which], needed.col[which], needed.length[which], needed.at[which],
                                        strict=True):  # fmt: skip
            place[at : at + length] = np.column_stack([np.full(length, row), np.arange(col, col + length)])
        for slot in range(index.band_slots[band], index.band_slots[band + 1]):
            target = out[index.slot_zone[slot]]
            for entry in range(index.slot_entries[slot], index.slot_entries[slot + 1]):
                for r in range(index.entry_runs[entry], index.entry_runs[entry + 1]):
                    for row, col in place[index.run_at[r] : index.run_at[r] + index.run_len[r]]:
                        target[row, col] += 1
                for p in range(index.entry_parts[entry], index.entry_parts[entry + 1]):
                    target[tuple(place[index.part_at[p]])] += index.part_share[p]
    return out


def measured_in_memory(raster: Any, shape: Any, **process: Any) -> dict[str, Any]:
    from pileus.zonal.accumulators import Accumulators, table
    from pileus.zonal.validity import Validity

    grid = Grid(raster.shape[1], raster.shape[0], 0, raster.shape[0], 1, -1, "EPSG:3857")
    index = compile_index(zones_of(shape, crs="EPSG:3857"), grid)
    accumulators = Accumulators(index, grid.cell_areas(), Validity(**process), False)
    from pileus.raster.packed import pack

    for band in index.needed.bands():
        first, last = index.needed.rows(band)
        accumulators.add(band, pack(index.needed, band, np.ascontiguousarray(raster[first:last]), first), None)
    stats = ("count", "sum", "mean", "min", "max", "stddev", "skew", "kurtosis")
    return table([accumulators.result("r", None, "b")], ["b"], ["a"], ["a"], stats).to_pylist()[0]


HOSTILE = {
    "a large mean and a small noise": 1e9 + np.random.default_rng(1).normal(0, 1e-3, (70, 40)),
    "float32's ends": np.where(np.random.default_rng(2).random((70, 40)) < 0.5, -3.4e38, 3.4e38).astype("f4"),
    "denormals": (np.random.default_rng(3).integers(0, 9, (70, 40)) * 1.4e-45).astype("f4"),
    "one value": np.full((70, 40), 0.1),
    "an outlier first": np.r_[1e12, np.random.default_rng(4).normal(5, 1, 2799)].reshape(70, 40),
    "sixteen orders of magnitude": 10.0 ** np.random.default_rng(5).uniform(-8, 8, (70, 40)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_moments_equal_exact_rational_arithmetic(name: str) -> None:
    raster = HOSTILE[name]
    row = measured_in_memory(raster, shapely.box(0, 0, 40, 70))
    mean, second, third, fourth = exact_moments(raster.ravel(), np.ones(raster.size))
    size = float(max(abs(raster.min()), abs(raster.max())))
    assert row["mean"] == pytest.approx(float(mean), abs=1e-13 * size)
    assert row["sum"] == pytest.approx(float(mean) * 2800, abs=1e-13 * size * 2800)
    if second == 0:
        assert row["stddev"] == 0
        assert row["skew"] is None
        return
    assert row["stddev"] == pytest.approx(float(second) ** 0.5, rel=1e-9)
    assert row["skew"] == pytest.approx(float(third) / float(second) ** 1.5, rel=1e-9, abs=1e-9)
    assert row["kurtosis"] == pytest.approx(float(fourth) / float(second) ** 2 - 3, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("infinities", "mean"), [([np.inf], np.inf), ([-np.inf], -np.inf), ([np.inf, -np.inf], None)])
def test_infinite_values_are_values(infinities: list[float], mean: float | None) -> None:
    raster = np.ones((2, 3), "f4")
    raster[1, : len(infinities)] = infinities
    row = measured_in_memory(raster, shapely.box(0, 0, 3, 2))
    assert row["mean"] == row["sum"] == mean
    assert (row["min"], row["max"]) == (min(*infinities, 1), max(*infinities, 1))
    assert row["stddev"] is None
    assert row["skew"] is None


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_every_kind_of_number_is_read(tmp_path: Path, dtype: str) -> None:
    path = write(tmp_path / "a.tif", NINE.astype(dtype))
    assert rows(path, zones_of(shapely.box(0, 0, 3, 3)), "sum", "min", scratch=tmp_path)[0]["sum"] == 45


def test_negative_values_have_their_least_and_greatest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", -NINE)
    (row,) = rows(path, zones_of(shapely.box(0, 0, 3, 3)), "min", "max", scratch=tmp_path)
    assert (row["min"], row["max"]) == (-9, -1)


# Percentiles


@settings(max_examples=40, deadline=None)
@given(values, st.floats(0, 100))
def test_percentiles_of_whole_pixels_are_numpys(raster: Any, percent: float) -> None:
    from pileus.zonal.quantiles import _sample, percentile

    valid = raster[~np.isnan(raster)].astype("f8")
    ours = percentile(_sample(valid, np.ones(len(valid))), percent)
    if len(valid):
        assert ours == pytest.approx(np.percentile(valid, percent), abs=1e-9)


def test_percentiles_of_covered_pixels_are_exactextracts(tmp_path: Path) -> None:
    raster = np.random.default_rng(0).random((10, 12)).astype("f4")
    shape = shapely.Polygon([(0.3, 0.2), (11.6, 3.3), (7.1, 9.8)])
    path = write(tmp_path / "a.tif", raster)
    (row,) = rows(path, zones_of(shape), "median", "p5", "p99.5", scratch=tmp_path)
    feature = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)}]
    operations = ["quantile(q=0.05)", "quantile(q=0.5)", "quantile(q=0.995)"]
    (peer,) = exact_extract(NumPyRasterSource(raster, 0, 0, 12, 10), feature, operations)
    assert [row["p5"], row["median"], row["p99.5"]] == pytest.approx(sorted(peer["properties"].values()), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(1, 99))
def test_a_sketch_is_within_its_stated_error(seed: int, percent: float) -> None:
    from pileus.zonal.quantiles import _sample, _sketched, joined, percentile

    rng = np.random.default_rng(seed)
    values = (rng.normal(0, 1, 5000) * 10.0 ** rng.integers(-3, 4)).astype("f4")
    parts = [_sketched(_sample(part, np.ones(len(part)))) for part in np.array_split(values, 4)]
    ours = percentile(joined(parts), percent)
    near = np.percentile(values, [max(0, percent - 0.03), min(100, percent + 0.03)])
    assert near[0] - abs(near[0]) * 2**-11 <= ours <= near[1] + abs(near[1]) * 2**-11
    assert ours == percentile(joined(parts[::-1]), percent)


# Any order, any division of the work


def test_results_do_not_depend_on_threads_or_blocks(tmp_path: Path) -> None:
    raster = np.random.default_rng(7).random((300, 200)).astype("f4")
    zones = zones_of(shapely.Point(100, 150).buffer(90), shapely.box(3, 3, 190, 40))
    plain = run(write(tmp_path / "a.tif", raster), zones, scratch=tmp_path, threads=1).table
    assert run(tmp_path / "a.tif", zones, scratch=tmp_path, threads=4).table == plain
    for name, options in {
        "rows": {"blockysize": 7, "compress": "deflate"},
        "tiles": {"tiled": True, "blockxsize": 32, "blockysize": 48, "compress": "zstd"},
        "large": {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "lzw"},
        "bigtiff": {"BIGTIFF": "YES"},
        "big-endian": {"ENDIANNESS": "BIG"},
    }.items():
        assert run(write(tmp_path / f"{name}.tif", raster, **options), zones, scratch=tmp_path).table == plain, name


def test_the_tiles_of_a_mosaic_give_the_mosaics_row_in_any_order(tmp_path: Path) -> None:
    raster = np.random.default_rng(8).random((40, 60)).astype("f4")
    zones = zones_of(shapely.Point(30, 20).buffer(19), shapely.box(19.3, 2, 20.7, 3))
    whole = run(write(tmp_path / "all.tif", raster), zones, "count", "mean", "stddev", "min", "max", scratch=tmp_path)
    sources = []
    for r in (0, 20):
        for c in (0, 20, 40):
            path = write(tmp_path / f"{r}{c}.b.tif", raster[r : r + 20, c : c + 20], west=c, north=40 - r)
            sources.append(Source(path.name, tile=f"r{r}c{c}", path=path))
    process = Process(band="b", zones="", stats=("count", "mean", "stddev", "min", "max"))
    tiled = measure(sources, process, zones, scratch=tmp_path)
    assert measure(sources[::-1], process, zones, scratch=tmp_path).table == tiled.table
    for ours, theirs in zip(tiled.table.to_pylist(), whole.table.to_pylist(), strict=True):
        for stat in process.stats:
            assert ours[stat] == pytest.approx(theirs[stat], rel=1e-12)
    counts = {(r["tile"], r["zone"]): r["count"] for r in tiled.by_tile.to_pylist()}
    assert len(counts) == 6 + 2  # a lies on all six, b on the two lower tiles left of the middle
    assert counts["r20c0", "b"] == pytest.approx(0.7)


def test_two_rasters_on_one_grid_are_refused(nine: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.b.tif", NINE)
    sources = [Source("nine.b.tif", path=nine), Source(other.name, path=other)]
    with pytest.raises(RasterError, match=r"other.b.tif: covers the same grid as nine.b.tif with band b: measure them"):
        measure(sources, Process(band="b", zones=""), zones_of(shapely.box(0, 0, 1, 1)), scratch=tmp_path)
