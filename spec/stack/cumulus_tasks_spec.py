"""A workflow of Cumulus on the embedded stack, with the tasks that come with Pileus: granules are discovered and
queued, and a workflow for each stages and moves its files; then again, with each way to handle duplicates.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from pileus import runs
from pileus.edges.aws import Stack
from pileus.granules import record
from pileus.models import State
from pileus.runs.executions import run_of_arn
from pileus.runs.record import input_url, read_document
from pileus.runs.view import Run
from pileus.wiring import wire_workflows
from spec.servers.web import python_server
from spec.support.cumulus_tasks import (
    BUCKETS,
    COLLECTION,
    DISCOVER,
    IDS,
    INGEST,
    data,
    message,
    provider,
    publish,
)  # fmt: skip
from spec.support.stack import Project, project_of

OPEN = {"public": BUCKETS["public"] | {"name": "spec-tasks-open"}}


class Site:
    """A stack with both workflows, and its provider."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.workflows = wire_workflows(project.aws, Stack.from_env(project.running.stack))

    def ended(self, key: str) -> Run:
        found: Run = self.project.wait_for(lambda: (now := runs.find(self.project.edges, key)).state.ended and now)
        return found

    def discovered(self, handling: str, granules: str = "replace") -> tuple[Run, dict[str, Any]]:
        """The run of the discovery, and what it has put out."""
        edges = self.project.edges
        told = message(edges, handling=handling, granules=granules)
        run = self.ended(runs.start_workflow(edges, self.workflows, "DiscoverGranules", told).key)
        return run, runs.result(edges, run.key) if run.state is State.succeeded else {}

    def ingested(self, handling: str) -> dict[str, tuple[Run, dict[str, Any]]]:
        """The run of each granule's workflow, and what it has put out."""
        edges = self.project.edges
        run, output = self.discovered(handling)
        assert run.state is State.succeeded, run
        found = {}
        for arn in output["payload"]["running"]:
            of = run_of_arn(edges, arn, lambda: None)
            assert of
            run = self.ended(of.subject.key)
            (granule,) = read_document(edges, input_url(edges, of.subject))["payload"]["granules"]
            answer = runs.result(edges, run.key) if run.state is State.succeeded else {}
            found[granule["granuleId"]] = (run, answer)
        assert [*found] == [*IDS]
        return found

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        place = f"s3://{bucket}/"
        return [url.removeprefix(place) for url, _ in self.project.edges.store.list(place + prefix)]

    def kept(self) -> list[str]:
        """Keys of the data, in the bucket of their kind."""
        return self.keys(self.project.edges.stack.protected, "mod/")

    def staged(self) -> list[str]:
        return self.keys(self.project.edges.stack.internal, "file-staging/")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tasks") / "project"
    publish(folder / "site/a")
    with (
        python_server(folder / "site", folder) as server,
        project_of(folder) as project,
    ):
        project.document("collections/mod.json", COLLECTION)
        project.document("data/providers/site.json", provider(server.port))
        project.document("workflows/DiscoverGranules.asl.json", DISCOVER)
        project.document("workflows/IngestGranule.asl.json", INGEST)
        project.up(workers=1, buckets=OPEN)
        project.pileus("populate")
        yield Site(project)


def files_of(answer: dict[str, Any]) -> list[str]:
    (granule,) = answer["payload"]["granules"]
    return [f"{file['bucket']}/{file['key']}" for file in granule["files"]]


def test_granules_are_discovered_queued_staged_and_moved_and_again_by_each_handling(site: Site) -> None:
    """In one: each run goes on from what the run before has left."""
    edges, protected = site.project.edges, site.project.edges.stack.protected
    first = site.ingested("error")
    assert {run.state for run, _ in first.values()} == {State.succeeded}, first
    assert site.kept() == [f"mod/g/{id}.hdf" for id in IDS]
    assert site.keys("spec-tasks-open", "mod/") == [f"mod/{id}/{id}.jpg" for id in IDS]
    assert site.staged() == []
    assert [len(edges.store.get(f"s3://{protected}/mod/g/{id}.hdf")) for id in IDS] == [10, 20, 30]
    files = first["g1"][1]["payload"]["granules"][0]["files"]
    assert files[0]["checksumType"] == "md5"
    assert files[0]["source"] == "a/g1.hdf"
    seen = record.read(edges, "MOD09GQ", "006", "g1")
    assert [file.url for file in seen.files] == [f"s3://{protected}/mod/g/g1.hdf", "s3://spec-tasks-open/mod/g1/g1.jpg"]

    publish(site.project.path / "site/a", "g1", body=b"new")
    second = site.ingested("version")
    assert {run.state for run, _ in second.values()} == {State.succeeded}, second
    (old,) = (key for key in site.kept() if ".v" in key)
    assert files_of(second["g1"][1]) == [
        f"{protected}/mod/g/g1.hdf", f"{protected}/{old}", "spec-tasks-open/mod/g1/g1.jpg"
    ]  # fmt: skip
    assert edges.store.get(f"s3://{protected}/{old}") == data("g1")
    assert edges.store.get(f"s3://{protected}/mod/g/g1.hdf") == b"new"
    assert len(files_of(second["g2"][1])) == 2, "the same bytes are no new version"

    publish(site.project.path / "site/a", "g1", body=b"newest")
    third = site.ingested("replace")
    assert {run.state for run, _ in third.values()} == {State.succeeded}, third
    assert edges.store.get(f"s3://{protected}/mod/g/g1.hdf") == b"newest"
    assert len(site.kept()) == 4
    duplicates = third["g1"][1]["payload"]["granuleDuplicates"]["g1"]["files"]
    assert [file["key"] for file in duplicates] == ["mod/g/g1.hdf", "mod/g1/g1.jpg"]

    fourth = site.ingested("error")
    assert {run.state for run, _ in fourth.values()} == {State.failed}
    assert fourth["g1"][0].failure
    assert fourth["g1"][0].failure.type == "DuplicateFile"
    assert len(site.staged()) == 6, "what was fetched stays staged"

    publish(site.project.path / "site/a", "g1", body=b"not fetched")
    fifth = site.ingested("skip")
    assert {run.state for run, _ in fifth.values()} == {State.succeeded}, fifth
    assert edges.store.get(f"s3://{protected}/mod/g/g1.hdf") == b"newest"

    run, output = site.discovered("skip", granules="skip")
    assert (run.state, output["payload"]) == (State.succeeded, {"running": []}), "all are known"
    run, _ = site.discovered("skip", granules="error")
    assert run.state is State.failed
    assert run.failure
    assert run.failure.type == "Conflict"


def test_a_rule_starts_the_discovery(site: Site) -> None:
    meta = {"provider_path": "a", "handling": "skip", "granules": "replace", "template": "IngestGranule"}
    rule = {"name": "mod_once", "workflow": "DiscoverGranules", "provider": "site", "rule": {"type": "onetime"}}
    rule["collection"] = {"name": "MOD09GQ", "version": "006"}
    site.project.document("rules/mod.json", rule | {"meta": meta | {"queues": {"startSF": "none"}}})
    before = {run.key for run in runs.list(site.project.edges, "workflow:DiscoverGranules").runs}
    site.project.pileus("populate")

    def fired() -> set[str]:
        return {run.key for run in runs.list(site.project.edges, "workflow:DiscoverGranules").runs} - before

    (key,) = site.project.wait_for(fired)
    assert site.ended(key).state is State.succeeded
    assert len(runs.result(site.project.edges, key)["payload"]["running"]) == 3
