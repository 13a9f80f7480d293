"""ReportStatus: what went wrong or came to an end outside a worker is noted in the index, and told on the topic."""

import json
from collections.abc import Mapping
from typing import Any

from pileus import lifecycle
from pileus.backfills.control import count_failure, end, fail_point
from pileus.edges.index import change
from pileus.lifecycle.backfill import run_name
from pileus.lifecycle.partition import Failure
from pileus.models import Partition
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
        return _group_failed(edges, config["task"]["config"], event["input"])
    if config["event"] == "point_failed":
        return fail_point(edges, config["point"], explain(event["input"]))
    return end(edges, config["backfill"], config["run"])


def _group_failed(edges: Edges, task: Mapping[str, Any], error: Mapping[str, str]) -> dict[str, Any]:
    partition = Partition.parse(task["partition"])
    backfill = edges.index.backfill(task["backfill"])
    run = run_name(task["backfill"], task["run"])
    if backfill is None or not backfill.runs(run):
        return {"partition": partition.key, "state": "ended before"}  # given up because its backfill was stopped
    failed = change(
        edges.index,
        partition,
        lambda entry: lifecycle.give_up(entry, run, explain(error), now=edges.now()),
    )
    if failed:
        count_failure(edges, run)
    return {"partition": partition.key, "state": str(failed.state) if failed else "ended before"}


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
