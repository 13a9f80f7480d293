"""Parts of remote files: only the bytes that zones need are fetched, and what is measured stays the same."""

import io
import json
import os
import threading
from collections.abc import Iterator
from datetime import date
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.documents import Collection, Process, Provider, parse_value
from pileus.download import parts as parts_module
from pileus.download.parts import GAP, Parts, few, joined
from pileus.edges.providers.http_answer import Headers
from pileus.edges.providers.http_body import _version
from pileus.edges.providers.memory import MemoryEdge
from pileus.errors import Changed, DocumentError, NotFound
from pileus.models import Listed
from pileus.project.folder import Project
from pileus.project.registry import Registry, check
from pileus.raster.byte_ranges import directories
from pileus.zonal import Source, measure
from spec.support.forked import run_forked
from spec.support.zonal_reference import tgz, write, zones_of

PIXELS = np.random.default_rng(3).integers(0, 1000, (1500, 2000)).astype("u2")
ZONES = zones_of(shapely.box(3, 3, 3.5, 3.5), shapely.Point(15, 10).buffer(0.3))
PROCESS = Process(band="b", zones="", stats=("count", "sum", "mean", "max", "p90"))


def strips(path: Path) -> Path:
    return write(path, PIXELS, size=0.01)


def tiles(path: Path) -> Path:
    return write(path, PIXELS, size=0.01, compress="deflate", tiled=True, blockxsize=128, blockysize=128)


def big_endian(path: Path) -> Path:
    options = {"compress": "lzw", "tiled": True, "blockxsize": 64, "blockysize": 64}
    return write(path, PIXELS, size=0.01, ENDIANNESS="BIG", BIGTIFF="YES", **options)


def cloud_optimised(path: Path) -> Path:
    plain = strips(path.with_name("plain.tif"))
    rasterio.shutil.copy(plain, path, driver="COG", compress="deflate", blocksize=128)
    return path


def masked(path: Path) -> Path:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        tiles(path)
        with rasterio.open(path, "r+") as file:
            file.write_mask(np.where(PIXELS > 500, 255, 0).astype("u1"))
    return path


def planes(path: Path) -> Path:
    options = {"interleave": "band", "compress": "deflate", "tiled": True, "blockxsize": 128, "blockysize": 128}
    write(path, PIXELS, size=0.01, count=3, **options)
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("b", "c", "d")
        for number in (2, 3):
            file.write(PIXELS + number, number)
    return path


def remote(path: Path, folder: Path, **how: Any) -> tuple[Parts, MemoryEdge, Path]:
    edge, here = MemoryEdge({"b.tif": path.read_bytes()}, **how), folder / "here.tif"
    return Parts(edge, Listed(name="b.tif", url="memory:b.tif"), here), edge, here  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [strips, tiles, big_endian, cloud_optimised, masked, planes])
def test_a_remote_raster_gives_the_same_numbers_from_a_few_of_its_bytes(tmp_path: Path, make: Any) -> None:
    path = make(tmp_path / "b.tif")
    parts, _, here = remote(path, tmp_path)
    ours = measure([Source("b.tif", path=here, bring=parts.bring)], PROCESS, ZONES, scratch=tmp_path)
    truth = measure([Source("b.tif", path=path)], PROCESS, ZONES, scratch=tmp_path)
    assert ours.table == truth.table
    assert ours.table["count"][0].as_py() > 0
    assert parts.moved < path.stat().st_size * 0.3
    assert here.stat().st_blocks * 512 < path.stat().st_size * 0.4, "the file on disk is empty between the parts"


@pytest.mark.parametrize("make", [tiles, cloud_optimised])
def test_blocks_lie_where_gdal_says(tmp_path: Path, make: Any) -> None:
    path = make(tmp_path / "b.tif")
    first = directories(path, lambda _: None)[0]
    with rasterio.open(path) as file:
        for row, column in ((0, 0), (3, 7), (11, 15)):
            found = list(first.ranges(1, (row * 128, row * 128 + 1), (column * 128, column * 128 + 1)))
            offset = int(file.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1))
            size = int(file.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1))
            assert found == [(offset, offset + size)]


