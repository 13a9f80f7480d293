"""One contract for what workers wrote: the files of a folder, and a log group of CloudWatch."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.edges.logs import CloudWatchLogs, FolderLogs, WorkerLogs
from pileus.errors import StoreError
from spec.servers.sessions import aws_client

GROUP = "/pileus/spec/workers"
PARTITION = "viirs/001/2015-01/20150101"
Write = Callable[[str, int, str], None]
"""Worker, seconds since the first line, and the line."""


@pytest.fixture(params=["folder", "cloudwatch"])
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[WorkerLogs, Write]]:
    if request.param == "folder":

        def append(worker: str, second: int, line: str) -> None:
            with (tmp_path / f"worker-{worker}.log").open("a") as file:
                file.write(line + "\n")

        yield FolderLogs(tmp_path), append
        return
    client: Any = aws_client(request.getfixturevalue("aws"), "logs")
    client.create_log_group(logGroupName=GROUP)
    for worker in "01":
        client.create_log_stream(logGroupName=GROUP, logStreamName=worker)

    def put(worker: str, second: int, line: str) -> None:
        events = [{"timestamp": 1_700_000_000_000 + second * 1000, "message": line}]
        client.put_log_events(logGroupName=GROUP, logStreamName=worker, logEvents=events)

    yield CloudWatchLogs(client, GROUP), put
    client.delete_log_group(logGroupName=GROUP)


def said(second: int, message: str, *, partition: str = PARTITION, run: str = "b/1") -> str:
    facts = {"time": f"2015-01-01 00:00:{second:02},000", "message": message, "partition": partition, "run": run}
    return json.dumps(facts)


def test_what_was_asked_for_by_itself_has_lines_too(logs: tuple[WorkerLogs, Write]) -> None:
    """A worker names the key by its kind."""
    read, write = logs
    for second, kind, key in (
        (1, "request", "request:p/a"),
        (2, "payload", "payload:v/workflow-p/é"),
        (3, "task", "x"),
    ):
        facts = {"time": f"2015-01-01 00:00:0{second},000", "message": kind, kind: key, "run": f"{key}/2"}
        write("0", second, json.dumps(facts))
    for kind, key in (("request", "request:p/a"), ("payload", "payload:v/workflow-p/é")):
        assert [line["message"] for line in read.lines(key, key)] == [kind]


def test_lines_of_a_partition_come_from_all_workers_in_order_of_time(logs: tuple[WorkerLogs, Write]) -> None:
    read, write = logs
    write("1", 2, said(2, "succeeded"))
    write("0", 1, said(1, "handed back"))
    assert [line["message"] for line in read.lines("b", PARTITION)] == ["handed back", "succeeded"]


def test_every_run_of_the_backfill_counts_and_no_other_backfill(logs: tuple[WorkerLogs, Write]) -> None:
    read, write = logs
    write("0", 1, said(1, "failed", run="b/1"))
    write("0", 2, said(2, "succeeded", run="b/2"))
    write("0", 3, said(3, "failed", run="b2/1"))
    write("0", 4, said(4, "failed", partition=PARTITION + "0"))
    assert [line["run"] for line in read.lines("b", PARTITION)] == ["b/1", "b/2"]


def test_what_is_no_line_of_a_worker_is_passed_over(logs: tuple[WorkerLogs, Write]) -> None:
    read, write = logs
    write("0", 1, f"a library warns of {PARTITION}")
    write("0", 2, said(2, "cut short")[:-5])
    write("0", 3, said(3, "succeeded"))
    assert [line["message"] for line in read.lines("b", PARTITION)] == ["succeeded"]


def test_a_log_group_that_is_not_there_is_a_store_error(aws: Any) -> None:
    client: Any = aws_client(aws, "logs")
    with pytest.raises(StoreError, match="CloudWatch Logs refused"):
        list(CloudWatchLogs(client, "/pileus/nowhere").lines("b", PARTITION))
