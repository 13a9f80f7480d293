"""Tasks of a project: their definitions, how they are called, and how a workflow's steps name them."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pileus.cli.main import app
from pileus.documents import parse_value
from pileus.documents.task import TaskDefinition
from pileus.errors import DocumentError, HandedBack, PileusError, UsageError
from pileus.project.folder import Project
from pileus.project.workflow_tasks import with_tasks
from pileus.task_folder import TaskFolder
from pileus.worker.child_process import TaskFailed
from pileus.worker.container_payloads import ContainerPayloads
from pileus.worker.docker_containers import DockerContainers
from pileus.worker.task_process import TaskProcess
from spec.support.own_project import write_tasks, write_workflow

WORKER = {"description": "x", "runs": "worker", "function": "task:do"}
LAMBDA = WORKER | {"runs": "lambda"}
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/stranger:1"
FOREIGN: dict[str, Any] = {
    "description": "x",
    "runs": "worker",
    "calls": "payload",
    "image": IMAGE,
    "command": ["run", "{input}", "--output={output}"],
}
GROUP = WORKER | {"runs": "group"}


def no_adapter() -> Any:
    raise AssertionError("an event that is no Cumulus message asks for no adapter")


def definition(**fields: Any) -> TaskDefinition:
    return parse_value(TaskDefinition, WORKER | fields, "task.json")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (GROUP | {"memory": 100}, "memory: not for a task that is done by the workers of process_group"),
        (LAMBDA | {"cpu": 1024}, "cpu: not for a task that runs as a Lambda"),
        (LAMBDA | {"timeout": 901}, "timeout: a Lambda has 900 seconds at most; a worker has more"),
        (LAMBDA | {"memory": 64}, "memory: a Lambda has 128 to 10240 MiB"),
        (LAMBDA | {"volume": 11}, "volume: a Lambda has 10 GB at most"),
        (WORKER | {"gpu": 1}, "instance_type: required with gpu: name one that has them, such as g5.xlarge"),
        (WORKER | {"environment": {"AWS_REGION": "x"}}, "environment: 'AWS_REGION' is no name of its own"),
        (WORKER | {"reads": ["stats/*"]}, "'stats/*': expected internal/..., protected/... or s3://BUCKET/..."),
        (WORKER | {"image": "example.org/mask:1"}, "image: may change: expected `@sha256:...`"),
        (WORKER | {"function": "task.do"}, "function: String should match pattern"),
        ({"description": "x", "runs": "worker"}, "function: required, and missing"),
        (WORKER | {"network": True}, "network: only for an image whose command has {input} and {output}"),
        (FOREIGN | {"command": ["run", "{input}"]}, "command: expected {output} too"),
        (FOREIGN | {"calls": "event"}, "command: {input} and {output} are for a task that does payloads in a worker"),
        (FOREIGN | {"function": "task:do"}, "function: not for an image that has no Pileus in it"),
        (FOREIGN | {"reads": ["internal/a"]}, "reads: not for an image that has no Pileus in it"),
        (WORKER | {"calls": "payload", "command": FOREIGN["command"]}, "image: required with a command that has"),
        (WORKER | {"memry": 1}, "memry: unknown field; did you mean memory?"),
    ],
)
def test_a_definition_that_cannot_hold_is_refused_with_the_reason(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(DocumentError, match=re.escape(why)):
        parse_value(TaskDefinition, fields, "task.json")


def test_an_image_without_pileus_needs_docker_and_says_so_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    task = parse_value(TaskDefinition, FOREIGN, "task.json")
    does = ContainerPayloads("stranger", DockerContainers("stranger", task, tmp_path / "scratch", memory=100))
    with closing(does), pytest.raises(UsageError) as told:
        does.run({"features": []}, threading.Event())
    assert str(told.value) == "stranger: runs in an image, which needs Docker: install it first"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_parameters_are_checked_and_defaults_are_added() -> None:
    parameters = {
        "above": {"type": "number", "required": True},
        "name": {"type": "string", "default": "x"},
        "deep": {"type": "boolean"},
    }
    task = definition(parameters=parameters)
    assert task.check_parameters({"above": 0.5}) == {"above": 0.5, "name": "x"}
    for given, why in (
        ({}, "parameter above: required, and missing"),
        ({"above": "1"}, "parameter above: expected a number, not '1'"),
        ({"above": True}, "parameter above: expected a number, not 'True'"),
        ({"above": 1, "deep": 0}, "parameter deep: expected a boolean, not '0'"),
        ({"above": 1, "nme": 1}, "unknown parameter 'nme': did you mean name?"),
    ):
        with pytest.raises(UsageError) as told:
            task.check_parameters(given)
        assert told.value.message == why


STEP = {"Type": "Task", "Resource": "pileus:task:t", "Parameters": {"config": {"a": 1}, "input.$": "$"}, "End": True}


def compiled(step: dict[str, Any], task: TaskDefinition, **machine: Any) -> Any:
    """The step, alone in a machine, as it becomes."""
    text = json.dumps({"StartAt": "S", "States": {"S": step}} | machine)
    return json.loads(re.sub(r"(?<![\"\w}])\$\{(\w+)\}", r'"\1"', with_tasks(text, {"t": task})))["States"]["S"]


def test_a_step_in_workers_sends_its_event_with_a_token_and_waits() -> None:
    made = compiled(STEP, definition())
    assert made["Resource"] == "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    assert made["Parameters"] == {
        "QueueUrl": "${TasktQueue}",
        "MessageBody": {"token.$": "$$.Task.Token", "task": {"task": "t", "event": STEP["Parameters"]}},
    }
    assert (made["HeartbeatSeconds"], made["TimeoutSeconds"]) == ("SilenceSeconds", "TimeoutSeconds")
    whole = {key: value for key, value in STEP.items() if key != "Parameters"}
    assert compiled(whole, definition())["Parameters"]["MessageBody"]["task"] == {"task": "t", "event.$": "$"}


def test_the_same_step_as_a_lambda_calls_it_with_the_same_event() -> None:
    made = compiled(STEP, definition(runs="lambda", timeout=100))
    assert (made["Resource"], made["Parameters"]) == ("${TasktArn}", STEP["Parameters"])
    assert made["TimeoutSeconds"] == 160


def test_a_step_in_jsonata_becomes_jsonata() -> None:
    step = {"Type": "Task", "Resource": "pileus:task:t", "Arguments": {"config": {}, "input": 1}, "End": True}
    worker = compiled(step, definition(), QueryLanguage="JSONata")
    assert worker["Arguments"]["MessageBody"]["token"] == "{% $states.context.Task.Token %}"
    assert worker["Arguments"]["MessageBody"]["task"]["event"] == {"config": {}, "input": 1}
    called = compiled(step, definition(runs="lambda"), QueryLanguage="JSONata")
    assert called["Arguments"] == {"FunctionName": "${TasktArn}", "Payload": {"config": {}, "input": 1}}
    assert called["Output"] == "{% $states.result.Payload %}"


def test_steps_within_maps_and_branches_are_found_and_numbers_stay_numbers() -> None:
    inner = {"StartAt": "S", "States": {"S": STEP}}
    text = json.dumps(
        {
            "StartAt": "M",
            "States": {
                "M": {"Type": "Map", "MaxConcurrency": 7, "ItemProcessor": inner, "Next": "P"},
                "P": {"Type": "Parallel", "Branches": [inner], "End": True},
            },
        }
    ).replace("7", "${GroupConcurrency}")
    made = with_tasks(text, {"t": definition()})
    assert made.count("sqs:sendMessage.waitForTaskToken") == 2
    assert '"MaxConcurrency": ${GroupConcurrency}' in made


def test_a_workflow_without_tasks_stays_as_it_is_written() -> None:
    assert with_tasks('{"StartAt":  "A"}', {}) == '{"StartAt":  "A"}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "collections").mkdir()
    write_tasks(tmp_path)
    write_workflow(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pileus(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_workflow_may_name_only_tasks_that_there_are(folder: Path) -> None:
    assert "TellToo" in Project(folder).workflows()
    path = folder / "workflows/TellToo.asl.json"
    path.write_text(path.read_text().replace("pileus:task:tell", "pileus:task:tel"))
    with pytest.raises(DocumentError, match=r"TellToo.*unknown task 'tel': did you mean tell"):
        Project(folder).workflows()
    path.write_text(path.read_text().replace("pileus:task:tel", "pileus:task:largest"))
    with pytest.raises(DocumentError, match="task largest runs within a group: a collection names it"):
        Project(folder).workflows()


def test_tasks_are_listed_with_who_names_them(folder: Path) -> None:
    rows = {row["task"]: row for row in json.loads(pileus("tasks", "list", "--json").stdout)}
    assert (rows["tell"]["of"], rows["tell"]["runs"], rows["tell"]["named by"]) == (
        "project",
        "in workers",
        ["TellToo"],
    )
    assert rows["count"]["runs"] == "as a Lambda"
    assert rows["largest"]["runs"] == rows["inventory"]["runs"] == "within a group"
    assert {name for name, row in rows.items() if row["of"] == "Pileus"} == {
        "act_on_granules", "advance_graph", "discover_granules", "generate_collections", "inventory", "move_granules",
        "process_group",
        "queue_granules", "report_status", "start_from_message", "sync_granule",
    }  # fmt: skip
    assert "Say which month is new." in pileus("tasks", "list").stdout


def test_a_task_is_shown_with_its_parameters_and_its_readme(folder: Path) -> None:
    shown = pileus("tasks", "show", "tell").stdout
    assert "runs in workers; calls task:tell" in shown
    assert re.search(r"greeting +string +new +First word\.", shown)
    assert shown.endswith("# tell\n\nA task of a spec.\n")
    assert json.loads(pileus("tasks", "show", "tell", "--json").stdout)["parameters"]["greeting"]["default"] == "new"
    refused = pileus("tasks", "show", "tel")
    assert refused.exit_code != 0


def test_run_task_calls_a_task_of_the_project_without_a_stack(folder: Path) -> None:
    (folder / "event.json").write_text('{"config": {}, "input": {"period": "2015-01"}}')
    for name in ("tell", "tasks/tell"):
        assert json.loads(pileus("run-task", name, "--input", "event.json").stdout) == {"said": "new: 2015-01"}
    assert pileus("run-task", "largest", "--input", "event.json").exit_code != 0


def test_a_name_of_pileus_is_refused(folder: Path) -> None:
    (folder / "tasks/tell").rename(folder / "tasks/inventory")
    with pytest.raises(DocumentError, match="Pileus has a task of this name: choose another"):
        Project(folder).own_tasks()


def test_a_name_that_no_queue_can_have_is_refused(folder: Path) -> None:
    (folder / "tasks/tell").rename(folder / "tasks/tell.it")
    with pytest.raises(DocumentError, match=r"tasks/tell\.it/task\.json: the name does not match"):
        Project(folder).own_tasks()


CODE = """
import os, signal, sys, time
from pathlib import Path

