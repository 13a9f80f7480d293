"""The execution of each run: its name tells the run, so that fifty who start it make one execution.

A request is carried out by the workflow of its process: by RunProcess, which hands it to one worker, or by RunGraph,
which hands its parts to several. What a workflow is carried out over is handed to that
workflow, as it was given; a Cumulus message is told the name of the execution. A payload is handed to the workflow that
it names; of a large one, its address.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pileus.cirrus.payload import is_inline
from pileus.cumulus.message import Place
from pileus.edges.workflows import Outcome, Workflows, execution_arn, no_such
from pileus.errors import DocumentError, UsageError
from pileus.lifecycle.partition import Entry
from pileus.messages import RequestTask
from pileus.processes import registered
from pileus.runs.record import FOLDERS, input_of, input_url, read_document
from pileus.subject import Asked, Execution, PayloadId, Request
from pileus.wiring import Edges

WORKFLOW = "RunProcess"
INNER = {
    "GenerateCollectionsTriggerWorkflows": "`pileus backfill` starts it",
    "DiscoverAndProcessGranules": "`pileus backfill` starts it",
    "DiscoverAndProcessPayloads": "`pileus backfill` starts it",
    WORKFLOW: "`pileus runs start PROCESS` starts it",
    "RunGraph": "`pileus request` starts it",
}
"""Workflows of Pileus that take no document of a user, and who starts them."""
LONGEST = 256 * 1024
"""Most bytes of the input of an execution (a quota of Step Functions)."""
_REQUEST = re.compile(r"([a-z][a-z0-9-]*)_(.+)_([0-9]+)")
_RUN = re.compile(r"run_(.+)_([0-9]+)")
_OF_PAYLOAD = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
"""Name of the execution of a payload: `pileus.cirrus.ids.execution_name` makes it."""


def check(workflows: Workflows, workflow: str, size: int) -> None:
    """Raises UsageError for a workflow that takes no document, or one of too many bytes; Unknown where the stack has
    none of this name.
    """
    if workflow in INNER:
        raise UsageError(f"{workflow} takes no document: {INNER[workflow]}")
    if size > LONGEST:
        most = f"{LONGEST:,} are the most of an execution"
        raise UsageError(f"the document has {size:,} bytes: {most}; give what is large by its address")
    if not workflows.exists(workflow):
        raise no_such(workflow)


def name_of(subject: Asked, number: int) -> str:
    """Return the name of the execution of a run; `run_of` is the inverse.

    >>> name_of(Request("zonal-statistics", "my_own"), 2), name_of(Execution("SyncGranules", "my_own"), 2)
    ('zonal-statistics_my_own_2', 'run_my_own_2')
    """
    return f"{'run' if isinstance(subject, Execution) else subject.name}_{subject.id}_{number}"


def run_of(workflow: str, name: str) -> tuple[Asked, int] | None:
    """Return the subject and the number of the run that an execution of a workflow is of; None for that of no run.

    >>> run_of("RunProcess", "zonal-statistics_my_own_2")
    (Request(name='zonal-statistics', id='my_own'), 2)
    >>> run_of("SyncGranules", "run_my_own_2")
    (Execution(name='SyncGranules', id='my_own'), 2)
    """
    if workflow in {one.workflow for one in registered().values()}:
        found = _REQUEST.fullmatch(name)
        return (Request(found[1], found[2]), int(found[3])) if found else None
    found = _RUN.fullmatch(name)
    return (Execution(workflow, found[1]), int(found[2])) if found else None


def begin(
    edges: Edges, workflows: Workflows, entry: Entry, subject: Asked, document: Mapping[str, Any] | None = None
) -> str:
    """Start the execution of a queued run, and return its ARN. Where it was started before, that is returned.

    `document`: of a workflow or a payload, its input document; None: it is read. It is handed over as it is, but that a
    Cumulus message names this execution: tasks tell by that one execution from another.
    """
    if isinstance(subject, PayloadId):
        return _begin_payload(edges, workflows, entry, document)
    name = name_of(subject, entry.number)
    if isinstance(subject, Request):
        task = RequestTask(subject, entry.number, input_url(edges, subject))
        value = {"queue": edges.stack.queue_url("ingest"), "task": task.to_json()}
        return workflows.start(workflow_of(subject), name, value)
    if document is None:
        document = read_document(edges, input_of(edges, entry))
    return workflows.start(subject.name, name, _of_execution(edges, subject, name, document))


def _of_execution(edges: Edges, subject: Asked, name: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an input document that names its execution, where it is a Cumulus message."""
    meta = document.get("cumulus_meta")
    if not isinstance(meta, Mapping):
        return document
    machine = edges.stack.workflow_arn(subject.name)
    told = {"execution_name": name, "state_machine": machine}
    if "execution_arn" in meta:
        told["execution_arn"] = execution_arn(machine, name)
    return {**document, "cumulus_meta": {**meta, **told}}


