"""The connection budget: never above the limit, shared fairly, and nothing is lost with a worker."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.edges.connections import Connections, LocalConnections
from pileus.edges.dynamo_connections import Budget, DynamoConnections
from pileus.errors import StoreError, UsageError
from spec.servers import Site
from spec.servers.faulty import faulty
from spec.servers.sessions import aws_client

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def table(aws: Site) -> Any:
    """A table as the stack makes it, and a client."""
    client: Any = aws_client(aws, "dynamodb")
    client.create_table(
        TableName="connections",
        KeySchema=[{"AttributeName": "provider", "KeyType": "HASH"}, {"AttributeName": "lease", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("provider", "lease")],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


@pytest.fixture(params=["local", "dynamodb"])
def connections(request: pytest.FixtureRequest) -> Connections:
    if request.param == "local":
        return LocalConnections()
    return DynamoConnections(request.getfixturevalue("table"), "connections", poll_seconds=0.01)


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


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def test_a_lease_that_is_not_renewed_is_free_after_its_expiry(table: Any) -> None:
    clock = Clock()
    dead = DynamoConnections(table, "connections", seconds=300, now=clock)
    dead.acquire("expiry", 1)
    heir = DynamoConnections(table, "connections", seconds=300, now=clock)
    clock.time += 299
    with pytest.raises(UsageError):
        heir.acquire("expiry", 1, impatient)
    clock.time += 2
    heir.acquire("expiry", 1, impatient).release()


def test_a_lease_is_renewed_while_it_is_held(table: Any) -> None:
    holder = DynamoConnections(table, "connections", seconds=0.6)
    other = DynamoConnections(table, "connections", seconds=0.6, poll_seconds=0.05)
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


def test_a_worker_with_fewer_connections_goes_first(table: Any) -> None:
    greedy = DynamoConnections(table, "connections", worker="greedy")
    modest = DynamoConnections(table, "connections", worker="modest", poll_seconds=0.01)
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
    with pytest.raises(UsageError):
        greedy.acquire("fair", 3, impatient)
    assert got.wait(10)
    enough.set()
    waiter.join()
    for lease in leases:
        lease.release()


def test_a_table_that_is_not_there_is_a_store_error(table: Any) -> None:
    with pytest.raises(StoreError, match="the connection budget cannot be kept"):
        DynamoConnections(table, "elsewhere").acquire("site", 1)


workers = st.sampled_from("abcd")
spans = st.tuples(st.integers(0, 9).map(float), st.integers(0, 9).map(float))
budgets = st.builds(
    Budget,
    leases=st.dictionaries(st.uuids().map(str), st.tuples(workers, st.integers(0, 9).map(float)), max_size=6),
    waiting=st.dictionaries(workers, spans, max_size=4),
)


@given(budget=budgets)
def test_a_budget_survives_its_writing_down(budget: Budget) -> None:
    assert Budget.from_json(budget.to_json()) == budget


@given(budget=budgets, limit=st.integers(1, 6))
def test_a_free_connection_is_always_for_somebody_who_waits(budget: Budget, limit: int) -> None:
    budget = budget.alive(4.0)
    takers = [worker for worker in budget.waiting if budget.may_take(worker, limit)]
    assert len(takers) == max(0, min(limit - len(budget.leases), len(budget.waiting)))


@given(steps=st.lists(st.tuples(workers, st.booleans()), max_size=60), limit=st.integers(1, 4))
def test_any_sequence_of_taking_and_giving_back_keeps_the_limit_and_the_balance(
    steps: list[tuple[str, bool]], limit: int
) -> None:
    budget = Budget({}, {worker: (float(place), 9.0) for place, worker in enumerate("abcd")})
    for number, (worker, takes) in enumerate(steps):
        leases = dict(budget.leases)
        if takes and budget.may_take(worker, limit):
            leases[str(number)] = (worker, 9.0)
        elif not takes and (mine := [lease for lease, (owner, _) in leases.items() if owner == worker]):
            del leases[mine[0]]
        budget = Budget(leases, budget.waiting)
        assert len(budget.leases) <= limit
    if all(takes for _, takes in steps):
        held = Counter({worker: budget.held(worker) for worker in "abcd"})
        assert max(held.values()) - min(held.values()) <= 1


def test_twenty_workers_one_of_them_killed_stay_within_ten_and_bring_all(aws: Site, table: Any, tmp_path: Path) -> None:
    files = {f"/{worker:02}-{number}.bin": os.urandom(20_000) for worker in range(20) for number in range(4)}
    seconds = 5.0

    def start(worker: int) -> "subprocess.Popen[bytes]":
        names = [path[1:] for path in files if path.startswith(f"/{worker:02}-")]
        command = [sys.executable, "-m", "spec.servers.fetch", site.host, aws.url, "connections", "10", str(seconds)]
        return subprocess.Popen([*command, str(tmp_path / str(worker)), *names], cwd=ROOT)

    with faulty(files, lambda path: "slow") as site:
        running = [start(worker) for worker in range(20)]
        try:
            victim = _first_to_ask(site.asked)
            running[victim].send_signal(signal.SIGKILL)
            assert running[victim].wait(30) == -signal.SIGKILL
            again = start(victim)
            running.append(again)
            assert [process.wait(120) for process in running].count(0) == 20
        finally:
            for process in running:
                process.kill()
        assert 5 <= site.most <= 10
        _all_ten_come_back(table, seconds)
    for path, body in files.items():
        assert (tmp_path / str(int(path[1:3])) / path[1:]).read_bytes() == body


def _first_to_ask(asked: list[tuple[str, str, str | None]]) -> int:
    deadline = time.monotonic() + 60
    while not asked and time.monotonic() < deadline:
        time.sleep(0.01)
    return int(asked[0][1][1:3])


def _all_ten_come_back(table: Any, seconds: float) -> None:
    """Within the life of a lease, one worker alone can hold all ten."""
    deadline = time.monotonic() + seconds

    def pulse() -> None:
        if time.monotonic() > deadline:
            raise UsageError("a lease is lost")

    connections = DynamoConnections(table, "connections", seconds=seconds)
    for lease in [connections.acquire("site", 10, pulse) for _ in range(10)]:
        lease.release()
