"""Runs of a process on the embedded stack: real workflows, queues, Lambdas and workers."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pileus import runs
from pileus.edges.aws import Stack
from pileus.edges.workflows import Workflows
from pileus.models import State
from pileus.wiring import wire_workflows
from spec.support.gated import GatedSite, gated, published, stack_with_site
from spec.support.stack import Project

LEASE = 6
SQUARE = {"type": "Polygon", "coordinates": [[[1, 1], [3.5, 1], [3.5, 3], [1, 3], [1, 1]]]}
ZONES = {
    "type": "FeatureCollection",
    "features": [{"type": "Feature", "id": "mine", "properties": {}, "geometry": SQUARE}],
}
"""2.5 x 2 pixels of ones."""
PROCESS = "zonal-statistics"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack whose claims are short, with a collection of two months."""
    with stack_with_site(tmp_path_factory.mktemp("project"), workers=2, lease=LEASE) as made:
        yield made


@pytest.fixture
def site(project: Project) -> Iterator[GatedSite]:
    with gated(project) as made:
        published(project, made, "lights", "201501", "201502")
        project.pileus("populate")
        yield made


def workflows(project: Project) -> Workflows:
    return wire_workflows(project.aws, Stack.from_env(project.running.stack))


def inputs(project: Project, name: str, **changes: Any) -> str:
    """A file of inputs; its name."""
    project.document(name, {"zones": ZONES, "stats": ["count", "sum"]} | changes)
    return name


def archive(site: GatedSite) -> str:
    return f"http://127.0.0.1:{site.port}/lights/201501/tiny_201501.tgz"


def of_archive(site: GatedSite) -> dict[str, Any]:
    return {"zones": ZONES, "stats": ["count", "sum"], "rasters": [archive(site)], "bands": ["light"]}


def state_of(project: Project, key: str) -> State:
    return runs.find(project.edges, key).state


def held(project: Project, site: GatedSite, id: str) -> str:
    """Start a run whose worker waits for the site. Return its key once a worker has it."""
    site.gate.clear()
    key = runs.start(project.edges, workflows(project), PROCESS, of_archive(site), id).key
    project.wait_for(lambda: state_of(project, key) is State.running)
    assert site.asked.wait(60)
    return key


def status_of(project: Project, id: str, number: int) -> str:
    return workflows(project).status(
        f"{project.running.stack['PILEUS_WORKFLOWS']}RunProcess:{PROCESS}_{id}_{number}".replace(
            ":stateMachine:", ":execution:"
        )
    )


def test_two_months_of_a_collection_in_zones_of_the_run(project: Project, site: GatedSite) -> None:
    file = inputs(project, "months.json", collection="lights", periods=["2015-01", "2015-02"])
    done = project.json("runs", "start", PROCESS, "--input", file, "--id", "months", "--wait")
    assert (done["state"], done["number"], done["attempt"]) == ("succeeded", 1, 1)
    document = project.json("runs", "result", done["key"])
    assert document["rows"]["count"] == 2
    table = runs.rows(project.edges, done["key"])
    rows = table.select(["period", "zone", "count", "sum"]).to_pylist()
    assert rows == [
        {"period": "2015-01", "zone": "mine", "count": 5.0, "sum": 5.0},
        {"period": "2015-02", "zone": "mine", "count": 5.0, "sum": 5.0},
    ]
    assert "mine" in project.pileus("runs", "result", done["key"])
    project.pileus("runs", "result", done["key"], "-o", "rows.csv")
    assert (project.path / "rows.csv").read_text().count("\n") == 3
    project.wait_for(lambda: status_of(project, "months", 1) == "SUCCEEDED")
    (seen,) = [run for run in project.json("runs", "list", PROCESS) if run["key"] == done["key"]]
    assert seen["output"] == done["output"]


def test_an_archive_by_its_url(project: Project, site: GatedSite) -> None:
    project.document("url.json", of_archive(site))
    key = project.json("runs", "start", PROCESS, "--input", "url.json", "--id", "url", "--wait")["key"]
    (row,) = runs.rows(project.edges, key).to_pylist()
    assert (row["zone"], row["band"], row["count"], row["sum"]) == ("mine", "light", 5.0, 5.0)