made = 0


def two(event, context):
    return [event["input"], context.function_name, context.get_remaining_time_in_millis() > 0]


def named(event, workdir):
    (workdir / "x").write_text("1")
    return {"files": [path.name for path in workdir.iterdir()]}


class Kept:
    def __init__(self):
        global made
        made += 1

    def handler(self, event):
        return {"made": made}


class Called:
    def __call__(self, event):
        return event["config"]


def nothing(event):
    pass


def fails(event):
    raise KeyError("volcano")


def leaves(event):
    sys.exit(3)


def killed(event):
    os.kill(os.getpid(), signal.SIGKILL)


def forever(event):
    time.sleep(60)


def odd(event):
    return {"a": float("nan")}
"""


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Any]:
    """Make the process of a function of CODE; each is ended after the spec."""
    made: list[TaskProcess] = []

    def make(function: str, seconds: float = 20, **fields: Any) -> TaskProcess:
        task = tmp_path / "tasks" / function
        task.mkdir(parents=True, exist_ok=True)
        (task / "task.py").write_text(CODE)
        (task / "task.json").write_text(json.dumps(WORKER | {"function": f"task:{function}"} | fields))
        made.append(TaskProcess(tmp_path / "tasks", function, tmp_path, seconds=seconds))
        return made[-1]

    yield make
    for process in made:
        process.close()


EVENT = {"config": {"a": 1}, "input": 7}


def run(process: TaskProcess, event: dict[str, Any] = EVENT) -> Any:
    return json.loads(process.run(event, threading.Event()))


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("two", [7, "two", True]),
        ("named", {"files": ["x"]}),
        ("Kept", {"made": 1}),
        ("Called", {"a": 1}),
        ("nothing", {}),
    ],
)
def test_functions_and_classes_are_called_as_they_are_written(tasks: Any, function: str, answer: Any) -> None:
    process = tasks(function)
    assert [run(process), run(process)] == [answer, answer]


def test_parameters_have_their_defaults_in_the_task(tasks: Any) -> None:
    process = tasks("Called", parameters={"a": {"type": "integer"}, "b": {"type": "integer", "default": 2}})
    assert run(process) == {"a": 1, "b": 2}
    with pytest.raises(TaskFailed, match="unknown parameter 'c'") as told:
        run(process, {"config": {"c": 1}})
    assert told.value.kind == "UsageError"


@pytest.mark.parametrize(
    ("function", "kind", "why"),
    [
        ("fails", "KeyError", "task.py:36: 'volcano'"),
        ("leaves", "TaskDied", "leaves: its process ended with status 3"),
        ("killed", "TaskDied", "killed: its process was ended by SIGKILL"),
        ("odd", "ValueError", "Out of range float values are not JSON compliant"),
        ("absent", "DocumentError", "tasks/absent/task.json: function: task has no absent"),
    ],
)
def test_what_goes_wrong_in_a_task_is_told_and_the_next_event_is_done(
    tasks: Any, function: str, kind: str, why: str
) -> None:
    process = tasks(function)
    for _ in range(2):
        with pytest.raises(TaskFailed) as told:
            run(process)
        assert told.value.kind == kind
        assert why in str(told.value)


def test_a_task_that_takes_too_long_is_ended(tasks: Any) -> None:
    with pytest.raises(TaskFailed, match="took longer than 1 s"):
        run(tasks("forever", seconds=1))


def test_a_task_is_ended_when_its_worker_is_told_to_stop(tasks: Any) -> None:
    process, stop = tasks("forever"), threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(HandedBack):
        process.run(EVENT, stop)


def test_two_tasks_whose_modules_have_one_name_do_not_mix(tmp_path: Path) -> None:
    for name in ("one", "other"):
        task = tmp_path / name
        task.mkdir()
        (task / "task.py").write_text("from . import helper\n\n\ndef do(event):\n    return helper.NAME\n")
        (task / "helper.py").write_text(f"NAME = {name!r}\n")
        (task / "task.json").write_text(json.dumps(WORKER))
    found = TaskFolder(tmp_path).tasks()
    assert [found[name].caller(no_adapter)({}, tmp_path) for name in ("one", "other")] == ["one", "other"]


def test_a_task_may_lie_in_an_installed_package(tmp_path: Path) -> None:
    task = tmp_path / "size"
    task.mkdir()
    (task / "task.json").write_text(json.dumps(WORKER | {"function": "json:dumps"}))
    assert TaskFolder(tmp_path).task("size").caller(no_adapter)({"input": 1}, tmp_path) == '{"input": 1}'


def test_an_error_of_ours_keeps_its_place() -> None:
    assert issubclass(TaskFailed, PileusError)
    with closing(TaskProcess(Path(), "x", Path(), seconds=1)):
        pass  # one that was never started ends without harm
