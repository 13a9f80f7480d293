"""Owners that wake up late, among real processes: what they still do changes nothing that anybody reads."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from pileus.lifecycle.partition import Entry
from pileus.models import Manifest, Partition
from pileus.outputs.commit import read_manifest
from spec.support.gated import GatedSite, gated, published, stack_with_site
from spec.support.stack import Project

LEASE = 6


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack whose claims are short."""
    with stack_with_site(tmp_path_factory.mktemp("project"), workers=2, lease=LEASE) as made:
        yield made


@pytest.fixture
def site(project: Project) -> Iterator[GatedSite]:
    with gated(project) as made:
        yield made


@dataclass(frozen=True)
class Case:
    """A month of a collection of a spec's own."""

    project: Project
    site: GatedSite
    name: str

    @property
    def partition(self) -> Partition:
        return Partition(self.name, "001", "2015-01", "201501")

    @property
    def entry(self) -> Entry | None:
        return self.project.edges.index.entry(self.partition)

    @property
    def manifest(self) -> Manifest:
        edges = self.project.edges
        found = read_manifest(edges.store, edges.place(self.partition).manifest)
        assert found is not None
        return found

    @contextmanager
    def frozen(self) -> Iterator[Entry]:
        """Yield a claim whose worker was stopped in the middle of a download; another worker has nothing to do."""
        published(self.project, self.site, self.name, "201501")
        self.project.pileus("populate")
        self.site.gate.clear()
        self.project.pileus("backfill", self.name, "--name", f"{self.name}-first")
        assert self.site.asked.wait(60)
        found = self.entry
        assert found is not None
        os.kill(owner(found), signal.SIGSTOP)
        try:
            yield found
        finally:
            os.kill(owner(found), signal.SIGCONT)

    def succeeded(self, id: str) -> None:
        """Wait until a backfill is over; it has succeeded."""
        self.project.wait_until_over(id, 90)
        assert self.project.json("status", id)["state"] == "succeeded"

    def claimed_by_another(self, before: Entry) -> Entry:
        """Return the claim that follows `before`."""

        def look() -> Entry | None:
            now = self.entry
            return now if now is not None and now.claim not in (None, before.claim) else None

        found: Entry = self.project.wait_for(look, 60)
        return found

    def wake(self, claimed: Entry) -> None:
        """Let the worker go on, and wait until it has heard that its claim is lost."""
        log = self.project.home.logs / f"worker-{self.project.running.workers.index(owner(claimed))}.log"
        begun = len(log.read_text())
        os.kill(owner(claimed), signal.SIGCONT)

        def heard() -> bool:
            said = log.read_text()[begun:]
            return "claim lost" in said or "claim was lost" in said

        self.project.wait_for(heard, 60)

    def counts(self) -> list[int]:
        """Return how many pixels the zone has in what is published."""
        return [row["count"] for row in self.project.json("outputs", "show", self.name)]


def owner(claimed: Entry) -> int:
    """Process id of the worker."""
    return int((claimed.owner or "").split("-")[-2])


def test_an_owner_of_before_the_engine_was_lost_is_refused_by_the_index_that_was_rebuilt(
    project: Project, site: GatedSite
) -> None:
    case = Case(project, site, "rebuilt")
    with case.frozen() as first:
        before = project.running.ministack
        project.kill(before)
        project.wait_for(lambda: project.running.ready and project.running.ministack != before)
        second = case.claimed_by_another(first)
        case.wake(first)
        now = case.entry
        assert now is not None
        assert now.claim == second.claim, "whoever works on it still has it"
        site.gate.set()
        case.succeeded("rebuilt-first")
    assert project.counts("rebuilt-first") == {"succeeded": 1}
    assert case.manifest.claim == second.claim
    assert case.counts() == [16]


def test_an_owner_that_slept_past_its_lease_overwrites_nothing(project: Project, site: GatedSite) -> None:
    case = Case(project, site, "slept")
    with case.frozen() as first:
        square = [[[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]]
        geometry = {"type": "Polygon", "coordinates": square}
        project.document(
            "data/zones/tiny.geojson", {"type": "Feature", "id": "square", "properties": {}} | {"geometry": geometry}
        )
        project.pileus("populate")
        site.gate.set()
        case.succeeded("slept-first")  # another worker has done it
        project.pileus("backfill", "slept", "--name", "slept-second", "--wait")
        assert case.counts() == [4]
        made = case.manifest
        case.wake(first)
    assert case.manifest == made
    assert case.counts() == [4]
    assert project.json("plan", "slept")["totals"]["actions"] == {"skip": 1}, "what is published is what is wanted"
    assert project.counts("slept-first") == {"succeeded": 1}
