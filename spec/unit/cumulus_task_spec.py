"""A task within a Cumulus workflow: its errors, what foreign tasks import, a project's tasks, and workers' queues."""

import json
import sys
import sysconfig
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from pileus.cumulus.task import run_cumulus_task
from pileus.edges.cma import Cma
from pileus.edges.queues import Message
from pileus.edges.store import FolderStore
from pileus.errors import NotFound
from pileus.lifecycle.partition import Failure
from pileus.task_folder import FOREIGN, TaskFolder, offer_foreign_modules
from pileus.worker.child_process import TaskFailed
from pileus.worker.cumulus_queues import CumulusQueues
from pileus.worker.task_process import TaskProcess
from spec.support.cma_messages import BUCKET, MESSAGES, STORED
from spec.support.forked import run_forked

PLAIN = MESSAGES["basic"]
FOREIGN_TASK = '''"""A task of Cumulus, as it stands."""

from cumulus_logger import CumulusLogger
from run_cumulus_task import run_cumulus_task

logger = CumulusLogger("double")


def task(event, context, times=2):
    logger.info("doubles {}", event["input"]["number"])
    return {"number": event["input"]["number"] * event["config"].get("times", times), "by": context.function_name}


def handler(event, context):
    logger.setMetadata(event, context)
    return run_cumulus_task(task, event, context, schemas={"input": "schemas/in.json"}, times=3)
'''
IN = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
DEFINITION = {"description": "Double.", "runs": "worker", "function": "task:handler", "cma": "none"}


def adapter(folder: Path) -> Cma:
    return Cma(FolderStore(folder))


class WorkflowError(Exception):
    """As tasks name theirs."""


def raising(error: Exception) -> Any:
    def task(event: Any) -> Any:
        raise error

    return task


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("WorkflowError: no granules"), "WorkflowError: no granules"),
        (WorkflowError("no granules"), "WorkflowError"),
    ],
)
def test_a_workflow_error_is_the_message_s_exception(error: Exception, said: str, tmp_path: Path) -> None:
    event = MESSAGES["parameters"] | {}
    answer = run_cumulus_task(raising(error), event, None, lambda: adapter(tmp_path))
    assert answer["exception"] == said
    assert answer["payload"] is None
    assert answer["meta"]["foo"] == "bar", "the full message, not its parameters"
    assert "cma" not in answer


@pytest.mark.parametrize("error", [ValueError("no granules"), KeyError(3), ValueError()])
def test_any_other_error_is_raised_as_it_is(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as told:
        run_cumulus_task(raising(error), PLAIN, None, lambda: adapter(tmp_path))
    assert told.value is error


def test_an_event_that_is_no_message_passes_as_it_is() -> None:
    event = {"config": {}, "input": 1}
    assert run_cumulus_task(lambda told: told, event, None, lambda: pytest.fail("asked for")) is event


def foreign(folder: Path, **changes: Any) -> Path:
    """A folder of tasks with one of Cumulus's."""
    task = folder / "tasks/double"
    (task / "schemas").mkdir(parents=True)
    (task / "task.py").write_text(FOREIGN_TASK)
    (task / "schemas/in.json").write_text(json.dumps(IN))
    (task / "task.json").write_text(json.dumps(DEFINITION | changes))
    return folder / "tasks"


def message(number: Any, **config: Any) -> dict[str, Any]:
    event = {
        "cumulus_meta": {"execution_name": "e", "system_bucket": BUCKET},
        "meta": {},
        "payload": {"number": number},
    }
    return {"cma": {"event": event, "task_config": config}}


def done(folder: Path, event: dict[str, Any]) -> Any:
    with closing(TaskProcess(folder, "double", folder, seconds=60)) as process:
        return json.loads(process.run(event, Event()))


def test_a_foreign_task_finds_what_it_imports_and_reads_the_message_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    answer = done(foreign(tmp_path), message(4))
    assert answer["payload"] == {"number": 12, "by": "double"}
    assert answer["meta"]["workflow_tasks"]["0"]["name"] == "double"
    assert done(tmp_path / "tasks", message(4, times=5))["payload"]["number"] == 20


def test_its_schemas_are_those_of_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TaskFailed, match="'four' is not of type 'integer'") as told:
        done(foreign(tmp_path), message("four"))
    assert told.value.kind == "ValidationError"


def test_a_foreign_task_that_is_wrapped_besides_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match=r'say `"cma": "none"` in its task\.json'):
        done(foreign(tmp_path, cma="wrap"), message(4))


