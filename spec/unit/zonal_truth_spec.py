"""Equality with exactextract and rasterstats on real clips, real zones and a made tile on the real grid."""

from pathlib import Path

import pytest
import rasterio
import shapely
from rasterstats import zonal_stats

from pileus.documents import Process
from pileus.zonal import Source, measure, read_zones
from spec.support.peers import DATA, equal_to_exactextract, made, needs_data


@needs_data
def test_us_counties_on_the_real_grid(tmp_path: Path) -> None:
    raster = made(tmp_path / "us.tif", 21_000, 8_000, 2_400, 2_000)  # Kentucky and around it
    assert equal_to_exactextract(raster, DATA / "zones/us_counties_10m.geojson", tmp_path) > 500


@needs_data
def test_countries_on_the_real_grid(tmp_path: Path) -> None:
    raster = made(tmp_path / "eu.tif", 44_000, 6_000, 3_000, 2_000)  # Lyon to Vienna
    assert equal_to_exactextract(raster, DATA / "zones/countries_10m.geojson", tmp_path) > 10


@needs_data
@pytest.mark.parametrize("month", ["201204", "201501", "202207"])
def test_real_clips_of_mumbai(tmp_path: Path, month: str) -> None:
    raster = DATA / f"viirs_monthly/mumbai/tif/{month}.avg_rade9h.tif"
    assert equal_to_exactextract(raster, DATA / "zones/mumbai_districts.geojson", tmp_path) == 2


@needs_data
@pytest.mark.filterwarnings(
    "ignore::PendingDeprecationWarning:rasterstats", "ignore::PendingDeprecationWarning:rasterio"
)
def test_center_equals_rasterstats(tmp_path: Path) -> None:
    raster = made(tmp_path / "us.tif", 20_000, 8_000, 2_000, 1_500)
    zones = read_zones(DATA / "zones/us_counties_10m.geojson", zone_id=None, where="z")
    stats = ("count", "sum", "min", "max", "mean", "median", "p90")
    with rasterio.open(raster) as file:
        whole = shapely.box(*file.bounds)  # beyond a raster rasterstats counts pixels that are not there
    for rule, touched in (("center", False), ("all_touched", True)):
        process = Process(band="b", zones="", stats=stats, coverage=rule)
        ours = measure([Source("b.tif", path=raster)], process, zones, scratch=tmp_path).table.to_pylist()
        inside = [n for n, row in enumerate(ours) if row["count"] > 0 and whole.contains(zones.geometries[n])]
        shapes = [shapely.geometry.mapping(zones.geometries[n]) for n in inside]
        names = [*stats[:-1], "percentile_90"]
        theirs = zonal_stats(shapes, str(raster), stats=names, all_touched=touched, nodata=255)
        assert len(theirs) > 50
        for n, peer in zip(inside, theirs, strict=True):
            for stat, name in zip(stats, names, strict=True):
                assert ours[n][stat] == pytest.approx(peer[name], rel=1e-12), (zones.ids[n], stat)


@needs_data
def test_a_real_archive_streams_to_the_rows_of_its_files(tmp_path: Path) -> None:
    (archive,) = (DATA / "archive_sample").glob("*.tgz")
    process = Process(band="avg_rade9h", zones="", valid={"band": "cf_cvg", "min": 1})
    zones = read_zones(DATA / "zones/countries_10m.geojson", zone_id=None, where="z")
    ours = measure([Source(archive.name, path=archive)], process, zones, scratch=tmp_path)
    assert ours.engine == "stream"
    touched = [row["zone_name"] for row in ours.table.to_pylist() if row["count"] > 0]
    assert touched == []  # the clip lies in the Indian Ocean


@needs_data
def test_real_archives_of_burundi_hold_the_country(tmp_path: Path) -> None:
    archive = DATA / "viirs_monthly/burundi/VIIRS_2016_01.tgz"
    zones = read_zones(DATA / "zones/countries_10m.geojson", zone_id="name", where="z")
    process = Process(band="avg_rade9h", zones="", stats=("count", "mean"))
    ours = measure([Source(archive.name, path=archive)], process, zones, scratch=tmp_path)
    (row,) = [row for row in ours.table.to_pylist() if row["zone"] == "Burundi"]
    assert row["count"] == pytest.approx(124_800, rel=0.02)  # 27,000 km2 in pixels of 0.2145 km2
    assert row["mean"] == pytest.approx(-0.119, abs=0.001)  # version 1 radiance goes below zero in dark places
