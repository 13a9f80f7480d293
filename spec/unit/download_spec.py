"""Downloads: whatever the provider does, a file is there whole and verified, or it is not there."""

import gzip
import hashlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.documents import Provider
from pileus.download.fetch import download, granule_of, open_stream
from pileus.download.partial_file import NOTED
from pileus.download.parts import Parts
from pileus.download.source import Cancellation
from pileus.download.transfer import BLOCK, Transfer, persistently
from pileus.edges.providers import ProviderEdge, connect
from pileus.edges.providers.kernel_copy import KernelPipe
from pileus.edges.providers.memory import MemoryEdge
from pileus.edges.secrets import Secrets
from pileus.errors import (
    Busy,
    Cancelled,
    Changed,
    Corrupt,
    HandedBack,
    NoSpace,
    NotFound,
    PileusError,
    RasterError,
    Refused,
    TooSlow,
    Truncated,
    Unreachable,
    UsageError,
)
from pileus.models import Granule, Listed
from pileus.raster.signatures import refuse_unreadable
from spec.servers.faulty import FAULTS, Faulty, faulty

BODY = random.Random(1).randbytes(200_000)
LARGE = random.Random(2).randbytes(3_000_000)
"""Large enough to go from the socket to the file within the kernel."""
both_ways = pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])


def edge_to(site: Faulty, *, attempts: int = 8, read_seconds: float = 0.5, **limits: float) -> ProviderEdge:
    provider = Provider(id="site", protocol="http", host=site.host)
    edge = connect(provider, secrets=Secrets(environ={}))
    patience = {"backoff_seconds": 0.01, "pace_seconds": 1, "attempts": attempts, "read_seconds": read_seconds}
    edge.limits = replace(edge.limits, **{**patience, **limits})  # type: ignore[misc]
    return edge


def listed(site: Faulty, path: str, **facts: object) -> Granule:
    facts = {"size": len(site.files[path]), **facts}
    return Granule(Listed(path[1:], f"http://{site.host}{path}", **facts), {})  # type: ignore[arg-type]


def once(fault: str) -> Callable[[str], str | None]:
    """That fault at the first request, none later."""
    faults = iter([fault])
    return lambda path: next(faults, None)


@both_ways
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_leaves_no_trace(fault: str, body: bytes, tmp_path: Path) -> None:
    with faulty({"/a.bin": body}, once(fault)) as site, closing(edge_to(site)) as edge:
        download([listed(site, "/a.bin")], tmp_path, edge, parallel=1)
    assert site.met == [fault]
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == body


@both_ways
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_ends_as_an_error_and_no_file(fault: str, body: bytes, tmp_path: Path) -> None:
    with faulty({"/a.bin": body}, lambda path: fault) as site, closing(edge_to(site, attempts=3)) as edge:
        if fault in ("stall", "truncated", "reset", "trickle", "old version", "too long"):
            edge.limits = replace(edge.limits, total_seconds=2.5)  # type: ignore[misc]
        with pytest.raises(PileusError) as caught:
            download([listed(site, "/a.bin")], tmp_path, edge, parallel=1)
    assert caught.value.retryable
    assert f"{site.host}/a.bin" in str(caught.value.where)
    assert not (tmp_path / "a.bin").exists()


def test_three_hundred_faults_over_a_hundred_files_end_bit_identical(tmp_path: Path) -> None:
    rng = random.Random(2015)
    files = {
        f"/{n:03}.tgz": gzip.compress(rng.randbytes(rng.choice((5_000, 90_000, 2_000_000))), 0) for n in range(100)
    }
    coming = {path: rng.choices(FAULTS, k=3) for path in files}
    plan = {path: iter(faults) for path, faults in coming.items()}
    with faulty(files, lambda path: next(plan[path], None)) as site, closing(edge_to(site)) as edge:
        # Three that follow each other without a new byte are fewer than the attempts that a file has.
        archives = download([listed(site, path) for path in files], tmp_path, edge, parallel=10)
    assert len(site.met) == 300
    assert {archive.path.name: archive.path.read_bytes() for archive in archives} == {
        path[1:]: body for path, body in files.items()
    }
    assert len(list(tmp_path.iterdir())) == 100


