"""Zones that lie are refused in one sentence, read nothing else, and cost little time."""

import io
import json
import math
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.errors import PileusError, ZonesError
from pileus.raster.grid import Grid
from pileus.zonal import make_zones, read_zones
from pileus.zonal.compile import compile_index
from pileus.zonal.coverage import trace
from spec.support.damage import bits, cut, damaged, doubled, number
from spec.support.hostile_files import rasters, vectors
from spec.support.sentences import one_sentence
from spec.support.watch import Arrivals, arrivals, opens
from spec.support.zonal_reference import write

BOX = [[0, 0], [1, 0], [1, 1], [0, 0]]


def geojson(ring: Any, **more: Any) -> bytes:
    shape = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "id": "a", "properties": {}, "geometry": shape}
    return json.dumps({"type": "FeatureCollection", "features": [feature], **more}).encode()


def star(points: int, inner: float = 1, outer: float = 9) -> list[list[float]]:
    """Return a ring of that many vertices; long spikes unless the radii are the same."""
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radius = np.where(np.arange(points) % 2, inner, outer)
    ring = np.c_[10 + radius * np.cos(turn), 10 + radius * np.sin(turn)]
    return np.r_[ring, ring[:1]].tolist()


def tangle(points: int) -> list[list[float]]:
    ring = np.random.default_rng(1).random((points, 2))
    return np.r_[ring, ring[:1]].tolist()


