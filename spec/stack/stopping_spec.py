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

from spec.support.gated import GatedSite, months, published
from spec.support.stack import Project
from spec.support.stopped import manifests, site, stack, stop_while_groups_end, toss

__all__ = ["site", "stack"]


def test_paused_resumed_cancelled_retried_and_killed_succeeded_means_every_month_is_there(
    stack: Project, site: GatedSite
) -> None:
    toss(stack, site, 14)


def test_pause_and_cancel_while_groups_end_never_fail_and_stop_every_execution(stack: Project, site: GatedSite) -> None:
    stop_while_groups_end(stack, site, 2)


# --- from the page


class Page:
    """What the page of `pileus dashboard` can do."""

    def __init__(self, address: str) -> None:
        self.origin = address.partition("/app/")[0]
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self.browser.open(address, timeout=30).close()
        with self.browser.open(f"{self.origin}/app/live/session.json", timeout=30) as answer:
            self.header = json.load(answer)["header"]

    def act(self, id: str, action: str) -> Any:
        headers = {"Content-Type": "application/json", self.header: "1"}
        request = urllib.request.Request(f"{self.origin}/v1/backfills/{id}/{action}", b"{}", headers, method="POST")
        with self.browser.open(request, timeout=60) as answer:
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
        found = re.search(r"http://127\.0\.0\.1:\d+/app/sign-in\?token=[\w-]+", line)
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
