"""A project as a team on Cumulus brings it: a workflow with templates, a Choice on the collection and a Catch, a task
in Python that stands as it was there, and one of ours.
"""

import json
from pathlib import Path
from typing import Any

FILES = {"reads": ["internal/events/*"], "writes": ["internal/events/*"]}
SYNC = '''"""A task of Cumulus, as it stands."""

import os

from cumulus_logger import CumulusLogger
from run_cumulus_task import run_cumulus_task

logger = CumulusLogger("sync")


def task(event, context):
    config = event["config"]
    logger.info({"message": "syncs", "collection": config["collection"]["name"]})
    if config["collection"]["meta"].get("broken"):
        raise ValueError("the provider is broken")
    if config["collection"]["meta"].get("nothing"):
        raise Exception("WorkflowError: no granules")
    return {
        "granules": [{**granule, "stack": config["stack"]} for granule in event["input"]["granules"]],
        "process": config["collection"]["meta"]["process"],
    }


def lambda_handler(event, context):
    logger.setMetadata(event, context)
    return run_cumulus_task(task, event, context)
'''
COUNT = '''"""One of ours: it knows nothing of Cumulus."""


def count(event):
    granules = event["input"]["granules"]
    return {"count": len(granules) * event["config"]["times"], "of": event["config"]["collection"]}
'''
INPUT = {"type": "object", "required": ["granules"], "properties": {"granules": {"type": "array"}}}
TASKS: dict[str, tuple[dict[str, Any], str]] = {
    "sync-granule": (
        {
            "description": "Sync.",
            "runs": "lambda",
            "function": "task:lambda_handler",
            "cma": "none",
            "environment": {"STAGE": "prod"},
        },
        SYNC,
    ),
    "count_granules": ({"description": "Count.", "runs": "worker", "function": "task:count"}, COUNT),
}
LAMBDA_RETRY = {
    "ErrorEquals": ["Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"],
    "IntervalSeconds": 2,
    "MaxAttempts": 6,
    "BackoffRate": 2,
}
CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "WorkflowFailed", "ResultPath": "$.exception"}]
WORKFLOW: dict[str, Any] = {
    "Comment": "Sync granules, and count those of a counted collection",
    "StartAt": "SyncGranule",
    "States": {
        "SyncGranule": {
            "Parameters": {
                "cma": {
                    "event.$": "$",
                    "ReplaceConfig": {"Path": "$.payload", "TargetPath": "$.payload"},
                    "task_config": {
                        "buckets": "{$.meta.buckets}",
                        "collection": "{$.meta.collection}",
                        "stack": "{$.meta.stack}",
                        "cumulus_message": {
                            "input": "{$.payload}",
                            "outputs": [
                                {"source": "{$.granules}", "destination": "{$.meta.input_granules}"},
                                {"source": "{$}", "destination": "{$.payload}"},
                                {"source": "{$.process}", "destination": "{$.meta.process}"},
                            ],
                        },
                    },
                }
            },
            "Type": "Task",
            "Resource": "${sync_granule_task_arn}",
            "Retry": [LAMBDA_RETRY],
            "Catch": CATCH,
            "Next": "ChooseProcess",
        },
        "ChooseProcess": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [
                        {"Variable": "$.meta.collection.meta.counted", "IsPresent": True},
                        {"Variable": "$.meta.collection.meta.counted", "BooleanEquals": True},
                    ],
                    "Next": "CountGranules",
                }
            ],
            "Default": "WorkflowSucceeded",
        },
        "CountGranules": {
            "Parameters": {
                "cma": {
                    "event.$": "$",
                    "task_config": {
                        "times": "{$.meta.collection.meta.times}",
                        "collection": "{$.meta.collection.name}",
                    },
                }
            },
            "Type": "Task",
            "Resource": "${count_granules_activity_id}",
            "TimeoutSeconds": 60,
            "Catch": CATCH,
            "Next": "WorkflowSucceeded",
        },
        "WorkflowSucceeded": {"Type": "Succeed"},
        "WorkflowFailed": {"Type": "Fail", "Cause": "Workflow failed"},
    },
}


def write_project(folder: Path) -> None:
    """Write workflows/IngestGranule.asl.json and the two tasks."""
    for name, (definition, code) in TASKS.items():
        task = folder / "tasks" / name
        task.mkdir(parents=True)
        (task / "task.json").write_text(json.dumps(definition | FILES))
        (task / "task.py").write_text(code)
    (folder / "tasks/sync-granule/schemas").mkdir()
    (folder / "tasks/sync-granule/schemas/input.json").write_text(json.dumps(INPUT))
    (folder / "workflows").mkdir(exist_ok=True)
    (folder / "workflows/IngestGranule.asl.json").write_text(json.dumps(WORKFLOW, indent=2))


def message(bucket: str, meta: dict[str, Any], payload: Any = None) -> dict[str, Any]:
    """A Cumulus message that starts the workflow. `bucket`: system bucket; `meta`: of the collection."""
    granules = {"granules": [{"granuleId": name} for name in ("a", "b", "c")]}
    return {
        "cumulus_meta": {"system_bucket": bucket, "execution_name": "ingest-1", "state_machine": "arn:machine"},
        "meta": {
            "stack": "mine",
            "buckets": {"internal": {"name": bucket, "type": "internal"}},
            "collection": {"name": "MOD09GQ", "version": "006", "meta": {"process": "modis", **meta}},
        },
        "payload": granules if payload is None else payload,
        "exception": None,
    }
