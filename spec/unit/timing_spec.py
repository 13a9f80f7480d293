"""Timing: where the time of a partition and of a backfill goes."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus import lifecycle
from pileus.backfills.record import Outcome
from pileus.backfills.status import Status, from_record, to_record
from pileus.backfills.timing import COLUMNS, Axis, where_time_went
from pileus.cli import timing as shown
from pileus.client.timing_answers import TimingAnswer
from pileus.edges.connections import LocalConnections, TimedConnections
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.lifecycle.timing import whole
from pileus.models import Manifest, Partition, State
from pileus.timing import HOPS, Hop, Recorder, Timing, covered

BACKFILL = Backfill("b", "viirs", "001", "2015-01", "2015-12", "month", started="2026-01-01T00:00:00")
PARTITION = Partition("viirs", "001", "2015-01", "g")


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.time = 50.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> Recorder:
    return Recorder(clock, 1000.0)


def test_a_hop_has_its_start_its_seconds_and_its_bytes(recorder: Recorder, clock: Clock) -> None:
    clock.time += 2
    with recorder.hop("download"):
        clock.time += 3
    recorder.moved("download", 7)
    assert recorder.told() == Timing(1000.0, {"download": Hop(2, 3, 7)})


def test_blocks_of_one_hop_that_overlap_count_once(recorder: Recorder, clock: Clock) -> None:
    with recorder.hop("connection"):
        clock.time += 1
        with recorder.hop("connection"):
            clock.time += 1
    clock.time += 5
    with recorder.hop("connection"):
        clock.time += 1
    assert recorder.told().hops["connection"] == Hop(0, 3, 0, 8)


def test_a_hop_that_raises_is_recorded_and_so_is_one_that_goes_on(recorder: Recorder, clock: Clock) -> None:
    @recorder.hop("download")
    def fail() -> None:
        clock.time += 2
        raise ValueError

    with pytest.raises(ValueError):
        fail()
    with recorder.hop("measure"):
        clock.time += 4
        assert recorder.told().hops == {"download": Hop(0, 2), "measure": Hop(2, 4)}


def test_threads_record_into_one(recorder: Recorder, clock: Clock) -> None:
    inside, leave = threading.Barrier(3), threading.Barrier(3)

    def work() -> None:
        with recorder.hop("connection"):
            inside.wait(10)
            leave.wait(10)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    clock.time += 6
    leave.wait(10)
    for thread in threads:
        thread.join()
    assert recorder.told().hops["connection"] == Hop(0, 6)


def test_entering_a_context_is_timed_and_its_block_is_not(recorder: Recorder, clock: Clock) -> None:
    class Slow:
        def __enter__(self) -> str:
            clock.time += 2
            return "there"

        def __exit__(self, *error: object) -> None:
            clock.time += 1

    with recorder.entering("space", Slow()) as found:  # type: ignore[arg-type]
        clock.time += 10
    assert found == "there"
    assert recorder.told().hops == {"space": Hop(0, 2)}


def test_waiting_for_a_connection_is_told(clock: Clock, recorder: Recorder) -> None:
    local = LocalConnections()
    first = local.acquire("p", 1)

    def pulse() -> None:
        clock.time += 5
        first.release()

    TimedConnections(local, recorder).acquire("p", 1, pulse).release()
    assert recorder.told().hops["connection"].seconds == 5


hops = st.builds(Hop, st.integers(-9, 9), st.integers(1, 9), st.integers(0, 9), st.just(0.0))


@given(st.floats(0, 2e9).map(lambda time: round(time, 3)), st.dictionaries(st.sampled_from(["queue", "own"]), hops))
def test_a_timing_is_read_as_it_was_written(began: float, made: dict[str, Hop]) -> None:
    timing = Timing(began, made)
    assert Timing.from_json(timing.to_json()) == timing


def test_a_record_without_timing_has_none() -> None:
    assert Timing.from_json({}) is None
    old = {"partition": PARTITION.key, "state": "succeeded", "run": "b/1"}
    assert Entry.from_json(old).timing == {}
    manifest = Manifest(PARTITION, "f", (), {}, (), "0.1", "2026-01-01T00:00:00").to_json()
    del manifest["timing"]
    assert Manifest.from_json(manifest).timing == {}


@given(st.lists(hops))
def test_what_hops_cover_is_at_least_the_longest_and_at_most_all(found: list[Hop]) -> None:
    lengths = [hop.end - hop.start for hop in found]
    assert max(lengths, default=0) <= covered(found) <= sum(lengths)


def test_a_wait_in_the_queue_and_the_listing_come_before_a_workers_time() -> None:
    listed = Timing(980.0, {"listing": Hop(0, 4)}).to_json()
    wanted = Entry(PARTITION, State.planned, "b/1", timing=listed)
    queued = lifecycle.queue(None, wanted, now=985.0, live=False)
    running = lifecycle.claim(queued, "b/1", "worker", "token", lease=1100.0, now=999.0)
    assert running
    told = whole(running, Timing(1000.0, {"download": Hop(1, 2)}))
    assert list(told.hops.items()) == [("listing", Hop(-20, 4)), ("queue", Hop(-15, 14)), ("download", Hop(1, 2))]


def test_a_wait_begins_when_it_was_queued_last_and_is_never_below_0() -> None:
    entry: Entry | None = lifecycle.queue(None, Entry(PARTITION, State.planned, "b/1"), now=100.0, live=False)
    entry = lifecycle.claim(entry, "b/1", "one", "t1", lease=200.0, now=110.0)
    entry = lifecycle.release(entry, "t1", now=120.0) if entry else None
    entry = lifecycle.claim(entry, "b/1", "two", "t2", lease=300.0, now=119.0)  # its clock is behind
    assert entry
    assert whole(entry, Timing(119.0, {})).hops["queue"] == Hop(1, 0)


def outcome(number: int, state: State = State.succeeded, **found: Any) -> Outcome:
    """A partition that waits 10 seconds, downloads 4 and measures 2 of them at the same time."""
    hops = {"queue": Hop(-10, 10), "download": Hop(0, 4, 100), "measure": Hop(2, 3)}
    timing = Timing(1000.0 + number, hops).to_json()
    return Outcome("2015-01", f"g{number:04}", state, details={"timing": timing, "seconds": 6.0} | found)


def test_sums_medians_shares_and_what_is_in_no_hop() -> None:
    found = where_time_went(Status(BACKFILL, [outcome(0), outcome(4, seconds=10.0)]))
    totals = {one.name: one for one in found.hops}
    assert list(totals) == ["queue", "download", "measure"]
    assert (totals["download"].seconds, totals["download"].median, totals["download"].bytes) == (8, 4, 200)
    assert (totals["download"].share, totals["measure"].share, totals["queue"].share) == (0.5, 0.375, None)
    assert (found.worked, found.other) == (16, 6), "of 6 and 10 seconds 5 each are in a hop"
    assert (found.began, found.seconds) == (990, 19)
    assert [one.group for one in found.slowest] == ["g0004", "g0000"]


def test_the_listing_of_a_point_counts_once_for_its_groups() -> None:
    listing = Timing(900.0, {"listing": Hop(0, 5)}).to_json()
    found = where_time_went(Status(BACKFILL, [outcome(n, timing=listing) for n in range(3)]))
    assert (found.hops[0].partitions, found.hops[0].seconds) == (1, 5)


def test_what_was_up_to_date_has_no_times_and_old_records_are_counted() -> None:
    every = [outcome(0, State.skipped), outcome(1, timing={}), outcome(2, State.failed)]
    found = where_time_went(Status(BACKFILL, every))
    assert (found.partitions, found.unknown) == (1, 1)
    nothing = where_time_went(Status(BACKFILL, []))
    assert (nothing.partitions, nothing.began, nothing.hops) == (0, None, [])


def test_time_in_which_nothing_went_on_is_left_out() -> None:
    later = Timing(1000.0 + 86_400, {"download": Hop(0, 5)}).to_json()
    found = where_time_went(Status(BACKFILL, [outcome(0), outcome(1, timing=later)]))
    assert (found.seconds, found.idle) == (20, 86_400 - 5)


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 200)), min_size=1))
def test_the_axis_never_goes_back_and_ends_with_its_length(given: list[tuple[int, int]]) -> None:
    spans = [(start, start + length) for start, length in given]
    axis = Axis([(float(start), float(end)) for start, end in spans])
    moments = sorted({float(moment) for span in spans for moment in span})
    places = [axis.at(moment) for moment in moments]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, axis.length)
    assert axis.length + axis.idle == moments[-1] - moments[0]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=20))
def test_what_is_spread_over_time_adds_up_to_what_was_taken(given: list[tuple[int, int]]) -> None:
    every = [outcome(0, timing=Timing(1000.0, {"download": Hop(start, seconds)}).to_json()) for start, seconds in given]
    found = where_time_went(Status(BACKFILL, every))
    values = found.moments.hops["download"]
    assert len(values) == COLUMNS
    total = sum(values) * found.seconds / COLUMNS
    assert total == pytest.approx(found.hops[0].seconds, rel=0.02, abs=0.2)
    assert max(values) <= len(every) + 1e-6


def test_a_hop_that_was_in_now_and_then_counts_as_much_as_it_took() -> None:
    timing = Timing(1000.0, {"download": Hop(0, 60), "connection": Hop(0, 15, 0, 60)}).to_json()
    found = where_time_went(Status(BACKFILL, [outcome(0, timing=timing)]))
    assert found.moments.hops["connection"] == [0.25] * COLUMNS


def test_a_hundred_thousand_partitions_are_told_in_few_numbers() -> None:
    every = [outcome(number) for number in range(100_000)]
    told = TimingAnswer.of("b", where_time_went(Status(BACKFILL, every), limit=20))
    assert len(told.slowest) == 20
    assert len(told.model_dump_json()) < 20_000


def test_times_survive_the_record_of_a_run() -> None:
    found = Status(BACKFILL, [outcome(0), outcome(1, State.failed)])
    assert where_time_went(from_record(to_record(found))) == where_time_went(found)


@pytest.fixture
def page(capsys: pytest.CaptureFixture[str]) -> Callable[[Status], list[str]]:
    def tell(found: Status) -> list[str]:
        shown.tell(TimingAnswer.of("b", where_time_went(found)))
        return capsys.readouterr().out.splitlines()

    return tell


def test_the_terminal_shows_hops_moments_and_the_slowest(page: Callable[[Status], list[str]]) -> None:
    lines = page(Status(BACKFILL, [outcome(0), outcome(4, seconds=10.0)]))
    assert lines[0] == "2 partitions, 16 s of workers in 19 s, of which 6.0 s in no step"
    assert any(line.split()[:6] == ["d", "download", "2", "8.0", "s", "50"] for line in lines)
    bars = [line for line in lines if line.startswith("2015-01 g0004")]
    assert "dm" in bars[0], "hops that overlap take turns"
    assert bars[0].endswith("10 s")
    assert max(map(len, lines[8:])) <= shown.PLAIN_WIDTH


def test_the_terminal_says_that_nothing_is_known(page: Callable[[Status], list[str]]) -> None:
    assert page(Status(BACKFILL, [])) == ["no partition has its times yet"]
    assert page(Status(BACKFILL, [outcome(0, timing={})])) == ["no partition has its times yet: 1 have ended without"]


def test_a_name_of_a_stranger_cannot_steer_the_terminal(page: Callable[[Status], list[str]]) -> None:
    hostile = outcome(0)._replace(group="\x1b[31mred")
    assert not any("\x1b" in line for line in page(Status(BACKFILL, [hostile])))


def test_every_hop_has_a_letter_of_its_own() -> None:
    assert list(shown.SIGNS) == list(HOPS)
    assert len({letter for letter, _ in shown.SIGNS.values()}) == len(HOPS)
