"""The scratch volume: reserve before writing, wait where there is no room, delete what dead workers left."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from pileus.errors import Conflict, HandedBack, PileusError, Unavailable, VolumeTooSmall
from pileus.scratch.volume import ARCHIVES, LEFT, SUFFIX, Volume, written

MB = 2**20


def fraction(volume: Volume, share: float) -> int:
    """Bytes that are `share` of what can be reserved now."""
    return int(volume.usage().room * share)


def test_a_reservation_gives_an_empty_folder_and_takes_it_back(tmp_path: Path) -> None:
    with Volume(tmp_path) as volume:
        with volume.reserved(MB) as folder:
            assert list(folder.iterdir()) == []
            (folder / "tile").write_bytes(b"x")
        assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == [".pileus-ledger"]


def test_two_workers_that_need_most_of_the_volume_take_turns(tmp_path: Path) -> None:
    with Volume(tmp_path) as one, Volume(tmp_path) as other:
        got = threading.Event()

        def second() -> None:
            with other.reserved(size):
                got.set()

        size = fraction(one, 0.6)
        with one.reserved(size):
            waiting = threading.Thread(target=second)
            waiting.start()
            assert not other._reserve(size)
            assert not got.is_set()
        waiting.join(timeout=30)
        assert got.is_set()


def test_what_is_written_is_not_counted_twice(tmp_path: Path) -> None:
    with Volume(tmp_path) as volume, volume.reserved(10 * MB) as folder:
        before = volume.usage().promised
        (folder / "tile").write_bytes(os.urandom(4 * MB))
        os.sync()
        assert before == 10 * MB
        assert volume.usage().promised == 6 * MB


def test_a_group_that_the_empty_volume_could_not_hold_is_refused_at_once(tmp_path: Path) -> None:
    with Volume(tmp_path) as volume:
        too_much = volume.usage().total + 1
        with pytest.raises(VolumeTooSmall, match="raise volume_size"), volume.reserved(too_much):
            pass


def test_a_worker_told_to_stop_does_not_wait_for_room(tmp_path: Path) -> None:
    stop = threading.Event()
    with Volume(tmp_path) as one, Volume(tmp_path) as other, one.reserved(fraction(one, 0.9)):
        stop.set()
        with pytest.raises(HandedBack), other.reserved(fraction(one, 0.9) * 5, cancelled=stop):
            pass


DIES = """
import os, sys
from pathlib import Path
from pileus.scratch.volume import ARCHIVES, Volume
with Volume(Path(sys.argv[1])) as volume, volume.reserved(int(sys.argv[2]), name="six-tiles") as folder:
    (folder / "unpacked").write_bytes(bytes(1000))
    (folder / ARCHIVES).mkdir()
    (folder / ARCHIVES / "tile.tgz").write_bytes(b"whole")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def doomed(tmp_path: Path) -> Callable[[int], tuple[subprocess.Popen[str], Path]]:
    """Start a worker that reserves so many bytes, writes some and waits; the spec kills it."""

    def start(size: int) -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(DIES), str(tmp_path), str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    return start


def test_scratch_of_a_killed_worker_is_swept_and_its_reservation_void(
    tmp_path: Path, doomed: Callable[[int], tuple[subprocess.Popen[str], Path]]
) -> None:
    with Volume(tmp_path) as volume:
        size = fraction(volume, 0.6)
        process, folder = doomed(size)
        assert not volume._reserve(size)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert folder.exists()
        with volume.reserved(size):
            assert not folder.exists()
            assert not folder.parent.exists()


@pytest.fixture
def dead(tmp_path: Path, doomed: Callable[[int], tuple[subprocess.Popen[str], Path]]) -> Path:
    """The volume of a worker that was killed after it had downloaded a tile."""
    process, _ = doomed(1000)
    process.kill()
    process.communicate()
    return tmp_path


def test_what_a_killed_worker_downloaded_is_for_whoever_takes_its_group_next(dead: Path) -> None:
    with Volume(dead) as heir:
        with heir.reserved(1000, name="six-tiles") as folder:
            assert [path.name for path in folder.iterdir()] == [ARCHIVES]
            assert (folder / ARCHIVES / "tile.tgz").read_bytes() == b"whole"
        with heir.reserved(1000, name="six-tiles") as folder:
            assert list(folder.iterdir()) == []


def test_another_group_gets_an_empty_folder(dead: Path) -> None:
    with Volume(dead) as other, other.reserved(1000, name="another-version") as folder:
        assert list(folder.iterdir()) == []


def test_downloads_of_the_dead_make_way_when_room_is_short(dead: Path) -> None:
    with Volume(dead) as volume:
        (dead / LEFT / "six-tiles" / "large.tgz").write_bytes(os.urandom(8 * MB))
        os.sync()
        with volume.reserved(volume.usage().room + 4 * MB):
            assert not (dead / LEFT).exists()


def test_downloads_of_the_dead_are_removed_when_nobody_comes_for_them(dead: Path) -> None:
    with Volume(dead, patience=60) as volume:
        tile = dead / LEFT / "six-tiles" / "tile.tgz"
        assert tile.exists()
        os.utime(tile.parent, (0, time.time() - 61))
        volume.sweep()
        assert not tile.exists()


def test_a_living_worker_is_not_swept(
    tmp_path: Path, doomed: Callable[[int], tuple[subprocess.Popen[str], Path]]
) -> None:
    process, folder = doomed(1000)
    with Volume(tmp_path) as volume:
        assert volume.sweep() == []
        assert folder.exists()
    process.communicate(input="")
    assert process.returncode == 0
    assert not folder.exists()


def test_many_workers_at_once_never_promise_more_than_there_is(tmp_path: Path) -> None:
    most, lock, held, worst = 0, threading.Lock(), 0, 0
    with Volume(tmp_path) as probe:
        most = probe.usage().room
    size = int(most * 0.4)

    def work() -> None:
        nonlocal held, worst
        with Volume(tmp_path) as mine:
            for _ in range(5):
                with mine.reserved(size):
                    with lock:
                        held += 1
                        worst = max(worst, held)
                    with lock:
                        held -= 1

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert held == 0
    assert 1 <= worst <= 2


def test_written_counts_what_is_on_disk(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(8192))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(os.urandom(4096))
    os.sync()
    assert written(tmp_path) == 12288


def test_a_lock_file_without_a_folder_is_swept(tmp_path: Path) -> None:
    (tmp_path / f"worker-{uuid.uuid4().hex[:12]}{SUFFIX}").write_text("7")
    with Volume(tmp_path) as volume:
        assert volume.usage().promised == 0


@pytest.mark.parametrize(("error", "kept"), [(Unavailable("503"), True), (Conflict("lost"), False)])
def test_downloads_of_a_group_that_waits_for_the_store_are_there_when_it_is_tried_again(
    tmp_path: Path, error: PileusError, kept: bool
) -> None:
    def fail(folder: Path) -> None:
        (folder / ARCHIVES).mkdir()
        (folder / ARCHIVES / "tile.tgz").write_bytes(b"tile")
        raise error

    with Volume(tmp_path) as volume:
        with pytest.raises(type(error)), volume.reserved(MB, name="six-tiles") as folder:
            fail(folder)
        with volume.reserved(MB, name="six-tiles") as folder:
            assert (folder / ARCHIVES / "tile.tgz").exists() == kept
