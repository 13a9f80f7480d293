"""Zones: from any vector format, with ids one can trust; and their indexes, compiled once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely

from pileus.errors import ZonesError
from pileus.raster.grid import Grid
from pileus.zonal import FolderCache, MemoryCache, TieredCache, Zones, csv_zones, read_zones
from pileus.zonal.cache import fetch_index
from pileus.zonal.compile import compile_index
from pileus.zonal.index import ZoneIndex, index_key
from spec.support.sentences import one_sentence
from spec.support.zonal_reference import zones_of

SQUARE = shapely.geometry.mapping(shapely.box(0, 0, 2, 2))
BOW_TIE = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
GRID = Grid(6, 5, 0, 5, 1, -1, "EPSG:4326")


def geojson(*features: dict[str, Any], **more: Any) -> bytes:
    full = [{"type": "Feature", "properties": {}, "geometry": SQUARE, **feature} for feature in features]
    return json.dumps({"type": "FeatureCollection", "features": full, **more}).encode()


def read(data: bytes | Path, zone_id: str | None = None) -> Zones:
    return read_zones(data, zone_id=zone_id, where="z.geojson")


def test_the_features_own_ids_come_first_then_id_then_name() -> None:
    both = {"id": "way/1", "properties": {"id": "x", "name": "Coega"}}
    assert read(geojson(both)).ids == ("way/1",)
    assert read(geojson({"properties": {"id": "x", "name": "Coega"}})).ids == ("x",)
    assert read(geojson({"properties": {"id": None, "name": "Coega"}})).ids == ("Coega",)
    assert read(geojson(both), "name").ids == ("Coega",)


def test_numbers_are_ids_too_and_names_fall_back_to_ids() -> None:
    zones = read(geojson({"properties": {"id": 7}}, {"properties": {"id": 8}}))
    assert (zones.ids, zones.names) == (("7", "8"), ("7", "8"))
    assert read(geojson({"id": "a", "properties": {"name": "A"}})).names == ("A",)


def test_a_lone_feature_is_a_file_of_zones() -> None:
    lone = json.dumps({"type": "Feature", "properties": {"site": "Bole"}, "geometry": SQUARE}).encode()
    assert read(lone, "site").ids == ("Bole",)


@pytest.mark.parametrize(("driver", "suffix"), [("GPKG", "gpkg"), ("ESRI Shapefile", "shp"), ("FlatGeobuf", "fgb")])
def test_other_formats_give_the_same_zones(tmp_path: Path, driver: str, suffix: str) -> None:
    path = tmp_path / f"z.{suffix}"
    shapes = [shapely.to_wkb(shapely.box(n, 0, n + 1, 1)) for n in range(2)]
    names = np.array(["A", "B"], dtype=object)
    pyogrio.raw.write(path, np.array(shapes, dtype=object), [names], ["name"], driver=driver, crs="EPSG:4326",
                      geometry_type="Polygon")  # fmt: skip
    zones = read(path)
    assert sorted(zones.ids) == ["A", "B"]
    assert shapely.area(zones.geometries).tolist() == [1, 1]


def test_a_zip_of_a_shapefile_is_read_from_its_bytes(tmp_path: Path) -> None:
    import zipfile

    shape = np.array([shapely.to_wkb(shapely.box(0, 0, 1, 1))], dtype=object)
    pyogrio.raw.write(tmp_path / "z.shp", shape, [np.array(["A"], dtype=object)], ["name"], crs="EPSG:3857",
                      driver="ESRI Shapefile", geometry_type="Polygon")  # fmt: skip
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as file:
        for part in tmp_path.glob("z.???"):
            if part.suffix != ".zip":
                file.write(part, part.name)
    assert read((tmp_path / "z.zip").read_bytes()).ids == ("A",)


def test_an_invalid_shape_is_repaired_and_reported_by_id() -> None:
    zones = read(geojson({"id": "tie", "geometry": BOW_TIE}))
    assert zones.geometries[0].area == 2
    assert zones.notes == ("zone tie: repaired (Self-intersection[1 1])",)


def test_a_collection_gives_its_polygons() -> None:
    point = {"type": "Point", "coordinates": [9, 9]}
    zones = read(geojson({"id": "c", "geometry": {"type": "GeometryCollection", "geometries": [SQUARE, point]}}))
    assert zones.geometries[0].area == 4
    assert zones.notes == ("zone c: 1 parts without area left out",)


def test_overlapping_parts_of_one_zone_count_once() -> None:
    twice = {"type": "GeometryCollection", "geometries": [SQUARE, SQUARE]}
    assert read(geojson({"id": "c", "geometry": twice})).geometries[0].area == 4


BAD: dict[str, tuple[bytes, str | None, str]] = {
    "empty": (geojson(), None, "z.geojson: has no features"),
    "duplicates": (geojson({"id": "a"}, {"id": "a"}), None, "z.geojson: 1 ids come more than once: 'a'; name a column"),
    "no id": (geojson({"properties": {"site": "x"}}), None, "has no id for every zone: .* its columns are site"),
    "absent column": (geojson({"properties": {"site": "x"}}), "fips", "has no column 'fips': its columns are site"),
    "gap": (geojson({"properties": {"s": "x"}}, {"properties": {"s": None}}), "s", "column 's' is empty in feature 2"),
    "no shape": (geojson({"id": "a", "geometry": None}), None, "zone 'a' has no shape"),
    "a point": (geojson({"id": "a", "geometry": {"type": "Point", "coordinates": [1, 2]}}), None,
                "zone 'a' has no area: expected a polygon, got Point"),
    "not zones": (b"<html>", None, "cannot be read as zones"),
    "not even text": (bytes(range(256)), None, "cannot be read as zones"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_zones_are_one_clear_error(name: str) -> None:
    data, column, message = BAD[name]
    with pytest.raises(ZonesError, match=message) as caught:
        read(data, column)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_zones_without_a_coordinate_system_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "z.shp"
    shape = np.array([shapely.to_wkb(shapely.box(0, 0, 1, 1))], dtype=object)
    with pytest.warns(UserWarning, match="crs"):
        pyogrio.raw.write(path, shape, [np.array(["A"], dtype=object)], ["name"], driver="ESRI Shapefile",
                          geometry_type="Polygon")  # fmt: skip
    with pytest.raises(ZonesError, match="has no coordinate reference system"):
        read(path)


def test_a_coordinate_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "z.gpkg"
    shape = shapely.Polygon([(0, 0), (1, np.nan), (1, 1), (0, 0)])
    pyogrio.raw.write(path, np.array([shapely.to_wkb(shape)], dtype=object), [np.array(["A"], dtype=object)], ["name"],
                      driver="GPKG", crs="EPSG:4326", geometry_type="Polygon")  # fmt: skip
    with pytest.raises(ZonesError, match="zone 'A' has a coordinate that is not a number"):
        read(path)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ZonesError, match="cannot be read: No such file or directory"):
        read(tmp_path / "gone.gpkg")


def test_the_hash_tells_zones_apart_by_shape_id_and_name() -> None:
    a = geojson({"id": "a", "properties": {"name": "A"}})
    assert read(a).hash == read(a).hash
    others = [geojson({"id": "b", "properties": {"name": "A"}}), geojson({"id": "a", "properties": {"name": "B"}}),
              geojson({"id": "a", "properties": {"name": "A"}, "geometry": BOW_TIE})]  # fmt: skip
    assert len({read(z).hash for z in [a, *others]}) == 4


# The index


def test_an_index_is_read_back_as_it_was_written() -> None:
    index = compile_index(zones_of(shapely.Point(3, 2).buffer(1.7), shapely.box(0, 0, 1, 1)), GRID)
    again = ZoneIndex.from_bytes(index.to_bytes())
    for name in ZoneIndex.ARRAYS:
        assert np.array_equal(getattr(index, name), getattr(again, name)), name
        assert getattr(index, name).dtype == getattr(again, name).dtype


@pytest.mark.parametrize("name", ["whole", "wider"])
def test_an_index_of_other_arrays_is_compiled_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that another version has left in a user's cache."""
    index = compile_index(zones_of(shapely.box(0, 0, 1, 1)), GRID)
    kept = tuple(one for one in ZoneIndex.ARRAYS if one != name)
    monkeypatch.setattr(ZoneIndex, "ARRAYS", kept if name in ZoneIndex.ARRAYS else (*ZoneIndex.ARRAYS, "bands"))
    blob = index.to_bytes()
    monkeypatch.undo()
    with pytest.raises(ValueError, match="zone index of another format"):
        ZoneIndex.from_bytes(blob)


