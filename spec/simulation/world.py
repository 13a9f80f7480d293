"""One stack with its provider, its users and its accidents, made from a seed and run to its end."""

import gc
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from pileus.backfills import control
from pileus.backfills.end import held
from pileus.backfills.status import find
from pileus.errors import PileusError
from pileus.project.registry import Registry
from pileus.worker.loop import Worker
from spec.simulation import site as provider
from spec.simulation.measurement import replaced, task_of
from spec.simulation.pace import Pace
from spec.simulation.scenario import Plan
from spec.simulation.schedule import Process, Schedule
from spec.simulation.stack import Simulated

PATIENCE = 3 * 3600
"""Seconds of virtual time after the last fault within which everything must have ended."""


class World(Simulated):
    """Everything of one seed: a stack with its workers, its users and its accidents."""

    # actors

    def start_worker(self, after: float = 0) -> None:
        """A worker; when it dies or ends, another takes its place."""
        self._started += 1
        name = f"worker-{self._started}"
        process = Process(name, "worker")
        process.died = lambda: self._replace(process)
        begun: dict[str, Any] = {}

        def task(event: Any, watch: Any) -> Any:
            config = event["config"]
            id = config["backfill"]
            self.schedule.note(f"begins to work on {config['partition']}")
            self.invariants.begins(process, f"{id}/{config['run']}", id)
            try:
                return self._task(event, watch)
            finally:
                self.invariants.ends(process, id)

        worker = Worker(self.edges, self.queues, task, name=name, pace=Pace(self.schedule))
        self.workers.append((process, worker))

        def run() -> None:
            begun["at"] = self.schedule.now
            worker.run(wait_seconds=60)
            self.schedule.note("has ended")
            self._replace(process)

        self.schedule.spawn(process, name, run, after=after)

    def _replace(self, process: Process) -> None:
        self.workers = [(other, worker) for other, worker in self.workers if other is not process]
        self.start_worker(after=self.schedule.dice.uniform(1, 15))

    def stop_worker(self) -> None:
        """SIGTERM to one of the workers."""
        process, worker = self.schedule.dice.choice(self.workers)
        self.schedule.note("is told to stop (SIGTERM)", process.name)
        worker.stop()
        self.schedule.poke(process)

    def user(self, what: str, do: Callable[[], Any], after: float = 0, kind: str = "user") -> None:
        """A command of a person, in a process of its own."""

        def run() -> None:
            self.schedule.note(f"$ {what}")
            try:
                do()
                self.schedule.note(f"$ {what}: done")
            except PileusError as error:
                self.schedule.note(f"$ {what}: {type(error).__name__}: {error}")

        self.schedule.spawn(Process("user", kind), "user", run, after=after)

    def begin(self, id: str, **wanted: Any) -> None:
        """`pileus backfill`."""
        registry = control.read_registry(self.store, self.edges.stack)
        backfill = control.new_backfill(registry, provider.NAME, now=self.schedule.now, id=id, **wanted)
        control.start(self.edges, self.workflows, backfill)

    def fire(self, name: str) -> None:
        """A rule fires: EventBridge starts the trigger."""
        collection = {"name": provider.NAME, "version": provider.VERSION}
        first, last = (self.plan.months[n].replace("-", "") for n in (0, -1))
        wanted = {"rule": "daily", "collection": collection, "spanStart": first, "spanEnd": last}
        self.machines.start(control.TRIGGER, name, wanted)

    def halt(self, how: str, id: str) -> None:
        """`pileus pause` or `pileus cancel`."""
        halted = getattr(control, how)(self.edges, self.workflows, id)
        self.invariants.stopped[id] = (halted.run, self.schedule.now)

    def again(self, how: str, id: str, **wanted: Any) -> None:
        """`pileus resume` or `pileus retry`: when workers have handed back what they have."""
        while held(self.edges, find(self.edges, id)):
            self.schedule.sleep(5)
        getattr(control, how)(self.edges, self.workflows, id, **wanted)

    def populate(self, zones: int) -> None:
        """`pileus populate` with other zones."""
        address = f"s3://internal/zones/{zones}/places.geojson"
        collection = provider.template(self.plan.months, address)
        registry = Registry({f"{provider.NAME}___{provider.VERSION}": collection}, {"site": provider.PROVIDER}, {})
        self.store.put("s3://internal/registry.json", registry.to_json())

    # the course of events

    def run(self) -> list[str]:
        """Run it to its end; the violations."""
        schedule, plan = self.schedule, self.plan
        with replaced(schedule, self.bench, plan.few, plan.inline):
            self._task = task_of(self.edges, self.bench)
            try:
                self._run(schedule, plan)
            finally:
                schedule.close()
        return self.invariants.violations

    def _run(self, schedule: Schedule, plan: Plan) -> None:
        found = self._found
        plan.lay_out(self)
        self.user("populate", lambda: self.populate(1))
        schedule.run(schedule.start + 30, found)
        schedule.faults, schedule.storm = plan.faults, plan.storm
        for number in range(plan.workers):
            self.start_worker(after=number)
        plan.enact(self)
        schedule.run(schedule.start + plan.until, found)
        if found():
            return
        schedule.note("NO MORE FAULTS", "-")
        schedule.faults.left, self.site.unreachable, self.queues._doubled, schedule.storm = 0, 0, 0, (0, 0, 0)
        self.user("keep house", self._keep_house)
        schedule.run(schedule.now + PATIENCE, lambda: self.quiet or found())
        if not found():
            self._conclude()

    def _found(self) -> bool:
        if self.schedule.escaped:
            name, error = self.schedule.escaped[0]
            self.invariants.broken("defect", f"{name} was ended by {type(error).__name__}: {error}")
            self.schedule.escaped.clear()
        return bool(self.invariants.violations)

    def _keep_house(self) -> None:
        """Do what a person does at the end: watch, and resume what is paused, until all has ended."""
        while not self.quiet:
            for backfill in list(self.index.inner.backfills()):
                try:
                    if control.settle(self.edges, self.workflows, backfill).state == "paused":
                        self.again("resume", backfill.id)
                except PileusError as error:
                    self.schedule.note(f"{type(error).__name__}: {error}")
            if not self.open() and not self._repeat():
                self.quiet = True
            self.schedule.sleep(30)

    def _repeat(self) -> bool:
        """Run again, once, what did not succeed, when all is published and readable; whether that was begun."""
        if self._repeated or not self.plan.repeat:
            return False
        self._repeated = True
        self.bench.broken.clear()
        for place in [(month, group) for month in self.plan.months for group in self.plan.groups]:
            if len(self.site.tiles.get(place, ())) < len(provider.TILES):
                self.site.publish(place)
        for backfill in list(self.index.inner.backfills()):
            if backfill.state != "succeeded":
                self.schedule.note(f"$ retry {backfill.id}")
                self.again("retry", backfill.id)
        return True

    def open(self) -> list[str]:
        """What has not ended."""
        found = [f"backfill {b.id}/{b.run} is {b.state}" for b in self.index.inner.backfills() if not b.over]
        found += [f"backfill {b.id}/{b.run} owes a report" for b in self.index.inner.backfills() if b.untold]
        found += [f"{e.name} runs" for e in self.machines.executions.values() if e.status == "RUNNING"]
        found += [
            f"{posted.receives} times received: {json.loads(posted.body)['task']['config']['partition']}"
            for messages in self.queues.mail.queues.values()
            for posted in messages
        ]
        now = self.schedule.now
        found += [f"{e.partition.key} is {e.state}" for e in self.index.inner._entries.values() if e.lease > now]
        return found + (["the engine is down, or reads its index"] if self.recovering else [])

    def _conclude(self) -> None:
        for text in self.open():
            self.invariants.broken("end", f"has not ended {PATIENCE / 3600:g} hours after the last fault: {text}")
        self.invariants.at_the_end()
        for what in self.invariants.untold(self.reports.told):
            self.invariants.broken("told", f"nobody was told of {what}")
        for backfill in self.index.inner.backfills():
            if backfill.state != "succeeded" and (self.plan.repeat or self.plan.calm):
                self.invariants.broken(
                    "end", f"{backfill.id}/{backfill.run} is {backfill.state}, and nothing hinders it"
                )


def run(seed: int, *, verbose: bool = False, without: frozenset[str] = frozenset()) -> SimpleNamespace:
    """One seed: its `violations`, `history` and number of `effects`. `without`: kinds of violations to overlook."""
    world = World(seed, verbose=verbose, without=without)
    collecting = gc.isenabled()
    gc.disable()  # it takes a fifth of the time, and a seed leaves little
    try:
        violations = world.run()
    finally:
        if collecting:
            gc.enable()
    return SimpleNamespace(
        violations=violations, history=world.schedule.history, effects=world.schedule.effects, plan=world.plan
    )
