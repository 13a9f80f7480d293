"""The execution of each run of a request: its name tells the run, so that fifty who start it make one execution."""

import re

from pileus.edges.workflows import Status, Workflows, execution_arn
from pileus.lifecycle.partition import Entry
from pileus.messages import RequestTask
from pileus.runs.record import input_url
from pileus.subject import Request
from pileus.wiring import Edges

WORKFLOW = "RunProcess"
_NAME = re.compile(r"([a-z][a-z0-9-]*)_(.+)_([0-9]+)")


def name_of(subject: Request, number: int) -> str:
    """Return the name of the execution of a run; `run_of` is the inverse.

    >>> name_of(Request("zonal-statistics", "my_own"), 2), run_of(name_of(Request("zonal-statistics", "my_own"), 2))
    ('zonal-statistics_my_own_2', (Request(process='zonal-statistics', id='my_own'), 2))
    """
    return f"{subject.process}_{subject.id}_{number}"


def run_of(name: str) -> tuple[Request, int] | None:
    """Return the request and the number of the run that an execution is of; None for the name of no run."""
    found = _NAME.fullmatch(name)
    return (Request(found[1], found[2]), int(found[3])) if found else None


def begin(edges: Edges, workflows: Workflows, entry: Entry, subject: Request) -> str:
    """Start the execution of a queued run, and return its ARN. Where it was started before, that is returned."""
    task = RequestTask(subject, entry.number, input_url(edges, subject))
    value = {"queue": edges.stack.queue_url("ingest"), "task": task.to_json()}
    return workflows.start(WORKFLOW, name_of(subject, entry.number), value)


def end(edges: Edges, workflows: Workflows, entry: Entry, subject: Request, why: str) -> None:
    """Stop the execution of a run. It is no error when it has ended."""
    workflows.stop(_arn(edges, entry, subject), why)


def status(edges: Edges, workflows: Workflows, entry: Entry, subject: Request) -> Status:
    """Return the status of the execution of a run."""
    return workflows.status(_arn(edges, entry, subject))


def _arn(edges: Edges, entry: Entry, subject: Request) -> str:
    return execution_arn(edges.stack.workflow_arn(WORKFLOW), name_of(subject, entry.number))


def run_of_arn(edges: Edges, arn: str) -> tuple[Request, int] | None:
    """Return the request and the number of the run that an execution is of; None for that of another workflow."""
    prefix = execution_arn(edges.stack.workflow_arn(WORKFLOW), "")
    return run_of(arn.removeprefix(prefix)) if arn.startswith(prefix) else None