def test_the_key_changes_with_zones_grid_and_rule() -> None:
    zones, moved = zones_of(shapely.box(0, 0, 1, 1)), zones_of(shapely.box(0, 0, 1, 2))
    other = Grid(6, 5, 1e-9, 5, 1, -1, "EPSG:4326")
    keys = {index_key(zones, GRID, "exact"), index_key(moved, GRID, "exact"), index_key(zones, other, "exact"),
            index_key(zones, GRID, "center")}  # fmt: skip
    assert len(keys) == 4


def test_an_index_is_compiled_once_then_fetched(tmp_path: Path) -> None:
    zones, cache = zones_of(shapely.box(0, 0, 1, 1)), FolderCache(tmp_path / "cache")
    assert [fetch_index(zones, GRID, "exact", cache)[2] for _ in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b[:100] + b"?" + b[101:], lambda _: b"", lambda _: b"x" * 99]
)
def test_a_damaged_index_is_compiled_again(tmp_path: Path, damage: Any) -> None:
    zones, cache = zones_of(shapely.box(0, 0, 1, 1)), MemoryCache()
    index, key, _ = fetch_index(zones, GRID, "exact", cache)
    cache.kept[key] = damage(cache.kept[key])
    again, _, fetched = fetch_index(zones, GRID, "exact", cache)
    assert not fetched
    assert again.to_bytes() == index.to_bytes() == cache.kept[key]


def test_a_far_cache_fills_the_near_one() -> None:
    near, far = MemoryCache(), MemoryCache()
    far.put("k", b"v")
    assert TieredCache(near, far).get("k") == b"v"
    assert near.kept == {"k": b"v"}


