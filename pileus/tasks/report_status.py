"""ReportStatus: what went wrong or came to an end outside a worker is noted in the index, and told on the topic."""

import json
from collections.abc import Mapping
from typing import Any

from pileus.backfills.end import end, fail_group, fail_point
from pileus.lifecycle.partition import Failure
from pileus.messages import GroupTask, PointTask
from pileus.wiring import Edges


def report_status(edges: Edges, event: Mapping[str, Any]) -> dict[str, Any]:
    """Take one report. The answer says what the index holds now.

    1. `config.event` is `group_failed`: the workflow gave a group up; `input` is its error.
    2. `point_failed`: a point in time could not be listed; `input` is its error.
    3. `ended`: every point of a backfill's run has been dealt with.
    4. An event of EventBridge: an execution was stopped, failed or timed out outside our hands.
    """
    if event.get("detail-type") == "Step Functions Execution Status Change":
        return _execution_stopped(edges, event["detail"])
    config = event["config"]
    if config["event"] == "group_failed":
        return fail_group(edges, GroupTask.from_json(config["task"]).entry, explain(event["input"]))
    if config["event"] == "point_failed":
        return _point_failed(edges, PointTask.from_json(config["point"]), explain(event["input"]))
    return end(edges, config["backfill"], config["run"])


def _point_failed(edges: Edges, task: PointTask, failure: Failure) -> dict[str, Any]:
    backfill = edges.index.backfill(task.backfill)
    if backfill is None or not backfill.runs(task.run_name):
        return {"state": "not of a running backfill"}
    return fail_point(edges, backfill, task.period, failure)


def _execution_stopped(edges: Edges, detail: Mapping[str, Any]) -> dict[str, Any]:
    for backfill in edges.index.backfills():
        if backfill.execution == detail["executionArn"]:
            return end(edges, backfill.id, backfill.run, stopped=detail["status"])
    return {"execution": detail["executionArn"], "state": "of no backfill"}


def explain(error: Mapping[str, str]) -> Failure:
    """What a workflow's Catch was given, as type, message and place.

    A Lambda's error carries a JSON cause with `errorMessage`; a child execution's its own error inside; a
    worker's the JSON that it answered.
    """
    kind, cause = error.get("Error", "Unknown"), error.get("Cause", "")
    for _ in range(4):
        try:
            value = json.loads(cause)
        except (TypeError, json.JSONDecodeError):
            break
        if not isinstance(value, dict):
            break
        kind = value.get("errorType") or value.get("Error") or kind
        cause = value.get("errorMessage") or value.get("Cause") or value.get("message") or ""
        if "where" in value:
            return Failure(kind, cause, value["where"])
    if kind in ("States.Timeout", "States.HeartbeatTimeout"):
        return Failure(kind, "no worker answered in time", None)
    return Failure(kind, str(cause) or "no cause was given", None)
