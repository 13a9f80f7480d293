"""Black Marble's monthly tiles, from template to rows: layout, tiles, quality, and signing in."""

from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import shapely

from pileus.errors import DocumentError, PileusError, RasterError, Refused
from pileus.expand import expand
from pileus.group import group
from pileus.models import Granule, listed
from pileus.patterns import NamePattern
from pileus.periods import Periods
from pileus.product import product_folder, product_module
from pileus.project.folder import Project
from pileus.zonal import read_zones
from spec.support.black_marble import FIELDS, NAME, UNIT, structure, write_blank, write_tile
from spec.support.examples import example, run, served

ROOT = product_folder()


@pytest.fixture
def black_marble(tmp_path: Path) -> Path:
    return example(tmp_path, "black_marble")


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


def test_black_marble_is_radiance_on_tiles_by_their_names(black_marble: Path) -> None:
    """`plain` lies on two tiles; half of `coast` is fill; half of `west` was filled from other months."""
    ran = run(black_marble, "black_marble_monthly")
    assert ran.by_period("mean") == {f"2015-0{m}": [10 * m, 10 * m, None, 10 * m] for m in (1, 2, 3)}
    assert ran.by_period("count")["2015-02"] == [8, 16, 0, 50]
    assert ran.by_period("sum")["2015-02"] == pytest.approx([160, 320, None, 1000], nan_ok=True)
    assert (ran.units["mean"], ran.units["sum"]) == ("nW/cm2/sr", "nW/cm2/sr x pixels")
    assert ran.notes == [f"light is in nW/cm2/sr as the collection says, and in {UNIT} as files say"]


def test_a_month_without_one_of_its_tiles_waits(black_marble: Path) -> None:
    (tile,) = (black_marble / "sample-site/5200/VNP46A3/2015/001").glob("*h24v04*")
    tile.unlink()
    ran = run(black_marble, "black_marble_monthly")
    assert ran.missing == {"2015-01": ("h24v04",)}
    assert list(ran.by_period("mean")) == ["2015-02", "2015-03"]


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
    """100 x 100 random pixels on every tile, whatever their StructMetadata lets a driver see."""
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


def guarded(nginx: Any, project: Path) -> Any:
    """A server of the sample that sends whoever has no token to a page to sign in, as LAADS does."""
    guard = 'if ($http_authorization != "Bearer t0ken-value") { return 302 http://127.0.0.1:9/oauth/authorize; }'
    return nginx(project / "sample-site", location=guard)


def test_black_marble_is_downloaded_with_a_token(black_marble: Path, nginx: Any) -> None:
    provider = served(black_marble, "laads", guarded(nginx, black_marble).url)
    ran = run(black_marble, "black_marble_monthly", provider, {"EARTHDATA_TOKEN": "t0ken-value"})
    assert ran.by_period("mean")["2015-03"] == [30, 30, None, 30]


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
    provider = served(black_marble, "laads", guarded(nginx, black_marble).url)
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
    provider = served(black_marble, "laads", site.url, **allowed)
    ran = run(black_marble, "black_marble_monthly", provider, {"NAME": "ada", "WORD": "s3cret"})
    assert ran.by_period("mean")["2015-03"] == [30, 30, None, 30]
