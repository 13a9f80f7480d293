"""Stored numbers stand for values: scale and offset of a file are applied, and its nodata is a stored number."""

from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import pytest
import rasterio
import shapely
from exactextract import exact_extract
from rasterio import Affine
from rasterio.io import MemoryFile

from pileus.documents import Process
from pileus.errors import RasterError
from pileus.outputs.windows import Mosaic
from pileus.raster.stored import Stored
from pileus.zonal import Source, Zones, measure
from pileus.zonal.quantiles import EXACT
from spec.support.zonal_reference import tgz, write, zones_of

STATS = ("count", "sum", "mean", "min", "max", "stddev", "skew", "kurtosis", "median", "p90")
PEER = {"count": "count", "sum": "sum", "mean": "mean", "min": "min", "max": "max", "stddev": "stdev"}
SQUARE = shapely.box(0.5, 0.25, 6.75, 7.5)


def zones(*shapes: Any) -> Zones:
    return zones_of(*shapes or (SQUARE,))


def raster(path: Path, numbers: Any, *, factor: float = 1, offset: float = 0, **place: Any) -> Path:
    """A GeoTIFF whose numbers stand for others; by default its pixels have one degree, up from 0 E, 0 N."""
    write(path, numbers, **place)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (factor,), (offset,)
    return path


def measured(path: Path, where: Zones | None = None, *, scratch: Path, **rules: Any) -> dict[str, Any]:
    process = Process(band="b", zones="", **{"stats": STATS} | rules)
    (row,) = measure([Source("b.tif", path=path)], process, where or zones(), scratch=scratch).table.to_pylist()
    return {stat: row[stat] for stat in process.stats}


def numbers(kind: str) -> Any:
    made = np.random.default_rng(7).integers(1, 200, (8, 8)).astype(kind)
    made[3, 3] = 255
    return made


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "f4"])
@pytest.mark.parametrize(("factor", "offset"), [(0.1, 220), (0.01, 5), (-0.5, 3), (1, -273.15), (1e-9, 0)])
def test_all_statistics_are_those_of_the_values(tmp_path: Path, kind: str, factor: float, offset: float) -> None:
    stored = raster(tmp_path / "b.tif", numbers(kind), factor=factor, offset=offset, nodata=255)
    values = np.where(numbers(kind) == 255, np.nan, numbers(kind).astype("f8") * factor + offset)
    decoded = raster(tmp_path / "decoded.tif", values, nodata=np.nan)
    ours, theirs = (measured(path, scratch=tmp_path) for path in (stored, decoded))
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    shape = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(SQUARE)}
    (peer,) = exact_extract(str(decoded), [shape], list(PEER.values()))
    assert {stat: ours[stat] for stat in PEER} == pytest.approx(
        {stat: peer["properties"][name] for stat, name in PEER.items()}, rel=1e-9
    )


def test_a_netcdf_of_kelvins_in_sixteen_bits(tmp_path: Path) -> None:
    """As gridMET stores its temperatures: 586 stands for 278.6 K."""
    path = tmp_path / "b.nc"
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"lat": 4, "lon": 4}
        for name, first, step, unit in (("lat", 3.5, -1, "degrees_north"), ("lon", 0.5, 1, "degrees_east")):
            axis = file.create_variable(name, (name,), "f8", data=first + step * np.arange(4))
            axis.attrs["units"], axis.attrs["standard_name"] = unit, {"lat": "latitude", "lon": "longitude"}[name]
        crs = file.create_variable("crs", (), "i4", data=0)
        crs.attrs["grid_mapping_name"] = "latitude_longitude"
        crs.attrs["semi_major_axis"], crs.attrs["inverse_flattening"] = 6378137.0, 298.257223563
        stored = np.full((4, 4), 586, "u2")
        stored[0, 0] = 32767
        band = file.create_variable("tmmn", ("lat", "lon"), "u2", data=stored, fillvalue=np.uint16(32767))
        band.attrs["scale_factor"], band.attrs["add_offset"] = 0.1, 220.0
        band.attrs["grid_mapping"] = "crs"
    row = measured(path, zones(shapely.box(0, 0, 4, 4)), scratch=tmp_path, stats=("count", "mean", "valid_share"))
    assert row["mean"] == pytest.approx(278.6, rel=1e-12)
    assert (row["count"], row["valid_share"]) == (15, 15 / 16)


def test_a_range_is_of_values_and_nodata_of_numbers(tmp_path: Path) -> None:
    path = raster(tmp_path / "b.tif", np.arange(16, dtype="u1").reshape(4, 4), factor=0.5, offset=10)
    rules = {"stats": ("count", "min", "max"), "range": (12, 14), "nodata": 5}
    row = measured(path, zones(shapely.box(0, 0, 4, 4)), scratch=tmp_path, **rules)
    assert (row["count"], row["min"], row["max"]) == (4, 12, 14), "numbers 4 to 8 without 5"


