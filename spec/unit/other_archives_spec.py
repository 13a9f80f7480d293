"""CHIRPS, Black Marble and ERA5, from template to rows, on sites of their layouts that say what comes out."""

import gzip
from itertools import chain
from pathlib import Path
from typing import Any

import eccodes
import h5py
import netCDF4
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.io import MemoryFile

from pileus.documents import Provider
from pileus.errors import DocumentError, PileusError, RasterError, Refused
from pileus.expand import expand
from pileus.group import group
from pileus.models import Granule, listed
from pileus.patterns import NamePattern
from pileus.periods import Periods
from pileus.product import product_folder, product_module
from pileus.project.folder import Project
from pileus.project.populate import validate
from pileus.zonal import read_zones
from spec.support.black_marble import FIELDS, NAME, UNIT, structure, write_blank, write_tile
from spec.support.examples import TODAY, Ran, example, run
from spec.support.shared import shared

ROOT = product_folder()
ZONES = ("coast", "plain", "sea", "west")
"""As rows are ordered."""


@pytest.fixture
def chirps(tmp_path: Path) -> Path:
    return example(tmp_path, "chirps")


@pytest.fixture
def black_marble(tmp_path: Path) -> Path:
    return example(tmp_path, "black_marble")


@pytest.fixture
def era5(tmp_path: Path) -> Path:
    return example(tmp_path, "era5")


def by_period(ran: Ran, column: str) -> dict[str, list[Any]]:
    """Values of the zones, in their order, by period."""
    rows: dict[str, list[Any]] = {}
    for row in ran.rows:
        rows.setdefault(row["period"], []).append(row[column])
    assert ran.column("zone") == list(ZONES) * len(rows)
    return rows


def test_every_document_of_the_product_is_valid() -> None:
    registry, _ = validate(Project(ROOT), TODAY)
    assert {one.name for one in registry.collections.values()} >= {
        *("chirps_monthly", "chirps_daily", "black_marble_monthly", "era5_netcdf", "era5_grib"),
    }


@pytest.mark.parametrize(
    ("name", "period", "folder", "wanted", "other"),
    [
        ("chirps_monthly", "2015-01", "global_monthly/tifs/", "chirps-v2.0.2015.01.tif.gz", "2015.02"),
        ("chirps_daily", "2015-01-31", "global_daily/tifs/p05/2015/", "chirps-v2.0.2015.01.31.tif.gz", "2015.01.30"),
        (
            *("black_marble_monthly", "2015-02", "5200/VNP46A3/2015/032/"),
            *("VNP46A3.A2015032.h25v07.002.2025034121055.h5", "VNP46A3.A2015032.h00v00"),
        ),
        (
            *("era5_netcdf", "2019-02", "e5.oper.an.sfc/201902/"),
            *("e5.oper.an.sfc.128_167_2t.ll025sc.2019020100_2019022823.nc", "128_168_2d"),
        ),
        ("era5_grib", "2019-03", "grib/", "era5-2t-2019-03.grib", "2019-04"),
    ],
)
def test_names_and_folders_of_the_products_collections_are_those_of_the_archive(
    name: str, period: str, folder: str, wanted: str, other: str
) -> None:
    """`other`: part of the name of a file that is not wanted, in place of the wanted one's."""
    template = Project(ROOT).registry()[0].collection(name)
    assert template.options is not None
    (point,) = expand(template, Periods.parse([period], template.options.spanUnit))
    pattern = NamePattern(point.collection.files[0].regex)
    unwanted = wanted.replace(wanted[wanted.find(other[:7]) :][: len(other)], other)
    assert point.collection.provider_path == folder
    assert pattern.parts(wanted) is not None
    assert unwanted != wanted
    assert pattern.parts(unwanted) is None


def test_black_marbles_tiles_are_those_that_the_places_lie_on() -> None:
    zones = read_zones((ROOT / "data/zones/places.geojson").read_bytes(), zone_id=None, where="places")
    bounds = [shapely.bounds(one).astype(float) for one in zones.geometries]
    corners = chain.from_iterable(((w, s), (w, n), (e, s), (e, n)) for w, s, e, n in bounds)
    tiles = {f"h{int((x + 180) // 10):02}v{int((90 - y) // 10):02}" for x, y in corners}
    collection = Project(ROOT).registry()[0].collection("black_marble_monthly")
    assert set(collection.meta.group.expect) == tiles
    (point,) = expand(collection, Periods.parse(["2015-01"], collection.options.spanUnit))  # type: ignore[union-attr]
    names = [f"VNP46A3.A2015001.{tile}.002.2025034121055.h5" for tile in sorted(tiles)]
    pattern = NamePattern(point.collection.files[0].regex)
    granules = [Granule(listed(name, name, 1), pattern.parts(name) or {}) for name in names]  # type: ignore[arg-type]
    (found,) = group(granules, collection.meta.group).groups
    assert (len(found.granules), found.missing) == (7, ())