def zipped(*files: tuple[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return body.getvalue()


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "two hundred thousand vertices in spikes": (lambda: geojson(star(200_000)), "too tangled to be checked"),
    "twenty thousand edges across each other": (lambda: geojson(tangle(20_000)), "too tangled to be checked"),
    "deep coordinates": (
        lambda: geojson(BOX).replace(b"[[0, 0]", b"[" * 100_000 + b"[[0, 0]"),
        "nested too deeply|JSON text",
    ),
    "deep objects": (lambda: b'{"type":' * 100_000, "nested too deeply|JSON text"),
    "a number of 5,000 digits": (
        lambda: geojson(BOX, more=1).replace(b'"more": 1', b'"more": 1' + b"0" * 5000),
        "JSON text",
    ),
    "a coordinate of 400 digits": (
        lambda: geojson(BOX).replace(b"[1, 0]", b"[1" + b"0" * 400 + b".0, 0]"),
        "zone|cannot be",
    ),
    "no numbers": (lambda: geojson([[0, 0], [math.nan, 0], [1, 1], [0, 0]]), "not a number|cannot be"),
    "infinity": (lambda: geojson([[0, 0], [math.inf, 0], [1, 1], [0, 0]]), "not a number|cannot be|no area|outside"),
    "a place far outside the world": (
        lambda: geojson([[0, 0], [1e300, 0], [1e300, 1e300], [0, 0]]),
        "outside the world",
    ),
    "beyond the pole": (lambda: geojson([[0, 95], [1, 95], [1, 96], [0, 95]]), "outside the world"),
    "a system that is a link": (
        lambda: geojson(BOX, crs={"type": "link", "properties": {"href": "http://127.0.0.1:9/crs"}}),
        "not the name of one",
    ),
    "not utf-8": (lambda: b'{"type": "\xff"}', "not a JSON text"),
    "a zip bomb": (lambda: zipped(("z.geojson", bytes((1 << 30) + 1))), "unpacks to more than"),
    "a zip of many": (lambda: zipped(*((f"{n}.txt", b"") for n in range(101))), "holds more than 100 members"),
    "a zip of two": (
        lambda: zipped(("a.geojson", geojson(BOX)), ("b.geojson", geojson(BOX))),
        "holds several files .geojson",
    ),
    "a zip that leaves": (lambda: zipped(("../z.geojson", geojson(BOX))), "a path that leaves its folder"),
    "a zip in a zip, without an end": (
        lambda: zipped(("z.geojson", zipped(("z.geojson", b"")))),
        "cannot be read|empty",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_zones_that_lie_are_refused_in_one_sentence(name: str) -> None:
    make, said = HOSTILE[name]
    with pytest.raises(ZonesError, match=said) as caught:
        read_zones(make(), zone_id=None, where="z.zip")
    assert one_sentence(caught.value, "z.zip")


def test_an_outline_of_two_hundred_thousand_vertices_is_no_attack() -> None:
    zones = read_zones(geojson(star(200_000, 5, 5)), zone_id=None, where="z")
    index = compile_index(zones, Grid(100, 100, 0, 20, 0.2, -0.2, "EPSG:4326"))
    assert index.zones[0, 0] * 0.04 == pytest.approx(math.pi * 25, rel=1e-6)


def test_many_islands_are_no_tangle() -> None:
    islands = [shapely.box(x, y, x + 0.01, y + 0.01) for x in range(100) for y in range(80)]
    body = shapely.to_geojson(shapely.MultiPolygon(islands)).encode()
    text = b'{"type":"FeatureCollection","features":[{"type":"Feature","id":1,"properties":{},"geometry":%s}]}' % body
    assert len(read_zones(text, zone_id=None, where="z").geometries[0].geoms) == 8000


def test_a_zone_that_crosses_too_many_pixel_borders_is_refused_by_name() -> None:
    zones = make_zones(["spikes"], ["spikes"], [shapely.Polygon(star(5_000))], "EPSG:4326")
    grid = Grid(2_000_000, 2_000_000, 0, 20, 1e-5, -1e-5, "EPSG:4326")
    with pytest.raises(ZonesError, match="zone 'spikes' has an outline too fine for the grid"):
        compile_index(zones, grid)


@pytest.mark.parametrize("far", [1e15, 1e18, 1e30, 1e300, math.inf, math.nan])
@pytest.mark.parametrize("base", [0.0, -1e18, -1e300, math.nan])
def test_coordinates_however_odd_are_never_written_beyond_the_arrays(far: float, base: float) -> None:
    """The kernel is machine code without checks: a provider's georeference must not decide where it writes."""
    spread = np.random.default_rng(2).choice([base, far, -far, 0.5, 7.5, 1e10], 2000)
    xs, ys = spread[:1000].copy(), spread[1000:].copy()
    xs[-1], ys[-1] = xs[0], ys[0]
    one = np.array([0, 1000]), np.array([0, 1]), np.zeros(1, np.int32)
    traced = trace(xs, ys, *one, 8, 8, 1.0)
    assert len(traced.row) <= 8
    assert ((traced.part_col >= 0) & (traced.part_col < 8)).all()
    assert ((traced.run_col >= 0) & (traced.run_col + traced.run_len <= 8)).all()


@pytest.fixture(scope="module")
def server() -> Iterator[Arrivals]:
    with arrivals() as server:
        yield server


def test_over_a_hundred_hostile_zones_and_rasters_given_as_zones_read_nothing(server: Arrivals, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    secret, text, zones = write(home / "s.tif", np.ones((2, 2), "f4")), home / "t.txt", home / "z.geojson"
    text.write_text("secret")
    zones.write_bytes(geojson(BOX))
    bodies = vectors(zones, text, server.port) | rasters(secret, text, server.port)
    assert len(bodies) > 100
    with opens(home) as watch:
        for name, body in bodies.items():
            path = tmp_path / "z.geojson"
            path.write_bytes(body)
            for source in (body, path):
                said = refused(source)
                assert said is None or one_sentence(said, "z.zip"), name
                assert not watch.count(), name
    assert server.came == []


def refused(source: bytes | Path) -> PileusError | None:
    """Return why zones are refused; None for those that are read."""
    try:
        read_zones(source, zone_id=None, where="z.zip")
    except PileusError as error:
        return error
    return None


def parquet(column: str = "name") -> bytes:
    geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}
    table = pa.table({column: ["A"], "geometry": [shapely.to_wkb(shapely.box(0, 0, 1, 1))]})
    body = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), body)
    return body.getvalue()


SEEDS = {
    "GeoJSON": geojson(BOX),
    "zip": zipped(("z.geojson", geojson(BOX))),
    "Parquet": parquet(),
}


@pytest.mark.parametrize("name", SEEDS)
def test_the_seeds_are_sound(name: str) -> None:
    assert read_zones(SEEDS[name], zone_id=None, where="z").ids in (("a",), ("A",))


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.randoms(use_true_random=False))
def test_damaged_zones_are_read_or_refused_in_one_sentence(name: str, chance: random.Random) -> None:
    said = refused(damaged(SEEDS[name], chance, (bits, cut, doubled, number)))
    assert said is None or one_sentence(said, "z.zip")


def test_names_of_columns_are_shown_without_control_characters() -> None:
    said = refused(parquet("\x00a\x1b[31m"))
    assert said is not None
    assert "its columns are \\x00a\\x1b[31m" in str(said)
