"""The past of an entry: every step of its life is written down, in every run of its backfill."""

from dataclasses import replace

from pileus import lifecycle
from pileus.lifecycle.partition import PAST, Entry, Failure, Step
from pileus.models import Partition, State

PLACE = Partition("viirs", "001", "2015-01", "g")


def wanted(run: str, reason: str = "new") -> Entry:
    return Entry(PLACE, State.planned, run, reason=reason)


def some(entry: Entry | None) -> Entry:
    assert entry is not None
    return entry


def lived() -> Entry:
    """Queued, taken, handed back, taken, silent, taken by another, failed; then retried with success."""
    entry = some(lifecycle.queue(None, wanted("b/1"), now=1, live=False))
    entry = some(lifecycle.claim(entry, "b/1", "w1", "t1", lease=10, now=2))
    entry = some(lifecycle.renew(entry, "t1", lease=12, now=3))
    entry = some(lifecycle.release(entry, "t1", now=4))
    entry = some(lifecycle.claim(entry, "b/1", "w2", "t2", lease=10, now=5))
    entry = some(lifecycle.claim(entry, "b/1", "w3", "t3", lease=30, now=20))
    entry = some(lifecycle.finish(entry, "t3", State.failed, now=21, failure=Failure("ArchiveError", "is cut")))
    entry = some(lifecycle.queue(entry, wanted("b/2", "failed before"), now=30, live=False))
    entry = some(lifecycle.claim(entry, "b/2", "w1", "t4", lease=40, now=31))
    return some(lifecycle.finish(entry, "t4", State.succeeded, now=32, reason=""))


def test_every_step_is_told_with_its_run_its_state_and_why() -> None:
    assert [tuple(step) for step in lived().past] == [
        (1, 1, "queued", "new"),
        (2, 1, "running", "w1, attempt 1"),
        (4, 1, "queued", "handed back by w1"),
        (5, 1, "running", "w2, attempt 1"),
        (20, 1, "running", "w3, attempt 2, after w2 was silent"),
        (21, 1, "failed", "ArchiveError: is cut"),
        (30, 2, "queued", "failed before"),
        (31, 2, "running", "w1, attempt 1"),
        (32, 2, "succeeded", ""),
    ]


def test_it_survives_json() -> None:
    assert Entry.from_json(lived().to_json()) == lived()


def test_another_backfill_begins_with_its_own() -> None:
    entry = some(lifecycle.queue(lived(), wanted("other/1"), now=50, live=False))
    assert entry.past == (Step(50, 1, "queued", "new"),)


def test_a_wait_and_a_failure_before_the_queue_are_told() -> None:
    entry = some(lifecycle.wait(None, wanted("b/1", "waits for h17v08"), now=1, live=False))
    entry = some(lifecycle.fail(entry, wanted("b/2", "y"), Failure("SetAside", "two files"), now=2, live=False))
    assert [(step.run, step.state, step.text) for step in entry.past] == [
        (1, "waiting", "waits for h17v08"),
        (2, "failed", "SetAside: two files"),
    ]


def test_only_the_latest_are_kept() -> None:
    entry = some(lifecycle.queue(None, wanted("b/1"), now=1, live=False))
    for number in range(PAST):
        entry = some(lifecycle.claim(entry, "b/1", "w", f"t{number}", lease=10**9, now=number))
        entry = some(lifecycle.release(entry, f"t{number}", now=number + 0.5))
    assert len(entry.past) == PAST
    assert entry.past[-1] == Step(PAST - 0.5, 1, "queued", "handed back by w")


def test_an_entry_of_before_has_none() -> None:
    assert Entry.from_json({"partition": PLACE.key, "state": "failed", "run": "b/1"}).past == ()
    assert "past" not in replace(lived(), past=()).to_json()
