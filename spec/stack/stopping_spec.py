"""Pause, resume, cancel and retry while groups end and workers die; from the command line and from the page."""

import json
import os
import re
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pileus.backfills import control
from pileus.models import Partition
from pileus.outputs.commit import read_manifest
from pileus.wiring import wire_workflows
from spec.support.gated import GatedSite, months, published
from spec.support.stack import Project, project_of

WORKFLOWS = ("GenerateCollectionsTriggerWorkflows", "DiscoverAndProcessGranules")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack whose claims are short."""
    with project_of(tmp_path_factory.mktemp("project")) as project:
        (project.path / "site").mkdir()
        project.up(workers=2, visibility_seconds=6)
        yield project


@pytest.fixture
def site(stack: Project) -> Iterator[GatedSite]:
    made = GatedSite(stack.path / "site")
    yield made
    made.close()


def ended(project: Project, id: str) -> int:
    found = project.counts(id)
    return found.get("succeeded", 0) + found.get("skipped", 0)


def running(project: Project, id: str) -> list[str]:
    """Names of the executions of a backfill that run."""
    found = []
    for name in WORKFLOWS:
        arn = project.running.stack["PILEUS_WORKFLOWS"] + name
        pages = project.aws.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=arn, statusFilter="RUNNING"
        )
        found += [one["name"] for page in pages for one in page["executions"] if one["name"].startswith(f"{id}-")]
    return found


def manifests(project: Project, name: str, wanted: list[str]) -> int:
    """How many of these months have a committed manifest."""
    edges = project.edges
    partitions = [Partition(name, "001", f"{month[:4]}-{month[4:]}", month) for month in wanted]
    return sum(read_manifest(edges.store, edges.place(one).manifest) is not None for one in partitions)


def test_paused_resumed_cancelled_retried_and_killed_succeeded_means_every_month_is_there(
    stack: Project, site: GatedSite
) -> None:
    two_years = months(24)
    published(stack, site, "tossed", *two_years)
    stack.pileus("populate")
    site.open_for(4)
    stack.pileus("backfill", "tossed", "--name", "tossed")
    stack.wait_for(lambda: not site.gate.is_set())
    stack.pileus("pause", "tossed")
    stack.pileus("resume", "tossed")
    stack.kill(stack.running.workers[0])
    site.open_for(6)
    stack.wait_for(lambda: not site.gate.is_set(), 120)
    stack.pileus("cancel", "tossed")
    stack.pileus("retry", "tossed", "--only", "failed")
    stack.kill(stack.running.workers[1])
    site.gate.set()
    stack.wait_until_over("tossed", 180)
    found = stack.json("status", "tossed")
    assert found["state"] == "succeeded", found["counts"]
    assert ended(stack, "tossed") == 24
    assert manifests(stack, "tossed", two_years) == 24
    assert len({row["period"] for row in stack.json("outputs", "show", "tossed")}) == 24
    assert running(stack, "tossed") == []


@pytest.mark.timeout(600)
def test_pause_and_cancel_while_groups_end_never_fail_and_stop_every_execution(stack: Project, site: GatedSite) -> None:
    published(stack, site, "ending", *months(24))
    stack.pileus("populate")
    site.seconds = 0.15
    workflows = wire_workflows(stack.aws, stack.edges.stack)
    for attempt in range(8):
        id, word, state = f"try-{attempt}", *(("pause", "paused"), ("cancel", "cancelled"))[attempt % 2]
        before = len(site.served)
        stack.pileus("backfill", "ending", "--name", id, "--select", "all")
        stack.wait_for(lambda before=before: len(site.served) > before)  # type: ignore[misc]
        stack.pileus(word, id)
        # The embedded engine goes on with the map of an execution that was stopped: what it starts has nothing to do.
        stack.wait_for(lambda id=id: running(stack, id) == [], 90)  # type: ignore[misc]
        halted = getattr(control, word)(stack.edges, workflows, id)
        assert halted.state == state, "again is no error"
        if word == "pause":
            control.cancel(stack.edges, workflows, id)


# --- from the page


class Page:
    """What the page of `pileus dashboard` can do."""

    def __init__(self, url: str) -> None:
        self.url = url
        with urllib.request.urlopen(f"{url}live/session.json", timeout=30) as answer:
            self.token = json.load(answer)["token"]

    def act(self, id: str, action: str) -> Any:
        headers = {"Content-Type": "application/json", "X-Pileus-Token": self.token}
        request = urllib.request.Request(f"{self.url}live/backfills/{id}/{action}", b"{}", headers, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@contextmanager
def dashboard(project: Project) -> Iterator[Page]:
    """The page of the project, served by the command."""
    command = [project.python, "-m", "pileus", "dashboard", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=project.path, stdout=subprocess.PIPE, text=True, env=project.environ({"PYTHONUNBUFFERED": "1"})
    )
    timer = threading.Timer(60, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", line)
        assert found, line
        yield Page(found[0])
    finally:
        timer.cancel()
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def asleep(*pids: int) -> Iterator[None]:
    """Stop processes while the block runs."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def looked(project: Project, name: str, *, run: int) -> int:
    """How many months a run has listed and decided on."""
    edges = project.edges
    folder = edges.internal(f"backfills/{name}/run-{run}/groups/")
    return len(list(edges.store.list(folder)))


@pytest.mark.parametrize("face", ["command", "page"])
def test_resumed_at_once_after_a_pause_what_a_worker_still_has_is_done_all_the_same(
    stack: Project, site: GatedSite, face: str
) -> None:
    """The page's Resume is the command's: neither waits, and run 2 takes what run 1 has not handed back yet."""
    name, quarter = f"resumed-by-{face}", months(3)
    published(stack, site, name, *quarter)
    stack.pileus("populate")
    site.gate.clear()
    with dashboard(stack) as page:

        def act(action: str) -> None:
            page.act(name, action) if face == "page" else stack.pileus(action, name)

        stack.pileus("backfill", name, "--name", name)
        assert site.asked.wait(60)
        stack.wait_for(lambda: stack.counts(name).get("running") == 2)
        with asleep(*stack.running.workers):  # they hear of nothing before run 2 has looked
            act("pause")
            assert stack.json("status", name)["state"] == "paused"
            act("resume")
            stack.wait_for(lambda: looked(stack, name, run=2) == len(quarter))
        site.gate.set()
        stack.wait_until_over(name, 90)
    found = stack.json("status", name)
    assert (found["state"], found["run"], found["counts"]) == ("succeeded", 2, {"succeeded": 3})
    assert manifests(stack, name, quarter) == 3