def _begin_payload(edges: Edges, workflows: Workflows, entry: Entry, document: Mapping[str, Any] | None) -> str:
    arn, url = arn_of_entry(edges, entry), input_of(edges, entry)
    if document is None:
        document = read_document(edges, url)
    named = _names(edges, arn)
    assert named  # it is of this stack
    return workflows.start(*named, document if is_inline(document) else {"url": url})


def place_of(edges: Edges, subject: Execution) -> Place:
    """Return what the Cumulus message of the first run of a workflow names of the stack."""
    stack = edges.stack
    machine, queue = stack.workflow_arn(subject.name), stack.queue_url("ingest")
    return Place(stack.stack, stack.internal, stack.bucket_map, subject.name, machine, name_of(subject, 1), queue)


def end(edges: Edges, workflows: Workflows, entry: Entry, why: str) -> None:
    """Stop the execution of a run. It is no error when it has ended."""
    workflows.stop(arn_of_entry(edges, entry), why)


def outcome(edges: Edges, workflows: Workflows, entry: Entry) -> Outcome:
    """Return where the execution of a run stands."""
    return workflows.outcome(arn_of_entry(edges, entry))


def arn_of_entry(edges: Edges, entry: Entry) -> str:
    """Return the ARN of the execution of the run that an entry of what was asked for is about."""
    subject = entry.subject
    assert isinstance(subject, Asked)
    if isinstance(subject, PayloadId):
        return str(entry.extra["executions"][-1])
    return arn_of(edges, subject, entry.number)


def arn_of(edges: Edges, subject: Asked, number: int) -> str:
    """Return the ARN of the execution of a run of a request or a workflow."""
    return execution_arn(edges.stack.workflow_arn(workflow_of(subject)), name_of(subject, number))


def workflow_of(subject: Asked) -> str:
    """Return the workflow that does the runs of a request or a workflow."""
    if not isinstance(subject, Request):
        return subject.name
    found = registered().get(subject.name)
    return found.workflow if found else WORKFLOW


def owns(subject: Asked) -> bool:
    """Return whether the execution of a run owns it; a worker owns what RunProcess hands to it."""
    return workflow_of(subject) != WORKFLOW or not isinstance(subject, Request)


class Carried(NamedTuple):
    """What an execution carries out."""

    subject: Asked
    number: int
    """Of the run."""
    entry: Entry | None = None
    """Of a payload: its entry, as it was just read."""


def run_of_arn(edges: Edges, arn: str, look: Callable[[], str | None]) -> Carried | None:
    """Return the run that an execution is of; None for that of no run.

    `look`: returns the input of the execution as JSON. It is asked only about a payload's, whose name tells nothing.
    """
    named = _names(edges, arn)
    if named is None:
        return None
    if _OF_PAYLOAD.fullmatch(named[1]):
        return _payload_run(edges, arn, look())
    of = run_of(*named)
    return Carried(*of) if of else None


def _names(edges: Edges, arn: str) -> tuple[str, str] | None:
    """Return the workflow and the name of an execution of this stack; None for any other."""
    prefix = execution_arn(edges.stack.workflow_arn(""), "").removesuffix(":")
    workflow, colon, name = arn.removeprefix(prefix).partition(":")
    return (workflow, name) if arn.startswith(prefix) and colon else None


def _payload_run(edges: Edges, arn: str, given: str | None) -> Carried | None:
    """Return the payload's run that an execution is of which was given this as its input."""
    value = json.loads(given or "null")
    if not isinstance(value, Mapping):
        return None
    try:
        subject = PayloadId.of(str(value.get("id") or _id_in(edges, arn, str(value.get("url")))))
    except DocumentError:
        return None
    entry = edges.index.entry(subject)
    known = entry.extra.get("executions", []) if entry else []
    return Carried(subject, known.index(arn) + 1, entry) if arn in known else None


def _id_in(edges: Edges, arn: str, url: str) -> str:
    """Return the id of a payload whose execution was given its address; empty for that of anything else."""
    head, tail = edges.internal(f"{FOLDERS['payload']}/"), f"/{arn.rpartition(':')[2]}/input.json"
    return url[len(head) : -len(tail)] if url.startswith(head) and url.endswith(tail) else ""
