"""The life of a partition: what may follow what, whatever order events arrive in."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest

from pileus import lifecycle
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition, State

PARTITION = Partition("viirs", "001", "2015-01", "20150101")
RANK = {State.queued: 0, State.running: 1, State.succeeded: 2, State.failed: 2, State.cancelled: 2}


def wanted(run: str = "b/1") -> Entry:
    return Entry(PARTITION, State.planned, run, fingerprint="f")


def queued(run: str = "b/1") -> Entry:
    entry = lifecycle.queue(None, wanted(run), now=0, live=False)
    assert entry is not None
    return entry


def running(owner: str = "w1", lease: float = 10) -> Entry:
    entry = lifecycle.claim(queued(), "b/1", owner, owner, lease=lease, now=0)  # the token, too, is its name
    assert entry is not None
    return entry


EVENTS = {
    "queue": lambda e: lifecycle.queue(e, wanted(), now=5, live=True),
    "claim by w1": lambda e: lifecycle.claim(e, "b/1", "w1", "w1", lease=30, now=5),
    "claim by w2": lambda e: lifecycle.claim(e, "b/1", "w2", "w2", lease=30, now=5),
    "w1 succeeds": lambda e: e and lifecycle.finish(e, "w1", State.succeeded, now=5, manifest="m"),
    "w2 fails": lambda e: e and lifecycle.finish(e, "w2", State.failed, now=5, failure=Failure("X", "x")),
    "time-out": lambda e: lifecycle.give_up(e, "b/1", Failure("States.Timeout", "late"), now=5),
}


@pytest.mark.parametrize("order", list(permutations(EVENTS)), ids=lambda order: " > ".join(order))
def test_no_order_or_repetition_of_events_moves_it_backwards(order: tuple[str, ...]) -> None:
    entry: Entry | None = None
    for name in order + order:  # each event once, then all of them again
        following = EVENTS[name](entry)
        if following is None or following is entry:
            continue
        if entry is not None:
            assert RANK[following.state] >= RANK[entry.state], name
            assert not entry.state.ended, f"{name} came after the end"
            assert following.tag == entry.tag, "the index gives the next one"
        entry = following


def test_only_one_of_two_workers_gets_it() -> None:
    assert lifecycle.claim(running("w1"), "b/1", "w2", "w2", lease=30, now=5) is None


def test_a_claim_that_ran_out_is_taken_over_and_the_loser_can_tell_nothing() -> None:
    taken = lifecycle.claim(running("w1", lease=10), "b/1", "w2", "w2", lease=30, now=10)
    assert taken is not None
    assert (taken.owner, taken.attempt) == ("w2", 2)
    assert lifecycle.finish(taken, "w1", State.failed, now=11) is None


def test_handed_back_it_can_be_claimed_at_once() -> None:
    back = lifecycle.release(running(), "w1", now=5)
    assert back is not None
    assert lifecycle.claim(back, "b/1", "w2", "w2", lease=30, now=5) is not None


def test_a_message_of_an_older_run_claims_nothing() -> None:
    assert lifecycle.claim(queued("b/2"), "b/1", "w1", "w1", lease=30, now=5) is None


def test_another_backfill_leaves_what_a_live_one_has_queued() -> None:
    assert lifecycle.queue(queued("a/1"), wanted("b/1"), now=5, live=True) is None


def test_another_backfill_takes_what_a_dead_one_left() -> None:
    assert lifecycle.queue(queued("a/1"), wanted("b/1"), now=5, live=False) is not None


def test_a_worker_that_still_has_it_keeps_it_even_from_a_new_run() -> None:
    assert lifecycle.queue(running(lease=10), wanted("b/2"), now=5, live=False) is None


def test_a_step_that_the_workflow_repeats_queues_the_same_again() -> None:
    assert lifecycle.queue(queued(), wanted(), now=9, live=True) == queued()


def test_queued_anew_it_remembers_its_last_success() -> None:
    done = lifecycle.finish(running(), "w1", State.succeeded, now=5, manifest="s3://m")
    assert done is not None
    again = lifecycle.queue(done, wanted("b/2"), now=6, live=False)
    assert again is not None
    assert again.manifest == "s3://m"


def test_an_entry_survives_json() -> None:
    entry = lifecycle.finish(
        running(), "w1", State.failed, now=5, failure=Failure("Busy", "503", "http://x"), downloaded=3
    )
    assert entry is not None
    assert Entry.from_json(entry.to_json()) == entry


@pytest.mark.parametrize(
    ("state", "backfill", "run_ended", "lease", "seen"),
    [
        (State.succeeded, "b", False, 0, State.succeeded),
        (State.succeeded, "other", False, 0, State.skipped),
        (State.queued, "b", False, 0, State.queued),
        (State.queued, "b", True, 0, State.cancelled),
        (State.running, "b", True, 99, State.running),
        (State.running, "b", True, 1, State.cancelled),
        (State.failed, "other", False, 0, State.planned),  # this backfill has not looked at it yet
        (State.running, "other", False, 99, State.queued),  # it comes after the other
    ],
)
def test_what_a_backfill_sees(state: State, backfill: str, run_ended: bool, lease: float, seen: State) -> None:
    entry = Entry(PARTITION, state, "b/1", lease=lease)
    assert lifecycle.seen_from(entry, backfill, run_ended=run_ended, now=50) is seen


@pytest.mark.parametrize("step", [lifecycle.queue, lifecycle.wait])
def test_a_step_of_an_older_run_that_was_held_up_changes_nothing_of_a_newer_one(
    step: Callable[..., Entry | None],
) -> None:
    newer = replace(wanted("b/10"), state=State.succeeded)
    assert step(newer, wanted("b/9"), now=5, live=False) is None
    assert step(newer, wanted("b/11"), now=5, live=False) is not None
    assert step(newer, wanted("other/1"), now=5, live=False) is not None