def test_a_provider_without_parts_gives_the_whole_file(tmp_path: Path) -> None:
    path = tiles(tmp_path / "b.tif")
    parts, edge, here = remote(path, tmp_path, ranges=False)
    ours = measure([Source("b.tif", path=here, bring=parts.bring)], PROCESS, ZONES, scratch=tmp_path)
    assert ours.table == measure([Source("b.tif", path=path)], PROCESS, ZONES, scratch=tmp_path).table
    assert here.read_bytes() == path.read_bytes()
    assert len(edge.opened) == 3, "it is not asked for part after part"


@pytest.mark.parametrize("name", ["b.tgz", "b.nc"])
def test_a_file_that_is_not_read_in_parts_is_fetched_whole(tmp_path: Path, name: str) -> None:
    if name == "b.tgz":
        body = tgz({"x.b.tif": strips(tmp_path / "x.b.tif").read_bytes()})
    else:
        rasterio.shutil.copy(strips(tmp_path / "x.tif"), tmp_path / name, driver="netCDF")
        body = (tmp_path / name).read_bytes()
    (tmp_path / "there").write_bytes(body)
    parts, _, _ = remote(tmp_path / "there", tmp_path)
    here = tmp_path / f"here-{name}"
    parts = Parts(MemoryEdge({name: body}), Listed(name=name, url=f"memory:{name}"), here)  # type: ignore[arg-type]
    process = PROCESS.model_copy(update={"band": "b" if name == "b.tgz" else "Band1"})
    ours = measure([Source(name, path=here, bring=parts.bring)], process, ZONES, scratch=tmp_path)
    assert ours.table["sum"][0].as_py() > 0
    assert here.read_bytes() == body


def test_a_break_of_a_connection_is_gone_on_with(tmp_path: Path) -> None:
    path = tiles(tmp_path / "b.tif")
    parts, _, here = remote(path, tmp_path, cuts=[70, 7000, 1, 1, 5000])
    ours = measure([Source("b.tif", path=here, bring=parts.bring)], PROCESS, ZONES, scratch=tmp_path)
    assert ours.table == measure([Source("b.tif", path=path)], PROCESS, ZONES, scratch=tmp_path).table


def test_a_file_that_changes_between_two_parts_is_refused(tmp_path: Path) -> None:
    path = tiles(tmp_path / "b.tif")
    parts, edge, _ = remote(path, tmp_path)
    parts.bring([(0, 10)])
    edge.files["b.tif"] = path.read_bytes()[:-1] + b"x"
    with pytest.raises(Changed):
        parts.bring([(500_000, 500_100)])


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    parts = Parts(MemoryEdge({}), Listed(name="b.tif", url="memory:b.tif"), tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        parts.bring([(0, 10)])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 400_000)), max_size=6), max_size=4))
def test_what_was_asked_for_is_there_whatever_was_asked_before(tmp_path_factory: Any, asked: Any) -> None:
    folder = tmp_path_factory.mktemp("parts")
    body = np.random.default_rng(0).integers(0, 256, 400_000, "u1").tobytes()
    edge = MemoryEdge({"b": body})
    parts = Parts(edge, Listed(name="b", url="memory:b"), folder / "b", parallel=2)  # type: ignore[arg-type]
    for ranges in asked:
        parts.bring(ranges)
        here = (folder / "b").read_bytes()
        assert all(here[a:b] == body[a:b] for a, b in ranges)
    assert parts.moved <= len(body) + GAP


def test_many_ranges_are_told_as_few_that_hold_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "MOST", 10)
    ranges = [(number * 1_000_000, number * 1_000_000 + 5) for number in range(100)]
    found = few(ranges)
    assert len(found) <= 10
    assert all(any(a <= x and y <= b for a, b in found) for x, y in ranges)
    assert joined(ranges, 0) == ranges


DOCUMENT: dict[str, Any] = {"name": "n", "files": [{"regex": ".*"}]}


@pytest.mark.parametrize("more", [{"process": {"archive": True}}, {"task": {"name": "inventory"}}])
def test_what_needs_whole_files_is_refused_where_ranges_are_read(more: Any) -> None:
    process = {"band": "b", "zones": "z", "read": "ranges"} | more.pop("process", {})
    with pytest.raises(DocumentError, match=r"needs whole files, and process.read is ranges"):
        parse_value(Collection, DOCUMENT | {"meta": {"process": process} | more}, "c.json")