def test_what_is_installed_under_the_same_name_comes_first() -> None:
    offer_foreign_modules()
    offer_foreign_modules()
    assert sys.path.count(str(FOREIGN)) == 1
    installed = sysconfig.get_path("purelib")
    assert sys.path.index(installed) < sys.path.index(str(FOREIGN))


def test_a_task_of_ours_is_called_with_what_is_in_the_message(tmp_path: Path) -> None:
    task = tmp_path / "count"
    task.mkdir()
    (task / "task.py").write_text("def do(event):\n    return len(event['input']) + event['config']['more']\n")
    (task / "task.json").write_text(json.dumps(DEFINITION | {"function": "task:do", "cma": "wrap"}))
    call = TaskFolder(tmp_path).task("count").caller(lambda: adapter(tmp_path))
    assert call({"input": "abc", "config": {"more": 1}}, tmp_path) == 4
    event = PLAIN | {"payload": "abc", "task_config": {"more": 2}}
    assert call(event, tmp_path)["payload"] == 5


class KeptQueues:
    """Queues that give one message, and keep what is answered."""

    def __init__(self, task: Any) -> None:
        self.given: Message | None = Message("ingest", "r", "{}", "token", task)
        self.said: list[Any] = []

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        given, self.given = self.given, None
        return given

    def succeed(self, message: Message, output: Any) -> None:
        self.said.append(output)

    def fail(self, message: Message, failure: Failure) -> bool:
        self.said.append(failure)
        return True

    def bury(self, message: Message) -> None:
        self.said.append("buried")

    def delete(self, message: Message) -> None:
        self.said.append("deleted")


def test_a_worker_gets_what_is_in_the_message_and_answers_the_next(tmp_path: Path) -> None:
    kept: Any = KeptQueues(PLAIN | {"task_config": {"run": 1}})
    queues = CumulusQueues(kept, lambda: adapter(tmp_path))
    given = queues.receive("ingest", 0)
    assert given is not None
    assert (given.task["config"], given.task["input"]) == ({"run": 1}, {"anykey": "anyvalue"})
    queues.succeed(given, {"manifest": "m"})
    (answer,) = kept.said
    assert answer["payload"] == {"manifest": "m"}
    assert answer["cumulus_meta"] == PLAIN["cumulus_meta"]
    assert queues.receive("ingest", 0) is None


def test_a_message_whose_part_is_not_there_is_buried_and_answered(tmp_path: Path) -> None:
    kept: Any = KeptQueues(MESSAGES["remote"])
    assert CumulusQueues(kept, lambda: adapter(tmp_path)).receive("ingest", 0) is None
    failure, buried = kept.said
    assert failure.type == NotFound.__name__
    assert f"s3://{BUCKET}/whole.json" in failure.message
    assert buried == "buried"


def test_an_answer_that_has_no_place_in_the_message_fails_the_step(tmp_path: Path) -> None:
    outputs = {"outputs": [{"source": "{$.a}", "destination": "{[$.payload}"}]}
    kept: Any = KeptQueues(PLAIN | {"task_config": {"cumulus_message": outputs}})
    queues = CumulusQueues(kept, lambda: adapter(tmp_path))
    given = queues.receive("ingest", 0)
    assert given is not None
    queues.succeed(given, {"a": 1})
    failure, deleted = kept.said
    assert failure.type == "JsonPathParserError"
    assert deleted == "deleted"


def test_a_plain_message_of_a_worker_is_passed_as_it_is(tmp_path: Path) -> None:
    kept: Any = KeptQueues({"config": {}, "input": None})
    same = kept.given
    assert CumulusQueues(kept, lambda: pytest.fail("asked for")).receive("ingest", 0) is same


def test_run_task_takes_a_message_with_no_aws_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign(tmp_path, function="task:task", cma="wrap")
    (tmp_path / "collections").mkdir()
    (tmp_path / "tasks/double/task.py").write_text("def task(event):\n    return {'n': event['input']['anykey']}\n")
    (tmp_path / "event.json").write_text(json.dumps(MESSAGES["remote"]))
    FolderStore(tmp_path / "s3").put(f"s3://{BUCKET}/whole.json", json.dumps(STORED["whole.json"]).encode())
    words = ["run-task", "double", "--input", "event.json", "--folder", str(tmp_path / "s3")]
    monkeypatch.chdir(tmp_path)
    said = run_forked(words, tmp_path, {}, seconds=60)
    assert json.loads(said.stdout)["payload"] == {"n": "far"}, said.stderr
