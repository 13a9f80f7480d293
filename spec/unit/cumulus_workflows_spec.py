"""Workflows of Cumulus as they stand: how they name tasks, and what the check lets pass."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pileus.cumulus.url_path import url_path
from pileus.documents import Collection, Rule, parse_value
from pileus.documents.task import TaskDefinition
from pileus.errors import DocumentError
from pileus.project.workflow_definition import Definition, read_definition
from spec.support.cumulus_project import TASKS, WORKFLOW

TASK = parse_value(TaskDefinition, {"description": "x", "runs": "worker", "function": "task:do"}, "task.json")
STEP = {"Type": "Task", "End": True, "Parameters": {"cma": {"event.$": "$"}}}


def read(folder: Path, value: dict[str, Any], *tasks: str) -> Definition:
    path = folder / "Mine.asl.json"
    path.write_text(json.dumps(value))
    return read_definition("Mine", path, "workflows/Mine.asl.json", dict.fromkeys(tasks, TASK))


def one(resource: str, **fields: Any) -> dict[str, Any]:
    return {"StartAt": "Do", "States": {"Do": STEP | {"Resource": resource} | fields}}


@pytest.mark.parametrize(
    ("resource", "what"),
    [
        ("${sync_granule_task_arn}", "task sync-granule"),
        ("${sync_granule_arn}", "task sync-granule"),
        ("${sync_granule_lambda_arn}", "task sync-granule"),
        ("${sync_granule_activity_id}", "task sync-granule"),
        ("${sync_granule_service_id}", "task sync-granule"),
        ("${hello_task_arn}", "task hello"),
        ("pileus:task:hello", "task hello"),
        ("${discover_granules_task_arn}", "DiscoverGranules"),
        ("${DiscoverGranulesArn}", "DiscoverGranules"),
        ("arn:aws:states:us-west-2:123456789012:activity:sync", "sync"),
    ],
)
def test_a_step_names_a_task_as_cumulus_does(resource: str, what: str, tmp_path: Path) -> None:
    (step,) = read(tmp_path, one(resource), "sync-granule", "hello").steps
    assert step.what == what


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        ("${sync_granules_task_arn}", "unknown task 'sync_granules': did you mean sync_granule, sync-granule or"),
        ("arn:aws:lambda:us-west-2:123456789012:function:sync", "Do: a workflow may not use arn:aws:lambda:us-west-2"),
        ("arn:aws:states:us-west-2:123456789012:activity:", "Do: a workflow may not use arn:aws:states"),
    ],
)
def test_a_step_that_names_nothing_here_is_refused(resource: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=why):
        read(tmp_path, one(resource), "sync-granule")


def test_a_name_of_cumulus_anywhere_else_is_refused_as_any_other(tmp_path: Path) -> None:
    value = one("pileus:task:hello", Parameters={"cma": {"event.$": "$", "task_config": {"a": "${system_bucket}"}}})
    with pytest.raises(DocumentError, match=r"\$\{system_bucket\}: expected one of GenerateCollectionsArn"):
        read(tmp_path, value, "hello")


PAGE = Path(__file__).parents[2] / "docs/how-to/cumulus-tasks.md"


def test_the_workflows_of_the_page_pass_and_name_the_four_tasks(tmp_path: Path) -> None:
    blocks = [json.loads(found) for found in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    steps = [step for value in blocks if "States" in value for step in read(tmp_path, value).steps]
    assert [step.what for step in steps] == ["DiscoverGranules", "QueueGranules", "SyncGranule", "MoveGranules"]
    (collection,) = (parse_value(Collection, value, "page") for value in blocks if "granuleIdExtraction" in value)
    assert [parse_value(Rule, value, "page").workflow for value in blocks if "rule" in value] == ["DiscoverGranules"]
    granule = {"createdAt": 1496275200000}
    assert url_path(collection.url_path or "", {"granule": granule}) == "mod/2017"


def test_a_whole_workflow_passes_and_its_retries_may_have_whole_numbers(tmp_path: Path) -> None:
    found = read(tmp_path, WORKFLOW, *TASKS)
    assert found.tasks == ("count_granules", "sync-granule")
    assert [step.name for step in found.steps if step.last] == ["WorkflowFailed", "WorkflowSucceeded"]
    with pytest.raises(DocumentError, match="BackoffRate"):
        read(tmp_path, one("pileus:task:hello", Retry=[{"ErrorEquals": ["States.ALL"], "BackoffRate": "2"}]), "hello")