@pytest.mark.parametrize(("status", "kind"), [("401", Refused), ("403", Refused), ("404", NotFound), ("410", NotFound)])
def test_what_another_try_cannot_help_is_tried_once(
    status: str, kind: type[PileusError], nginx, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    site = nginx(tmp_path, location=f"return {status};")
    with closing(connect(Provider(id="x", protocol="http", host=site.host), secrets=Secrets(environ={}))) as edge:
        with pytest.raises(kind, match=status):
            download([granule_of(f"{site.url}/a.bin")], tmp_path / "out", edge, parallel=1)
        assert len(site.requests()) == 1


@both_ways
def test_a_cut_body_goes_on_where_it_ended(body: bytes, tmp_path: Path) -> None:
    with faulty({"/a.bin": body}, once("truncated")) as site, closing(edge_to(site)) as edge:
        download([listed(site, "/a.bin")], tmp_path, edge, parallel=1)
    assert [range_ for _, _, range_ in site.asked] == [None, f"bytes={len(body) // 2}-"]


def test_a_file_that_the_kernel_cannot_splice_into_is_written_by_hand(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, closing(KernelPipe()) as pipe:
        theirs.sendall(b"six tiles cover the globe")
        appended = os.open(tmp_path / "a.bin", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        pipe.give(appended, pipe.take(ours, 9))
        os.close(appended)
    assert (tmp_path / "a.bin").read_bytes() == b"six tiles"


def test_room_for_a_large_file_is_set_aside_while_it_comes(tmp_path: Path) -> None:
    body = bytes(NOTED)
    sizes = []

    def look(name: str, here: int) -> None:
        half = (tmp_path / ".a.bin.part").stat()
        sizes.append((half.st_size == here, half.st_blocks * 512 >= len(body)))

    with faulty({"/a.bin": body}, lambda path: None) as site, closing(edge_to(site)) as edge:
        download([listed(site, "/a.bin")], tmp_path, edge, parallel=1, progress=look)
    assert set(sizes) == {(True, True)}, "it is as long as what came, on room for the whole"


class Impatient(Cancellation):
    """Notes the waits it is asked for, and does not keep them."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


def waits_after(headers: dict[str, str]) -> list[float]:
    edge = MemoryEdge({"a.bin": BODY})
    busy = iter([Busy("busy", retry_after=float(headers["Retry-After"]) if headers else None)])
    well = edge.open

    def open_(*args: object, **options: object) -> object:
        for error in busy:
            raise error
        return well(*args, **options)  # type: ignore[arg-type]

    edge.open = open_  # type: ignore[method-assign, assignment]
    edge.limits = replace(edge.limits, backoff_seconds=0.5)
    watch = Impatient()
    stream = Transfer(edge, Listed("a.bin", "memory:a.bin"), watch)
    assert stream.readinto(memoryview(bytearray(10))) == 10
    return watch.waits


def test_retry_after_is_kept_and_else_the_wait_grows_at_random() -> None:
    assert waits_after({"Retry-After": "7"}) == [7.0]
    (wait,) = waits_after({})
    assert 0.25 <= wait <= 0.5


@pytest.mark.parametrize(
    ("checksum", "value"),
    [(f"{name}:{hashlib.new(name, BODY).hexdigest()}", None) for name in ("md5", "sha1", "sha256", "sha512")],
)
def test_a_listed_checksum_is_verified(checksum: str, value: None, tmp_path: Path) -> None:
    with faulty({"/a.bin": BODY}, lambda path: None) as site, closing(edge_to(site, attempts=2)) as edge:
        download([listed(site, "/a.bin", checksum=checksum)], tmp_path, edge, parallel=1)
        with pytest.raises(Corrupt, match=checksum.partition(":")[0]):
            download([listed(site, "/a.bin", checksum=checksum[:-1] + "x")], tmp_path / "2", edge, parallel=1)


@pytest.mark.parametrize("ending", ["md5", "sha1", "sha256", "cksum"])
def test_a_checksum_file_beside_it_is_verified(ending: str, tmp_path: Path) -> None:
    # What `cksum` of coreutils prints for these bytes.
    value = "930766865 9 a.bin" if ending == "cksum" else f"{hashlib.new(ending, b'123456789').hexdigest()}  a.bin\n"
    files = {"/a.bin": b"123456789", f"/a.bin.{ending}": value.encode()}
    with faulty(files, lambda path: None) as site, closing(edge_to(site, attempts=2)) as edge:
        granule = listed(site, "/a.bin", sidecar=f"http://{site.host}/a.bin.{ending}")
        download([granule], tmp_path, edge, parallel=1)
        site.files["/a.bin"] = b"123456780"
        with pytest.raises(Corrupt, match=ending):
            download([granule], tmp_path / "2", edge, parallel=1)


def test_a_page_in_place_of_an_archive_is_not_an_archive(tmp_path: Path) -> None:
    with (
        faulty({"/a.tgz": b"<html>"}, lambda path: None) as site,
        closing(edge_to(site, attempts=2)) as edge,
        pytest.raises(Corrupt, match=r"no \.tgz does"),
    ):
        download([listed(site, "/a.tgz")], tmp_path, edge, parallel=1)


def test_a_trickle_is_too_slow(tmp_path: Path) -> None:
    with faulty({"/a.bin": BODY}, lambda path: "trickle") as site:
        edge = edge_to(site, attempts=1, read_seconds=30)
        with closing(edge), pytest.raises(TooSlow, match="under the minimum of 1000"):
            download([listed(site, "/a.bin")], tmp_path, edge, parallel=1)


def test_the_total_time_is_bounded_whatever_comes(tmp_path: Path) -> None:
    with faulty({"/a.bin": BODY}, lambda path: "trickle") as site:
        edge = edge_to(site, read_seconds=30, min_bytes_per_second=0, total_seconds=1)
        with closing(edge), pytest.raises(TooSlow, match="not here after 1 seconds"):
            download([listed(site, "/a.bin")], tmp_path, edge, parallel=1)


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    with faulty({}, lambda path: None) as site:
        edge = edge_to(site, attempts=2)
    with pytest.raises(Unreachable, match="Connection refused"):
        download([granule_of(f"http://{site.host}/a.bin")], tmp_path, edge, parallel=1)


def test_an_interrupted_download_is_continued_by_the_next_process(tmp_path: Path) -> None:
    big = random.Random(3).randbytes(10 << 20)
    with (
        faulty({"/a.bin": big}, lambda path: "truncated") as site,
        closing(edge_to(site, attempts=1)) as edge,
        pytest.raises(Truncated),
    ):
        download([listed(site, "/a.bin")], tmp_path, edge, parallel=1)
    here = (tmp_path / ".a.bin.part").stat().st_size
    assert here >= len(big) // 2
    checksum = f"sha256:{hashlib.sha256(big).hexdigest()}"
    with faulty({"/a.bin": big}, lambda path: None) as again, closing(edge_to(again)) as edge:
        # The same provider, as far as the note can tell: only the port is another one.
        note = tmp_path / ".a.bin.part.json"
        note.write_text(note.read_text().replace(site.host, again.host))
        download([listed(again, "/a.bin", checksum=checksum)], tmp_path, edge, parallel=1)
    assert again.asked == [("GET", "/a.bin", f"bytes={here}-")]
    assert (tmp_path / "a.bin").read_bytes() == big
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_file_that_changed_meanwhile_begins_anew(tmp_path: Path) -> None:
    new = BODY[::-1]

    def plan(path: str) -> str | None:
        if not site.met:
            return "truncated"
        site.files["/a.bin"] = new
        return None

    with faulty({"/a.bin": BODY}, plan) as site, closing(edge_to(site)) as edge:
        download([listed(site, "/a.bin")], tmp_path, edge, parallel=1)
    assert (tmp_path / "a.bin").read_bytes() == new


def test_what_is_here_already_is_kept_without_asking(tmp_path: Path) -> None:
    with faulty({"/a.bin": BODY}, lambda path: None) as site, closing(edge_to(site)) as edge:
        for _ in range(2):
            download([listed(site, "/a.bin")], tmp_path, edge, parallel=1)
    assert len(site.asked) == 1


def test_archives_come_back_in_the_order_they_were_asked_for(tmp_path: Path) -> None:
    files = {f"{n}.bin": bytes(n) for n in range(20)}
    edge = MemoryEdge(files)
    archives = download(list(map(_memory, files)), tmp_path, edge, parallel=7)
    assert [(archive.path.name, archive.size) for archive in archives] == [(f"{n}.bin", n) for n in range(20)]


def _memory(name: str) -> Granule:
    return Granule(Listed(name, f"memory:{name}"), {})


def test_two_files_of_one_name_are_refused_before_anything_moves(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"several files are called a\.bin"):
        download([_memory("a.bin"), _memory("a.bin")], tmp_path, MemoryEdge({}), parallel=1)


def test_a_volume_that_is_too_small_is_told_before_the_first_byte(tmp_path: Path) -> None:
    edge = MemoryEdge({"a.bin": b"x"})
    granule = Granule(Listed("a.bin", "memory:a.bin", 1 << 60), {})
    with pytest.raises(NoSpace, match="are free") as caught:
        download([granule], tmp_path, edge, parallel=1)
    assert caught.value.retryable
    assert edge.opened == []


def test_a_volume_that_fills_up_is_a_clear_error(small_volume: Path) -> None:
    edge = MemoryEdge({"a.bin": bytes(8 << 20)})
    with pytest.raises(NoSpace, match="no space left") as caught:
        download([_memory("a.bin")], small_volume, edge, parallel=1)
    assert caught.value.retryable
    assert list(small_volume.iterdir()) == []


def test_parts_that_fill_a_volume_are_a_clear_error(small_volume: Path) -> None:
    parts = Parts(MemoryEdge({"a": bytes(8 << 20)}), _memory("a").file, small_volume / "a")
    parts.bring([(0, 1000)])
    with pytest.raises(NoSpace, match="no space left"):
        parts.bring([(0, 8 << 20)])


@pytest.fixture
def small_volume(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A file system of 4 MiB, where mounting one is allowed."""
    import subprocess

    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small volume")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("fault", ["stall", "trickle", "503"])
def test_a_cancelled_download_stops_soon_and_says_why(fault: str, tmp_path: Path) -> None:
    stop, begun = threading.Event(), threading.Event()

    def plan(path: str) -> str:
        begun.set()
        return fault

    with faulty({"/a.bin": BODY}, plan) as site:
        edge = edge_to(site, read_seconds=60, attempts=10_000)
        canceller = threading.Thread(target=lambda: begun.wait(10) and stop.set())
        canceller.start()
        started = time.monotonic()
        with closing(edge), pytest.raises(Cancelled, match="paused"):
            download(
                [listed(site, "/a.bin")], tmp_path, edge, parallel=1, cancelled=stop, reason=lambda: Cancelled("paused")
            )
        canceller.join()
        assert time.monotonic() - started < 20  # a stall would have lasted 60


def test_a_cancelled_download_is_handed_back_unless_told_otherwise(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(HandedBack):
        download([_memory("a.bin")], tmp_path, MemoryEdge({"a.bin": b"x"}), parallel=1, cancelled=stop)


def test_the_first_failure_stops_the_others_and_names_its_file(tmp_path: Path) -> None:
    files = {"1.bin": b"1", "2.bin": b"2"}
    with pytest.raises(NotFound) as caught:
        download([*map(_memory, files), _memory("none.bin")], tmp_path, MemoryEdge(files), parallel=1)
    assert caught.value.where == "memory:none.bin"


def test_progress_tells_how_much_of_each_file_is_here(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    edge = MemoryEdge({"a.bin": bytes(3 * BLOCK)})
    download([_memory("a.bin")], tmp_path, edge, parallel=1, progress=lambda name, here: told.append((name, here)))
    assert told == [("a.bin", BLOCK), ("a.bin", 2 * BLOCK), ("a.bin", 3 * BLOCK)]


cuts = st.lists(st.integers(0, 400), max_size=12)


@given(body=st.binary(max_size=1000), cuts=cuts, ranges=st.booleans(), validators=st.booleans())
def test_any_sequence_of_cuts_gives_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, cuts: list[int], ranges: bool, validators: bool
) -> None:
    folder = tmp_path_factory.mktemp("out")
    edge = MemoryEdge({"a.bin": body}, cuts=cuts, ranges=ranges, validators=validators)
    edge.limits = replace(edge.limits, attempts=20)
    download([_memory("a.bin")], folder, edge, parallel=1)
    assert (folder / "a.bin").read_bytes() == body


@given(body=st.binary(max_size=1000), cuts=cuts, ranges=st.booleans(), validators=st.booleans())
def test_any_sequence_of_cuts_gives_the_same_stream(
    body: bytes, cuts: list[int], ranges: bool, validators: bool
) -> None:
    edge = MemoryEdge({"a.bin": body}, cuts=cuts, ranges=ranges, validators=validators)
    edge.limits = replace(edge.limits, attempts=20)
    with open_stream("memory:a.bin", edge) as stream:
        assert stream.read() == body


def test_a_stream_feeds_gunzip_through_disconnects() -> None:
    edge = MemoryEdge({"a.gz": gzip.compress(BODY)}, cuts=[1, 10, 1000, 30_000])
    with open_stream("memory:a.gz", edge) as stream, gzip.open(stream) as unpacked:
        assert unpacked.read() == BODY
    assert [offset for _, offset in edge.opened] == [0, 1, 11, 1011, 31_011]


def test_a_stream_verifies_at_its_end() -> None:
    edge = MemoryEdge({"a.bin": BODY})
    granule = Granule(Listed("a.bin", "memory:a.bin", checksum="md5:00"), {})
    with open_stream(granule, edge) as stream, pytest.raises(Corrupt, match="md5"):
        stream.read()


@pytest.mark.parametrize("validators", [True, False])
def test_a_stream_of_a_file_that_changed_is_not_spliced(validators: bool) -> None:
    edge = MemoryEdge({"a.bin": b"a" * 100}, cuts=[50], validators=validators)
    with open_stream("memory:a.bin", edge) as stream:
        raw = stream.raw  # type: ignore[attr-defined]
        assert raw.read(60) == b"a" * 50
        edge.files["a.bin"] = b"b" * 100
        with pytest.raises(Changed):
            raw.read(60)


def test_a_question_is_asked_again_while_the_answer_may_change() -> None:
    answers: list[PileusError | str] = [Busy("busy"), Unreachable("gone"), "here"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, PileusError):
            raise answer
        return answer

    assert persistently(ask, MemoryEdge({})) == "here"
    answers[:] = [Refused("no"), "here"]
    with pytest.raises(Refused):
        persistently(ask, MemoryEdge({}))


def test_a_busy_provider_is_asked_a_bounded_number_of_times(tmp_path: Path) -> None:
    with faulty({"/a.bin": BODY}, lambda path: "503") as site:
        edge = edge_to(site, attempts=3)
        with closing(edge), pytest.raises(Busy, match="503"):
            download([listed(site, "/a.bin")], tmp_path, edge, parallel=1)
    assert len(site.asked) == 3


def test_several_that_fetch_the_same_file_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    edge = MemoryEdge({"a.bin": bytes(3 * BLOCK)})
    together = threading.Barrier(8)

    def fetch() -> None:
        together.wait()
        for _ in range(5):
            download([_memory("a.bin")], tmp_path, edge, parallel=1)
            assert (tmp_path / "a.bin").stat().st_size == 3 * BLOCK

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == bytes(3 * BLOCK)


def test_first_bytes_may_refuse_a_file_before_the_rest_comes(tmp_path: Path) -> None:
    """A file of a kind that cannot be read fails at once, and the others with it; nothing is asked for again."""
    edge = MemoryEdge({"a.hdf": b"\x0e\x03\x13\x01" + bytes(5_000_000), "b.tif": b"II*\x00" + bytes(5_000_000)})
    granules = [granule_of(f"memory:{name}") for name in edge.files]
    with pytest.raises(RasterError, match=r"a.hdf: is HDF4, for which this build has no driver"):
        download(granules, tmp_path, edge, parallel=2, inspect=refuse_unreadable)
    assert sum(url == "memory:a.hdf" for url, _ in edge.opened) == 1
    assert not (tmp_path / "a.hdf").exists()
