"""The smoke test against a stack that is up: it finds what is right and what is wrong, and leaves nothing."""

import os
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from pileus.backfills.control import start
from pileus.deploy import smoke_test as module
from pileus.deploy.smoke_test import forgotten, smoke_test
from pileus.wiring import wire_workflows
from spec.support.stack import Project


def kept(stack: Project) -> dict[str, Any]:
    """Everything that a stack keeps: objects, and the items of its tables."""
    aws = stack.aws
    buckets = (stack.running.stack["PILEUS_INTERNAL"], stack.running.stack["PILEUS_PROTECTED"])
    pages = {bucket: aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket) for bucket in buckets}
    found: dict[str, Any] = {
        bucket: sorted((one["Key"], one["ETag"]) for page in listed for one in page.get("Contents", ()))
        for bucket, listed in pages.items()
    }
    for table in aws.dynamodb.list_tables()["TableNames"]:
        found[table] = aws.dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
    return found


def assert_same(stack: Project, before: dict[str, Any], but: str = "nothing") -> None:
    """The stack keeps what it kept before. Workers delete what they have staged a moment later."""

    def now() -> dict[str, Any]:
        return {name: [one for one in found if but not in str(one)] for name, found in kept(stack).items()}

    with suppress(AssertionError):
        stack.wait_for(lambda: now() == before, 20)
    assert now() == before


@pytest.fixture
def populated(stack: Project) -> Project:
    """With a document of the user's, which no smoke test may change."""
    stack.document("data/providers/site.json", {"id": "site", "protocol": "file", "host": str(stack.path)})
    stack.pileus("populate")
    return stack


def run(stack: Project, seconds: float = 120) -> tuple[module.Verdict, list[str]]:
    told: list[str] = []
    edges = stack.edges
    return smoke_test(edges, wire_workflows(stack.aws, edges.stack), seconds=seconds, tell=told.append), told


def test_a_stack_that_works_passes_and_keeps_nothing_of_it(populated: Project) -> None:
    before = kept(populated)
    verdict, told = run(populated)
    assert verdict.problems == []
    assert verdict.left == ""
    assert told[-1] == "smoke test: removing what it made"
    assert_same(populated, before)


def test_a_number_that_is_wrong_is_told_and_nothing_is_kept(
    populated: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(populated)
    monkeypatch.setitem(module.EXPECTED["seam"], "sum", 161)  # type: ignore[arg-type]
    verdict, _ = run(populated)
    assert verdict.problems == ["seam: sum is 160.0, expected 161"]
    assert_same(populated, before)


def test_a_test_that_does_not_end_in_time_is_told_and_nothing_is_kept(populated: Project) -> None:
    before = kept(populated)
    verdict, _ = run(populated, seconds=0)
    assert verdict.problems[0].startswith("not done after 0 s: ")
    assert_same(populated, before)


def test_a_test_that_is_told_to_stop_leaves_nothing(populated: Project) -> None:
    assert threading.current_thread() is threading.main_thread(), "signals reach no other"
    before, edges = kept(populated), populated.edges

    def stop(line: str) -> None:
        if "the group is" in line:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        smoke_test(edges, wire_workflows(populated.aws, edges.stack), seconds=120, tell=stop)
    assert_same(populated, before)


def test_a_test_that_was_killed_is_removed_by_a_later_one(populated: Project) -> None:
    before, edges = kept(populated), populated.edges
    left = replace(module._planned(edges, "smoke-test-20150101T000000-0000"), started="2015-01-01T00:00:00.000+00:00")
    module._put_site(edges, left)
    workflows = wire_workflows(populated.aws, edges.stack)
    start(edges, workflows, left)
    assert [one.id for one in forgotten(edges)] == [left.id]
    _, told = run(populated)
    assert told[0] == f"smoke test: removing {left.id}, which was left over"
    assert_same(populated, before, but="indexes/")  # of the killed one: a cache, by content
