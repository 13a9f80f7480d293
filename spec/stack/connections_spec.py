"""The connection budget among real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pileus.edges.aws import Aws
from pileus.edges.budget_table import BudgetTable, DynamoBudgetTable
from pileus.edges.shared_connections import SharedConnections
from pileus.errors import UsageError
from spec.servers import Site
from spec.servers.faulty import faulty
from spec.support.budget_table import make_budget_table

ROOT = Path(__file__).resolve().parents[2]


def test_twenty_workers_one_of_them_killed_stay_within_ten_and_bring_all(aws: Site, tmp_path: Path) -> None:
    table = make_budget_table(aws)
    files = {f"/{worker:02}-{number}.bin": os.urandom(20_000) for worker in range(20) for number in range(4)}
    seconds = 5.0

    def start(worker: int) -> "subprocess.Popen[bytes]":
        names = [path[1:] for path in files if path.startswith(f"/{worker:02}-")]
        command = [sys.executable, "-m", "spec.servers.fetch", site.host, aws.url, table, "10", str(seconds)]
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
        assert site.most <= 10
        _all_ten_come_back(DynamoBudgetTable(Aws(aws.url).dynamodb, table), seconds)
    for path, body in files.items():
        assert (tmp_path / str(int(path[1:3])) / path[1:]).read_bytes() == body


def _first_to_ask(asked: list[tuple[str, str, str | None]]) -> int:
    deadline = time.monotonic() + 60
    while not asked and time.monotonic() < deadline:
        time.sleep(0.01)
    return int(asked[0][1][1:3])


def _all_ten_come_back(table: BudgetTable, seconds: float) -> None:
    """Within two lives of a lease, one worker alone can hold all ten."""
    deadline = time.monotonic() + 2 * seconds

    def pulse() -> None:
        if time.monotonic() > deadline:
            raise UsageError("a lease is lost")

    connections = SharedConnections(table, seconds=seconds)
    for lease in [connections.acquire("site", 10, pulse) for _ in range(10)]:
        lease.release()
