"""A worker that dies at once is started again after a pause that doubles; one that lived is started at once."""

import pytest

from pileus.embedded.restarts import Restarts


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pause_of(restarts: Restarts, clock: Clock, lives: float) -> float:
    """Seconds between the death of a process that lived for so long and its next start."""
    restarts.started("worker-0")
    clock.now += lives
    died = clock.now
    while not restarts.may_start("worker-0"):
        clock.now += 0.25
    return clock.now - died


def test_pauses_double_up_to_half_a_minute(clock: Clock) -> None:
    restarts = Restarts(clock)
    assert [pause_of(restarts, clock, 0.1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_one_that_lived_for_a_while_starts_at_once_and_counts_anew(clock: Clock) -> None:
    restarts = Restarts(clock)
    assert [pause_of(restarts, clock, lives) for lives in (1, 1, 60, 1)] == [0.5, 1, 0, 0.5]


def test_each_process_has_a_pause_of_its_own(clock: Clock) -> None:
    restarts = Restarts(clock)
    pause_of(restarts, clock, 0.1)
    restarts.started("task-sum")
    clock.now += 60
    assert restarts.may_start("task-sum")