def test_a_run_that_fails_says_why_and_its_execution_fails(project: Project, site: GatedSite) -> None:
    project.document("wrong.json", of_archive(site) | {"bands": ["rain"]})
    failed = project.json("runs", "start", PROCESS, "--input", "wrong.json", "--id", "wrong", "--wait", code=1)
    assert failed["state"] == "failed"
    assert "rain" in failed["failure"]["message"]
    assert "rain" in project.pileus("runs", "show", failed["key"])
    assert "has no result" in project.pileus("runs", "result", failed["key"], code=1)
    project.wait_for(lambda: status_of(project, "wrong", 1) == "FAILED")


def test_twenty_racing_starters_make_one_execution(project: Project, site: GatedSite) -> None:
    given, edges, flows = of_archive(site), project.edges, workflows(project)
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: runs.start(edges, flows, PROCESS, given, "raced"), range(20)))
    assert len({run.run for run in found}) == 1
    machine = f"{project.running.stack['PILEUS_WORKFLOWS']}RunProcess"
    executions = project.aws.stepfunctions.list_executions(stateMachineArn=machine)["executions"]
    assert [one["name"] for one in executions if "raced" in one["name"]] == [f"{PROCESS}_raced_1"]
    project.wait_for(lambda: state_of(project, found[0].key) is State.succeeded)
    assert runs.find(edges, found[0].key).attempt == 1


def test_a_stop_frees_the_worker_and_a_rerun_succeeds(project: Project, site: GatedSite) -> None:
    key = held(project, site, "stopped")
    stopped = project.json("runs", "stop", key)
    assert (stopped["state"], stopped["output"]) == ("cancelled", None)
    project.wait_for(lambda: status_of(project, "stopped", 1) == "ABORTED")
    site.gate.set()
    again = project.json("runs", "rerun", key, "--wait")
    assert (again["state"], again["number"]) == ("succeeded", 2)
    assert runs.rows(project.edges, key).to_pylist()[0]["sum"] == 5.0
    message = project.edges.index.entry(runs.find(project.edges, key).subject)
    assert message is not None
    assert message.attempt == 1


def test_an_execution_that_is_stopped_in_step_functions_cancels_its_run(project: Project, site: GatedSite) -> None:
    key = held(project, site, "aborted")
    arn = f"{project.running.stack['PILEUS_WORKFLOWS']}RunProcess:{PROCESS}_aborted_1"
    project.aws.stepfunctions.stop_execution(executionArn=arn.replace(":stateMachine:", ":execution:"))
    project.wait_for(lambda: state_of(project, key) is State.cancelled)
    assert "Step Functions" in runs.find(project.edges, key).reason


def test_another_worker_goes_on_where_one_was_killed(project: Project, site: GatedSite) -> None:
    key = held(project, site, "killed")
    entry = project.edges.index.entry(runs.find(project.edges, key).subject)
    assert entry is not None
    assert entry.owner
    project.kill(int(entry.owner.split("-")[-2]))
    site.gate.set()
    project.wait_for(lambda: state_of(project, key) is State.succeeded, seconds=90)
    assert runs.find(project.edges, key).attempt == 2


def test_runs_are_there_again_after_the_engine_was_lost(project: Project, site: GatedSite) -> None:
    key = held(project, site, "lost")
    before = {run.key: run.state for run in runs.list(project.edges, PROCESS).runs}
    project.kill(project.running.ministack)
    site.gate.set()

    def again() -> bool:
        running = project.home.running()
        return (
            running is not None
            and running.ready
            and running.ministack != dead
            and key in project.pileus("runs", "list", code=None)
        )

    dead = project.running.ministack
    project.wait_for(again, seconds=120)
    project.wait_for(lambda: state_of(project, key) is State.succeeded, seconds=90)
    after = {run.key: run.state for run in runs.list(project.edges, PROCESS).runs}
    assert after == before | {key: State.succeeded}
    assert runs.find(project.edges, key).number == 2


def test_a_partition_is_a_run_too(project: Project, site: GatedSite) -> None:
    project.pileus("backfill", "lights", "--name", "walked", "--wait")
    key = "lights/001/2015-01/201501"
    run = project.json("runs", "show", key)
    assert (run["kind"], run["state"], run["run"]) == ("partition", "succeeded", "walked/1")
    manifest = project.json("runs", "result", key)
    assert manifest["partition"] == key
    assert json.loads(project.edges.store.get(run["output"])) == manifest
    assert next(iter(project.json("runs", "list", "lights/001/2015")))["key"] == key
    assert "pileus cancel" in project.pileus("runs", "stop", key, code=2)
