"""Each pixel of a mosaic has one owner: what two rasters of a group hold is counted once."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import shapely
from exactextract import exact_extract

from pileus.documents import Collection, Meta, Process, parse_value
from pileus.errors import DocumentError, RasterError
from pileus.models import Granule, Listed
from pileus.names import FileName
from pileus.outputs.windows import Mosaic
from pileus.periods import parse_period
from pileus.tasks.pipeline import File, sources_of
from pileus.zonal import Measured, Source, Zones, make_zones, measure
from spec.support.zonal_reference import tgz, write

STATS = ("count", "sum", "mean", "stddev", "skew", "median", "valid_share", "area")
ZONE = shapely.Polygon([(1.2, 3.3), (38.6, 1.1), (30.5, 148.9), (2.5, 120.4)])
WHOLE = np.random.default_rng(3).integers(1, 200, (150, 40)).astype("u1")


def zones() -> Zones:
    return make_zones(["z"], ["z"], [ZONE], "EPSG:3857")


def tiles(folder: Path, kind: Literal["tif", "tgz"], *, second: Any = None) -> list[Source]:
    """Columns 0 to 24 and 15 to 39 of the whole: ten are in both. `second`: other values of the second tile."""
    made = []
    for name, first, last in (("west", 0, 25), ("east", 15, 40)):
        values = WHOLE[:, first:last] if name == "west" or second is None else second
        path = write(folder / f"{name}.b.tif", values, west=first, north=150, size=1, crs="EPSG:3857")
        if kind == "tgz":
            archive = folder / f"{name}.tgz"
            archive.write_bytes(tgz({path.name: path.read_bytes()}))
            path = archive
        made.append(Source(path.name, tile=name, path=path))
    return made


def strip(folder: Path, name: str, values: Any, west: float) -> Source:
    """A raster of pixels of one unit, whose first row is at the top of the whole."""
    path = write(folder / name, values, west=west, north=150, size=1, crs="EPSG:3857")
    return Source(name, path=path)


def measured(sources: list[Source], folder: Path, **rules: Any) -> Measured:
    process = Process(band="b", zones="", **{"stats": STATS} | rules)
    return measure(sources, process, zones(), scratch=folder)


@pytest.mark.parametrize("kind", ["tif", "tgz"])
@pytest.mark.parametrize("overlap", ["first", "last"])
@pytest.mark.parametrize("coverage", ["exact", "center"])
def test_two_tiles_that_overlap_by_ten_columns_are_measured_as_one(
    tmp_path: Path, kind: Literal["tif", "tgz"], overlap: str, coverage: str
) -> None:
    whole = write(tmp_path / "whole.b.tif", WHOLE, west=0, north=150, size=1, crs="EPSG:3857")
    rules = {"overlap": overlap, "coverage": coverage}
    (row,) = measured(tiles(tmp_path, kind), tmp_path, **rules).table.to_pylist()
    (one,) = measured([Source("whole.b.tif", path=whole)], tmp_path, **rules).table.to_pylist()
    assert {stat: row[stat] for stat in STATS} == pytest.approx({stat: one[stat] for stat in STATS}, rel=1e-9)
    if coverage == "exact":
        feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(ZONE)}
        (peer,) = exact_extract(str(whole), [feature], ["count", "sum", "stdev"])
        ours = {"count": row["count"], "sum": row["sum"], "stdev": row["stddev"]}
        assert ours == pytest.approx(peer["properties"], rel=1e-9)


@pytest.mark.parametrize(("overlap", "mean"), [("first", (10 * 1 + 6 * 9) / 16), ("last", (6 * 1 + 10 * 9) / 16)])
def test_the_collection_says_which_of_two_tiles_counts(tmp_path: Path, overlap: str, mean: float) -> None:
    one, nine = np.full((150, 10), 1, "u1"), np.full((150, 10), 9, "u1")
    sources = [strip(tmp_path, "one.b.tif", one, 0), strip(tmp_path, "nine.b.tif", nine, 6)]
    process = Process(band="b", zones="", stats=("mean", "count"), overlap=overlap)
    where = make_zones(["z"], ["z"], [shapely.box(0, 0, 16, 150)], "EPSG:3857")
    found = measure(sources, process, where, scratch=tmp_path)
    (row,) = found.table.to_pylist()
    assert (row["mean"], row["count"]) == (mean, 16 * 150)
    first, second = ("one", "nine") if overlap == "first" else ("nine", "one")
    assert found.notes == (f"{second}.b.tif: some of its pixels lie on {first}.b.tif too, and count there",)


def test_many_overlaps_of_a_file_are_one_note(tmp_path: Path) -> None:
    sources = [strip(tmp_path, f"{number}.b.tif", WHOLE, number / 2) for number in range(4)]
    notes = [note for note in measured(sources, tmp_path).notes if "lie on" in note]
    assert notes[-1] == "3.b.tif: some of its pixels lie on 0.b.tif and 2 more files too, and count there"
    assert len(notes) == 3


def test_the_classic_rows_are_of_each_whole_tile(tmp_path: Path) -> None:
    both = measured(tiles(tmp_path, "tgz"), tmp_path).by_tile.to_pylist()
    for source, row in zip(sorted(tiles(tmp_path, "tgz"), key=lambda one: one.name), both, strict=True):
        (alone,) = measured([source], tmp_path).by_tile.to_pylist()
        assert row == alone


def test_an_overlap_that_is_an_error_names_both_files(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match=r"east.b.tif: has 1,500 pixels that west.b.tif has too"):
        measured(tiles(tmp_path, "tif"), tmp_path, overlap="error")


def test_tiles_that_only_touch_do_not_overlap(tmp_path: Path) -> None:
    """Also where their edges differ by a rounding error, as those of real tiles do."""
    left, right = WHOLE[:, :20], WHOLE[:, 20:]
    sources = [strip(tmp_path, "0.b.tif", left, 0), strip(tmp_path, "1.b.tif", right, 20 - 1e-7)]
    assert measured(sources, tmp_path, overlap="error").notes == ()


@pytest.mark.parametrize(("overlap", "shown"), [("first", 0), ("last", 7)])
def test_cut_outs_show_the_pixels_that_count(tmp_path: Path, overlap: str, shown: int) -> None:
    sources = tiles(tmp_path, "tif", second=np.full((150, 25), 7, "u1"))
    process = Process(band="b", zones="", overlap=overlap)
    places = make_zones(["z"], ["z"], [shapely.box(16, 10, 24, 20)], "EPSG:3857")
    mosaic = Mosaic(process, places, tmp_path)
    measure(sources, process, places, scratch=tmp_path, observer=mosaic)
    (window,) = mosaic.windows("b")
    left = round(window.transform.c)
    seen = window.values[:, 16 - left : 24 - left]
    expected = 7 if shown else WHOLE[150 - round(window.transform.f) :][: len(seen), 16:24]
    assert (seen == expected).all()


@pytest.mark.parametrize("order", [("20150101", "20150202"), ("20150202", "20150101")])
def test_the_newest_file_by_its_stamp_counts_whatever_the_order_of_the_group(tmp_path: Path, order: Any) -> None:
    """Ones of January and nines of February, six columns apart: the nines have the four columns that both hold."""
    values = {"20150101": (1, 0), "20150202": (9, 6)}
    files = []
    for stamp in order:
        value, west = values[stamp]
        source = strip(tmp_path, f"{stamp}.b.tif", np.full((150, 10), value, "u1"), west)
        assert source.path is not None
        files.append(File(Granule(Listed(FileName(source.name), "memory:x"), {"created": stamp}), source.path))
    document = {"group": {"newest": "created"}, "process": {"band": "b", "zones": "z", "overlap": "newest"}}
    process = Process(band="b", zones="", stats=("sum",), overlap="newest")
    sources = sources_of(files, Meta.model_validate(document), parse_period("2015-01"))
    where = make_zones(["z"], ["z"], [shapely.box(0, 0, 16, 150)], "EPSG:3857")
    table = measure(sources, process, where, scratch=tmp_path).table
    assert table["sum"].to_pylist() == [150 * (6 * 1 + 10 * 9)]


def test_newest_needs_the_name_of_a_stamp() -> None:
    meta = {"process": {"band": "b", "zones": "z", "overlap": "newest"}}
    with pytest.raises(DocumentError, match=r"process.overlap: newest needs group.newest, the named group that holds"):
        parse_value(Collection, {"name": "n", "files": [{"regex": ".*"}], "meta": meta}, "c.json")
