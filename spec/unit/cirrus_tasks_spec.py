"""Tasks of Cirrus in a project: their definitions, `pileus create`, `show task` and `run-task`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pileus.cirrus.task_definition import read_definition
from pileus.cli.main import app
from pileus.errors import DocumentError, PileusError
from pileus.project.folder import Project
from pileus.task_folder import TaskFolder
from spec.support.cirrus_tasks import GOOD, HARM, PAYLOAD, write_task

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, with a payload."""
    (tmp_path / "collections").mkdir()
    (tmp_path / "payload.json").write_text(json.dumps(PAYLOAD))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pileus(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def refused(*words: str) -> PileusError:
    done = pileus(*words)
    assert isinstance(done.exception, PileusError), done.output
    return done.exception


def definition(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "definition.yml"
    path.write_text(text)
    found = read_definition(path, "tasks/t/definition.yml")
    assert found is not None
    return found.model_dump(exclude_unset=True)


def test_a_definition_of_ours_is_a_task_in_workers(tmp_path: Path) -> None:
    text = "description: x\nentry: a.b:C\npython: venv/bin/python\nmemory: 512\nseconds: 60\nenvironment: {A: b}\n"
    assert definition(tmp_path, text) == {
        "description": "x", "runs": "worker", "function": "a.b:C", "calls": "payload", "python": "venv/bin/python",
        "memory": 512, "timeout": 60, "environment": {"A": "b"},
    }  # fmt: skip


def test_a_definition_of_cirrus_is_a_lambda(tmp_path: Path) -> None:
    text = """
description: x
environment: {A: a, B: own}
lambda:
  memorySize: 256
  timeout: 30
  handler: src/task.handler
  environment: {B: b, C: c}
  pythonRequirements: {include: [numpy]}
  iamRoleStatements: [{Effect: Allow, Action: "s3:*"}]
batch: {enabled: false}
"""
    assert definition(tmp_path, text) == {
        "description": "x", "runs": "lambda", "function": "src.task:handler", "calls": "payload", "memory": 256,
        "timeout": 30, "environment": {"A": "a", "B": "own", "C": "c"},
    }  # fmt: skip
    assert definition(tmp_path, text + "runs: worker\n")["runs"] == "worker"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("description: [", "not YAML: while parsing"),
        ("- a", "Input should be a valid dictionary or instance of CirrusTask"),
        ("entry: a:B", "description: required, and missing"),
        ("description: x", "entry: required, and missing; expected MODULE:CLASS, or `lambda` with a handler"),
        ("description: x\nbatch: {}\n", "Batch is not used here"),
        ("description: x\ncommand: ['{input}', '{output}']\n", "image: required with a command that has {input}"),
        ("description: x\nentry: a.B\n", "entry: String should match pattern"),
        ("description: x\nentri: a:B\n", "entri: unknown field; did you mean entry"),
        ("description: x\nlambda: {handler: task}\n", "lambda.handler: String should match pattern"),
        (
            "description: x\nentry: a:B\nruns: lambda\npython: p\n",
            "python: only for a task that does payloads",
        ),
        ("description: !!python/object/apply:os.system ['true']", "not YAML: could not determine a constructor"),
    ],
)
def test_a_definition_that_cannot_hold_is_refused_with_the_reason(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(DocumentError, match=re.escape(why)) as told:
        definition(tmp_path, text)
    assert str(told.value).startswith("tasks/t/definition.yml: ")


def test_a_task_that_is_not_enabled_is_not_there(tmp_path: Path) -> None:
    write_task(tmp_path, "off", {"description": "x", "entry": "task:Nothing", "enabled": False}, GOOD)
    assert TaskFolder(tmp_path / "tasks").tasks() == {}


def test_a_folder_has_one_definition(tmp_path: Path) -> None:
    task = write_task(tmp_path, "two", {"description": "x", "entry": "task:Nothing"}, GOOD)
    (task / "task.json").write_text('{"description": "x", "runs": "worker", "function": "task:Nothing"}')
    with pytest.raises(DocumentError, match=r"tasks/two/task.json: the folder has a definition.yml too"):
        TaskFolder(tmp_path / "tasks").tasks()


def test_a_workflow_names_such_a_task_as_any_other(folder: Path) -> None:
    write_task(folder, "derived", {"description": "x", "entry": "task:Derived"}, GOOD)
    machine = {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "pileus:task:derived", "End": True}}}
    (folder / "workflows").mkdir()
    (folder / "workflows/Derive.asl.json").write_text(json.dumps(machine))
    assert Project(folder).workflows()["Derive"].tasks == ("derived",)
    assert json.loads(pileus("show", "task", "derived", "--json").stdout)["calls"] == "payload"


def test_as_a_lambda_it_is_called_in_its_own_process(tmp_path: Path) -> None:
    write_task(tmp_path, "derived", {"description": "x", "entry": "task:Nothing", "runs": "lambda"}, GOOD)
    call = TaskFolder(tmp_path / "tasks").task("derived").caller()
    assert call(PAYLOAD, tmp_path / "work")["features"][0]["id"] == "a"