def test_months_of_chirps_have_no_rain_over_the_sea(chirps: Path) -> None:
    ran = run(chirps, "chirps_monthly")
    assert by_period(ran, "mean") == {f"2015-0{m}": [10 * m, 10 * m, None, 10 * m] for m in (1, 2, 3)}
    assert by_period(ran, "count")["2015-01"] == [8, 16, 0, 100]
    assert by_period(ran, "valid_share")["2015-01"] == [0.5, 1, 0, 1]
    assert (ran.units["mean"], ran.notes) == ("mm", [])


def test_the_sea_of_the_sample_has_no_nodata_tag(chirps: Path) -> None:
    path = chirps / "sample-site/global_monthly/tifs/chirps-v2.0.2015.01.tif.gz"
    with MemoryFile(gzip.decompress(path.read_bytes())) as memory, memory.open() as raster:
        assert raster.nodata is None
        assert raster.read(1).min() == -9999


def test_each_day_of_chirps_is_a_period(chirps: Path) -> None:
    ran = run(chirps, "chirps_daily")
    days = {"2015-01-30": 30, "2015-01-31": 31, "2015-02-01": 1, "2015-02-02": 2, "2015-02-03": 3}
    assert by_period(ran, "mean") == {day: [mm, mm, None, mm] for day, mm in days.items()}
    assert {row["band"] for row in ran.rows} == {"rain"}


def test_black_marble_is_radiance_on_tiles_by_their_names(black_marble: Path) -> None:
    """`plain` lies on two tiles; half of `coast` is fill; half of `west` was filled from other months."""
    ran = run(black_marble, "black_marble_monthly")
    assert by_period(ran, "mean") == {f"2015-0{m}": [10 * m, 10 * m, None, 10 * m] for m in (1, 2, 3)}
    assert by_period(ran, "count")["2015-02"] == [8, 16, 0, 50]
    assert by_period(ran, "sum")["2015-02"] == pytest.approx([160, 320, None, 1000], nan_ok=True)
    assert (ran.units["mean"], ran.units["sum"]) == ("nW/cm2/sr", "nW/cm2/sr x pixels")
    assert ran.notes == [f"light is in nW/cm2/sr as the collection says, and in {UNIT} as files say"]


def test_a_month_without_one_of_its_tiles_waits(black_marble: Path) -> None:
    (tile,) = (black_marble / "sample-site/5200/VNP46A3/2015/001").glob("*h24v04*")
    tile.unlink()
    ran = run(black_marble, "black_marble_monthly")
    assert ran.missing == {"2015-01": ("h24v04",)}
    assert set(ran.column("period")) == {"2015-02", "2015-03"}


def test_the_samples_tile_is_laid_out_as_documented_and_its_pixels_are_replaced(tmp_path: Path) -> None:
    maker = product_module("data/sample/black_marble/make.py")
    with h5py.File(write_blank(tmp_path / "a.h5")) as made, h5py.File(maker.TILE) as kept:
        assert set(kept[FIELDS]) == set(made[FIELDS])
        assert all(np.array_equal(kept[FIELDS + name][:], made[FIELDS + name][:]) for name in made[FIELDS])
        assert dict(kept[FIELDS + NAME].attrs) == dict(made[FIELDS + NAME].attrs)
    assert [maker.TILE.read_bytes().count(pixels) for pixels in (maker.RADIANCE, maker.QUALITY)] == [1, 1]
    radiance, quality = maker.pixels(maker.MONTHS[1], "h19v07")
    (tmp_path / "b.h5").write_bytes(maker.hdf5(radiance, quality))
    with h5py.File(tmp_path / "b.h5") as tile:
        assert np.array_equal(tile[FIELDS + NAME][:], radiance)
        assert np.array_equal(tile[f"{FIELDS}{NAME}_Quality"][:], quality)


