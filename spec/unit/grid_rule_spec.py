"""`meta.grid`: where pixels lie when files do not say it, and what happens when they say something else."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from pileus.documents import Band, Collection, GridRule, Process, parse_value
from pileus.errors import DocumentError, RasterError
from pileus.outputs.windows import Mosaic
from pileus.raster.request import Place
from pileus.zonal import Measured, Source, measure
from pileus.zonal.requests import place_of
from spec.support.zonal_reference import write, zones_of

PIXELS = np.arange(8, dtype="f4").reshape(2, 4)


def measured(path: Path, place: Place, *boxes: Any, **rules: Any) -> Measured:
    process = Process(band="b", zones="", **{"stats": ("count", "sum", "coverage_share")} | rules)
    return measure([Source("b.tif", path=path, place=place)], process, zones_of(*boxes), scratch=path.parent)


def sums(path: Path, place: Place, *boxes: Any) -> list[float]:
    return measured(path, place, *boxes).table["sum"].to_pylist()


def bare(path: Path, values: Any = PIXELS, **profile: Any) -> Path:
    """A raster that says nothing of its place."""
    return write(path, values, **{"crs": None, "transform": None} | profile)


def test_a_file_without_a_place_is_refused_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match=r"has no coordinate reference system: name one with meta.grid.crs, or --crs"):
        sums(bare(tmp_path / "b.tif"), Place(), shapely.box(0, 0, 1, 1))
    with pytest.raises(
        RasterError, match=r"has no georeference, so its pixels have no place: give it with meta.grid.bo"
    ):
        sums(bare(tmp_path / "b.tif"), Place("EPSG:4326"), shapely.box(0, 0, 1, 1))


def test_system_and_bounds_come_from_the_collection(tmp_path: Path) -> None:
    """4 x 2 pixels of 10 degrees from 20 E, 30 N: the last two of the upper row are 2 and 3."""
    place = Place("EPSG:4326", (20, 10, 60, 30))
    assert sums(bare(tmp_path / "b.tif"), place, shapely.box(40, 20, 60, 30)) == [5]


def test_tiles_are_placed_by_their_names(tmp_path: Path) -> None:
    """Tile h17 v08 of 10 degrees: 10 W to 0, 0 to 10 N."""
    rule = parse_value(GridRule, {"crs": "EPSG:4326", "tiles": {}}, "grid")
    place = place_of(rule, {"h": "17", "v": "08"}, "x")
    assert place == Place("EPSG:4326", (-10.0, 0.0, 0.0, 10.0))
    assert sums(bare(tmp_path / "b.tif"), place, shapely.box(-10, 5, -5, 10)) == [1]
    with pytest.raises(RasterError, match="x: has the column 'x1' and the row '8': expected numbers"):
        place_of(rule, {"h": "x1", "v": "8"}, "x")


def test_tiles_may_have_another_size_and_origin() -> None:
    """The sinusoidal tiles of MODIS: h00 v00 begins at the upper left corner of the projection."""
    size, corner = 1111950.5196666666, (-20015109.354, 10007554.677)
    rule = parse_value(GridRule, {"crs": "ESRI:54008", "tiles": {"size": size, "origin": corner}}, "grid")
    bounds = place_of(rule, {"h": "18", "v": "9"}, "x").bounds
    assert bounds == pytest.approx((0, -size, size, 0), abs=0.01)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (Place(None, (0, 0, 4, 3)), "says that it lies at 0, 0, 4, 2, and meta.grid at 0, 0, 4, 3"),
        (Place("EPSG:4326", (0.5, 0, 4.5, 2)), "says that it lies at 0, 0, 4, 2, and meta.grid at 0.5, 0, 4.5, 2"),
        (Place("EPSG:3857"), "has the system EPSG:4326, and meta.grid says EPSG:3857"),
        (Place("EPSG:4267"), "has the system EPSG:4326, and meta.grid says EPSG:4267"),
    ],
)
def test_a_file_that_contradicts_the_collection_is_refused(tmp_path: Path, place: Place, told: str) -> None:
    with pytest.raises(RasterError, match=told):
        sums(write(tmp_path / "b.tif", PIXELS), place, shapely.box(0, 0, 1, 1))


def test_a_file_that_agrees_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "b.tif", PIXELS)
    assert sums(path, Place("EPSG:4326", (0, 0, 4, 2)), shapely.box(0, 1, 4, 2)) == [6]
    assert sums(path, Place("OGC:CRS84"), shapely.box(0, 1, 4, 2)) == [6]


SPHERE = (
    'GEOGCS["unnamed",DATUM["unnamed",SPHEROID["Sphere",6371007.181,0]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]]'
)


def test_an_unnamed_datum_is_told_and_the_collection_may_name_one(tmp_path: Path) -> None:
    path = write(tmp_path / "b.tif", PIXELS, crs=SPHERE)
    told = measured(path, Place(), shapely.box(0, 1, 4, 2))
    assert [note for note in told.notes if "datum" in note] == [
        "the rasters' datum has no name (Sphere, 6371007.181 m): their coordinates are taken as they are"
    ]
    named = measured(path, Place("EPSG:4326"), shapely.box(0, 1, 4, 2))
    assert not [note for note in named.notes if "datum" in note]
    assert told.table["sum"].to_pylist() == named.table["sum"].to_pylist() == [6]


WORLD = np.arange(36, dtype="f4").reshape(1, 36)
"""Columns of 10 degrees from 0 to 360: column n has the value n."""


@pytest.mark.parametrize("options", [{}, {"compress": "deflate"}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_longitudes_from_0_to_360_are_rolled(tmp_path: Path, options: dict[str, Any]) -> None:
    """175 W to 165 W is half of columns 18 and 19; 5 W to 5 E half of 35 and 0; 20 E to 40 E columns 2 and 3."""
    path = write(tmp_path / "b.tif", WORLD, size=10, **options)
    boxes = shapely.box(-175, 0, -165, 10), shapely.box(-5, 0, 5, 10), shapely.box(20, 0, 40, 10)
    found = measured(path, Place(), *boxes)
    assert found.table["sum"].to_pylist() == pytest.approx([18.5, 17.5, 5])
    assert found.table["coverage_share"].to_pylist() == pytest.approx([1, 1, 1])


def test_a_window_over_greenwich_is_whole_in_rolled_longitudes(tmp_path: Path) -> None:
    path, zones = write(tmp_path / "b.tif", WORLD, size=10), zones_of(shapely.box(-15, 0, 15, 10))
    process = Process(band="b", zones="", clips=True)
    mosaic = Mosaic(process, zones, tmp_path)
    measure([Source("b.tif", path=path)], process, zones, scratch=tmp_path, observer=mosaic)
    (window,) = mosaic.windows("b")
    column = round((-20 - window.transform.c) / 10)
    assert window.values[0, column : column + 4].tolist() == [34, 35, 0, 1]


def test_a_raster_that_lies_east_of_180_is_moved(tmp_path: Path) -> None:
    path = write(tmp_path / "b.tif", PIXELS, size=10, west=230)
    assert sums(path, Place(), shapely.box(-130, 10, -110, 20)) == [1]


def test_a_raster_across_180_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "b.tif", PIXELS, size=10, west=160)
    told = measured(path, Place(), shapely.box(160, 10, 170, 20))
    assert "the rasters reach beyond 180 degrees east: zones west of -180 are not looked for there" in told.notes


def test_rolled_longitudes_in_an_archive_are_those_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "b.tif", WORLD, size=10)
    archive = tmp_path / "b.tif.gz"
    archive.write_bytes(gzip.compress(path.read_bytes()))
    assert sums(archive, Place(), shapely.box(-5, 0, 5, 10)) == pytest.approx([17.5])


DOCUMENT: dict[str, Any] = {
    "name": "n",
    "provider": "p",
    "files": [{"regex": r"VNP46A3[.]A\d{7}[.]h(?P<h>\d\d)v(?P<v>\d\d)[.].*[.]h5"}],
    "meta": {"process": {"band": "light", "zones": "z"}},
}


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        (
            {"crs": "EPSG:99999999"},
            "meta.grid.crs: unknown coordinate reference system: expected a code such as EPSG:4",
        ),
        ({"bounds": [10, 0, 0, 10]}, "meta.grid: bounds: expected west, south, east, north"),
        ({"bounds": [0, 0, 1, 1], "tiles": {}}, "meta.grid: bounds and tiles: expected one of the two"),
        ({"tiles": {"column": "x"}}, r"meta: grid.tiles names x, which files\[0\].regex does not define"),
        ({"system": "EPSG:4326"}, "meta.grid.system: unknown field"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_when_it_is_read(grid: Any, told: str) -> None:
    document = DOCUMENT | {"meta": DOCUMENT["meta"] | {"grid": grid}}
    with pytest.raises(DocumentError, match=told):
        parse_value(Collection, document, "c.json")


def test_the_grid_of_a_collection_reaches_its_files() -> None:
    meta = DOCUMENT["meta"] | {"grid": {"crs": "EPSG:4326", "tiles": {}}, "bands": {"light": {"path": "*/Snow_Free"}}}
    collection = parse_value(Collection, DOCUMENT | {"meta": meta}, "c.json")
    assert collection.meta.bands["light"] == Band(path="*/Snow_Free")
    assert collection.meta.grid is not None
    assert place_of(collection.meta.grid, {"h": "00", "v": "00"}, "x").bounds == (-180, 80, -170, 90)


def test_an_unknown_system_is_told_in_one_line_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """PROJ writes to the terminal by itself where nobody listens."""
    with pytest.raises(DocumentError):
        parse_value(GridRule, {"crs": "EPSG:99999999"}, "grid")
    assert capfd.readouterr() == ("", "")
