"""An edge of a simulation by itself: for the contract that the real one keeps too, and for specs of what uses it."""

from collections.abc import Callable, Iterator
from typing import Any

from pileus.edges.workflows import Workflows
from pileus.errors import PileusError
from spec.simulation.edges import SimulatedWorkflows
from spec.simulation.executions import Settings
from spec.simulation.machines import Machines
from spec.simulation.schedule import Process, Schedule


class Alone:
    """The edge as code outside of the simulation calls it: each call is a simulated thread that runs to its end."""

    def __init__(self, edge: object, schedule: Schedule) -> None:
        self._edge, self._schedule = edge, schedule

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._edge, name)
        return lambda *arguments, **options: self._run(name, lambda: method(*arguments, **options))

    def _run(self, name: str, call: Callable[[], Any]) -> Any:
        answers: list[Any] = []

        def body() -> None:
            try:
                answer = call()
                answers.append(iter(list(answer)) if isinstance(answer, Iterator) else answer)
            except PileusError as error:
                answers.append(error)

        self._schedule.spawn(Process(name, "spec"), name, body)
        self._schedule.run(float("inf"), lambda: bool(answers))
        (answer,) = answers
        if isinstance(answer, PileusError):
            raise answer
        return answer


def alone_workflows() -> tuple[Workflows, Machines]:
    """Workflows whose Lambdas never answer, so that each execution runs until it is stopped; and their engine."""
    schedule = Schedule(1)
    edge = SimulatedWorkflows(schedule, lambda: False)

    def invoke(name: str, payload: object) -> None:
        schedule.sleep(1e12)

    prefix = "arn:aws:states:machine:"
    edge.machines = Machines(schedule, Settings(), invoke, lambda *_: None, lambda *_: None, lambda _: None, prefix)
    workflows: Any = Alone(edge, schedule)
    return workflows, edge.machines
