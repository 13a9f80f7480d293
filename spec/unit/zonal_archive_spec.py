"""Archives measured while they are read: in one pass, whatever comes first, or through a scratch file."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import rasterio
import shapely

from pileus.documents import Process
from pileus.errors import ArchiveError, RasterError
from pileus.raster import member_layers
from pileus.zonal import Measured, MemoryCache, Source, context, measure
from spec.support.zonal_reference import tgz, write, zones_of

RNG = np.random.default_rng(11)
LIGHT = RNG.random((150, 90)).astype("f4")
SEEN = RNG.integers(0, 3, (150, 90)).astype("u2")
ZONES = zones_of(shapely.Point(40, 80).buffer(35), shapely.box(1.5, 1.5, 88, 20))
STATS = ("count", "mean", "stddev", "min", "max", "valid_share")
PROCESS = Process(band="light", zones="", valid={"band": "seen", "min": 1}, stats=STATS)


@pytest.fixture
def tifs(tmp_path: Path) -> dict[str, bytes]:
    light = write(tmp_path / "NAME.light.tif", LIGHT)
    seen = write(tmp_path / "NAME.seen.tif", SEEN)
    return {"NAME.light.tif": light.read_bytes(), "NAME.seen.tif": seen.read_bytes()}


def measured(data: bytes, scratch: Path, process: Process = PROCESS, name: str = "a.tgz") -> Measured:
    return measure([Source(name, tile="t", open=lambda: io.BytesIO(data))], process, ZONES, scratch=scratch)


@pytest.fixture
def truth(tmp_path: Path, tifs: dict[str, bytes]) -> Measured:
    sources = [Source(name, path=tmp_path / name) for name in tifs]
    return measure(sources, PROCESS, ZONES, scratch=tmp_path)


def test_a_tgz_gives_what_its_files_give_in_one_pass_with_nothing_on_disk(
    tmp_path: Path, tifs: dict[str, bytes], truth: Measured
) -> None:
    (tmp_path / "s").mkdir()
    ours = measured(tgz(tifs), tmp_path / "s")
    assert ours.table == truth.table
    assert (ours.engine, ours.scratch_bytes, list((tmp_path / "s").iterdir())) == ("stream", 0, [])


def test_the_mask_may_come_first(tmp_path: Path, tifs: dict[str, bytes], truth: Measured) -> None:
    assert measured(tgz(dict(reversed(tifs.items()))), tmp_path).table == truth.table


def test_several_bands_share_a_mask_that_comes_between_them(tmp_path: Path, tifs: dict[str, bytes]) -> None:
    other = {"NAME.dark.tif": write(tmp_path / "NAME.dark.tif", -LIGHT).read_bytes()}
    process = Process(band=("light", "dark"), zones="", valid=PROCESS.valid, stats=("count", "mean"))
    (a, b, c, d) = measured(tgz({**tifs, **other}), tmp_path, process).table.to_pylist()
    assert (a["band"], c["band"]) == ("light", "dark")
    assert [c["mean"], d["mean"]] == [-a["mean"], -b["mean"]]


def test_pixels_that_wait_for_their_mask_beyond_the_limit_wait_on_disk(
    tmp_path: Path, tifs: dict[str, bytes], truth: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "HOLD", 100)
    ours = measured(tgz(tifs), tmp_path)
    assert ours.table == truth.table
    assert ours.engine == "scratch+stream"
    assert ours.scratch_bytes > 100
    assert ours.notes[0].endswith("bytes of light waited for their mask on disk")


@pytest.mark.parametrize(
    ("options", "engine"),
    [({"compress": "deflate"}, "memory+stream"), ({"tiled": True, "blockxsize": 16, "blockysize": 16}, "memory+stream"),
     ({"BIGTIFF": "YES"}, "stream"), ({"ENDIANNESS": "BIG"}, "stream"), ({"blockysize": 13}, "stream")],
)  # fmt: skip
def test_every_layout_gives_the_same(
    tmp_path: Path, tifs: dict[str, bytes], truth: Measured, options: dict[str, Any], engine: str
) -> None:
    tifs["NAME.light.tif"] = write(tmp_path / "x.tif", LIGHT, **options).read_bytes()
    ours = measured(tgz(tifs), tmp_path)
    assert (ours.table, ours.engine) == (truth.table, engine)


def test_what_is_too_large_for_memory_goes_through_a_scratch_file(
    tmp_path: Path, tifs: dict[str, bytes], truth: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_layers, "IN_MEMORY", 1000)
    tifs["NAME.light.tif"] = write(tmp_path / "x.tif", LIGHT, compress="deflate").read_bytes()
    (tmp_path / "s").mkdir()
    ours = measured(tgz(tifs), tmp_path / "s")
    assert (ours.table, ours.engine) == (truth.table, "scratch+stream")
    assert ours.scratch_bytes == len(tifs["NAME.light.tif"])
    assert list((tmp_path / "s").iterdir()) == []


def test_a_directory_at_the_end_cannot_be_streamed_but_is_measured(
    tmp_path: Path, tifs: dict[str, bytes], truth: Measured
) -> None:
    with rasterio.open(tmp_path / "NAME.light.tif", "r+") as file:
        file.update_tags(long="x" * 5000)  # GDAL writes the directory anew, behind the strips
    tifs["NAME.light.tif"] = (tmp_path / "NAME.light.tif").read_bytes()
    ours = measured(tgz(tifs), tmp_path)
    assert (ours.table, ours.engine) == (truth.table, "memory+stream")


def zipped(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in entries.items():
            out.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(("pack", "name"), [(zipped, "a.zip"), (lambda e: gzip.decompress(tgz(e)), "a.tar")])
def test_zip_and_plain_tar(
    tmp_path: Path, tifs: dict[str, bytes], truth: Measured, pack: Callable[[Any], bytes], name: str
) -> None:
    assert measured(pack(tifs), tmp_path, name=name).table == truth.table


def test_a_lone_gzipped_tiff(tmp_path: Path, tifs: dict[str, bytes]) -> None:
    process = Process(band="light", zones="", stats=("count",))
    ours = measured(gzip.compress(tifs["NAME.light.tif"]), tmp_path, process, "NAME.light.tif.gz")
    assert ours.engine == "stream"
    assert ours.table["count"][0].as_py() == pytest.approx(ZONES.geometries[0].area)


def test_an_archive_with_one_raster_needs_no_band_in_its_name(tmp_path: Path, tifs: dict[str, bytes]) -> None:
    process = Process(band="light", zones="", stats=("count",))
    assert measured(tgz({"VIIRS_2016_01.tif": tifs["NAME.light.tif"]}), tmp_path, process).table.num_rows == 2


def lacking(tifs: dict[str, bytes], tmp_path: Path, name: str) -> bytes:
    light, seen = tifs["NAME.light.tif"], tifs["NAME.seen.tif"]
    if name == "band":
        return tgz({"NAME.seen.tif": seen, "NAME.cvg.tif": seen})
    if name == "mask":
        return tgz({"NAME.light.tif": light, "readme.txt": b"x"})
    if name == "twice":
        return tgz({"NAME.light.tif": light, "b/NAME.light.tif": light, "NAME.seen.tif": seen})
    if name == "grid":
        return tgz({"NAME.light.tif": light, "NAME.seen.tif": write(tmp_path / "s.tif", SEEN[:, :80]).read_bytes()})
    if name == "strip":
        return tgz({"NAME.light.tif": light[:-1000], "NAME.seen.tif": seen})
    if name == "end":
        return tgz(tifs)[:-9]
    raise AssertionError(name)


LACKING = {
    "band": (ArchiveError, "a.tgz: lacks light: its members are NAME.seen.tif, NAME.cvg.tif"),
    "mask": (ArchiveError, "a.tgz: lacks seen: its members are NAME.light.tif, readme.txt"),
    "twice": (ArchiveError, "a.tgz: b/NAME.light.tif: holds band light twice"),
    "grid": (RasterError, "a.tgz: NAME.seen.tif: lies on another grid than the archive's other bands"),
    "strip": (ArchiveError, "a.tgz: NAME.light.tif: is cut"),
    "end": (ArchiveError, "a.tgz: is cut: its compressed stream ends early"),
}


@pytest.mark.parametrize("name", LACKING)
def test_an_archive_that_lacks_something_gives_no_rows(tmp_path: Path, tifs: dict[str, bytes], name: str) -> None:
    error, message = LACKING[name]
    (tmp_path / "scratch").mkdir()
    with pytest.raises(error, match=message):
        measured(lacking(tifs, tmp_path, name), tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_tiles_of_a_month_come_as_archives_and_give_a_row_each_too(tmp_path: Path, tifs: dict[str, bytes]) -> None:
    east = write(tmp_path / "e.tif", LIGHT, west=90).read_bytes()
    seen = write(tmp_path / "s.tif", SEEN, west=90).read_bytes()
    cache = MemoryCache()

    def open_(entries: dict[str, bytes]) -> Callable[[], BinaryIO]:
        return lambda: io.BytesIO(tgz(entries))

    sources = [
        Source("w.tgz", "west", open=open_(tifs)),
        Source("e.tgz", "east", open=open_({"E.light.tif": east, "E.seen.tif": seen})),
    ]
    zones = zones_of(shapely.box(80, 0, 100, 150), shapely.box(100, 0, 110, 10))
    ours = measure(sources, PROCESS, zones, cache=cache, scratch=tmp_path)
    tiles = {(row["tile"], row["zone"]): row for row in ours.by_tile.to_pylist()}
    assert sorted(tiles) == [("east", "a"), ("east", "b"), ("west", "a")]
    assert set(tiles["east", "a"]) == {
        "tile",
        "zone",
        "zone_name",
        "band",
        "min",
        "max",
        "mean",
        "stddev",
        "skew",
        "count",
    }
    whole = ours.table.to_pylist()[0]
    assert whole["count"] == tiles["east", "a"]["count"] + tiles["west", "a"]["count"]
    assert len(ours.index_hashes) == 2
    assert set(cache.kept) == set(ours.index_hashes)
