"""What happened between two looks at a backfill, and how fast it goes: by hand."""

from dataclasses import replace

from pileus.backfills.events import Event, changes
from pileus.backfills.progress import Pace
from pileus.backfills.record import Outcome
from pileus.backfills.status import Status
from pileus.lifecycle.backfill import Backfill
from pileus.models import State

BACKFILL = Backfill("b", "c", "001", "2015-01", "2015-12", "month")


def status(*states: str, run: int = 1, state: str = "running", size: int = 0, why: str = "") -> Status:
    """A month for each state, in order."""
    outcomes = [
        Outcome(f"2015-{number:02}", "g", State(one), why if one == "failed" else "", size, size)
        for number, one in enumerate(states, 1)
    ]
    return Status(replace(BACKFILL, run=run, state=state), outcomes)  # type: ignore[arg-type]


def test_the_first_look_tells_of_the_run_alone() -> None:
    assert changes(None, status("succeeded", "running")) == [Event("run", text="run 1 of b began")]


def test_each_partition_whose_state_changed_is_one_event() -> None:
    before = status("running", "queued", "planned", "succeeded")
    after = status("succeeded", "running", "queued", "succeeded")
    assert changes(before, after) == [
        Event("succeeded", "2015-01", "g"),
        Event("running", "2015-02", "g"),
        Event("queued", "2015-03", "g"),
    ]


def test_a_failure_tells_its_reason_and_what_comes_after_it_is_a_retry() -> None:
    failed = status("failed", why="Corrupt: its size differs")
    assert changes(status("running"), failed) == [Event("failed", "2015-01", "g", "Corrupt: its size differs")]
    again = status("queued", run=2)
    assert changes(failed, again) == [Event("run", text="run 2 of b began"), Event("retried", "2015-01", "g")]


def test_what_a_worker_gave_back_is_a_retry() -> None:
    assert changes(status("running"), status("queued")) == [Event("retried", "2015-01", "g")]


def test_the_end_of_the_backfill_comes_last() -> None:
    told = changes(status("running"), status("succeeded", state="succeeded"))
    assert [one.kind for one in told] == ["succeeded", "backfill"]
    assert told[-1].text == "succeeded"


def test_nothing_happened_is_nothing() -> None:
    assert changes(status("running"), status("running")) == []


def test_three_of_ten_in_a_minute_leave_seven_for_two_minutes_and_a_third() -> None:
    pace = Pace()
    pace.progress(0, status(*["running"] * 10))
    told = pace.progress(60, status(*["succeeded"] * 3, *["running"] * 7, size=100))
    assert (told.ended, told.total, told.per_minute) == (3, 10, 3)
    assert told.seconds_left == 140
    assert told.bytes_per_minute == 1000
    assert told.running == tuple(f"2015-{n:02}" for n in range(4, 11))


def test_two_tell_nothing_yet() -> None:
    pace = Pace()
    pace.progress(0, status(*["running"] * 10))
    told = pace.progress(60, status("succeeded", "succeeded", *["running"] * 8))
    assert (told.per_minute, told.seconds_left) == (None, None)


def test_the_rate_is_that_of_the_last_three_minutes() -> None:
    pace = Pace()
    pace.progress(0, status(*["planned"] * 12))
    for minute, ended in enumerate([6, 7, 8, 9, 10], 1):
        told = pace.progress(60 * minute, status(*["succeeded"] * ended, *["planned"] * (12 - ended)))
    assert told.per_minute == 1, "from the second minute to the fifth: 7 to 10"
    assert told.seconds_left == 120


def test_a_new_run_begins_anew() -> None:
    pace = Pace()
    pace.progress(0, status(*["running"] * 5))
    pace.progress(60, status(*["failed"] * 5, state="failed"))
    told = pace.progress(61, status(*["queued"] * 5, run=2))
    assert (told.ended, told.per_minute) == (0, None)


def test_what_is_over_has_no_time_left() -> None:
    pace = Pace()
    pace.progress(0, status(*["running"] * 5))
    assert pace.progress(60, status(*["succeeded"] * 5, state="succeeded")).seconds_left is None
