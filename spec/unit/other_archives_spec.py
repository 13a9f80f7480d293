"""CHIRPS and ERA5, from template to rows, on sites of their layouts that say what comes out."""

import gzip
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.io import MemoryFile

from pileus.expand import expand
from pileus.patterns import NamePattern
from pileus.periods import Periods
from pileus.product import product_folder
from pileus.project.folder import Project
from pileus.project.populate import validate
from spec.support.examples import TODAY, example, run, served
from spec.support.grib import messages
from spec.support.shared import shared

ROOT = product_folder()


@pytest.fixture
def chirps(tmp_path: Path) -> Path:
    return example(tmp_path, "chirps")


@pytest.fixture
def era5(tmp_path: Path) -> Path:
    return example(tmp_path, "era5")


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


def test_months_of_chirps_have_no_rain_over_the_sea(chirps: Path) -> None:
    ran = run(chirps, "chirps_monthly")
    assert ran.by_period("mean") == {f"2015-0{m}": [10 * m, 10 * m, None, 10 * m] for m in (1, 2, 3)}
    assert ran.by_period("count")["2015-01"] == [8, 16, 0, 100]
    assert ran.by_period("valid_share")["2015-01"] == [0.5, 1, 0, 1]
    assert (ran.units["mean"], ran.notes) == ("mm", [])


def test_the_sea_of_the_sample_has_no_nodata_tag(chirps: Path) -> None:
    path = chirps / "sample-site/global_monthly/tifs/chirps-v2.0.2015.01.tif.gz"
    with MemoryFile(gzip.decompress(path.read_bytes())) as memory, memory.open() as raster:
        assert raster.nodata is None
        assert raster.read(1).min() == -9999


def test_chirps_is_read_from_a_web_server(chirps: Path, nginx: Any) -> None:
    provider = served(chirps, "chirps", nginx(chirps / "sample-site").url)
    assert run(chirps, "chirps_monthly", provider).by_period("mean")["2015-03"] == [30, 30, None, 30]


def test_each_day_of_chirps_is_a_period(chirps: Path) -> None:
    ran = run(chirps, "chirps_daily")
    days = {"2015-01-30": 30, "2015-01-31": 31, "2015-02-01": 1, "2015-02-02": 2, "2015-02-03": 3}
    assert ran.by_period("mean") == {day: [mm, mm, None, mm] for day, mm in days.items()}
    assert {row["band"] for row in ran.rows} == {"rain"}


@pytest.mark.parametrize("kind", ["netcdf", "grib"])
def test_a_month_of_times_of_a_reanalysis_is_one_mean(era5: Path, kind: str) -> None:
    """20 K more at noon than at midnight; 20 K less in the west, which the files have at 180 to 360 E."""
    ran = run(era5, f"era5_{kind}")
    assert ran.by_period("mean") == {f"2015-0{m}": [270 + 10 * m] * 3 + [250 + 10 * m] for m in (1, 2, 3)}
    assert ran.by_period("count")["2015-01"] == [4, 4, 4, 25]
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
    wanted = ("shortName", "edition", "centre", "units", "dataDate", "dataTime", "numberOfValues")
    told, values = messages(era5 / "sample-site/grib/era5-2t-2015-02.grib", *wanted)
    assert list(told[-1].values()) == ["2t", 1, "ecmf", "K", 20150228, 1200, 16380]
    assert np.allclose(values.mean(axis=0).reshape(91, 180), means)


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
    truth = messages(real)[1].mean(axis=0)
    (row,) = run(era5, "era5_grib").rows
    assert (row["zone"], row["period"], row["count"]) == ("uk", "2019-03", pytest.approx(truth.size))
    assert [row["mean"], row["min"], row["max"]] == pytest.approx([truth.mean(), truth.min(), truth.max()], rel=1e-6)
