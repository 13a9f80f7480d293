"""Backfills that are paused, resumed, cancelled and retried while groups end, on the embedded stack."""

from collections.abc import Iterator, Sequence

import pytest

from pileus.backfills import control
from pileus.models import Partition
from pileus.outputs.commit import read_manifest
from pileus.wiring import wire_workflows
from spec.support.gated import GatedSite, gated, months, published, stack_with_site
from spec.support.stack import Project

WORKFLOWS = ("GenerateCollectionsTriggerWorkflows", "DiscoverAndProcessGranules")
LEASE = 6
"""Seconds of a claim in these stacks."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack whose claims are short."""
    with stack_with_site(tmp_path_factory.mktemp("project"), workers=2, lease=LEASE) as made:
        yield made


@pytest.fixture
def site(stack: Project) -> Iterator[GatedSite]:
    with gated(stack) as made:
        yield made


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


def manifests(project: Project, name: str, wanted: Sequence[str]) -> int:
    """How many of these months have a committed manifest."""
    edges = project.edges
    partitions = [Partition(name, "001", f"{month[:4]}-{month[4:]}", month) for month in wanted]
    return sum(read_manifest(edges.store, edges.place(one).manifest) is not None for one in partitions)


def toss(stack: Project, site: GatedSite, count: int) -> None:
    """Pause, resume, cancel and retry a backfill of so many months, more than ten, and kill its two workers.

    Succeeded then means that every month is there.
    """
    wanted = months(count)
    published(stack, site, "tossed", *wanted)
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
    assert ended(stack, "tossed") == count
    assert manifests(stack, "tossed", wanted) == count
    assert len({row["period"] for row in stack.json("outputs", "show", "tossed")}) == count
    assert running(stack, "tossed") == []


def stop_while_groups_end(stack: Project, site: GatedSite, attempts: int) -> None:
    """Pause and cancel, in turn, backfills whose groups end at that moment: none fails, and every execution stops."""
    published(stack, site, "ending", *months(24))
    stack.pileus("populate")
    site.seconds = 0.15
    workflows = wire_workflows(stack.aws, stack.edges.stack)
    for attempt in range(attempts):
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