def test_run_task_needs_no_aws_and_keeps_the_files(folder: Path) -> None:
    """Nor a configuration of it, nor a stack."""
    write_task(folder, "derived", {"description": "x", "entry": "task:Derived", "seconds": 60}, GOOD)
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PILEUS_"))}
    command = [sys.executable, "-m", "pileus", "run-task", "derived", "--input", "payload.json", "--local"]
    done = subprocess.run(
        command, cwd=folder, env=alone | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (item,) = json.loads(done.stdout)["features"]
    assert item["assets"]["text"]["href"] == str(folder / "local-output/a.txt")
    assert (folder / "local-output/a.txt").read_text() == "fast"
    assert "made 1" in done.stderr


def test_run_task_takes_a_class_that_can_be_imported_from_here(folder: Path) -> None:
    package = folder / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tasks.py").write_text(GOOD)
    answer = pileus("run-task", "mine.tasks:Nothing", "--input", "payload.json", "--local")
    assert json.loads(answer.stdout)["features"][0]["id"] == "a"
    told = refused("run-task", "mine.tasks:Fails", "--input", "payload.json", "--local")
    assert (told.exit_code, told.message) == (1, "no items of this kind")


def test_what_run_task_cannot_do_is_said_in_a_sentence(folder: Path) -> None:
    write_task(folder, "harm", {"description": "x", "entry": "task:exits"}, HARM)
    (folder / "list.json").write_text("[]")
    assert str(refused("run-task", "harm", "--input", "payload.json")) == "harm: its process ended with status 3"
    assert "harm: expected a payload, an object" in str(refused("run-task", "harm", "--input", "list.json"))
    assert "did you mean harm" in str(refused("run-task", "harn", "--input", "payload.json"))
    assert "cannot be imported: No module named 'absent'" in str(
        refused("run-task", "absent:A", "--input", "list.json")
    )


def spec_passes(path: Path) -> None:
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    done = subprocess.run(command, cwd=path.parent, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


DESCRIPTION = 'It says "good morning" to each item, also in français.'


def test_a_created_task_has_a_spec_that_passes_and_runs(folder: Path) -> None:
    written = json.loads(pileus("create", "task", "cloud-mask", DESCRIPTION, "--json").stdout)["written"]
    assert written == [
        f"tasks/cloud-mask/{name}"
        for name in ("definition.yml", "task.py", "README.md", "requirements.txt", "payload.json", "cloud_mask_spec.py")
    ]
    spec_passes(folder / "tasks/cloud-mask/cloud_mask_spec.py")
    answer = pileus("run-task", "cloud-mask", "--input", "tasks/cloud-mask/payload.json", "--local")
    (item,) = json.loads(answer.stdout)["features"]
    assert item["properties"]["cloud_mask:greeting"] == "good morning"
    assert pileus("payload", "get-id", "tasks/cloud-mask/payload.json").stdout == "examples/workflow-cloud-mask/one\n"
    rows = {row["task"]: row for row in json.loads(pileus("tasks", "list", "--json").stdout)}
    assert rows["cloud-mask"]["what it does"] == DESCRIPTION
    assert pileus("show", "task", "cloud-mask", "readme").stdout.startswith(f"# cloud-mask\n\n{DESCRIPTION}\n")
    assert "runs in workers; calls task:CloudMask" in pileus("show", "task", "cloud-mask").stdout


def test_a_created_feeder_has_a_spec_that_passes(folder: Path) -> None:
    assert pileus("create", "feeder", "days", DESCRIPTION).exit_code == 0
    spec_passes(folder / "feeders/days/days_spec.py")


def test_a_created_workflow_has_a_spec_that_passes_and_is_listed(folder: Path) -> None:
    assert pileus("create", "workflow", "Publish-it", DESCRIPTION).exit_code == 0
    spec_passes(folder / "workflows/publish_it_spec.py")
    assert json.loads(pileus("workflows", "show", "Publish-it", "--json").stdout)["comment"] == DESCRIPTION


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("task", "process_group", "x"), "Pileus has a task 'process_group': choose another name"),
        (("task", "../x", "x"), "'../x' cannot name a task: expected a letter"),
        (("feeder", "1", "x"), "'1' cannot name a feeder: expected a letter"),
        (("workflow", "DiscoverAndProcessGranules", "x"), "there is a workflow of this name: choose another"),
        (("workflow", "a/b", "x"), "the name does not match"),
        (("task", "good", "two\nlines"), "description: expected one line of text"),
        (("feeder", "good", ""), "description: expected one line of text"),
    ],
)
def test_what_cannot_be_created_is_refused(folder: Path, words: tuple[str, ...], why: str) -> None:
    before = sorted(folder.rglob("*"))
    assert why in str(refused("create", *words))
    assert sorted(folder.rglob("*")) == before


def test_nothing_is_overwritten(folder: Path) -> None:
    pileus("create", "task", "mask", "x")
    (folder / "tasks/mask/definition.yml").unlink()
    assert "task.py: is there already: nothing was written" in str(refused("create", "task", "mask", "y"))
    assert not (folder / "tasks/mask/definition.yml").exists()


def test_outside_a_project_it_says_how_to_begin_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "`pileus init` makes one" in str(refused("create", "task", "mask", "x"))


def test_without_stac_task_a_sentence_says_how_to_install_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of its name stands for the missing package: importing it fails as where there is none."""
    (folder / "stactask.py").write_text("raise ModuleNotFoundError(\"No module named 'stactask'\", name='stactask')\n")
    (folder / "mine.py").write_text(GOOD)
    monkeypatch.delitem(sys.modules, "stactask", raising=False)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    told = refused("run-task", "mine:Nothing", "--input", "payload.json", "--local")
    assert "stac-task is not installed where this task runs: `pip install 'pileus[cirrus]'`" in told.message
