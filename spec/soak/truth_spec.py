"""Equality with exactextract over a continent: as spec/unit/zonal_truth_spec.py, with fifteen times as many pixels."""

from pathlib import Path

from spec.support.peers import DATA, equal_to_exactextract, made, needs_data


@needs_data
def test_all_counties_of_the_lower_48(tmp_path: Path) -> None:
    raster = made(tmp_path / "us.tif", 13_200, 6_100, 13_900, 6_100)
    assert equal_to_exactextract(raster, DATA / "zones/us_counties_10m.geojson", tmp_path) > 3000


@needs_data
def test_countries_from_the_azores_to_iran(tmp_path: Path) -> None:
    raster = made(tmp_path / "eu.tif", 40_000, 3_600, 14_000, 6_000)  # 60 to 35 north
    assert equal_to_exactextract(raster, DATA / "zones/countries_10m.geojson", tmp_path) > 50