def test_a_value_of_zero_is_not_the_number_zero(tmp_path: Path) -> None:
    path = raster(tmp_path / "b.tif", [[0, 1], [2, 3]], factor=1, offset=-2)
    rules = {"stats": ("count", "min"), "zero_is_nodata": True}
    row = measured(path, zones(shapely.box(0, 0, 2, 2)), scratch=tmp_path, **rules)
    assert (row["count"], row["min"]) == (3, -2)


def test_tiles_of_unlike_scales_make_one_mosaic(tmp_path: Path) -> None:
    west = raster(tmp_path / "west.tif", np.full((2, 2), 40, "u1"), factor=0.1)
    east = tmp_path / "east.tif"
    profile = {"driver": "GTiff", "height": 2, "width": 2, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(east, "w", **profile, transform=Affine(1, 0, 2, 0, -1, 2)) as file:
        file.write(np.full((1, 2, 2), 8, "u1"))
    process = Process(band="b", zones="", stats=("mean", "median", "max"))
    sources = [Source(path.name, path=path, band="b") for path in (west, east)]
    (row,) = measure(sources, process, zones(shapely.box(0, 0, 4, 2)), scratch=tmp_path).table.to_pylist()
    assert (row["mean"], row["median"], row["max"]) == (6, 6, 8), "half is 4, half is 8"


def test_the_sketch_of_a_large_zone_is_of_values(tmp_path: Path) -> None:
    side = int(EXACT**0.5) + 2
    path = raster(
        tmp_path / "b.tif", np.tile(np.arange(side, dtype="i2"), (side, 1)), factor=-0.25, offset=1, size=1 / 32
    )
    where = zones(shapely.box(0, 0, side / 32, side / 32))
    row = measured(path, where, scratch=tmp_path, stats=("p25", "median", "min"))
    values = np.arange(side) * -0.25 + 1
    assert row["min"] == values.min()
    assert row["median"] == pytest.approx(np.percentile(values, 50), rel=2**-9)
    assert row["p25"] == pytest.approx(np.percentile(values, 25), rel=2**-9)


def counted(folder: Path, least: float, mask: Any, **stored: Any) -> float:
    """How many of four pixels count under a mask."""
    values, mask = raster(folder / "x.b.tif", np.full((2, 2), 3, "u1")), raster(folder / "x.m.tif", mask, **stored)
    process = Process(band="b", zones="", valid={"band": "m", "min": least}, stats=("count",))
    sources = [Source("x.b.tif", path=values), Source("x.m.tif", path=mask)]
    (row,) = measure(sources, process, zones(shapely.box(0, 0, 2, 2)), scratch=folder).table.to_pylist()
    return float(row["count"])


def test_a_mask_s_own_nodata_lets_no_pixel_count(tmp_path: Path) -> None:
    """The cloud counts of the real Mumbai carry 65535 where nothing was seen: not the most often seen of all."""
    assert counted(tmp_path, 1, np.array([[65535, 5], [0, 1]], "u2"), nodata=65535) == 2


@pytest.mark.parametrize(("least", "factor"), [(0.5, 0.1), (-0.4, -0.1)])
def test_the_least_value_of_a_mask_is_a_value(tmp_path: Path, least: float, factor: float) -> None:
    assert counted(tmp_path, least, np.array([[0, 4], [5, 10]], "u1"), factor=factor) == 2


@pytest.mark.parametrize("factor", [0.1, -0.1, 0.01, 3e-7])
def test_limits_are_those_of_the_decoded_values(factor: float) -> None:
    """A pixel counts as if it had been decoded first, in float64, and then compared."""
    stored, all_ = Stored(factor=factor, offset=0.7), np.arange(-2000, 2000)
    values = all_ * factor + 0.7
    for low, high in ((values[1000], values[1500]), (values.min(), 0.7), (0.1, 0.3), (-1, 1)):
        least, greatest = stored.limits(low, high)
        assert (((all_ >= least) & (all_ <= greatest)) == ((values >= low) & (values <= high))).all(), (low, high)


def test_a_scale_of_zero_is_refused(tmp_path: Path) -> None:
    path = raster(tmp_path / "b.tif", np.ones((2, 2), "u1"), factor=0)
    with pytest.raises(RasterError, match="has a scale of 0"):
        measured(path, scratch=tmp_path)


def test_cut_outs_hold_values(tmp_path: Path) -> None:
    path = raster(tmp_path / "b.tif", np.full((4, 4), 586, "u2"), factor=0.1, offset=220)
    process, places = Process(band="b", zones="", clips=True), zones(shapely.box(1, 1, 3, 3))
    mosaic = Mosaic(process, places, tmp_path)
    measure([Source("b.tif", path=path)], process, places, scratch=tmp_path, observer=mosaic)
    (window,) = mosaic.windows("b")
    assert (window.values.dtype, window.values.max()) == (np.float32, np.float32(278.6))


def test_cut_outs_over_tiles_that_have_nan_as_nodata(tmp_path: Path) -> None:
    values, tiles = np.array([[1, np.nan], [2, 3]], "f4"), []
    for west in (0, 2):
        tiles.append(Source(f"{west}.b.tif", path=raster(tmp_path / f"{west}.b.tif", values, west=west, nodata=np.nan)))
    process, places = Process(band="b", zones="", clips=True), zones(shapely.box(1, 0, 3, 2))
    mosaic = Mosaic(process, places, tmp_path)
    measure(tiles, process, places, scratch=tmp_path, observer=mosaic)
    (window,) = mosaic.windows("b")
    assert window.valid.sum() == 6


def test_cut_outs_over_tiles_of_unlike_scales_are_refused(tmp_path: Path) -> None:
    paths = [raster(tmp_path / f"{n}.tif", np.ones((2, 2), "u1"), factor=factor) for n, factor in ((0, 1), (1, 0.1))]
    with rasterio.open(paths[1], "r+") as file:
        file.transform = Affine(1, 0, 2, 0, -1, 2)
    process, places = Process(band="b", zones="", clips=True), zones(shapely.box(1, 0, 3, 2))
    sources = [Source(path.name, path=path, band="b") for path in paths]
    with pytest.raises(RasterError, match="another nodata, scale or offset"):
        measure(sources, process, places, scratch=tmp_path, observer=Mosaic(process, places, tmp_path))


@pytest.mark.parametrize("layout", [{}, {"compress": "deflate"}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
@pytest.mark.parametrize("kind", ["u1", "i4", "f8"])
def test_pixels_outside_a_file_s_own_mask_do_not_count(tmp_path: Path, kind: str, layout: dict[str, Any]) -> None:
    path, seen = tmp_path / "b.tif", np.ones((16, 16), bool)
    seen[:, 8:] = False
    profile = {"driver": "GTiff", "width": 16, "height": 16, "count": 1, "dtype": np.dtype(kind).name}
    place = {"crs": "EPSG:4326", "transform": Affine(1, 0, 0, 0, -1, 16)}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile, **place, **layout) as file:
        file.write(np.where(seen, 3, 200).astype(kind), 1)
        file.write_mask(seen)
    row = measured(path, zones(shapely.box(0, 0, 16, 16)), scratch=tmp_path, stats=("count", "max", "valid_share"))
    assert row == {"count": 128, "max": 3, "valid_share": 0.5}


def test_an_alpha_band_says_which_pixels_count(tmp_path: Path) -> None:
    path = tmp_path / "b.tif"
    profile = {"driver": "GTiff", "width": 4, "height": 4, "count": 2, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", **profile, transform=Affine(1, 0, 0, 0, -1, 4), alpha="yes") as file:
        file.write(np.arange(16, dtype="u1").reshape(4, 4), 1)
        file.write(np.where(np.arange(16) < 4, 0, 255).astype("u1").reshape(4, 4), 2)
    row = measured(path, zones(shapely.box(0, 0, 4, 4)), scratch=tmp_path, stats=("count", "min"))
    assert row == {"count": 12, "min": 4}


def test_a_member_of_an_archive_keeps_its_own_mask(tmp_path: Path) -> None:
    """Its mask lies behind its strips, where a stream would have passed it by."""
    seen = np.tile([True, False], (4, 2))
    with MemoryFile() as memory:
        profile = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
        place = {"transform": Affine(1, 0, 0, 0, -1, 4)}
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), memory.open(**profile, **place) as file:
            file.write(np.full((4, 4), 9, "u1"), 1)
            file.write_mask(seen)
        body = bytes(memory.read())
    (tmp_path / "x.tgz").write_bytes(tgz({"x.b.tif": body}))
    process = Process(band="b", zones="", stats=("count",))
    sources = [Source("x.tgz", path=tmp_path / "x.tgz")]
    (row,) = measure(sources, process, zones(shapely.box(0, 0, 4, 4)), scratch=tmp_path).table.to_pylist()
    assert row["count"] == 8


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32633"])
def test_pixels_of_two_sizes_are_not_added(tmp_path: Path, crs: str) -> None:
    paths = [raster(tmp_path / f"{size}.tif", np.ones((2, 2), "u1"), size=size) for size in (1, 2)]
    with rasterio.open(paths[1], "r+") as file:
        file.crs = crs
    process, sources = Process(band="b", zones=""), [Source(path.name, path=path, band="b") for path in paths]
    with pytest.raises(RasterError, match=r"has pixels of 2 x 2 .*, and 1.tif of 1 x 1 degrees"):
        measure(sources, process, zones(shapely.box(0, 0, 4, 4)), scratch=tmp_path)
