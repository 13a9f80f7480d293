"""Tasks of Cirrus in a stack: in workers and as a Lambda, and a payload that does harm beside good ones."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import rasterio
from rasterio.transform import from_origin

from spec.support.cirrus_tasks import GOOD, HARM, PAYLOAD, write_task
from spec.support.stack import Project, project_of

MIXED = (
    HARM
    + '''

def mixed(payload):
    """What the payload says that it is to do."""
    return globals()[payload.get("do", "same")](payload)


def same(payload):
    return payload
'''
)


def machine(*tasks: str) -> str:
    """Tasks one after another, each called with what the one before has returned."""
    states: dict[str, Any] = {}
    for number, task in enumerate(tasks):
        after = {"Next": tasks[number + 1]} if number + 1 < len(tasks) else {"End": True}
        states[task] = {"Type": "Task", "Resource": f"pileus:task:{task}", **after}
    return json.dumps({"StartAt": tasks[0], "States": states})


@pytest.fixture(scope="module")
def cirrus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with them, up."""
    folder = tmp_path_factory.mktemp("cirrus") / "project"
    with project_of(folder) as project:
        write_task(folder, "derived", {"description": "x", "entry": "task:Derived", "seconds": 60}, GOOD)
        write_task(folder, "small", {"description": "x", "lambda": {"handler": "task.handler"}}, f"{GOOD}{HANDLER}")
        write_task(folder, "harm", {"description": "x", "entry": "task:mixed", "seconds": 5}, MIXED)
        (folder / "workflows").mkdir(exist_ok=True)
        (folder / "workflows/Both.asl.json").write_text(machine("derived", "small"))
        (folder / "workflows/Harm.asl.json").write_text(machine("harm"))
        write_task(folder, "zonal", {"description": "x", "entry": "pileus.cirrus.zonal:ZonalStatistics"}, "")
        (folder / "workflows/zonal.asl.json").write_text(machine("zonal"))
        project.up(workers=1, visibility_seconds=5)
        yield project


HANDLER = """

def handler(event, context={}):
    return Nothing.handler(event)
"""


def start(project: Project, workflow: str, name: str, payload: Any) -> str:
    arn = f"{project.edges.stack.workflows}{workflow}"
    started = project.aws.stepfunctions.start_execution(stateMachineArn=arn, name=name, input=json.dumps(payload))
    return str(started["executionArn"])


def ended(project: Project, execution: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = dict(project.aws.stepfunctions.describe_execution(executionArn=execution))
        return found if found["status"] != "RUNNING" else None

    return project.wait_for(look)  # type: ignore[no-any-return]


def test_a_payload_goes_through_a_worker_and_a_lambda(cirrus: Project) -> None:
    execution = ended(cirrus, start(cirrus, "Both", "both", PAYLOAD))
    assert execution["status"] == "SUCCEEDED", execution
    (item,) = json.loads(execution["output"])["features"]
    assert (item["id"], item["collection"]) == ("a-fast", "derived")


def test_a_payload_above_the_limit_of_a_step_goes_on_by_its_address(cirrus: Project) -> None:
    """400 kB in, through a worker and a Lambda, and out: Step Functions takes 256 KiB."""
    payload = PAYLOAD | {"process": [{"workflow": "Both"}], "more": "x" * 400_000}
    path = cirrus.path / "large.json"
    path.write_text(json.dumps(payload))
    said = cirrus.pileus("payload", "process", str(path), "--wait")
    key = said.split()[0]
    made = cirrus.json("runs", "result", key)
    assert (len(made["more"]), made["features"][0]["id"]) == (400_000, "a-unset")


def test_items_become_statistics_in_a_workflow(cirrus: Project, tmp_path: Path) -> None:
    """Pixels 1 to 9 in S3; the zone has the left column whole and half of the middle one: 12 and 7.5."""
    grid = {"width": 3, "height": 3, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(tmp_path / "nine.tif", "w", driver="GTiff", transform=from_origin(0, 3, 1, 1), **grid) as raster:
        raster.write(numpy.arange(1, 10, dtype="float32").reshape(1, 3, 3))
    edges = cirrus.edges
    edges.store.put(edges.internal("mine/nine.tif"), (tmp_path / "nine.tif").read_bytes())
    left = {"type": "Polygon", "coordinates": [[[0, 0], [1.5, 0], [1.5, 3], [0, 3], [0, 0]]]}
    zones = {"type": "FeatureCollection", "features": [{"type": "Feature", "id": "left", "geometry": left}]}
    item = PAYLOAD["features"][0] | {
        "id": "nine",
        "collection": "numbers",
        "assets": {"light": {"href": edges.internal("mine/nine.tif"), "type": "image/tiff"}},
    }
    process = {
        "workflow": "zonal",
        "tasks": {"zonal-statistics": {"zones": zones, "stats": ["count", "sum"], "format": "csv"}},
        "upload_options": {"path_template": f"s3://{edges.stack.protected}/zonal/${{id}}", "s3_urls": True},
    }
    path = tmp_path / "payload.json"
    told = {"id": "numbers/workflow-zonal/nine", "features": [item], "process": [process]}
    path.write_text(json.dumps(PAYLOAD | told))
    key = cirrus.pileus("payload", "process", str(path), "--wait").split()[0]
    assert key == "payload:numbers/workflow-zonal/nine"
    (made,) = cirrus.json("runs", "result", key)["features"]
    table = edges.store.get(made["assets"]["statistics"]["href"]).decode().splitlines()
    assert table[1].split(",")[-2:] == ["4.5", "19.5"]


def test_a_payload_that_does_harm_harms_itself_alone(cirrus: Project) -> None:
    harm = ["exits", "killed", "hungry", "sleeps", "leaks", "prints"]
    payloads = {name: {"do": name, "mib": 64} for name in harm} | {f"good-{n}": {"number": n} for n in range(6)}
    started = {name: start(cirrus, "Harm", name, payload) for name, payload in payloads.items()}
    found = {name: ended(cirrus, execution) for name, execution in started.items()}
    assert {name: one["error"] for name, one in found.items() if one["status"] != "SUCCEEDED"} == {
        "exits": "TaskDied",
        "killed": "TaskDied",
        "hungry": "MemoryError",
        "sleeps": "TaskTimedOut",
    }
    assert [json.loads(found[f"good-{n}"]["output"]) for n in range(6)] == [{"number": n} for n in range(6)]
