"""ReportStatus: record in the index what failed or ended outside a worker, and publish it on the topic."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pileus.backfills.end import end
from pileus.backfills.failures import fail_group, fail_point
from pileus.edges.workflows import Workflows
from pileus.errors import UsageError
from pileus.lifecycle.explain import explain
from pileus.lifecycle.partition import Failure
from pileus.messages import GroupTask, PointTask, RequestTask, number, part, text
from pileus.runs.end import execution_ended, fail, told
from pileus.runs.executions import run_of_arn
from pileus.runs.owned import End
from pileus.tasks.ingested import ingested
from pileus.tasks.process_payload import process_payload, stop_payloads
from pileus.wiring import Edges


def report_status(edges: Edges, workflows: Workflows, event: Mapping[str, Any]) -> dict[str, Any]:
    """Record one report. Return the JSON of the state that the index has afterwards.

    1. `config.event` is `group_failed`: the workflow gave a group up; `input` is its error.
    2. `point_failed`: the workflow gave a point in time up; `input` is its error.
    3. `run_failed`: the workflow gave a run of a request up; `input` is its error.
    4. `ended`: the workflow has finished every point of a backfill's run.
    5. `ingested`: the same, of what a message announced; with its partitions.
    6. `payload`: the workflow asks where the payload of a group stands; see `pileus.tasks.process_payload`.
    7. An event of EventBridge: an execution failed, timed out, or was stopped by somebody in Step Functions; or the run
       of a workflow has ended.
    """
    if isinstance(event, Mapping) and event.get("detail-type") == "Step Functions Execution Status Change":
        return _execution_ended(edges, workflows, part(event, "detail"))
    what, config = part(event, "config", "event"), event["config"]
    if what == "run_failed":
        return _run_failed(edges, RequestTask.from_json(part(config, "task")), explain(part(event, "input")))
    if what == "group_failed":
        return fail_group(edges, GroupTask.from_json(part(config, "task")).entry, explain(part(event, "input")))
    if what == "point_failed":
        return _point_failed(edges, PointTask.from_json(part(config, "point")), explain(part(event, "input")))
    if what == "ended":
        return end(edges, text(config, "backfill"), number(config, "run"))
    if what == "ingested":
        return ingested(edges, text(config, "backfill"), number(config, "run"))
    if what == "payload":
        task = GroupTask.from_json(part(config, "task"))
        return process_payload(edges, workflows, task, text(config, "payload"))
    expected = "group_failed, point_failed, run_failed, ended, ingested or payload"
    raise UsageError(f"unknown event {str(what)[:200]!r}: expected {expected}")


def _run_failed(edges: Edges, task: RequestTask, failure: Failure) -> dict[str, Any]:
    return told(task.subject, fail(edges, task.subject, task.run, failure))


def _point_failed(edges: Edges, task: PointTask, failure: Failure) -> dict[str, Any]:
    backfill = edges.index.backfill(task.backfill)
    if backfill is None or not backfill.runs(task.run_name):
        return {"state": "not of a running backfill"}
    return fail_point(edges, backfill, task.period, failure)


def _execution_ended(edges: Edges, workflows: Workflows, detail: Mapping[str, Any]) -> dict[str, Any]:
    execution, status = text(detail, "executionArn"), text(detail, "status")
    why = explain({"Error": detail["error"], "Cause": detail.get("cause")}) if detail.get("error") else None
    look = cache(lambda: workflows.outcome(execution))  # for what is too long for an event
    if of := run_of_arn(edges, execution, lambda: detail.get("input") or look().input):
        output = (detail.get("output") or look().output) if status == "SUCCEEDED" else None
        return execution_ended(edges, workflows, *of, End(status, why, output))
    for backfill in edges.index.backfills():
        if backfill.execution == execution:
            stop_payloads(edges, workflows, backfill)
            return end(edges, backfill.id, backfill.run, stopped=status, why=why)
    return {"execution": execution, "state": "of no backfill"}
