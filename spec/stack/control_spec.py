"""A backfill in its user's hands: pause, resume, cancel, retry, logs, limits; and what is refused."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.backfills.limits import count_failure
from pileus.edges.aws import Aws
from pileus.edges.queues import Queue, SqsQueues
from pileus.errors import ArchiveError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.messages import GroupTask
from pileus.models import Group, Partition, State
from pileus.wiring import wire_folder
from pileus.worker.loop import Worker
from spec.servers import Site
from spec.support import tiny
from spec.support.stack import Project

YEAR = [f"2015{month:02}" for month in range(1, 13)]


@pytest.fixture(scope="module")
def year(stack: Project) -> Project:
    """A collection of twelve months."""
    tiny.collection(stack, "year", YEAR[0], YEAR[-1])
    tiny.publish(stack, "year", *YEAR)
    stack.pileus("populate")
    return stack


@pytest.fixture
def slow(year: Project) -> Iterator[Project]:
    """The same with nobody to work: what is queued stays queued."""
    workers = year.running.workers
    for pid in workers:
        stop(pid)
    yield year
    for pid in workers:
        go_on(pid)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def go_on(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def test_paused_nothing_starts_and_resumed_all_is_done_once(slow: Project) -> None:
    slow.pileus("backfill", "year", "--name", "paused")
    slow.wait_for(lambda: slow.counts("paused").get("queued", 0) >= 3)
    said = slow.pileus("pause", "paused")
    assert "nothing new starts" in said
    for pid in slow.running.workers:
        go_on(pid)
    assert slow.json("status", "paused")["state"] == "paused"
    assert set(slow.counts("paused")) <= {"planned", "running", "succeeded"}

    slow.pileus("resume", "paused", "--wait")
    partitions = slow.json("status", "paused")["partitions"]
    assert [p["state"] for p in partitions] == ["succeeded"] * 12
    assert {p["attempt"] for p in partitions} == {1}
    assert "1 of 12" not in said


def test_cancelled_nothing_starts_and_a_retry_works(slow: Project) -> None:
    tiny.publish(slow, "year", *YEAR, body=tiny.archive() + b"\0" * 3)  # all stale, so all would run
    slow.pileus("backfill", "year", "--name", "cancelled")
    slow.wait_for(lambda: slow.counts("cancelled").get("queued", 0) >= 3)
    slow.pileus("cancel", "cancelled")
    queued = slow.aws.stepfunctions.list_executions(
        stateMachineArn=f"{slow.running.stack['PILEUS_WORKFLOWS']}DiscoverAndProcessGranules", statusFilter="RUNNING"
    )
    assert queued["executions"] == [], "it returns when nothing new can start"
    for pid in slow.running.workers:
        go_on(pid)
    ended = slow.json("status", "cancelled")["partitions"]
    assert {p["state"] for p in ended} == {"cancelled"}, "all were stale, and none was done"
    slow.pileus("retry", "cancelled", "--wait")
    assert slow.counts("cancelled") == {"succeeded": 12}


def test_retry_only_failed_leaves_the_good_ones(year: Project) -> None:
    tiny.collection(year, "bad", "201501", "201503")
    tiny.publish(year, "bad", "201501", "201503")
    tiny.publish(year, "bad", "201502", body=b"no archive")
    year.pileus("populate")
    year.pileus("backfill", "bad", "--name", "bad", "--wait", code=1)
    assert year.counts("bad") == {"succeeded": 2, "failed": 1}
    lines = year.json("logs", "bad", "2015-02")
    assert [line["message"] for line in lines] == ["failed"]
    assert "no .tgz" in year.pileus("logs", "bad", "2015-02/201502")

    tiny.publish(year, "bad", "201502")
    year.pileus("retry", "bad", "--only", "failed", "--wait")
    partitions = year.json("status", "bad")["partitions"]
    assert [p["state"] for p in partitions] == ["succeeded"] * 3
    assert len(year.json("logs", "bad", "2015-01")) == 1, "what was good did not run again"


def test_one_failure_too_many_stops_the_backfill(year: Project) -> None:
    tiny.collection(year, "hopeless", YEAR[0], YEAR[-1])
    tiny.publish(year, "hopeless", *YEAR, body=b"no archive")
    year.pileus("populate")
    year.pileus("backfill", "hopeless", "--name", "hopeless", "--max-failures", "2", "--wait", code=1)
    found = year.json("status", "hopeless")
    assert found["state"] == "failed"
    assert "2 are allowed" in found["problem"]
    assert found["counts"]["failed"] < 12


def test_smallest_first(year: Project) -> None:
    tiny.collection(year, "sized", "201501", "201503")
    for month, padding in (("201501", 300), ("201502", 100), ("201503", 200)):
        tiny.publish(year, "sized", month, body=tiny.archive() + b"\0" * padding)
    year.pileus("populate")
    year.pileus("backfill", "sized", "--name", "sized", "--order", "smallest", "--wait")
    address = year.edges.internal("backfills/sized/run-1/points.json")
    points = json.loads(year.edges.store.get(address))
    assert [point["config"]["period"] for point in points] == ["2015-02", "2015-03", "2015-01"]


def test_what_was_planned_is_what_happens_and_can_be_looked_at(year: Project) -> None:
    tiny.collection(year, "looked", "201501", "201502")
    tiny.publish(year, "looked", "201501", "201502")
    year.pileus("populate")
    assert "2 partitions: 2 run" in year.pileus("plan", "looked")
    year.pileus("backfill", "looked", "--name", "looked")
    said = year.pileus("status", "looked", "--watch")
    assert "looked  succeeded" in said
    assert "S 2 succeeded" in said
    assert "written" not in year.pileus("status", "looked", "--html", "page.html")
    assert "looked: succeeded" in (year.path / "page.html").read_text()
    after = year.json("plan", "looked")
    assert [row["reason"] for row in after["partitions"]] == ["up to date"] * 2
    assert after["totals"]["bytes"] == 0
    assert after["totals"]["bytes_per_second"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "nothing"], "there is no backfill 'nothing'"),
        (["pause", "nothing"], "there is no backfill 'nothing'"),
        (["resume", "nothing"], "there is no backfill 'nothing'"),
        (["cancel", "nothing"], "there is no backfill 'nothing'"),
        (["retry", "nothing"], "there is no backfill 'nothing'"),
        (["logs", "nothing", "2015-01"], "there is no backfill 'nothing'"),
        (["pause", "ended"], "only one that is running can be paused"),
        (["resume", "ended"], "only one that is paused can be resumed"),
        (["cancel", "ended"], "only one that is running or paused can be cancelled"),
        (["logs", "ended", "1999-01"], "has no partition '1999-01'"),
        (["backfill", "year", "--name", "ended"], "there is a backfill 'ended' already"),
        (["backfill", "year", "--from", "2014-12"], "leaves the span of year"),
        (["backfill", "year", "--to", "2016-01"], "leaves the span of year"),
        (["plan", "year", "--to", "2016-01"], "leaves the span of year"),
        (["plan", "nothing"], "unknown collection 'nothing'"),
        (["backfill", "year", "--name", "a b"], "cannot name a backfill"),
        (["status", "ended", "--html", "/nowhere/x.html"], "cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_exit_2(year: Project, arguments: list[str], said: str) -> None:
    if "ended" not in {backfill.id for backfill in year.edges.index.backfills()}:
        year.pileus("backfill", "year", "--from", "2015-01", "--to", "2015-01", "--name", "ended", "--wait")
    output = year.pileus(*arguments, code=2)
    assert said in output
    assert len(output.strip().splitlines()) == 1


# --- the limit of failures, at the worker


@pytest.mark.parametrize(("allowed", "tried"), [(0, 1), (2, 3), (None, 5)])
def test_nothing_starts_after_the_failure_that_is_too_many(
    aws: Site, tmp_path: Path, allowed: int | None, tried: int
) -> None:
    clients, name = Aws(aws.url), f"control-spec-{allowed}"
    urls = [clients.sqs.create_queue(QueueName=f"{name}-{part}")["QueueUrl"] for part in ("in", "back", "dead")]
    queues = {"ingest": Queue(urls[0], urls[2]), "backfill": Queue(urls[1], urls[2])}
    queues = SqsQueues(clients.sqs, clients.stepfunctions, queues)
    edges = wire_folder(tmp_path, {})
    edges.index.put_backfill(Backfill("b", "x", "001", "2015-01", "2015-01", "month", max_failures=allowed))
    for number in range(5):
        partition = Partition("x", "001", "2015-01", str(number))
        entry = edges.index.put(Entry(partition, State.queued, "b/1"))
        task_ = GroupTask("b", 1, entry, {}, {}, Group(str(number), ()))
        body = json.dumps({"token": "none", "task": task_.to_json()})
        clients.sqs.send_message(QueueUrl=urls[1], MessageBody=body)
    calls = []

    def task(event: Any, watch: Any) -> dict[str, Any]:
        calls.append(event)
        raise ArchiveError("broken")

    Worker(edges, queues, task, name="w").run(wait_seconds=0, until_idle=True)
    assert len(calls) == tried
    backfill = edges.index.backfill("b")
    assert backfill is not None
    assert backfill.state == ("running" if allowed is None else "failed")


def test_failures_of_an_older_run_do_not_count(tmp_path: Path) -> None:
    edges = wire_folder(tmp_path, {})
    now = Backfill("b", "x", "001", "2015-01", "2015-01", "month", run=2, max_failures=0)
    now = edges.index.put_backfill(now)
    count_failure(edges, "b/1")
    assert edges.index.backfill("b") == now


# --- the limit of groups at once, at the worker


def test_a_group_that_is_held_back_for_long_is_not_buried_and_runs_once_there_is_room(
    aws: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQS buries what it gave out ten times here, a thousand times else: as with `--max-running` over hours."""
    monkeypatch.setattr("pileus.edges.queues.OFTEN", 4)
    monkeypatch.setattr("pileus.worker.loop.FULL_SECONDS", 0)
    clients = Aws(aws.url)
    dead = clients.sqs.create_queue(QueueName="held-dead")["QueueUrl"]
    arn = clients.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 10})
    url = clients.sqs.create_queue(QueueName="held-in", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    posted = []
    clients.sqs.meta.events.register("before-call.sqs.SendMessage", lambda **_: posted.append(1))
    edges = wire_folder(tmp_path, {})
    edges.index.put_backfill(Backfill("b", "x", "001", "2015-01", "2015-01", "month", max_running=1))
    entry = edges.index.put(Entry(Partition("x", "001", "2015-01", "g"), State.queued, "b/1"))
    task_ = GroupTask("b", 1, entry, {}, {}, Group("g", ()))
    clients.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"token": "none", "task": task_.to_json()}))
    queues = SqsQueues(clients.sqs, clients.stepfunctions, dict.fromkeys(("ingest", "backfill"), Queue(url, dead)))
    slot, calls = edges.connections.acquire("backfill b", 1), []

    def task(event: Any, watch: Any) -> dict[str, Any]:
        calls.append(event)
        worker.stop()
        return {"manifest": "m", "downloaded": 0}

    worker = Worker(edges, queues, task, name="w")
    running = threading.Thread(target=worker.run, kwargs={"wait_seconds": 1}, daemon=True)
    running.start()
    deadline = time.monotonic() + 60
    while len(posted) < 6:  # received more than twenty times by then
        assert time.monotonic() < deadline
        assert not calls
        time.sleep(0.05)
    slot.release()
    running.join(60)
    assert len(calls) == 1
    assert "Messages" not in clients.sqs.receive_message(QueueUrl=dead)
    ended = edges.index.entry(entry.partition)
    assert ended is not None
    assert ended.state is State.succeeded
