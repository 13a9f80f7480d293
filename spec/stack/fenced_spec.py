"""Owners that wake up late, among real processes: what they still do changes nothing that anybody reads."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.lifecycle.partition import Entry
from pileus.models import Manifest, Partition
from pileus.outputs.commit import read_manifest
from spec.support.gated import GatedSite, published
from spec.support.stack import Project

PARTITION = Partition("one", "001", "2015-01", "201501")
LEASE = 6


@pytest.fixture
def site(project: Project) -> Iterator[GatedSite]:
    (project.path / "site").mkdir()
    made = GatedSite(project.path / "site")
    yield made
    made.close()


@pytest.fixture
def frozen(project: Project, site: GatedSite) -> Iterator[Entry]:
    """A claim whose worker was stopped in the middle of a download; another worker has nothing to do."""
    published(project, site, "one", "201501")
    project.up(workers=2, visibility_seconds=LEASE)
    project.pileus("populate")
    site.gate.clear()
    project.pileus("backfill", "one", "--name", "first")
    assert site.asked.wait(60)
    found = entry(project)
    assert found is not None
    os.kill(owner(found), signal.SIGSTOP)
    yield found
    os.kill(owner(found), signal.SIGCONT)


def entry(project: Project) -> Entry | None:
    return project.edges.index.entry(PARTITION)


def owner(claimed: Entry) -> int:
    """Process id of the worker."""
    return int((claimed.owner or "").split("-")[-2])


def manifest(project: Project) -> Manifest:
    edges = project.edges
    found = read_manifest(edges.store, edges.place(PARTITION).manifest)
    assert found is not None
    return found


def log_of(project: Project, claimed: Entry) -> Path:
    return project.home.logs / f"worker-{project.running.workers.index(owner(claimed))}.log"


def claimed_by_another(project: Project, before: Entry) -> Entry:
    """The claim that follows `before`."""

    def look() -> Entry | None:
        now = entry(project)
        return now if now is not None and now.claim not in (None, before.claim) else None

    found: Entry = project.wait_for(look, 60)
    return found


def wake(project: Project, claimed: Entry) -> None:
    """Let the worker go on, and wait until it has heard that its claim is lost."""
    log = log_of(project, claimed)
    os.kill(owner(claimed), signal.SIGCONT)
    project.wait_for(lambda: "claim lost" in log.read_text() or "claim was lost" in log.read_text(), 60)


def test_an_owner_of_before_the_engine_was_lost_is_refused_by_the_index_that_was_rebuilt(
    project: Project, site: GatedSite, frozen: Entry
) -> None:
    before = project.running.ministack
    project.kill(before)
    project.wait_for(lambda: project.running.ready and project.running.ministack != before)
    second = claimed_by_another(project, frozen)
    wake(project, frozen)
    now = entry(project)
    assert now is not None
    assert now.claim == second.claim, "whoever works on it still has it"
    site.gate.set()
    project.wait_for(lambda: project.json("status", "first")["state"] == "succeeded", 60)
    assert project.counts("first") == {"succeeded": 1}
    assert manifest(project).claim == second.claim
    assert [row["count"] for row in project.json("outputs", "show", "one")] == [16]


def test_an_owner_that_slept_past_its_lease_overwrites_nothing(
    project: Project, site: GatedSite, frozen: Entry
) -> None:
    square = [[[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]]
    geometry = {"type": "Polygon", "coordinates": square}
    project.document(
        "data/zones/tiny.geojson", {"type": "Feature", "id": "square", "properties": {}} | {"geometry": geometry}
    )
    project.pileus("populate")
    site.gate.set()
    project.wait_for(lambda: project.json("status", "first")["state"] == "succeeded", 90)  # another worker has done it
    project.pileus("backfill", "one", "--name", "second", "--wait")
    assert [row["count"] for row in project.json("outputs", "show", "one")] == [4]
    made = manifest(project)
    wake(project, frozen)
    assert manifest(project) == made
    assert [row["count"] for row in project.json("outputs", "show", "one")] == [4]
    assert project.json("plan", "one")["totals"]["actions"] == {"skip": 1}, "what is published is what is wanted"
    assert project.counts("first") == {"succeeded": 1}
