"""Succeeded means done, end to end: what a user once did, and was told a success that was none."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from spec.support import tiny
from spec.support.stack import Project

QUARTER = ("201501", "201502", "201503")


@pytest.fixture
def idle(stack: Project) -> Iterator[Project]:
    """A stack whose workers are stopped, so that what is queued stays queued until `wake`."""
    for pid in stack.running.workers:
        os.kill(pid, signal.SIGSTOP)
    yield stack
    wake(stack)


def wake(project: Project) -> None:
    for pid in project.running.workers:
        os.kill(pid, signal.SIGCONT)


def published(project: Project, name: str, *months: str, **changes: Any) -> None:
    """A collection of a quarter, of which `months` are there."""
    tiny.collection(project, name, QUARTER[0], QUARTER[-1], **changes)
    tiny.publish(project, name, *months)
    project.pileus("populate")


def queued(project: Project, id: str, count: int) -> None:
    project.wait_for(lambda: project.counts(id).get("queued", 0) >= count)


def test_a_month_that_was_404_and_is_there_now_is_run_by_a_retry_of_what_failed(stack: Project) -> None:
    published(stack, "late", "201501", "201503")
    stack.pileus("backfill", "late", "--name", "late", "--wait", code=1)
    assert stack.counts("late") == {"succeeded": 2, "failed": 1}
    tiny.publish(stack, "late", "201502")
    stack.pileus("retry", "late", "--only", "failed", "--wait")
    assert stack.counts("late") == {"succeeded": 3}
    assert {row["period"] for row in stack.json("outputs", "show", "late")} == {"2015-01", "2015-02", "2015-03"}


def test_a_retry_of_what_failed_takes_what_was_cancelled(idle: Project) -> None:
    published(idle, "dropped", *QUARTER)
    idle.pileus("backfill", "dropped", "--name", "dropped")
    queued(idle, "dropped", 3)
    idle.pileus("cancel", "dropped")
    assert idle.counts("dropped") == {"cancelled": 3}
    wake(idle)
    idle.pileus("retry", "dropped", "--only", "failed", "--wait")
    assert idle.counts("dropped") == {"succeeded": 3}
    assert len(idle.json("outputs", "show", "dropped")) == 3


def test_a_backfill_that_another_overlaps_is_made_after_it_and_not_dropped(idle: Project) -> None:
    published(idle, "twice", *QUARTER)
    idle.pileus("backfill", "twice", "--name", "before")
    queued(idle, "before", 3)
    process = {"band": "light", "zones": "data/zones/tiny.geojson", "stats": ["mean"]}
    published(idle, "twice", *QUARTER, meta={"group": {"by": ["month"]}, "process": process})
    idle.pileus("backfill", "twice", "--name", "after")
    queued(idle, "after", 3)
    assert idle.json("status", "after")["state"] == "running"
    wake(idle)
    for id in ("before", "after"):
        idle.wait_until_over(id, 120)
        assert idle.json("status", id)["state"] == "succeeded"
        assert idle.counts(id) == {"succeeded": 3}
    assert idle.json("plan", "twice")["totals"]["actions"] == {"skip": 3}, "what is there is the second one's"


def test_a_backfill_reads_the_same_after_a_later_one_was_cancelled(idle: Project) -> None:
    wake(idle)
    published(idle, "first", *QUARTER)
    idle.pileus("backfill", "first", "--name", "mine", "--wait")
    before = idle.json("status", "mine")
    for pid in idle.running.workers:
        os.kill(pid, signal.SIGSTOP)
    idle.pileus("backfill", "first", "--name", "theirs", "--select", "all")
    queued(idle, "theirs", 3)
    idle.pileus("cancel", "theirs")
    assert idle.counts("theirs") == {"cancelled": 3}
    assert idle.json("status", "mine") == before


@pytest.mark.parametrize(("name", "there", "state"), [("empty", "", "waiting"), ("strange", "readme.txt", "failed")])
def test_nothing_that_matches_is_no_success(stack: Project, name: str, there: str, state: str) -> None:
    published(stack, name, "201501", "201503")
    found = with_nothing_in_between(stack, name, there)
    assert found["state"] == ("incomplete" if state == "waiting" else "failed")
    assert found["counts"] == {"succeeded": 2, state: 1}


def with_nothing_in_between(stack: Project, name: str, there: str) -> Any:
    """The status of a backfill whose second month has a file `there` that is not of the collection, or nothing."""
    folder = stack.path / "site" / name / "201502"
    folder.mkdir()
    if there:
        (folder / there).write_text("not an archive of ours")
    stack.pileus("backfill", name, "--name", name, "--wait", code=1)
    return stack.json("status", name)


def test_a_regex_without_named_groups_takes_all_files_of_a_month_as_one_group(stack: Project) -> None:
    published(stack, "plain", *QUARTER, files=[{"regex": r"tiny_\w+\.tgz"}], meta={"process": PLAIN})
    for month in QUARTER:
        folder = stack.path / "site/plain" / month
        for tile in "abcdef":
            (folder / f"tiny_{month}_{tile}.tgz").write_bytes(tiny.archive())
        (folder / f"tiny_{month}.tgz").unlink()
    stack.pileus("backfill", "plain", "--name", "unnamed-groups", "--wait")
    partitions = stack.json("status", "unnamed-groups")["partitions"]
    assert [(one["state"], one["files"]) for one in partitions] == [("succeeded", 6)] * 3


@pytest.mark.parametrize(
    ("there", "state", "ends"), [("", "waiting", "incomplete"), ("readme.txt", "failed", "failed")]
)
def test_nothing_that_matches_is_no_success_without_named_groups_either(
    stack: Project, there: str, state: str, ends: str
) -> None:
    name = f"bare-{state}"
    published(stack, name, "201501", "201503", files=[{"regex": r"tiny_\d{6}\.tgz"}], meta={"process": PLAIN})
    found = with_nothing_in_between(stack, name, there)
    assert (found["state"], found["counts"]) == (ends, {"succeeded": 2, state: 1})


PLAIN = {"band": "light", "zones": "data/zones/tiny.geojson"}


def test_a_run_that_fails_after_its_tables_were_made_changes_nothing_that_is_read(stack: Project) -> None:
    changes = {"duplicateHandling": "error", "meta": {"process": PLAIN | {"archive": True}}}
    published(stack, "strict", *QUARTER, **changes)
    stack.pileus("backfill", "strict", "--name", "good", "--wait")
    edges = stack.edges
    before = {url: edges.store.get(url) for url, _ in edges.store.list(edges.protected("")) if "strict" in url}
    tables = [url for url in before if url.endswith("/stats.parquet")]
    assert len(tables) == 3
    tiny.publish(stack, "strict", *QUARTER, body=tiny.archive() + b"\0" * 7)
    wider = PLAIN | {"archive": True, "stats": ["mean"]}
    published(stack, "strict", **changes | {"meta": {"process": wider}})
    stack.pileus("backfill", "strict", "--name", "stricter", "--wait", code=1)
    assert stack.counts("stricter") == {"failed": 3}
    for url in tables:
        assert edges.store.get(url) == before[url]
    assert {url for url, _ in edges.store.list(edges.protected("")) if "strict" in url} == set(before)
