"""Without a clone: the wheel in an environment of its own, and an empty folder that becomes a project."""

import json
import subprocess
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from pileus.project.example import EXAMPLES
from pileus.version import __version__
from spec.servers import Site
from spec.support.stack import ROOT, Project, project
from spec.support.synthesized import IMAGE
from spec.support.wheel import SAMPLE, begun, installed, wheel

__all__ = ["begun", "installed", "project", "wheel"]

CARRIED = "pileus/_product"
SETTINGS = {"PILEUS_SETTINGS": json.dumps({"stack": "spec-wheel", "worker_image": IMAGE})}
PACKAGE = """
from pathlib import Path
from pileus.deploy.lambda_package import package
print(package(Path("package"), architecture=None))
"""
CONTEXT = """
import sys
from pathlib import Path
from pileus.deploy.images import context
with context("process_group", None) as folder:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            print(path.relative_to(folder))
"""


def python(project: Project, code: str) -> str:
    """What a piece of Python prints in the project's folder."""
    command = [project.python, "-c", code]
    done = subprocess.run(
        command, cwd=project.path, env=project.environ(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_wheel_puts_one_package_into_an_environment(wheel: Path) -> None:
    names = {name.partition("/")[0] for name in ZipFile(wheel).namelist()}
    assert names == {"pileus", f"pileus-{__version__}.dist-info"}


def test_the_wheel_carries_infra_lambdas_tasks_sample_prices_and_page(wheel: Path) -> None:
    asked = subprocess.run(
        ["git", "ls-files", "infra", "lambdas", "ecs_tasks"], cwd=ROOT, capture_output=True, text=True
    )
    kept = asked.stdout.split() or [
        str(path.relative_to(ROOT)) for path in (ROOT / "infra").rglob("*") if path.suffix in (".py", ".json", ".txt")
    ]
    page = [f"pileus/dashboard/static/{path.name}" for path in (ROOT / "pileus/dashboard/static").iterdir()]
    wanted = {f"{CARRIED}/{name}" for name in kept} | {f"{CARRIED}/data/prices.json", *page}
    assert wanted <= set(ZipFile(wheel).namelist())
    assert f"{CARRIED}/infra/workflows/DiscoverAndProcessGranules.asl.json" in wanted


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_wheel_carries_every_example(begun: Project, name: str) -> None:
    said = begun.json("init", name, "--example", name)
    assert said["collections"] == list(EXAMPLES[name].collections)
    folder = Project(begun.path / name, python=begun.python)
    assert folder.json("populate", "--check")["collections"] == len(said["collections"])


def test_the_library_is_the_wheels_and_brings_no_other_module(begun: Project) -> None:
    code = "import importlib.util as u, pileus; print(pileus.__file__); print(*map(u.find_spec, {names}))"
    names = ("infra", "lambdas", "ecs_tasks")
    where, found = python(begun, code.format(names=names)).splitlines()
    assert Path(where).is_relative_to(Path(begun.python).parents[1])
    assert found == "None None None"


def test_the_example_comes_to_rows_that_can_be_checked_by_head(begun: Project) -> None:
    rows = begun.json("outputs", "show", SAMPLE)
    assert {(row["zone"], row["period"]): (row["count"], row["mean"]) for row in rows} == {
        ("seam", "2015-01"): (16, 10),
        ("seam", "2015-02"): (16, 20),
        ("seam", "2015-03"): (16, 30),
        ("half", "2015-01"): (8, 1),
        ("half", "2015-02"): (8, 2),
        ("half", "2015-03"): (8, 3),
        ("south", "2015-01"): (95, 1),
        ("south", "2015-02"): (95, 2),
        ("south", "2015-03"): (95, 3),
        ("haze", "2015-01"): (0, None),
        ("haze", "2015-02"): (0, None),
        ("haze", "2015-03"): (0, None),
    }


def test_the_documents_are_valid_and_a_second_populate_changes_none(begun: Project) -> None:
    assert begun.json("populate", "--check") == {"valid": True, "collections": 1, "providers": 1, "rules": 1}
    assert {change["change"] for change in begun.json("populate")} == {"unchanged"}


def test_a_plan_has_nothing_left_to_do(begun: Project) -> None:
    assert "3 partitions: 3 skip" in begun.pileus("plan", SAMPLE)


def test_the_sample_uses_the_stack_that_is_up_and_has_the_same_rows(begun: Project) -> None:
    said = begun.pileus("sample")
    assert "using the stack that is up" in said
    assert "seam   2015-03     16    30   30   30" in said


def test_the_cost_is_of_three_groups(begun: Project) -> None:
    made = begun.json("cost", SAMPLE)
    assert made["measured_groups"] == 3
    assert 0 < made["dollars"] < 1


def test_doctor_finds_the_provider_and_ends_0_without_an_account(begun: Project, tmp_path: Path) -> None:
    said = begun.pileus("doctor", env=nobody(tmp_path))
    assert f"provider sample                    {begun.path}/sample-site" in said


def test_diff_says_in_one_line_that_there_is_no_account(begun: Project, tmp_path: Path) -> None:
    said = begun.pileus("diff", code=2, env=nobody(tmp_path))
    assert said.startswith("pileus: no AWS account answers")
    assert len(said.splitlines()) == 1


def test_diff_shows_new_stacks_with_the_projects_own_workflow(begun: Project, aws: Site) -> None:
    said = begun.pileus("diff", env={"AWS_ENDPOINT_URL": aws.url} | SETTINGS)
    assert "spec-wheel-core: new stack" in said
    assert "OnlyLook" in said


def test_the_workers_may_answer_the_workflows_that_send_them_groups_and_no_other(begun: Project) -> None:
    said = begun.pileus("synth", env=SETTINGS)
    (path,) = (line for line in said.splitlines() if line.endswith("-workers.template.json"))
    template: dict[str, Any] = json.loads((begun.path / path).read_text())
    statements = [
        statement
        for made in template["Resources"].values()
        if made["Type"] == "AWS::IAM::Policy"
        for statement in made["Properties"]["PolicyDocument"]["Statement"]
    ]
    (tokens,) = (one for one in statements if "states:SendTaskSuccess" in one["Action"])
    said = json.dumps(tokens["Resource"])
    assert "-DiscoverAndProcessGranules/EachGroup" in said
    assert "-OnlyLook" not in said


def test_the_state_machine_of_ones_own_is_started_for_the_collection_that_names_it(begun: Project) -> None:
    """It looks at nothing, so nothing is there: the backfill says so."""
    document = json.loads((begun.path / f"collections/{SAMPLE}.json").read_text())
    options = {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201501"}
    look = begun.path / "collections/look.json"
    begun.document("collections/look.json", document | {"name": "look", "workflow": "OnlyLook", "options": options})
    try:
        begun.pileus("populate")
        begun.pileus("backfill", "look", "--name", "look", "--wait", code=1)
    finally:
        look.unlink()
        begun.pileus("populate")
    client, arn = begun.aws.stepfunctions, begun.running.stack["PILEUS_WORKFLOWS"]
    (execution,) = client.list_executions(stateMachineArn=f"{arn}OnlyLook")["executions"]
    assert (execution["name"], execution["status"]) == ("look-1-201501", "SUCCEEDED")


def test_the_lambda_package_is_the_same_from_a_wheel_and_from_a_clone(begun: Project, project: Project) -> None:
    made = [contents(one.path / python(one, PACKAGE).strip()) for one in (begun, project)]
    assert made[0] == made[1]
    assert {"lambdas/discover_granules/handler.py", "pileus/product.py"} <= set(made[0])
    assert not any("_product" in name for name in made[0])


def test_an_image_is_built_of_the_same_files_from_a_wheel_and_from_a_clone(begun: Project, project: Project) -> None:
    from_wheel, from_clone = (python(one, CONTEXT).splitlines() for one in (begun, project))
    assert from_wheel == from_clone
    assert {"Dockerfile", "requirements.txt", "ecs_tasks/process_group/task.py"} <= set(from_wheel)


def test_python_reads_the_statistics_by_the_collections_name(begun: Project) -> None:
    code = f"import pileus; print(pileus.open_stats('{SAMPLE}').num_rows)"
    assert python(begun, code) == "12\n"


def test_the_dashboards_page_is_served(begun: Project) -> None:
    command = [begun.python, "-u", "-m", "pileus", "dashboard", "--port", "0"]
    with subprocess.Popen(command, cwd=begun.path, env=begun.environ(), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[2].rstrip(";")
            code = f"import urllib.request as u; print(u.urlopen('{address}', timeout=20).read().decode())"
            assert "<title>" in python(begun, code)
        finally:
            server.terminate()


def nobody(folder: Path) -> dict[str, str]:
    """An environment without an account."""
    none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")
    files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), str(folder / "none"))
    return none | files | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"}
