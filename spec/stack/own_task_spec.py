"""A project with a workflow and tasks of its own, whole: in workers, as a Lambda, and within a group."""

import json
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from spec.support import tiny
from spec.support.own_project import write_tasks, write_workflow
from spec.support.stack import Project, project_of

ONLY = {
    "StartAt": "Tell",
    "States": {
        "Tell": {
            "Type": "Task",
            "Resource": "pileus:task:tell",
            "Parameters": {"config.$": "$.config", "input.$": "$.input"},
            "End": True,
        }
    },
}
META = {"group": {"by": ["month"]}, "task": {"name": "largest"}}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack of a project that has them, up."""
    folder = tmp_path_factory.mktemp("own") / "project"
    with project_of(folder) as project:
        write_tasks(folder)
        write_workflow(folder)
        (folder / "workflows/OnlyTell.asl.json").write_text(json.dumps(ONLY))
        project.up(workers=1, visibility_seconds=5)
        yield project


def ended(project: Project, period: str) -> dict[str, Any]:
    """The execution of a point in time, when it has ended."""
    client = project.aws.stepfunctions
    machine = f"{project.edges.stack.workflows}TellToo"
    for _ in range(300):
        for one in client.list_executions(stateMachineArn=machine)["executions"]:
            if period in one["name"] and one["status"] != "RUNNING":
                return dict(client.describe_execution(executionArn=one["executionArn"]))
        time.sleep(0.1)
    raise AssertionError(f"the execution of {period} has not ended")


def publish(project: Project, name: str, *months: str) -> None:
    tiny.collection(project, name, months[0], months[-1], workflow="TellToo", meta=META)
    tiny.publish(project, name, *months)
    project.pileus("populate")


def test_a_month_goes_through_tasks_of_the_project_wherever_they_run(own: Project) -> None:
    publish(own, "told", "201501", "201502")
    own.pileus("backfill", "told", "--wait")
    assert json.loads(ended(own, "201501")["output"]) == {"letters": len("fresh: 2015-01"), "said": "fresh: 2015-01"}
    key = "tasks/largest/told/001/2015-01/201501/largest.txt"
    assert own.edges.store.get(own.edges.protected(key)) == b"tiny_201501.tgz"


def test_a_month_whose_task_fails_has_failed_with_what_the_task_said(own: Project) -> None:
    publish(own, "refused", "201503", "201503")
    said = own.pileus("backfill", "refused", "--wait", code=1)
    assert "failed" in said
    execution = ended(own, "201503")
    assert (execution["status"], execution["error"]) == ("FAILED", "ValueError")
    assert json.loads(execution["cause"]) == {"message": "this month is not told", "where": "task.py:11"}
    assert "this month is not told" in own.pileus("status", "--json")


def test_a_backfill_may_name_another_workflow_and_its_retry_keeps_it(own: Project) -> None:
    tiny.collection(own, "usual", "201601", "201601", meta=META)
    own.pileus("populate")
    said = own.pileus("backfill", "usual", "--workflow", "TelToo", code=2)
    assert "there is no workflow 'TelToo' in this stack" in said
    own.pileus("backfill", "usual", "--workflow", "TellToo", "--name", "other", "--wait", code=1)  # not published yet
    tiny.publish(own, "usual", "201601")
    own.pileus("retry", "other", "--wait")
    assert json.loads(ended(own, "other-2-201601")["output"])["said"] == "fresh: 2016-01"


def start(project: Project, name: str, event: dict[str, Any]) -> str:
    """Start OnlyTell with an event; the execution."""
    machine = f"{project.edges.stack.workflows}OnlyTell"
    started = project.aws.stepfunctions.start_execution(stateMachineArn=machine, name=name, input=json.dumps(event))
    return started["executionArn"]


def finished(project: Project, execution: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = dict(project.aws.stepfunctions.describe_execution(executionArn=execution))
        return found if found["status"] != "RUNNING" else None

    return project.wait_for(look)  # type: ignore[no-any-return]


def depth(project: Project) -> tuple[int, int]:
    """Messages in the queue of `tell`, waiting and under way; and its dead letters."""
    counts = []
    for url in project.edges.stack.task_queue("tell"):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = project.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        counts.append(sum(int(found[name]) for name in names))
    return counts[0], counts[1]


def teller(project: Project) -> int:
    """The worker of the task `tell`."""
    (found,) = (pid for pid in project.running.workers if b"--task" in Path(f"/proc/{pid}/cmdline").read_bytes())
    return found


def test_an_event_whose_worker_is_told_to_stop_is_done_by_the_next(own: Project) -> None:
    event = {"config": {"greeting": "slow", "seconds": 4}, "input": {"period": "2015-01"}}
    execution, worker = start(own, "slow", event), teller(own)
    own.wait_for(lambda: depth(own)[0] == 1 and began(own))
    os.kill(worker, signal.SIGTERM)
    assert finished(own, execution)["output"] == json.dumps({"said": "slow: 2015-01"})
    assert teller(own) != worker
    assert "handed back" in (own.home.logs / "task-tell.log").read_text()
    own.wait_for(lambda: depth(own) == (0, 0))


def began(project: Project) -> bool:
    """Whether the worker of `tell` has a process that does an event: it has a folder for it."""
    return any(project.home.scratch.glob("*/tell-*"))


def ended_process(number: int) -> bool:
    return not Path(f"/proc/{number}").exists()


def gone(project: Project, worker: int) -> bool:
    return worker not in project.running.workers


def test_an_event_that_kills_its_workers_fails_and_lies_with_the_dead_letters(own: Project) -> None:
    """Three in a row, as the settings say; a shorter lease makes the spec short."""
    event = {"config": {"greeting": "hard", "seconds": 600}, "input": {"period": "2015-01"}}
    execution = start(own, "hard", event)
    for _ in range(3):
        own.wait_for(lambda: began(own))
        worker = teller(own)
        threads = Path(f"/proc/{worker}/task").glob("*/children")
        process = int(" ".join(thread.read_text() for thread in threads).split()[0])
        os.kill(worker, signal.SIGKILL)
        own.wait_for(partial(gone, own, worker))
        own.wait_for(partial(ended_process, process))  # the task's process ends with its worker
        own.wait_for(lambda: not began(own))  # and the next worker removes what it left
    found = finished(own, execution)
    assert (found["status"], found["error"]) == ("FAILED", "WorkerDied")
    own.wait_for(lambda: depth(own) == (0, 1))


def test_what_has_changed_in_tasks_and_workflows_is_taken_over_while_it_is_up(own: Project) -> None:
    assert own.pileus("up", "--detach").startswith("already up")
    path, code = own.path / "workflows/OnlyTell.asl.json", own.path / "tasks/tell/task.py"
    before = path.read_text()
    path.write_text(before.replace("pileus:task:tell", "pileus:task:tel"))
    assert "it stays as it was: workflows/OnlyTell.asl.json: unknown task 'tel'" in own.pileus("up", "--detach", code=2)
    path.write_text(json.dumps(ONLY | {"Comment": "With another word."}))
    code.write_text(code.read_text().replace("{event['input']['period']}", "month {event['input']['period']}"))
    assert own.pileus("up", "--detach").startswith("updated, and up")
    event = {"config": {"greeting": "new"}, "input": {"period": "2015-01"}}
    assert finished(own, start(own, "again", event))["output"] == json.dumps({"said": "new: month 2015-01"})


def test_an_event_of_another_task_is_refused(own: Project) -> None:
    url, _ = own.edges.stack.task_queue("tell")
    own.aws.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"token": "t", "task": {"task": "other"}}))
    own.wait_for(lambda: depth(own)[1] >= 1 and depth(own)[0] == 0)
    assert "not an event of the task tell" in (own.home.logs / "task-tell.log").read_text()