def test_zones_off_the_grid_make_an_empty_index() -> None:
    index = compile_index(zones_of(shapely.box(50, 50, 51, 51)), GRID)
    assert (index.needed.total, list(index.needed.bands()), index.zones.tolist()) == (0, [], [[0, 0]])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_index_does_not_depend_on_threads(threads: int) -> None:
    zones = zones_of(*(shapely.Point(n % 6, n % 5).buffer(1 + n / 10) for n in range(20)))
    assert compile_index(zones, GRID, threads=threads).to_bytes() == compile_index(zones, GRID).to_bytes()


# CSV

POLYGON = "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))"


def test_csv_gives_the_same_zones_as_geojson(tmp_path: Path) -> None:
    rows = ["id,name,WKT", f'west,West,"{POLYGON}"', '"e,1",,"MULTIPOLYGON (((0 0, 2 0, 2 2, 0 2, 0 0)))"']
    same = read(geojson({"id": "west", "properties": {"name": "West"}}, {"id": "e,1", "properties": {"name": None}}))
    for ends in ("\n", "\r\n"):
        body = ends.join([*rows, ""]).encode()
        (tmp_path / "z.csv").write_bytes(body)
        zones = read(body)
        assert zones.hash == read(b"\xef\xbb\xbf" + body).hash == read(tmp_path / "z.csv").hash
        assert (zones.ids, zones.names, zones.crs) == (same.ids, same.names, same.crs)
        assert shapely.equals(zones.geometries, same.geometries).all()


def test_csv_in_a_zip_is_read(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "z.zip", "w") as file:
        file.writestr("z.csv", f'GEOID,geometry\n007,"{POLYGON}"\n')
    assert read(tmp_path / "z.zip", "GEOID").ids == ("007",)


CSV: dict[str, tuple[bytes, str]] = {
    "no rows": (b"id,WKT\n", "has no features"),
    "too few cells": (b"id,WKT\na\n", "line 2: expected 2 cells, got 1"),
    "too many cells": (f"id,WKT\na,{POLYGON}\n".encode(), "line 2: expected 2 cells, got 6"),
    "a column twice": (b"id,id,WKT\n", "has a column twice"),
    "a point": (b"id,WKT\na,POINT (1 2)\n", "line 2: expected POLYGON or MULTIPOLYGON in WKT, got 'POINT"),
    "nothing": (b"id,WKT\na,\n", "line 2: expected POLYGON or MULTIPOLYGON in WKT, got ''"),
    "empty": (b"id,WKT\na,POLYGON EMPTY\n", "line 2: expected POLYGON"),
    "collections in collections": (b"id,WKT\na,\"" + b"GEOMETRYCOLLECTION (" * 100_000 + b'"\n', "line 2: expected"),
    "brackets": (b"id,WKT\na,\"POLYGON " + b"(" * 100_000 + b'"\n', "line 2: no polygon in WKT"),
    "a ring that does not close": (b'id,WKT\na,"POLYGON ((0 0, 1 0, 1 1, 0 1))"\n', "line 2: no polygon in WKT"),
    "a quote that does not close": (b'id,WKT\n\na,"POLYGON\n', "line 3: unexpected end of data"),
    "text after a quote": (b'id,WKT\na,"POLYGON"x\n', "line 2: ',' expected after '\"'"),
    "not utf-8": (b"id,WKT\n\xff,x\n", "line 2: not in UTF-8|line 1: not in UTF-8"),
    "far": (b'id,WKT\na,"POLYGON ((0 0, 1e999 0, 1 1, 0 0))"\n', "zone 'a' has a coordinate that is not a number"),
    "a long number": (b'id,WKT\na,"POLYGON ((0 0, ' + b"9" * 4301 + b' 0, 1 1, 0 0))"\n', "a coordinate"),
    "a control character in the names": (b"id\x1b,WKT\n", "cannot be read as zones"),
    "no column of shapes": (b"id,name\na,b\n", "cannot be read as zones"),
    "a file of the machine": (b"id,WKT\na,/etc/passwd\n", "line 2: expected POLYGON"),
}  # fmt: skip


@pytest.mark.parametrize("name", CSV)
def test_a_bad_csv_is_one_sentence_with_its_line(name: str) -> None:
    data, message = CSV[name]
    with pytest.raises(ZonesError, match=message) as caught:
        read(data)
    assert one_sentence(caught.value, "z.geojson")


@pytest.mark.parametrize(
    ("limit", "message"),
    [("MOST_BYTES", "longer than 20 bytes"), ("MOST_ROWS", "more than 20 rows"), ("LONGEST_CELL", "field larger than")],
)
def test_the_limits_of_a_csv_are_kept(limit: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_zones, limit, 20)
    rows = "".join(f'{n},"{POLYGON}"\n' for n in range(21))
    with pytest.raises(ZonesError, match=message):
        read(f"id,WKT\n{rows}".encode())


def test_csv_is_not_given_to_ogr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pyogrio.raw, "read")
    assert read(f'id,WKT\na,"{POLYGON}"\n'.encode()).ids == ("a",)
