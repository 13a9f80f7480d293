"""Archives are read side by side: as many as the machine has cores, and more while providers are slow."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest

from pileus.cell.cores import Cores, usable
from pileus.cell.results import BadAnswer
from pileus.cell.turns import SETTLE, Turns
from pileus.documents import Process
from pileus.errors import ArchiveError, HandedBack
from pileus.stopping import go_on
from pileus.zonal import Measured, Source, measure
from pileus.zonal.lanes import Lanes
from spec.support.tiny import archive, raster
from spec.unit.arriving_spec import ZONES, noise

SHARED = Process(band="light", zones="", stats=("count", "sum", "mean", "p50"))


def sources(*bodies: bytes) -> list[Source]:
    def opening(body: bytes) -> Callable[[], BinaryIO]:
        return lambda: BytesIO(body)

    return [Source(f"{number}.tgz", f"t{number}", open=opening(body)) for number, body in enumerate(bodies)]


def measured(tmp_path: Path, found: list[Source], lanes: int, process: Process = SHARED) -> Measured:
    return measure(found, process, ZONES, scratch=tmp_path, lanes=lanes)


@pytest.mark.parametrize("overlap", ["first", "last"])
def test_the_rows_and_notes_do_not_depend_on_how_many_are_read_at_once(overlap: str, tmp_path: Path) -> None:
    bodies = [noise(number) for number in range(8)]  # all on one grid: who owns a pixel depends on the order
    process = SHARED.model_copy(update={"overlap": overlap})
    alone = measured(tmp_path, sources(*bodies), 1, process)
    for lanes in (2, 5, 8):
        together = measured(tmp_path, sources(*bodies), lanes, process)
        assert together.table.equals(alone.table)
        assert together.by_tile.equals(alone.by_tile)
        assert together.notes == alone.notes


def test_so_many_are_read_at_once_and_no_more() -> None:
    lanes, running, most = Lanes(3), list[int](), list[int]()
    three = threading.Barrier(3, timeout=30)

    def work(place: int) -> int:
        running.append(place)
        most.append(len(running))
        three.wait()
        running.remove(place)
        three.wait()
        return place * 10

    assert lanes.do([str(number) for number in range(9)], work) == [number * 10 for number in range(9)]
    assert max(most) == 3


def test_a_source_that_fails_ends_the_others_and_no_other_begins() -> None:
    lanes, begun = Lanes(2), list[int]()

    def work(place: int) -> None:
        begun.append(place)
        if place == 1:
            raise ArchiveError("is damaged")
        while True:
            lanes.check()
            time.sleep(0.01)

    with pytest.raises(ArchiveError, match="is damaged"):
        lanes.do(["a", "b", "c"], work)
    assert sorted(begun) == [0, 1]


class Shut:
    """A gate that lets the first in alone, and fails as its worker does when asked for another."""

    def begin(self, name: str) -> bool:
        if name != "a":
            raise HandedBack("told to stop")
        return True

    def end(self, name: str) -> None:
        pass


def test_what_ends_a_lane_while_it_waits_ends_the_work() -> None:
    lanes = Lanes(2, Shut())
    with pytest.raises(HandedBack):
        lanes.do(["a", "b"], lambda place: place)


def test_a_source_waits_for_what_those_before_it_have_said_or_for_their_end() -> None:
    lanes = Lanes(3)

    def work(place: int) -> list[Any]:
        if place == 0:
            time.sleep(0.2)
            lanes.say("band", "of a")
        if place == 1:
            time.sleep(0.1)  # it has nothing of the band
            return []
        return lanes.said("band")

    assert lanes.do(["a", "b", "c"], work) == [["of a"], [], ["of a"]]


def test_a_group_of_archives_has_one_bad_one(tmp_path: Path) -> None:
    bodies = [archive(), archive()[:-20], archive(raster(np.zeros((8, 8), "float32")))]
    with pytest.raises(ArchiveError, match=r"1\.tgz.* is cut"):
        measured(tmp_path, sources(*bodies), 3)


def test_workers_share_the_cores_of_a_machine(tmp_path: Path) -> None:
    one, other = Cores(tmp_path, 2), Cores(tmp_path, 2)
    first, second = one.take(), other.take()
    assert first is not None
    assert second is not None
    assert one.take() is None
    second()
    assert one.take() is not None
    assert other.take() is None


def test_a_worker_that_is_killed_gives_its_cores_back(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pileus.cell.cores import Cores; Cores(Path(sys.argv[1]), 1).take()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}; print('taken', flush=True); input()", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"taken\n"
        assert Cores(tmp_path, 1).take() is None
        process.kill()
    assert Cores(tmp_path, 1).take() is not None


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1), ("", None)]
)
def test_a_container_has_the_cores_of_its_share(quota: str, cores: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert usable(tmp_path / "cpu.max") == (cores or len(os.sched_getaffinity(0)))


class Slow:
    """A provider that sends a byte each hundredth of a second, until it is told to end."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def open(self) -> BinaryIO:
        return cast(BinaryIO, self)

    def __enter__(self) -> "Slow":
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def readinto(self, view: memoryview) -> int:
        self.over.wait(0.01)
        view[:1] = b"x"
        return 0 if self.over.is_set() else 1


def asked(turns: Turns, number: Any) -> bool:
    with turns.asked(number) as (go, _pipes):
        return go


def test_one_may_always_begin_and_another_when_a_core_is_free(tmp_path: Path) -> None:
    cores, found = Cores(tmp_path, 1), [replace(one, open=None) for one in sources(b"", b"", b"")]
    held = cores.take()
    assert held is not None
    with closing(Turns(found, cores, go_on)) as turns:
        assert asked(turns, 0)  # though no core is free
        assert not asked(turns, 1)
        held()
        assert asked(turns, 1)
        assert not asked(turns, 2)
        turns.end(1)
        assert asked(turns, 2)
    assert cores.take() is not None


def test_another_begins_while_those_that_are_read_wait_for_their_provider(tmp_path: Path) -> None:
    cores, slow = Cores(tmp_path, 1), Slow()
    found = [Source(f"{number}.tgz", open=slow.open) for number in range(2)]
    with closing(Turns(found, cores, go_on)) as turns:
        with turns.asked(0) as (go, pipes):
            kept = [os.dup(pipe) for pipe in pipes]  # a child's, which reads what is there
        assert go
        assert not asked(turns, 1)
        time.sleep(SETTLE + 0.2)
        assert asked(turns, 1)
        slow.over.set()
        for pipe in kept:
            os.close(pipe)


@pytest.mark.parametrize("number", [-1, 2, "0", None, 1.0, True])
def test_a_file_that_there_is_not_is_refused(number: Any, tmp_path: Path) -> None:
    with closing(Turns(sources(b"", b""), Cores(tmp_path, 1), go_on)) as turns:
        with pytest.raises(BadAnswer):
            asked(turns, number)
        with pytest.raises(BadAnswer):
            turns.end(number)


def test_a_file_begins_once_and_ends_once(tmp_path: Path) -> None:
    with closing(Turns(sources(b""), Cores(tmp_path, 1), go_on)) as turns:
        assert asked(turns, 0)
        turns.end(0)
        with pytest.raises(BadAnswer):
            asked(turns, 0)
        with pytest.raises(BadAnswer):
            turns.end(0)
