"""A group is measured while it arrives: from the socket to the rows, in a cell and without one, with every fault."""

import gzip
import hashlib
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from shapely.geometry import shape

from pileus.cell.cell import Cell
from pileus.cell.confine import Limits
from pileus.cell.inside import Here, Inside
from pileus.cell.room import Room
from pileus.documents import Meta
from pileus.edges.providers import ProviderEdge
from pileus.errors import ArchiveError, Changed, Corrupt, HandedBack, NotFound, PileusError
from pileus.models import Granule, Group, Listed
from pileus.names import FileName
from pileus.periods import parse_period
from pileus.scratch.need import needs_files
from pileus.tasks.pipeline import Processed, process
from pileus.timing import Recorder
from pileus.zonal import make_zones
from spec.servers.faulty import FAULTS, faulty
from spec.support.tiny import SQUARE, archive, raster
from spec.unit.download_spec import edge_to, listed, once

META = Meta.model_validate({"process": {"band": "light", "zones": "", "stats": ["count", "sum", "max"]}})
ZONES = make_zones(["square"], ["Square"], [shape(SQUARE)], "EPSG:4326")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch").resolve()


@pytest.fixture(scope="module", params=["in a cell", "in this process"])
def inside(request: pytest.FixtureRequest, root: Path) -> Iterator[Inside]:
    if request.param == "in this process":
        yield Here()
        return
    with closing(Cell({}, root, Limits(1 << 30))) as cell:
        yield Room(cell, "a collection")


@pytest.fixture
def scratch(root: Path) -> Path:
    """A new folder, which a cell may write to."""
    return Path(mkdtemp(dir=root))


def noise(number: int) -> bytes:
    """An archive of whole numbers that do not compress: about 50 kB."""
    values = np.random.default_rng(number).integers(0, 1 << 23, (128, 128)).astype("float32")
    return archive(raster(values, 1 / 16))


def measured(granules: Sequence[Granule], edge: ProviderEdge, inside: Inside, scratch: Path, **how: Any) -> Processed:
    how = {"arrives": True, "meta": META} | how
    return process(
        Group("g", tuple(granules)),
        how.pop("meta"),
        ZONES,
        period=parse_period("2015-01"),
        edge=edge,
        task=None,
        inside=inside,
        cache=None,
        scratch=scratch,
        parallel=4,
        **how,
    )


def rows(processed: Processed) -> pa.Table:
    assert processed.measured is not None
    return processed.measured.table


def test_a_group_is_measured_while_it_arrives_with_nothing_on_the_volume(inside: Inside, scratch: Path) -> None:
    found: list[Path] = []

    def progress(name: str, size: int) -> None:
        found.extend(path for path in scratch.rglob("*") if path.is_file())

    body = archive()
    with faulty({"/a.tgz": body}, lambda path: None) as site, closing(edge_to(site)) as edge:
        processed = measured([listed(site, "/a.tgz")], edge, inside, scratch, progress=progress)
    assert rows(processed).to_pylist() == [
        {"zone": "square", "zone_name": "Square", "band": "light", "count": 16.0, "sum": 16.0, "max": 1.0}
    ]
    assert (processed.downloaded, processed.scratch, processed.archives) == (len(body), 0, ())
    assert found == []
    assert list(scratch.iterdir()) == []


def test_its_times_say_that_it_downloads_and_measures_at_once(inside: Inside, scratch: Path) -> None:
    timing, body = Recorder(), noise(1)
    with faulty({"/a.tgz": body}, lambda path: None) as site, closing(edge_to(site)) as edge:
        measured([listed(site, "/a.tgz")], edge, inside, scratch, timing=timing)
    found = timing.told().hops
    assert found["download"].bytes == len(body)
    assert found["download"].start <= found["measure"].start
    assert found["measure"].end <= timing.now()


def test_the_time_of_what_is_refused_at_its_first_bytes_is_told_too(inside: Inside, scratch: Path) -> None:
    timing = Recorder()
    refused = pytest.raises(Corrupt, match="begins with b'no arc'")
    with faulty({"/a.tgz": b"no archive"}, lambda path: None) as site, closing(edge_to(site)) as edge, refused:
        measured([listed(site, "/a.tgz")], edge, inside, scratch, timing=timing)
    assert 0 < timing.told().hops["download"].seconds < timing.now()


def test_it_gives_the_rows_of_downloaded_files(inside: Inside, scratch: Path) -> None:
    files = {f"/{n}.tgz": noise(n) for n in range(6)}
    with faulty(files, lambda path: None) as site, closing(edge_to(site)) as edge:
        granules = [listed(site, path) for path in files]
        arrived = measured(granules, edge, inside, scratch)
        downloaded = measured(granules, edge, inside, scratch, arrives=False)
    assert rows(arrived).equals(rows(downloaded))
    assert downloaded.scratch == downloaded.downloaded == arrived.downloaded


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_changes_no_row(fault: str, inside: Inside, scratch: Path) -> None:
    body = noise(1)
    with faulty({"/a.tgz": body}, once(fault)) as site, closing(edge_to(site)) as edge:
        processed = measured([listed(site, "/a.tgz")], edge, inside, scratch)
        assert site.met == [fault]
        site.met.clear()
        assert rows(processed).equals(rows(measured([listed(site, "/a.tgz")], edge, inside, scratch)))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_is_told_as_the_providers_and_not_the_archives(
    fault: str, inside: Inside, scratch: Path
) -> None:
    with faulty({"/a.tgz": noise(1)}, lambda path: fault) as site, closing(edge_to(site, attempts=2)) as edge:
        edge.limits = replace(edge.limits, total_seconds=2)  # type: ignore[misc]
        with pytest.raises(PileusError) as caught:
            measured([listed(site, "/a.tgz")], edge, inside, scratch)
    assert not isinstance(caught.value, ArchiveError)
    assert f"{site.host}/a.tgz" in str(caught.value.where)


