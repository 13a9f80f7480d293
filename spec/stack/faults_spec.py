"""What passes is waited for: requests of a worker that fail, in the middle of its group, and at its end."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pileus.lifecycle.partition import Entry
from pileus.models import Partition, State
from pileus.outputs.commit import read_manifest
from spec.servers.proxy import Fault, Proxy, Request, proxy
from spec.support.gated import GatedSite, gated, published, stack_with_site
from spec.support.stack import Project

LEASE = 12
BEHIND = "worker-0"
"""Name of the worker behind the proxy."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack without workers of its own."""
    with stack_with_site(tmp_path_factory.mktemp("project"), workers=0, lease=LEASE) as made:
        yield made


@pytest.fixture
def site(stack: Project) -> Iterator[GatedSite]:
    with gated(stack) as made:
        yield made


@pytest.fixture(scope="module")
def reached(stack: Project) -> Iterator[Proxy]:
    """A proxy, and behind it a worker that reaches the stack through it."""
    with proxy(int(stack.running.endpoint.rpartition(":")[2])) as made, worker(stack, made.url, BEHIND):
        yield made


@pytest.fixture
def between(reached: Proxy) -> Iterator[Proxy]:
    """The proxy, which lets everything through until a spec says otherwise."""
    reached.struck.clear()
    yield reached
    reached.fault = lambda request: None


@contextmanager
def worker(project: Project, endpoint: str, name: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker that reaches the stack at `endpoint`."""
    running = project.running
    settings = {key: value.replace(running.endpoint, endpoint) for key, value in running.stack.items()}
    settings |= {"AWS_ENDPOINT_URL": endpoint, "PILEUS_SCRATCH": str(project.home.scratch)}
    settings |= running.credentials.to_env()
    with (project.home.logs / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [project.python, "-m", "pileus", "worker"], env=project.environ(settings), stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def said(project: Project) -> list[dict[str, Any]]:
    """What the worker behind the proxy wrote, in whole lines."""
    whole, _, _ = (project.home.logs / f"{BEHIND}.log").read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


def entry(project: Project, name: str) -> Entry | None:
    return project.edges.index.entry(Partition(name, "001", "2015-01", "201501"))


def claimed(project: Project, name: str) -> Entry:
    found = entry(project, name)
    assert found is not None
    return found


def claim_of_manifest(project: Project, name: str) -> str:
    edges = project.edges
    found = read_manifest(edges.store, edges.place(Partition(name, "001", "2015-01", "201501")).manifest)
    assert found is not None
    return found.claim


def ended(project: Project, id: str) -> dict[str, int]:
    """How the backfill ended, once it has."""
    project.wait_until_over(id, 150)
    found = project.json("status", id)
    assert found["state"] == "succeeded", found
    counts: dict[str, int] = found["counts"]
    return counts


def begun(project: Project, site: GatedSite, name: str) -> None:
    """Start a backfill of one month, whose zones no worker has read before."""
    published(project, site, name, "201501")
    zones = project.path / "data/zones/tiny.geojson"
    project.document("data/zones/tiny.geojson", json.loads(zones.read_text()) | {"properties": {"of": name}})
    project.pileus("populate")
    project.pileus("backfill", name, "--name", name)


class Striking:
    """The next `times` requests that look like this are struck."""

    def __init__(self, fault: Fault, times: int, *marks: str) -> None:
        self.fault, self.left, self.marks = fault, times, marks

    def __call__(self, request: Request) -> Fault | None:
        text = f"{request.name} {request.body[:20_000].decode(errors='replace')}"
        if self.left and all(mark in text for mark in self.marks):
            self.left -= 1
            return self.fault
        return None


ONCE, LONGER = 1, 6
"""Times: longer than boto3 tries by itself."""


@pytest.mark.parametrize(
    ("fault", "times", "marks", "back"),
    [
        ("503", ONCE, ("GET /", "geojson"), False),
        ("drop", LONGER, ("GET /", "geojson"), True),
        ("drop", ONCE, ("PUT /", "/staged/"), False),
        ("503", 3 * LONGER, ("PUT /", "/staged/"), False),  # three outputs, which are there to be written again
    ],
    ids=["read once", "read for long", "write once", "write for long"],
)
def test_s3_that_refuses_or_hangs_up_inside_a_task_fails_no_group(
    stack: Project, site: GatedSite, between: Proxy, fault: Fault, times: int, marks: tuple[str, ...], back: bool
) -> None:
    name = f"s3-{fault}-{times}-{marks[0][:3]}".lower()
    before = len(said(stack))
    between.fault = Striking(fault, times, *marks)
    begun(stack, site, name)
    assert ended(stack, name) == {"succeeded": 1}
    assert len(between.struck) == times
    assert len(site.served) == 1, "what was downloaded is not downloaded again"
    handed_back = [line for line in said(stack)[before:] if line["message"] == "handed back"]
    assert bool(handed_back) == back


def test_a_job_outlives_a_stack_that_is_out_of_reach_for_seconds_and_keeps_its_lease(
    stack: Project, site: GatedSite, between: Proxy
) -> None:
    site.gate.clear()
    with worker(stack, stack.running.endpoint, "worker-1") as other:
        os.kill(other.pid, signal.SIGSTOP)
        begun(stack, site, "cutoff")
        assert site.asked.wait(60)
        first = claimed(stack, "cutoff")
        os.kill(other.pid, signal.SIGCONT)  # from here on it takes what is not somebody else's
        between.fault = lambda request: "drop"
        stack.wait_for(lambda: len(between.struck) >= 3)
        between.fault = lambda request: None
        stack.wait_for(lambda: time.time() > first.lease + 2, LEASE + 10)
        now = claimed(stack, "cutoff")
        assert (now.state, now.claim, now.attempt) == (State.running, first.claim, 1)
        assert now.lease > first.lease, "it was renewed"
        site.gate.set()
        assert ended(stack, "cutoff") == {"succeeded": 1}
    assert claim_of_manifest(stack, "cutoff") == first.claim
    assert len(site.served) == 1


@pytest.mark.parametrize(
    ("fault", "times", "attempts"),
    [("lose", ONCE, 1), ("drop", ONCE, 1), ("lose", LONGER, 1), ("drop", LONGER, 2)],
    ids=["answer lost", "request lost", "every answer lost", "out of reach"],
)
def test_a_group_whose_end_the_index_did_not_hear_of_is_not_downloaded_again(
    stack: Project, site: GatedSite, between: Proxy, fault: Fault, times: int, attempts: int
) -> None:
    """Its manifest was written: whoever comes next takes that for the answer."""
    name = f"unheard-{fault}-{times}"
    between.fault = Striking(fault, times, "PutItem", '"succeeded"', name)
    begun(stack, site, name)
    assert ended(stack, name) == {"succeeded": 1}
    assert between.struck
    assert len(site.served) == 1
    assert claimed(stack, name).attempt == attempts
