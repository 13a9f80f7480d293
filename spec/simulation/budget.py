"""The connection budget of many processes, over one table, with faults at each call.

python -m spec.simulation.budget SEED [--count N]
"""

import argparse
from dataclasses import dataclass

from pileus.edges.connections import Lease
from pileus.edges.shared_connections import SharedConnections
from pileus.errors import PileusError, UsageError
from spec.simulation.edges import SimulatedBudgetTable
from spec.simulation.faults import Faults
from spec.simulation.pace import Pace
from spec.simulation.schedule import Process, Schedule

SITE = "site"
SECONDS = 20.0


@dataclass
class Held:
    """A lease that a process uses."""

    process: Process
    lease: Lease


class Skewed(Pace):
    """Waiting of one process, whose clock is far from the others'."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        self._offset = schedule.dice.uniform(-1e6, 1e6)

    def clock(self) -> float:
        return self._schedule.now + self._offset


class Contest:
    """Processes that take and give back connections until the faults are over."""

    def __init__(self, seed: int, *, verbose: bool = False) -> None:
        self.schedule = Schedule(seed, verbose=verbose)
        dice = self.schedule.dice
        self.limit, self.workers = dice.randint(1, 4), dice.randint(2, 6)
        self.table = SimulatedBudgetTable(self.schedule, lambda: False)
        self.held: list[Held] = []
        self.uses = 0
        self.violations: list[str] = []
        self._started = 0
        share = 0.02 * dice.random()
        self.schedule.faults = Faults(
            left=30, crash=share / 4, freeze=share / 4, refuse=share, lose=share, late=share, freeze_seconds=(1, 120)
        )

    def run(self) -> str:
        """Play it; what was violated, or ""."""
        for _ in range(self.workers):
            self._start()
        self.schedule.run(self.schedule.start + 600)
        self.schedule.faults = Faults()
        self.schedule.run(self.schedule.start + 900)
        self._all_come_back()
        self.violations += [f"{name} ended by {error!r}" for name, error in self.schedule.escaped]
        self.schedule.close()
        return "; ".join(self.violations[:2])

    def _connections(self, process: Process) -> SharedConnections:
        pace = Skewed(self.schedule)
        return SharedConnections(self.table, seconds=SECONDS, worker=process.name, pace=pace, dice=self.schedule.dice)

    def _start(self) -> None:
        """A process with one to three threads; another takes its place when it dies."""
        self._started += 1
        process = Process(f"p{self._started}", "worker")
        connections = self._connections(process)
        process.died = self._start
        for number in range(self.schedule.dice.randint(1, 3)):
            self.schedule.spawn(
                process, f"{process.name}.{number}", lambda: self._work(process, connections), after=0.1
            )

    def _work(self, process: Process, connections: SharedConnections) -> None:
        while self.schedule.now < self.schedule.start + 800:
            try:
                lease = connections.acquire(SITE, self.limit)
            except PileusError:
                self.schedule.sleep(1)
                continue
            held = Held(process, lease)
            self._begins(held)
            until = self.schedule.now + self.schedule.dice.uniform(0.1, 40)
            while self.schedule.now < until and not lease.contended:
                self.schedule.sleep(0.5)
            self.held.remove(held)
            lease.release()
            self.schedule.sleep(self.schedule.dice.uniform(0, 2))

    def _begins(self, held: Held) -> None:
        """A connection is opened: those that are used now are no more than the limit."""
        self.uses += 1
        self.held = [other for other in self.held if other.process.alive]
        self.held.append(held)
        now = self.schedule.now
        used = [one for one in self.held if not one.lease.lost and one.process.frozen <= now]
        if len(used) > self.limit:
            self.schedule.note(f"VIOLATION: used by {[(one.process.name, one.lease.id[:6]) for one in used]}")
            self.violations.append(f"{len(used)} of {self.limit} connections are used")

    def _all_come_back(self) -> None:
        """Check that one new process alone can have all connections, within two lease times."""
        process, got = Process("last", "worker"), []
        connections = self._connections(process)

        def work() -> None:
            until = self.schedule.now + 2 * SECONDS

            def pulse() -> None:
                if self.schedule.now > until:
                    raise UsageError("a slot is lost")

            try:
                got.extend(connections.acquire(SITE, self.limit, pulse) for _ in range(self.limit))
            except UsageError:
                self.violations.append(f"{len(got)} of {self.limit} connections came back")

        self.schedule.spawn(process, "last", work)
        self.schedule.run(self.schedule.now + 5 * SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--count", type=int, default=1)
    wanted = parser.parse_args()
    for seed in range(wanted.seed, wanted.seed + wanted.count):
        contest = Contest(seed, verbose=wanted.count == 1)
        if told := contest.run():
            print(f"seed {seed}: {told}")
        for time, who, what in contest.schedule.history:
            print(f"{time:9.3f}  {who:12} {what}")


if __name__ == "__main__":
    main()
