"""A simulated stack: real Lambdas behind simulated edges, and an engine that may be lost."""

import json
import threading
from collections.abc import Callable
from typing import Any

from pileus.backfills import control
from pileus.backfills.recover import recover
from pileus.edges.archives import StoreArchives
from pileus.edges.aws import Stack
from pileus.errors import StoreError
from pileus.tasks.discover_granules import discover_granules
from pileus.tasks.generate_collections import generate_collections
from pileus.tasks.report_status import report_status
from pileus.wiring import Edges
from pileus.worker.loop import Worker
from spec.simulation import site as provider
from spec.simulation.edges import (
    SimulatedBudgetTable,
    SimulatedConnections,
    SimulatedIndex,
    SimulatedReports,
    SimulatedWorkflows,
)
from spec.simulation.executions import Execution, Failed
from spec.simulation.invariants import Invariants
from spec.simulation.machines import Machines
from spec.simulation.measurement import Bench
from spec.simulation.objects import Objects, SimulatedStore
from spec.simulation.queues import SimulatedQueues
from spec.simulation.scenario import Plan
from spec.simulation.schedule import Killed, Process, Schedule
from spec.support.runs import Executions

QUEUES = {"ingest": "queue://ingest", "backfill": "queue://backfill"}
PREFIX = "arn:machine:"
HANDLERS: dict[str, Callable[[Edges, Any], Any]] = {
    "${GenerateCollectionsArn}": generate_collections,
    "${DiscoverGranulesArn}": discover_granules,
    "${ReportStatusArn}": lambda edges, event: report_status(edges, Executions(), event),  # no run of a workflow here
}
DEATHS = ("Lambda.ServiceException", "Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout")
"""What Step Functions says of a Lambda whose process died, or that it stopped."""


class Simulated:
    """A stack: its edges, and the engine that runs its workflows and Lambdas."""

    def __init__(
        self, seed: int, *, verbose: bool = False, without: frozenset[str] = frozenset(), plan: Plan | None = None
    ) -> None:
        """`plan`: what happens; None: it is drawn from the seed."""
        self.schedule = Schedule(seed, verbose=verbose)
        self.plan = plan or Plan.of(self.schedule.dice)
        self.engine_is_down = self.recovering = False
        self.quiet = self._repeated = False
        self.lambdas: list[Process] = []
        self.workers: list[tuple[Process, Worker]] = []
        self._started = 0
        schedule, down = self.schedule, lambda: self.engine_is_down
        self.objects = Objects()
        self.site = provider.Site(schedule, unreachable=self.plan.unreachable)
        self.invariants = Invariants(schedule, self.objects, self.site, without)
        self.store = SimulatedStore(schedule, self.objects, down)
        self.index = SimulatedIndex(schedule, down, self.invariants.changed)
        self.queues = SimulatedQueues(schedule, down, QUEUES, self.plan.visibility, self.plan.doubled)
        self.workflows = SimulatedWorkflows(schedule, down)
        self.budgets = SimulatedBudgetTable(schedule, down)
        self.reports = SimulatedReports(schedule, down)
        names = {name: name for name in ("internal", "protected", "partitions", "backfills", "connections", "topic")}
        stack = Stack(
            stack="sim",
            workflows=PREFIX,
            visibility=str(self.plan.visibility),
            deaths=str(self.plan.deaths),
            **names,
            **QUEUES,
            **{f"{name}_dead": f"{url}-dead" for name, url in QUEUES.items()},
        )
        secrets: Any = provider.Secrets(self.site)
        connections = SimulatedConnections(schedule, self.budgets, self.plan.visibility)
        self.invariants.has_place = connections.in_force
        self.edges = Edges(
            stack=stack,
            store=self.store,
            index=self.index,
            secrets=secrets,
            connections=connections,
            archives=StoreArchives(self.store),
            reports=self.reports,
            now=lambda: schedule.now,
        )
        self.bench = Bench(schedule, broken=self.plan.broken)
        self._new_engine()

    # the engine

    def _new_engine(self) -> None:
        self.machines = Machines(
            self.schedule,
            self.plan.machines,
            self._invoke,
            self.queues.arrive,
            lambda bucket, key: json.loads(self.objects.bodies[f"s3://{bucket}/{key}"]),
            self._told,
            PREFIX,
        )
        self.queues.machines = self.workflows.machines = self.machines

    def _invoke(self, name: str, payload: Any) -> Any:
        """Call a Lambda in a process of its own, and wait for it. Raises Failed."""
        caller, box, done = self.schedule._me().process, {}, threading.Event()
        number = self._started = self._started + 1
        process = Process(f"{HANDLERS[name].__name__} {number}", "lambda")
        self.lambdas.append(process)

        def end() -> None:
            done.set()
            self.schedule.poke(caller)

        def body() -> None:
            try:
                answer = HANDLERS[name](self.edges, json.loads(json.dumps(payload)))
                box["answer"] = json.dumps(answer)
            except Exception as error:  # noqa: BLE001 - a Lambda's error is its answer
                box["error"] = error
                self.schedule.note(f"raises {type(error).__name__}: {error}")
            end()

        process.died = end
        self.schedule.spawn(process, process.name, body, after=self.schedule.latency())
        self.schedule.wait(done)
        self.lambdas.remove(process)
        if "answer" in box:
            return json.loads(box["answer"])
        if error := box.get("error"):
            cause = {"errorMessage": str(error), "errorType": type(error).__name__}
            raise Failed(type(error).__name__, json.dumps(cause))
        raise Failed(self.schedule.dice.choice(DEATHS), "it died")

    def _told(self, execution: Execution) -> None:
        """EventBridge: an execution of the trigger that did not succeed is told to ReportStatus."""
        if execution.workflow != control.TRIGGER or self.machines.executions.get(execution.arn) is not execution:
            return
        detail = {"executionArn": execution.arn, "status": execution.status}
        event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
        events, machines = Process("events", "engine"), self.machines

        def deliver() -> None:
            for _ in range(3):
                if self.machines is not machines:
                    return
                try:
                    self._invoke("${ReportStatusArn}", event)
                    return
                except Failed:
                    self.schedule.sleep(30)

        for _ in range(2 if self.schedule.dice.random() < self.plan.doubled else 1):
            self.schedule.spawn(events, "events", deliver, after=self.schedule.latency() * 10)

    def lose_engine(self) -> None:
        """Index, queues and executions are gone; objects stay. It is rebuilt after a while."""
        self.schedule.note("ENGINE LOST: index, queues and executions are gone", "engine")
        self.engine_is_down = self.recovering = True
        self.machines.lost()
        for process in list(self.lambdas):
            self.schedule.kill(process)
        self.index.inner = type(self.index.inner)()
        for url in self.queues.mail.queues:
            self.queues.mail.queues[url] = []
        process = Process("supervisor", "supervisor")
        process.died = lambda: self.schedule.spawn(Process("accident", "engine"), "accident", self.lose_engine, after=5)
        self.schedule.spawn(
            process, "supervisor", lambda: self._rebuild(process), after=self.schedule.dice.uniform(1, 20)
        )

    def _rebuild(self, process: Process) -> None:
        self.engine_is_down = False
        self._new_engine()
        self.schedule.note("the engine is back, its index is read from S3")
        try:
            recover(self.edges, self.workflows, self.schedule.note)
        except StoreError as error:
            self.schedule.note(f"recovery fails: {error}")
            self.schedule.kill(process)
            raise Killed from error
        self.recovering = False
        self.schedule.note("recovered")
