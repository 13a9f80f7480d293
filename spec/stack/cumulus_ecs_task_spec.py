"""cumulus-ecs-task: a Lambda's code does the tasks of an activity of the embedded AWS, whatever its worker suffers."""

import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spec.support.stack import Project

REGION = "us-east-1"
CODE = '''"""A handler as Lambda calls it."""

import os
import time
from pathlib import Path

from beside import GREETING


def handler(event, context):
    if "seconds" in event:
        Path(event["mark"]).open("a").write(f"{os.getpid()}\\n")
        if len(Path(event["mark"]).read_text().split()) < 2:
            time.sleep(event["seconds"])
        return {"runs": len(Path(event["mark"]).read_text().split())}
    if "raise" in event:
        raise KeyError(event["raise"])
    if "letters" in event:
        return "x" * event["letters"]
    if "exit" in event:
        os._exit(3)
    return {
        "said": f"{GREETING} {event['input']['name']} of {os.environ['WORLD']}",
        "by": context.function_name,
        "at": [context.invoked_function_arn, context.activityArn],
        "left": context.get_remaining_time_in_millis() > 1000,
        "region": os.environ["AWS_DEFAULT_REGION"],
    }
'''
RETRY = [{"ErrorEquals": ["HandedBack", "States.HeartbeatTimeout"], "IntervalSeconds": 1, "MaxAttempts": 3}]


