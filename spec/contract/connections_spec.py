"""The connection budget: never above the limit, shared fairly, and nothing is lost with a worker."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from pileus.edges.aws import Aws
from pileus.edges.budget_table import BudgetTable, DynamoBudgetTable
from pileus.edges.connections import Connections, LocalConnections
from pileus.edges.shared_connections import SharedConnections
from pileus.errors import StoreError, UsageError
from pileus.pace import Threads
from spec.servers import Site
from spec.support.budget_table import MemoryBudgetTable, make_budget_table


@pytest.fixture(scope="module")
def aws_table(aws: Site) -> BudgetTable:
    """A table as the stack makes it."""
    return DynamoBudgetTable(Aws(aws.url).dynamodb, make_budget_table(aws))


@pytest.fixture(params=["memory", "dynamodb"])
def table(request: pytest.FixtureRequest) -> BudgetTable:
    return MemoryBudgetTable() if request.param == "memory" else request.getfixturevalue("aws_table")


@pytest.fixture(params=["local", "memory", "dynamodb"])
def connections(request: pytest.FixtureRequest) -> Connections:
    if request.param == "local":
        return LocalConnections()
    table = MemoryBudgetTable() if request.param == "memory" else request.getfixturevalue("aws_table")
    return SharedConnections(table, poll_seconds=0.01)


def impatient() -> None:
    raise UsageError("enough")


def test_no_more_than_the_limit_are_lent(connections: Connections) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connections.acquire("limit", 3))
        with pytest.raises(UsageError):
            connections.acquire("limit", 3, impatient)
    connections.acquire("limit", 3, impatient).release()


def test_providers_have_budgets_of_their_own(connections: Connections) -> None:
    with connections.acquire("one", 1), connections.acquire("other", 1, impatient):
        pass


def test_giving_back_twice_is_harmless(connections: Connections) -> None:
    first = connections.acquire("twice", 1)
    first.release()
    second = connections.acquire("twice", 1)
    first.release()
    with pytest.raises(UsageError):
        connections.acquire("twice", 1, impatient)
    second.release()


def test_a_holder_learns_that_somebody_waits_and_hands_over(connections: Connections) -> None:
    held = connections.acquire("handover", 1)
    assert not held.contended
    got = threading.Event()

    def wait() -> None:
        with connections.acquire("handover", 1):
            got.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    deadline = time.monotonic() + 10
    while not held.contended and time.monotonic() < deadline:
        time.sleep(0.01)
    assert held.contended
    assert not got.is_set()
    held.release()
    assert got.wait(10)
    waiter.join()


def test_many_threads_are_never_above_the_limit(connections: Connections) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal now, most
        for _ in range(5):
            with connections.acquire("threads", 3):
                with lock:
                    now += 1
                    most = max(most, now)
                time.sleep(0.001)
                with lock:
                    now -= 1

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert now == 0
    assert 1 <= most <= 3


def test_workers_that_write_at_the_same_time_try_again(table: BudgetTable) -> None:
    workers = [SharedConnections(table, poll_seconds=0.01, worker=name) for name in "abcd"]

    def work(worker: SharedConnections) -> int:
        for _ in range(5):
            worker.acquire("racing", 4).release()
        return 5

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, workers)) == [5] * 4


@dataclass
class Clock(Threads):
    """Real threads, whose clock is set, and which wait for a moment only."""

    time: float = 0.0

    def clock(self) -> float:
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(min(seconds, 0.01))


class Frozen(Clock):
    """A worker that never renews a lease."""

    def spawn(self, work: Callable[[], None], name: str) -> threading.Thread:
        return threading.Thread()


def tried(connections: Connections, provider: str, limit: int = 1) -> bool:
    """Whether a connection can be had at once. It is given back."""
    with suppress(UsageError):
        connections.acquire(provider, limit, impatient).release()
        return True
    return False


@pytest.mark.parametrize("ahead", [0, 86_400, -86_400], ids=["same clock", "a day ahead", "a day behind"])
def test_a_lease_that_is_not_renewed_is_free_after_its_life_on_the_readers_clock(
    table: BudgetTable, ahead: float
) -> None:
    dead, reader = Frozen(), Frozen(ahead)
    site = uuid4().hex
    SharedConnections(table, seconds=300, pace=dead).acquire(site, 1)
    heir = SharedConnections(table, seconds=300, pace=reader)
    assert not tried(heir, site)
    reader.time += 300
    assert not tried(heir, site)
    reader.time += 100
    assert tried(heir, site)


def test_a_worker_counts_its_lease_as_lost_before_anybody_takes_it(table: BudgetTable) -> None:
    clock = Frozen()
    lease = SharedConnections(table, seconds=300, pace=clock).acquire(uuid4().hex, 1)
    clock.time += 299
    assert not lease.lost
    clock.time += 2
    assert lease.lost


def test_a_worker_that_wakes_after_it_was_cleared_has_nothing_and_begins_anew(table: BudgetTable) -> None:
    site, sleeper_clock, clock = uuid4().hex, Frozen(), Frozen()
    sleeper = SharedConnections(table, seconds=300, pace=sleeper_clock)
    heir = SharedConnections(table, seconds=300, pace=clock)
    lost = sleeper.acquire(site, 2)
    assert tried(heir, site, 2)
    clock.time += 1000
    held = [heir.acquire(site, 2, impatient) for _ in range(2)]
    assert not tried(sleeper, site, 2)
    assert lost.lost
    lost.release()
    assert not tried(sleeper, site, 2)
    held[0].release()
    assert tried(sleeper, site, 2)


def test_a_slot_whose_taking_arrives_when_nobody_waits_for_it_is_not_lost(table: BudgetTable) -> None:
    site = uuid4().hex
    table.take(site, 0, "gave-up", "late")
    connections = SharedConnections(table, poll_seconds=0.01)
    with connections.acquire(site, 1, bounded(5)):
        assert not tried(SharedConnections(table), site)


def bounded(seconds: float) -> Callable[[], None]:
    """Return a pulse that ends the wait after so many seconds."""
    deadline = time.monotonic() + seconds

    def pulse() -> None:
        if time.monotonic() > deadline:
            raise UsageError("waited for too long")

    return pulse


def test_who_does_not_wait_leaves_nothing_behind(table: BudgetTable) -> None:
    site = uuid4().hex
    with SharedConnections(table, worker="holder").acquire(site, 1):
        assert not tried(SharedConnections(table, worker="other"), site)
        (left,) = table.holders(site)
        assert left.worker.startswith("holder.")
    assert table.holders(site) == []


def test_a_lease_is_renewed_while_it_is_held(table: BudgetTable) -> None:
    holder = SharedConnections(table, seconds=0.6)
    other = SharedConnections(table, seconds=0.6, poll_seconds=0.05)
    with holder.acquire("renewal", 1) as lease:
        tries = 0

        def pulse() -> None:
            nonlocal tries
            tries += 1
            if tries > 30:
                raise UsageError("held all the time")

        with pytest.raises(UsageError, match="held all the time"):
            other.acquire("renewal", 1, pulse)
        assert not lease.lost


def test_a_worker_with_fewer_connections_goes_first(table: BudgetTable) -> None:
    greedy = SharedConnections(table, worker="greedy")
    modest = SharedConnections(table, worker="modest", poll_seconds=0.01)
    leases = [greedy.acquire("fair", 3) for _ in range(3)]
    got, enough = threading.Event(), threading.Event()

    def wait() -> None:
        with modest.acquire("fair", 3):
            got.set()
            enough.wait(30)

    waiter = threading.Thread(target=wait)
    waiter.start()
    deadline = time.monotonic() + 10
    while not leases[0].contended and time.monotonic() < deadline:
        time.sleep(0.01)
    leases[0].release()
    assert not tried(greedy, "fair", 3)
    assert got.wait(10)
    enough.set()
    waiter.join()
    for lease in leases:
        lease.release()


def test_a_table_that_is_not_there_is_a_store_error(aws: Site) -> None:
    with pytest.raises(StoreError, match="DynamoDB refused"):
        SharedConnections(DynamoBudgetTable(Aws(aws.url).dynamodb, "elsewhere")).acquire("site", 1)


class Counted(MemoryBudgetTable):
    """Counts the writes of each item."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: dict[str, int] = {}

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("put", "remove", "take", "free"):
            return found

        def counted(provider: str, *args: Any, **named: Any) -> Any:
            item = getattr(args[0], "worker", args[0])
            self.writes[str(item)] = self.writes.get(str(item), 0) + 1
            return found(provider, *args, **named)

        return counted


def test_no_item_is_written_by_all_workers() -> None:
    """200 workers with 5 of 1,000 connections each: an item sees what its own worker does, and little more."""
    table = Counted()
    workers = [SharedConnections(table, pace=Frozen(), worker=f"w{number}") for number in range(200)]
    leases = [worker.acquire("site", 1000) for worker in workers for _ in range(5)]
    assert len(table.slots) == 1000
    for lease in leases:
        lease.release()
    assert max(table.writes.values()) <= 12
    assert not table.slots