def test_three_hundred_faults_over_a_hundred_archives_change_no_row(inside: Inside, scratch: Path) -> None:
    rng = random.Random(2015)
    files = {f"/{n:03}.tgz": noise(n) for n in range(100)}
    plan = {path: iter(rng.choices([one for one in FAULTS if one != "trickle"], k=3)) for path in files}
    with faulty(files, lambda path: None) as site, closing(edge_to(site)) as edge:
        sound = [rows(measured([listed(site, path)], edge, inside, scratch)) for path in files]
    with faulty(files, lambda path: next(plan[path], None)) as site, closing(edge_to(site)) as edge:
        for path, expected in zip(files, sound, strict=True):
            with suppress(Changed, Corrupt):  # three times
                assert rows(measured([listed(site, path)], edge, inside, scratch)).equals(expected)
    assert len(site.met) >= 290
    assert list(scratch.rglob("*.tgz")) == []


def damaged(body: bytes) -> bytes:
    return body[:20_000] + bytes([body[20_000] ^ 255]) + body[20_001:]


def test_bytes_that_were_damaged_on_their_way_are_asked_for_again(inside: Inside, scratch: Path) -> None:
    right, asked = noise(1), list[str]()

    def mend(path: str) -> None:
        asked.append(path)
        site.files[path] = damaged(right) if len(asked) == 1 else right

    checksum = f"sha256:{hashlib.sha256(right).hexdigest()}"
    with faulty({"/a.tgz": right}, mend) as site, closing(edge_to(site)) as edge:
        granule = listed(site, "/a.tgz", checksum=checksum)
        processed = measured([granule], edge, inside, scratch)
        assert len(asked) == 2
        assert rows(processed).equals(rows(measured([granule], edge, inside, scratch)))


def test_an_archive_that_is_damaged_at_the_provider_fails_once(inside: Inside, scratch: Path) -> None:
    wrong = damaged(noise(1))
    checksum = f"sha256:{hashlib.sha256(wrong).hexdigest()}"
    with faulty({"/a.tgz": wrong}, lambda path: None) as site, closing(edge_to(site)) as edge:
        with pytest.raises(ArchiveError, match=r"a\.tgz.*is damaged"):
            measured([listed(site, "/a.tgz", checksum=checksum)], edge, inside, scratch)
        assert len(site.asked) == 1


def test_a_file_that_never_has_its_checksum_is_given_up_after_three_tries(inside: Inside, scratch: Path) -> None:
    with faulty({"/a.tgz": noise(1)}, lambda path: None) as site, closing(edge_to(site)) as edge:
        with pytest.raises(Corrupt, match=r"sha256 is .*, expected 00"):
            measured([listed(site, "/a.tgz", checksum=f"sha256:{'0' * 64}")], edge, inside, scratch)
        assert len(site.asked) == 3


def test_what_lies_behind_the_end_of_an_archive_is_read_and_verified_too(inside: Inside, scratch: Path) -> None:
    body = gzip.compress(gzip.decompress(archive()) + bytes(3_000_000))
    checksum = f"sha256:{hashlib.sha256(body).hexdigest()}"
    with faulty({"/a.tgz": body}, lambda path: None) as site, closing(edge_to(site)) as edge:
        processed = measured([listed(site, "/a.tgz", checksum=checksum)], edge, inside, scratch)
    assert processed.downloaded == len(body)


def test_a_stop_is_heard_while_a_provider_is_silent(inside: Inside, scratch: Path) -> None:
    cancelled = threading.Event()
    with faulty({"/a.tgz": noise(1)}, lambda path: "stall") as site, closing(edge_to(site, read_seconds=60)) as edge:
        threading.Timer(0.5, cancelled.set).start()
        with pytest.raises(HandedBack):
            measured([listed(site, "/a.tgz")], edge, inside, scratch, cancelled=cancelled)


def test_one_file_that_is_refused_fails_the_group(inside: Inside, scratch: Path) -> None:
    with faulty({"/a.tgz": noise(1)}, lambda path: None) as site, closing(edge_to(site)) as edge:
        absent = Granule(replace(listed(site, "/a.tgz").file, url=f"http://{site.host}/absent.tgz", name="b.tgz"), {})
        with pytest.raises(NotFound, match=r"absent\.tgz"):
            measured([listed(site, "/a.tgz"), absent], edge, inside, scratch)


RULES: dict[str, Any] = {"band": "light", "zones": "zones.geojson"}


@pytest.mark.parametrize(
    ("name", "meta", "needs"),
    [
        ("a.tgz", {"process": RULES}, False),
        ("A.TAR.GZ", {"process": RULES}, False),
        ("a.tif.gz", {"process": RULES | {"clips": True, "pictures": True}}, False),
        ("a.tif", {"process": RULES}, True),
        ("a.nc", {"process": RULES}, True),
        ("a.zip", {"process": RULES}, True),
        ("a.tgz", {"process": RULES | {"archive": True}}, True),
        ("a.tgz", {"process": RULES | {"read": "files"}}, True),
        ("a.tgz", {"process": RULES, "task": {"name": "inventory"}}, True),
        ("a.tgz", {}, True),
    ],
)
def test_a_group_needs_files_where_something_asks_for_them(name: str, meta: dict[str, Any], needs: bool) -> None:
    group = Group("g", (Granule(Listed(FileName(name), f"http://x/{name}"), {}),))
    assert needs_files(group, Meta.model_validate(meta)) is needs