@pytest.mark.parametrize("georeference", ["", "without GridOrigin", "with GridOrigin"])
def test_a_finer_tile_is_measured_as_an_independent_reader_sees_it(black_marble: Path, georeference: str) -> None:
    """100 x 100 random pixels on each of the two tiles of `plain`, whatever their StructMetadata lets a driver see."""
    random, folder = np.random.default_rng(46), black_marble / "sample-site/5200/VNP46A3/2015/001"
    seen = []
    for path in folder.iterdir():
        column, row = int(path.name[18:20]), int(path.name[21:23])
        radiance = random.integers(0, 500, (100, 100)).astype("<u2")
        radiance[random.random((100, 100)) < 0.2] = 65535
        quality = random.integers(0, 3, (100, 100)).astype("u1")
        told = structure(column, row, 100, origin=georeference.startswith("with ")) if georeference else ""
        write_tile(path, radiance, quality, told)
        if row != 4:
            continue
        with h5py.File(path) as file:  # 42 to 46 N; the last 2 degrees of one tile, the first of the other
            part = (slice(40, 80), slice(80, 100) if column == 23 else slice(0, 20))
            stored, flags = file[FIELDS + NAME][part], file[f"{FIELDS}{NAME}_Quality"][part]
            seen.append(stored[(stored != 65535) & (flags < 2)] * file[FIELDS + NAME].attrs["scale_factor"])
    values = np.concatenate(seen)
    rows = run(black_marble, "black_marble_monthly").rows
    (row,) = (one for one in rows if (one["zone"], one["period"]) == ("plain", "2015-01"))
    assert row["count"] == pytest.approx(values.size)
    truth = [values.sum(), values.mean(), values.min(), values.max(), values.std()]
    assert [row[name] for name in ("sum", "mean", "min", "max", "stddev")] == pytest.approx(truth, rel=1e-9)


def test_a_tile_that_says_it_is_another_one_is_refused(black_marble: Path) -> None:
    (path,) = (black_marble / "sample-site/5200/VNP46A3/2015/001").glob("*h23v04*")
    write_tile(path, np.ones((10, 10), "<u2"), np.zeros((10, 10), "u1"), structure(22, 4, 10, origin=True))
    with pytest.raises(RasterError, match=r"lies at 40, 40, 50, 50, and meta.grid at 50, 40, 60, 50"):
        run(black_marble, "black_marble_monthly")


def laads(folder: Path, url: str, **changes: Any) -> Provider:
    """The product's provider, at a server of this machine."""
    document = Project(folder).registry()[0].providers["laads"].model_dump(exclude_defaults=True)
    return Provider.model_validate(document | {"protocol": "http", "host": url, "attempts": 1} | changes)


def guarded(nginx: Any, project: Path) -> Any:
    """A server of the sample that sends whoever has no token to a page to sign in, as LAADS does."""
    guard = 'if ($http_authorization != "Bearer t0ken-value") { return 302 http://127.0.0.1:9/oauth/authorize; }'
    return nginx(project / "sample-site", location=guard)


def test_black_marble_is_downloaded_with_a_token(black_marble: Path, nginx: Any) -> None:
    provider = laads(black_marble, guarded(nginx, black_marble).url)
    ran = run(black_marble, "black_marble_monthly", provider, {"EARTHDATA_TOKEN": "t0ken-value"})
    assert by_period(ran, "mean")["2015-03"] == [30, 30, None, 30]


@pytest.mark.parametrize(
    ("environ", "error", "told"),
    [
        ({}, DocumentError, "credentials.token: .*EARTHDATA_TOKEN"),
        (
            {"EARTHDATA_TOKEN": "of-last-year"},
            Refused,
            "redirects to 127.0.0.1:9, which allowedRedirects does not list",
        ),
    ],
)
def test_without_a_token_that_is_good_nothing_is_downloaded(
    black_marble: Path, nginx: Any, environ: dict[str, str], error: type[PileusError], told: str
) -> None:
    provider = laads(black_marble, guarded(nginx, black_marble).url)
    with pytest.raises(error, match=told) as caught:
        run(black_marble, "black_marble_monthly", provider, environ)
    assert "of-last-year" not in str(caught.value)