def zipped(**files: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return sink.getvalue()


class Activity:
    """An activity, a machine of one state that gives it its input, and a Lambda with the code of its worker."""

    def __init__(self, stack: Project, name: str, folder: Path) -> None:
        self._stack, self._folder, self.aws = stack, folder, stack.aws
        self._processes: list[subprocess.Popen[str]] = []
        self.arn = self.aws.stepfunctions.create_activity(name=name)["activityArn"]
        self.function = self.aws.lambda_.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Role="arn:aws:iam::000000000000:role/any",
            Handler="src/code.handler",
            Code={"ZipFile": self.code()},
            Environment={"Variables": {"WORLD": "Earth"}},
            MemorySize=256,
        )["FunctionArn"]
        state = {"Type": "Task", "Resource": self.arn, "HeartbeatSeconds": 3, "TimeoutSeconds": 60, "Retry": RETRY}
        machine = {"StartAt": "Do", "States": {"Do": state | {"End": True}}}
        self.machine = self.aws.stepfunctions.create_state_machine(
            name=name, definition=json.dumps(machine), roleArn="arn:aws:iam::000000000000:role/any"
        )["stateMachineArn"]

    @staticmethod
    def code(greeting: str = "hello") -> bytes:
        return zipped(**{"src/code": CODE, "beside": f"GREETING = {greeting!r}\n"})

    def worker(self, *words: str) -> "subprocess.Popen[str]":
        """A process that works on it."""
        running = self._stack.running
        environ = os.environ | {"AWS_ENDPOINT_URL": running.endpoint} | running.credentials.to_env()
        environ |= {"PYTHONPATH": os.pathsep.join(sys.path), "AWS_REGION": "eu-central-1"}  # the ARN says another
        given = ["--activityArn", self.arn, "--heartbeatSeconds", "3", "--cache", str(self._folder / "cache"), *words]
        if "--handler" not in words:
            given += ["--lambdaArn", self.function]
        command = [sys.executable, "-c", "from pileus.cli.cumulus_ecs_task import main; main()", *given]
        log = (self._folder / "worker.log").open("a")
        made = subprocess.Popen(command, env=environ, text=True, stdout=log, stderr=log, cwd=self._folder)
        self._processes.append(made)
        return made

    def start(self, event: dict[str, Any]) -> str:
        return self.aws.stepfunctions.start_execution(stateMachineArn=self.machine, input=json.dumps(event))[
            "executionArn"
        ]

    def ended(self, execution: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = dict(self.aws.stepfunctions.describe_execution(executionArn=execution))
            return found if found["status"] != "RUNNING" else None

        return self._stack.wait_for(look)  # type: ignore[no-any-return]

    def done(self, event: dict[str, Any]) -> Any:
        """What the state answers; a failed one's error and cause."""
        found = self.ended(self.start(event))
        return json.loads(found["output"]) if found["status"] == "SUCCEEDED" else (found["error"], found["cause"])

    def log(self) -> str:
        return (self._folder / "worker.log").read_text()

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait(10)


@pytest.fixture
def activity(stack: Project, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Activity]:
    made = Activity(stack, f"a{abs(hash(request.node.name)) % 10**9}", tmp_path)
    yield made
    made.close()


def test_a_handler_out_of_a_lambda_s_zip_does_tasks_one_after_another(activity: Activity) -> None:
    activity.worker()
    event = {"input": {"name": "moon"}}
    assert activity.done(event) == {
        "said": "hello moon of Earth",
        "by": activity.function.rpartition(":")[2],
        "at": [activity.function, activity.arn],
        "left": True,
        "region": REGION,
    }
    assert activity.done({"raise": "x" * 40_000})[0] == "KeyError"
    assert len(activity.done({"raise": "x" * 40_000})[1]) == 32_768
    assert activity.done({"exit": 1}) == ("TaskDied", f"{event_name(activity)}: its process ended with status 3")
    kind, why = activity.done({"letters": 300_000})
    assert kind == "AnswerTooLong"
    assert why == "the answer has 300,002 bytes, and 262,144 are the most: let ReplaceConfig put it into S3"
    assert activity.done(event)["said"] == "hello moon of Earth", "and the worker lives"


def event_name(activity: Activity) -> str:
    return activity.function.rpartition(":")[2]


def test_a_cumulus_message_is_taken_apart_and_answered(activity: Activity) -> None:
    activity.worker()
    event = {"cumulus_meta": {"execution_name": "e"}, "meta": {}, "payload": {"name": "sun"}}
    answer = activity.done({"cma": {"event": event, "task_config": {}}})
    assert answer["payload"]["said"] == "hello sun of Earth"
    assert answer["meta"]["workflow_tasks"]["0"]["arn"] == activity.function
    assert answer["exception"] == "None"


def test_without_the_wrap_a_handler_reads_the_message_itself(activity: Activity, tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "from run_cumulus_task import run_cumulus_task\n\n\n"
        "def task(event, context):\n    return {'name': event['input']['name']}\n\n\n"
        "def handler(event, context):\n    return run_cumulus_task(task, event, context)\n"
    )
    activity.worker("--handler", f"{path}:handler", "--cma", "none")
    event = {"cumulus_meta": {"execution_name": "e"}, "meta": {}, "payload": {"name": "sun"}}
    assert activity.done({"cma": {"event": event}})["payload"] == {"name": "sun"}


def begun(mark: Path) -> Callable[[], bool]:
    return lambda: mark.is_file() and bool(mark.read_text())


def test_a_worker_that_is_told_to_stop_hands_its_task_back(activity: Activity, stack: Project, tmp_path: Path) -> None:
    worker, mark = activity.worker(), tmp_path / "mark"
    execution = activity.start({"seconds": 600, "mark": str(mark)})
    stack.wait_for(begun(mark))
    child = int(mark.read_text())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert not Path(f"/proc/{child}").exists(), "its process is ended"
    activity.worker()
    assert json.loads(activity.ended(execution)["output"]) == {"runs": 2}
    history = activity.aws.stepfunctions.get_execution_history(executionArn=execution)["events"]
    (failed,) = (one["taskFailedEventDetails"] for one in history if one["type"] == "TaskFailed")
    assert failed["error"] == "HandedBack"


def test_a_worker_that_is_killed_loses_its_task_to_the_next(activity: Activity, stack: Project, tmp_path: Path) -> None:
    worker, mark = activity.worker(), tmp_path / "mark"
    execution = activity.start({"seconds": 600, "mark": str(mark)})
    stack.wait_for(begun(mark))
    child = int(mark.read_text())
    worker.kill()
    worker.wait(10)
    stack.wait_for(lambda: not Path(f"/proc/{child}").exists())
    activity.worker()
    assert json.loads(activity.ended(execution)["output"]) == {"runs": 2}
    history = activity.aws.stepfunctions.get_execution_history(executionArn=execution)["events"]
    (failed,) = (one["taskFailedEventDetails"] for one in history if one["type"] == "TaskFailed")
    assert failed["error"] == "States.HeartbeatTimeout"


def test_a_task_that_takes_longer_than_the_limit_lives_by_its_heartbeats(activity: Activity, tmp_path: Path) -> None:
    activity.worker()
    mark = tmp_path / "mark"
    assert activity.done({"seconds": 5, "mark": str(mark)}) == {"runs": 1}
    assert activity.log().count("heartbeat failed") == 0


def test_work_ends_when_its_execution_is_stopped(activity: Activity, stack: Project, tmp_path: Path) -> None:
    activity.worker()
    mark = tmp_path / "mark"
    execution = activity.start({"seconds": 600, "mark": str(mark)})
    stack.wait_for(begun(mark))
    child = int(mark.read_text())
    activity.aws.stepfunctions.stop_execution(executionArn=execution)
    stack.wait_for(lambda: not Path(f"/proc/{child}").exists())
    assert activity.done({"input": {"name": "moon"}})["by"] == event_name(activity)


def test_a_new_version_has_another_folder_and_the_old_is_unpacked_once(activity: Activity, tmp_path: Path) -> None:
    activity.worker()
    assert activity.done({"input": {"name": "x"}})["said"] == "hello x of Earth"
    (first,) = (tmp_path / "cache").iterdir()
    written = first.stat().st_mtime_ns
    for process in activity._processes:
        process.terminate()
        process.wait(30)
    activity.aws.lambda_.update_function_code(FunctionName=activity.function, ZipFile=activity.code("good day"))
    activity.worker()
    assert activity.done({"input": {"name": "x"}})["said"] == "good day x of Earth"
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert first.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--activityArn", "a"], "'a' is no ARN with a region"),
        (["--activityArn", f"arn:aws:states:{REGION}:1:activity:a"], "expected either --lambdaArn or --handler"),
        (
            ["--activityArn", f"arn:aws:states:{REGION}:1:activity:a", "--handler", "none.py:f"],
            "handler 'none.py:f': expected PATH:FUNCTION, where PATH is a .py file",
        ),
    ],
)
def test_what_cannot_be_carried_out_is_one_line(words: list[str], why: str) -> None:
    command = [sys.executable, "-c", "from pileus.cli.cumulus_ecs_task import main; main()", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"cumulus-ecs-task: {why}\n")


def test_an_activity_that_does_not_exist_ends_the_worker(activity: Activity) -> None:
    activity.aws.stepfunctions.delete_activity(activityArn=activity.arn)
    worker = activity.worker()
    assert worker.wait(60) == 1
    assert "ActivityDoesNotExist" in activity.log()