class Ranged(SimpleHTTPRequestHandler):
    """Serves files, and parts of them; counts the bytes of bodies."""

    protocol_version = "HTTP/1.1"
    sent = 0

    def send_head(self) -> Any:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return None
        body, asked = path.read_bytes(), self.headers.get("Range")
        first, last = 0, len(body) - 1
        if asked:
            ends = asked.removeprefix("bytes=").split("-")
            first, last = int(ends[0]), min(int(ends[1] or last), last)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("ETag", '"one"')
        self.end_headers()
        type(self).sent += last + 1 - first
        return io.BytesIO(body[first : last + 1])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A folder as an HTTP server on this machine shows it."""
    Ranged.sent = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranged, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_stats_takes_rasters_and_zones_by_their_urls(site: str, tmp_path: Path) -> None:
    path = cloud_optimised(tmp_path / "x.b.tif")
    square = {"type": "Polygon", "coordinates": [[[3, 3], [3.5, 3], [3.5, 3.5], [3, 3.5], [3, 3]]]}
    (tmp_path / "z.geojson").write_text(
        json.dumps({"type": "Feature", "id": "a", "properties": {}, "geometry": square})
    )
    asked = ["stats", f"{site}/x.b.tif", "--zones", f"{site}/z.geojson", "-s", "count,sum", "--json", "--no-cache"]
    done = run_forked(asked, tmp_path, os.environ, seconds=120)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    truth = PIXELS[1500 - 350 : 1500 - 300, 300:350]
    assert (row["count"], row["sum"]) == (pytest.approx(2500), pytest.approx(int(truth.sum())))
    assert Ranged.sent < path.stat().st_size * 0.2
    assert f"note: {site}/x.b.tif: read " in done.stderr


def test_a_collection_takes_zones_by_a_url(site: str, tmp_path: Path) -> None:
    """They are fetched once, when the documents are populated, and kept by their content."""
    square = {"type": "Polygon", "coordinates": [[[3, 3], [4, 3], [4, 4], [3, 3]]]}
    zone = {"type": "Feature", "id": "a", "properties": {}, "geometry": square}
    (tmp_path / "places.geojson").write_text(json.dumps(zone))
    process = parse_value(Process, {"band": "b", "zones": f"{site}/places.geojson"}, "p")
    assert Project(tmp_path).zones(process, "c.json") == ("places.geojson", (tmp_path / "places.geojson").read_bytes())
    for url, told in ((f"{site}/none.geojson", "404"), ("gopher://x.org/a", "expected a URL with one of http, https")):
        gone = process.model_copy(update={"zones": url})
        with pytest.raises(DocumentError, match=rf"c.json: meta.process.zones: .*{told}"):
            Project(tmp_path).zones(gone, "c.json")


def test_ranges_of_a_provider_that_gives_whole_files_are_refused_when_populated() -> None:
    process = {"band": "b", "zones": "z", "read": "ranges"}
    collection = parse_value(Collection, DOCUMENT | {"provider": "p", "meta": {"process": process}}, "c.json")
    for protocol, able in (("ftp", False), ("sftp", False), ("http", True), ("https", True)):
        provider = parse_value(Provider, {"id": "p", "protocol": protocol, "host": "x.org"}, "p.json")
        registry = Registry({"n___001": collection}, {"p": provider})
        if able:
            check(registry, {}, {"DiscoverAndProcessGranules": Path()}, date(2020, 1, 1))
        else:
            with pytest.raises(
                DocumentError, match=f"p speaks {protocol}, which gives whole files alone: expected one of"
            ):
                check(registry, {}, {"DiscoverAndProcessGranules": Path()}, date(2020, 1, 1))


def test_a_tag_that_is_weak_in_a_files_first_second_is_that_of_the_same_file() -> None:
    """As Apache does: W/"a" at first, "a" a second later. Without a tag the date tells."""

    def version(**fields: str) -> str | None:
        headers = Headers()
        for name, value in fields.items():
            headers.add(name.replace("_", "-"), value)
        return _version(headers)

    date = "Fri, 27 Nov 2026 00:00:00 GMT"
    assert version(ETag='W/"a"', Last_Modified=date) == version(ETag='"a"', Last_Modified=date) == "a"
    assert version(ETag='"b"') != "a"
    assert version(Last_Modified=date) == date
    assert version() is None