def test_black_marble_is_downloaded_by_signing_in_at_earthdata(black_marble: Path, nginx: Any, tmp_path: Path) -> None:
    """The server sends us to sign in; there we are known by name, and from there we come with a cookie."""
    who = 'if ($http_authorization != "Basic YWRhOnMzY3JldA==") { return 401; } return 302 $arg_back;'
    urs = nginx(tmp_path / "collections", location=who)
    known = f'if ($http_cookie !~ "session=yes") {{ return 302 {urs.url}/?back=http://$http_host/back?to=$uri; }}'
    back = 'location = /back { add_header Set-Cookie "session=yes; Path=/"; return 302 $arg_to; }'
    site = nginx(black_marble / "sample-site", server=back, location=known)
    credentials = {"type": "earthdata", "username": {"env": "NAME"}, "password": {"env": "WORD"}}
    allowed = {"credentials": credentials, "allowedRedirects": [urs.url.removeprefix("http://")]}
    provider = laads(black_marble, site.url, **allowed)
    ran = run(black_marble, "black_marble_monthly", provider, {"NAME": "ada", "WORD": "s3cret"})
    assert by_period(ran, "mean")["2015-03"] == [30, 30, None, 30]


@pytest.mark.parametrize("kind", ["netcdf", "grib"])
def test_a_month_of_times_of_a_reanalysis_is_one_mean(era5: Path, kind: str) -> None:
    """20 K more at noon than at midnight; 20 K less in the west, which the files have at 180 to 360 E."""
    ran = run(era5, f"era5_{kind}")
    assert by_period(ran, "mean") == {f"2015-0{m}": [270 + 10 * m] * 3 + [250 + 10 * m] for m in (1, 2, 3)}
    assert by_period(ran, "count")["2015-01"] == [4, 4, 4, 25]
    assert (ran.units["mean"], ran.notes) == ("K", [])


def test_the_samples_of_the_reanalysis_are_what_other_libraries_read(era5: Path) -> None:
    (path,) = (era5 / "sample-site/e5.oper.an.sfc/201502").iterdir()
    with netCDF4.Dataset(path) as file:
        variable = file["VAR_2T"]
        assert (variable.dtype, variable.scale_factor, variable.add_offset, variable.units) == ("i2", 0.1, 280, "K")
        assert variable.shape == (56, 91, 180)
        assert file["lon"][:].tolist() == list(range(0, 360, 2))
        assert file["time"].units == "hours since 1900-01-01 00:00:00"
        means = variable[:].mean(axis=0)
        assert (means[:, :90].min(), means[:, :90].max()) == pytest.approx((290, 290))
    with (era5 / "sample-site/grib/era5-2t-2015-02.grib").open("rb") as file:
        messages = list(iter(lambda: eccodes.codes_grib_new_from_file(file), None))
        wanted = ("shortName", "edition", "centre", "units", "dataDate", "dataTime", "numberOfValues")
        assert [eccodes.codes_get(messages[-1], key) for key in wanted] == [
            *("2t", 1, "ecmf", "K", 20150228, 1200, 16380),
        ]
        assert np.allclose(np.mean([eccodes.codes_get_values(one) for one in messages], axis=0).reshape(91, 180), means)
        for message in messages:
            eccodes.codes_release(message)


def test_a_real_month_of_era5_goes_from_template_to_rows(era5: Path) -> None:
    real = shared("data/grids/era5-2mt-2019-03-uk.grib")
    (era5 / "sample-site/grib/era5-2t-2019-03.grib").symlink_to(real)
    path = era5 / "collections/era5_grib.json"
    path.write_text(path.read_text().replace("201501", "201903").replace("201503", "201903"))
    with rasterio.open(real) as raster:
        west, south, east, north = raster.bounds
    box = shapely.to_geojson(shapely.box(west, south, east, north))
    (era5 / "data/zones/sample_world.geojson").write_text(
        f'{{"type": "Feature", "id": "uk", "properties": {{}}, "geometry": {box}}}'
    )
    with real.open("rb") as file:
        messages = iter(lambda: eccodes.codes_grib_new_from_file(file), None)
        truth = np.mean([eccodes.codes_get_values(message) for message in messages], axis=0)
    (row,) = run(era5, "era5_grib").rows
    assert (row["zone"], row["period"], row["count"]) == ("uk", "2019-03", pytest.approx(truth.size))
    assert [row["mean"], row["min"], row["max"]] == pytest.approx([truth.mean(), truth.min(), truth.max()], rel=1e-6)
