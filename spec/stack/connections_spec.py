"""The connection budget among real processes."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from pileus.edges.aws import Aws
from pileus.edges.budget_table import BudgetTable, DynamoBudgetTable
from pileus.edges.shared_connections import SharedConnections
from pileus.errors import UsageError
from spec.servers import Site
from spec.servers.faulty import faulty
from spec.servers.fetch import fetch
from spec.support.budget_table import make_budget_table
from spec.support.forked import FORKING


def test_twenty_workers_one_of_them_killed_stay_within_ten_and_bring_all(aws: Site, tmp_path: Path) -> None:
    table = make_budget_table(aws)
    files = {f"/{worker:02}-{number}.bin": os.urandom(20_000) for worker in range(20) for number in range(4)}
    seconds = 5.0

    def start(worker: int) -> Any:
        names = [path[1:] for path in files if path.startswith(f"/{worker:02}-")]
        folder = tmp_path / str(worker)
        made = FORKING.Process(target=fetch, args=(site.host, aws.url, table, seconds, folder, names))
        made.start()
        return made

    killed = threading.Event()

    def plan(path: str) -> str:
        """The first worker waits in the middle of a file until it is killed."""
        return "stall" if path.startswith("/00-") and not killed.is_set() else "slow"

    with faulty(files, plan) as site:
        running = [start(worker) for worker in range(20)]
        try:
            _wait_for(site.asked, "/00-")
            running[0].kill()
            running[0].join(30)
            assert running[0].exitcode == -signal.SIGKILL
            killed.set()
            running.append(start(0))
            for process in running:
                process.join(120)
            assert [process.exitcode for process in running].count(0) == 20
        finally:
            for process in running:
                process.kill()
        assert site.most <= 10
        _all_ten_come_back(DynamoBudgetTable(Aws(aws.url).dynamodb, table), seconds)
    for path, body in files.items():
        assert (tmp_path / str(int(path[1:3])) / path[1:]).read_bytes() == body


def _wait_for(asked: list[tuple[str, str, str | None]], prefix: str) -> None:
    """Wait until a path with this beginning was asked for."""
    deadline = time.monotonic() + 60
    while not any(path.startswith(prefix) for _, path, _ in list(asked)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _all_ten_come_back(table: BudgetTable, seconds: float) -> None:
    """Within two lives of a lease, one worker alone can hold all ten."""
    deadline = time.monotonic() + 2 * seconds

    def pulse() -> None:
        if time.monotonic() > deadline:
            raise UsageError("a lease is lost")

    connections = SharedConnections(table, seconds=seconds)
    for lease in [connections.acquire("site", 10, pulse) for _ in range(10)]:
        lease.release()
