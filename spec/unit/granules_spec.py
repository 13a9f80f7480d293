"""Granules: written down when their group is queued or a workflow puts them out, looked at, and worked on in bulk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pileus import runs
from pileus.documents import Collection, Provider, parse_value
from pileus.errors import Denied, DocumentError, NotFound, PileusError, UsageError
from pileus.granules import bulk, read
from pileus.granules.act import Actor
from pileus.granules.note import note_groups, note_message
from pileus.granules.wanted import Wanted
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Granule, Group, Listed, Manifest, Output, Partition, State
from pileus.names import FileName
from pileus.outputs.commit import fence, read_manifest
from pileus.project.registry import Registry
from pileus.wiring import Edges, wire_folder
from spec.support.runs import Executions

OPTIONS = {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201503"}
COLLECTION = {
    "name": "lights",
    "templated_name": "lights_{{pointInTime}}",
    "version": "002",
    "dataType": "LIGHTS",
    "granuleIdExtraction": r"(light_\d{6}_[A-Z])",
    "provider": "site",
    "files": [{"regex": r"light_(?P<tile>\d{6}_[A-Z]).*"}],
    "options": OPTIONS,
}
PROVIDER = {"id": "site", "protocol": "https", "host": "archive.example.org"}


def granule(name: str, size: int = 10) -> Granule:
    return Granule(Listed(FileName(name), f"https://archive.example.org/{name}?key=secret", size), {})


@dataclass
class Office:
    """Edges without AWS, with one collection that is populated."""

    folder: Path
    workflows: Executions = field(default_factory=Executions)

    def __post_init__(self) -> None:
        edges = wire_folder(self.folder, {})
        stack = replace(edges.stack, workflows="arn:aws:states:r:0:stateMachine:p-")
        self.edges: Edges = replace(edges, stack=stack, now=lambda: 1_700_000_000.0)
        self.collection = parse_value(Collection, COLLECTION, "lights")
        provider = parse_value(Provider, PROVIDER, "site")
        registry = Registry({"lights___002": self.collection}, {"site": provider}, {})
        self.edges.store.put(self.edges.internal("registry.json"), registry.to_json())

    def partition(self, period: str = "2015-01") -> Partition:
        return Partition("lights", "002", period, "all")

    def note(self, *names: str, period: str = "2015-01") -> list[str]:
        """Queue a group of these files; return what is said of those without a granule."""
        group = Group("all", tuple(granule(name) for name in names))
        partition = self.partition(period)
        problems = note_groups(self.edges, [(partition, group, self.collection)])
        self.edges.index.put(Entry(partition, State.queued, "b/1"))
        return [f"{one.kind} {one.name}" for one in problems]

    def end(self, state: State, period: str = "2015-01", **facts: Any) -> None:
        entry = self.edges.index.entry(self.partition(period))
        assert entry is not None
        self.edges.index.put(replace(entry, state=state, **facts))

    def keep(self, *names: str) -> None:
        """Commit a manifest that keeps these files as archives."""
        outputs = []
        for name in names:
            url = self.edges.protected(f"archives/lights/002/{name}")
            self.edges.store.put(url, name.encode())
            outputs.append(Output(url, len(name), "00", "archive"))
        manifest = Manifest(self.partition(), "f", (), {}, tuple(outputs), "1", "2026-01-01T00:00:00+00:00")
        fence(self.edges.place(self.partition()), "token", fresh=True).commit(manifest)
        self.end(State.succeeded)

    def act(self, id: str, **wanted: Any) -> Any:
        wish = parse_value(Wanted, {"collection": "lights", "ids": [id]} | wanted, "granules")
        return Actor(self.edges, self.workflows, wish, self.collection, None, "bulk").act(id)

    def states(self, **query: Any) -> dict[str, str]:
        found = read.page(self.edges, "lights", "002", **query).granules
        return {one.id: str(one.state) for one in found}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_the_granules_of_a_queued_group_are_written_down_with_their_files(office: Office) -> None:
    assert office.note("light_201501_A.tgz", "light_201501_A.xml", "light_201501_B.tgz") == []
    assert office.states() == {"light_201501_A": "queued", "light_201501_B": "queued"}
    found = read.find(office.edges, "lights", "002", "light_201501_A")
    assert [file.name for file in found.files] == ["light_201501_A.tgz", "light_201501_A.xml"]
    assert found.subject == "lights/002/2015-01/all"
    assert "secret" not in found.files[0].url, "what signs an address is not written down"


def test_a_granule_has_the_state_of_what_last_worked_on_it(office: Office) -> None:
    office.note("light_201501_A.tgz")
    office.end(State.failed, failure=Failure("ArchiveError", "is cut"))
    found = read.find(office.edges, "lights", "002", "light_201501_A")
    assert (found.state, found.why) == (State.failed, "ArchiveError: is cut")


def test_a_file_that_tells_no_granule_is_reported_and_keeps_no_other_from_its_record(office: Office) -> None:
    assert office.note("light_201501_A.tgz", "readme.txt") == ["unnamed readme.txt"]
    assert office.states() == {"light_201501_A": "queued"}


def test_a_collection_that_does_not_say_what_a_granule_is_has_no_records(office: Office) -> None:
    office.collection = office.collection.model_copy(update={"granuleIdExtraction": None})
    assert office.note("light_201501_A.tgz") == []
    assert office.states() == {}


def test_pages_go_on_where_the_one_before_ended_and_select_by_state_and_beginning(office: Office) -> None:
    for period in ("2015-01", "2015-02", "2015-03"):
        office.note(*(f"light_{period.replace('-', '')}_{letter}.tgz" for letter in "ABC"), period=period)
    office.end(State.succeeded, "2015-02")
    first = read.page(office.edges, "lights", "002", limit=4)
    second = read.page(office.edges, "lights", "002", limit=4, after=first.after)
    third = read.page(office.edges, "lights", "002", limit=4, after=second.after)
    assert [len(page.granules) for page in (first, second, third)] == [4, 4, 1]
    assert third.after is None
    assert [*office.states(state=State.succeeded)] == [f"light_201502_{letter}" for letter in "ABC"]
    assert [*office.states(begins="light_201503")] == [f"light_201503_{letter}" for letter in "ABC"]


def test_a_granule_that_is_not_there_is_told(office: Office) -> None:
    for id in ("light_209901_A", "", "x" * 2000, "../../registry"):
        with pytest.raises(NotFound):
            read.find(office.edges, "lights", "002", id)


def test_kept_files_are_shown_where_they_are_with_those_before_them(office: Office) -> None:
    office.note("light_201501_A.tgz", "light_201501_B.tgz")
    office.keep("light_201501_A.tgz")
    (file,) = read.find(office.edges, "lights", "002", "light_201501_A").files
    assert file.url == "s3://protected/archives/lights/002/light_201501_A.tgz"
    (other,) = read.find(office.edges, "lights", "002", "light_201501_B").files
    assert other.url == "https://archive.example.org/light_201501_B.tgz"


MESSAGE: dict[str, Any] = {
    "meta": {"collection": {"name": "lights", "version": "002"}},
    "payload": {
        "granules": [
            {
                "granuleId": "g1",
                "files": [
                    {"bucket": "public", "key": "a/b.hdf", "fileName": "b.hdf", "size": 3, "checksum": "ab"},
                    {"name": "nowhere.hdf"},
                ],
            }
        ]
    },
}


def test_what_a_workflow_puts_out_as_cumulus_does_is_written_down(office: Office) -> None:
    assert note_message(office.edges, "workflow:Sync/x", MESSAGE) == 1
    found = read.find(office.edges, "lights", "002", "g1")
    assert (found.subject, found.state) == ("workflow:Sync/x", None)
    (file,) = found.files
    assert (file.name, file.url, file.size, file.checksum) == ("b.hdf", "s3://public/a/b.hdf", 3, "md5:ab")


def test_a_message_whose_payload_was_left_in_a_bucket_is_read_there(office: Office) -> None:
    office.edges.store.put("s3://internal/events/x", json.dumps(MESSAGE["payload"]).encode())
    left = {"Bucket": "internal", "Key": "events/x", "TargetPath": "$.payload"}
    assert note_message(office.edges, "workflow:Sync/x", {"meta": MESSAGE["meta"], "replace": left}) == 1
    assert note_message(office.edges, "workflow:Sync/x", {"replace": left | {"Bucket": "elsewhere"}}) == 0


@pytest.mark.parametrize(
    "message",
    [None, 1, [], {}, {"payload": {"granules": 3}}, {"meta": {"collection": {}}, "payload": {"granules": [{}]}}],
    ids=str,
)
def test_an_output_that_is_no_message_has_no_granules(office: Office, message: Any) -> None:
    assert note_message(office.edges, "workflow:Sync/x", message) == 0


def test_a_workflow_is_applied_to_a_granule_once_and_is_then_what_worked_on_it(office: Office) -> None:
    office.note("light_201501_A.tgz")
    office.keep("light_201501_A.tgz")
    acted = [office.act("light_201501_A", action="apply-workflow", workflow="Publish", meta={"why": "x"}) for _ in "ab"]
    assert acted[0] == acted[1]
    (value,) = office.workflows.started.values()
    assert (value["meta"]["workflow_name"], value["meta"]["why"]) == ("Publish", "x")
    (sent,) = value["payload"]["granules"]
    assert (sent["granuleId"], sent["dataType"], sent["version"]) == ("light_201501_A", "LIGHTS", "002")
    assert sent["files"][0]["bucket"] == "protected"
    assert sent["files"][0]["key"] == "archives/lights/002/light_201501_A.tgz"
    found = read.find(office.edges, "lights", "002", "light_201501_A")
    assert (found.subject, found.state) == (acted[0].detail, State.running)


def test_a_bulk_that_is_repeated_after_the_documents_changed_starts_nothing_anew(office: Office) -> None:
    office.note("light_201501_A.tgz")
    first = office.act("light_201501_A", action="apply-workflow", workflow="Publish")
    office.collection = office.collection.model_copy(update={"dataType": "OTHER"})
    assert office.act("light_201501_A", action="apply-workflow", workflow="Publish") == first
    assert len(office.workflows.started) == 1


def test_a_workflow_is_told_of_the_users_own_buckets_too(office: Office) -> None:
    named = '{"public": {"name": "archive-public", "type": "public"}}'
    office.edges = replace(office.edges, stack=replace(office.edges.stack, buckets=named))
    office.note("light_201501_A.tgz")
    office.act("light_201501_A", action="apply-workflow", workflow="Publish")
    (value,) = office.workflows.started.values()
    assert value["meta"]["buckets"]["public"] == {"name": "archive-public", "type": "public"}
    assert value["meta"]["buckets"]["internal"] == {"name": "internal", "type": "internal"}


def test_reingesting_owes_the_partition_or_runs_the_workflow_again(office: Office) -> None:
    office.note("light_201501_A.tgz")
    office.end(State.succeeded)
    assert office.act("light_201501_A", action="reingest").owed == "lights/002/2015-01/all"
    key = office.act("light_201501_A", action="apply-workflow", workflow="Publish").detail
    assert office.act("light_201501_A", action="reingest").detail == f"{key}, run 1", "it goes on"
    runs.stop(office.edges, office.workflows, key)
    assert office.act("light_201501_A", action="reingest").detail == f"{key}, run 2"


TO = [{"regex": "[.]tgz$", "bucket": "protected", "filepath": "moved/{granule.granuleId}"}]


def test_files_are_moved_and_manifest_and_record_tell_where(office: Office) -> None:
    office.note("light_201501_A.tgz", "light_201501_A.xml")
    office.keep("light_201501_A.tgz", "light_201501_A.xml")
    assert office.act("light_201501_A", action="move", destinations=TO).detail == "moved 1 of 2 files"
    target = "s3://protected/moved/light_201501_A/light_201501_A.tgz"
    assert office.edges.store.get(target) == b"light_201501_A.tgz"
    with pytest.raises(NotFound):
        office.edges.store.get("s3://protected/archives/lights/002/light_201501_A.tgz")
    manifest = read_manifest(office.edges.store, office.edges.place(office.partition()).manifest)
    kept = "s3://protected/archives/lights/002/light_201501_A.xml"
    assert manifest is not None
    assert [output.url for output in manifest.outputs] == [target, kept]
    assert [file.url for file in read.find(office.edges, "lights", "002", "light_201501_A").files] == [target, kept]


def test_a_granule_is_removed_with_its_files_and_its_partition_stays(office: Office) -> None:
    office.note("light_201501_A.tgz", "light_201501_B.tgz")
    office.keep("light_201501_A.tgz", "light_201501_B.tgz")
    assert office.act("light_201501_A", action="remove").detail == "removed with 1 files"
    assert [*office.states()] == ["light_201501_B"]
    manifest = read_manifest(office.edges.store, office.edges.place(office.partition()).manifest)
    assert manifest is not None
    assert [output.url.rpartition("/")[2] for output in manifest.outputs] == ["light_201501_B.tgz"]
    assert [url for url, _ in office.edges.store.list("s3://protected/archives/")] == [manifest.outputs[0].url]


@pytest.mark.parametrize("action", ["move", "remove"])
def test_nothing_is_moved_or_removed_while_something_works_on_it(office: Office, action: str) -> None:
    office.note("light_201501_A.tgz")
    office.end(State.running, lease=office.edges.now() + 60)
    with pytest.raises(UsageError, match="works on it"):
        office.act("light_201501_A", action=action, **({"destinations": TO} if action == "move" else {}))


@pytest.mark.parametrize(
    "url",
    [
        ("internal", "registry.json"),
        ("internal", "backfills/b/backfill.json"),
        ("protected", "manifests/lights/002/2015-01/all/manifest.json"),
        ("elsewhere", "a/b"),
    ],
    ids=str,
)
def test_a_workflow_that_names_the_stacks_own_objects_gets_none_of_them_removed(
    office: Office, url: tuple[str, str]
) -> None:
    bucket, key = url
    files = [{"bucket": bucket, "key": key}]
    message: Mapping[str, Any] = MESSAGE | {"payload": {"granules": [{"granuleId": "g1", "files": files}]}}
    note_message(office.edges, "workflow:Sync/x", message)
    office.edges.store.put(f"s3://{bucket}/{key}", b"mine")
    with pytest.raises(Denied):
        office.act("g1", action="remove")
    with pytest.raises(Denied):
        office.act("g1", action="move", destinations=[{"regex": ".*", "bucket": "protected", "filepath": "x"}])
    assert office.edges.store.get(f"s3://{bucket}/{key}") == b"mine"


def test_nothing_is_moved_onto_the_stacks_own_objects(office: Office) -> None:
    office.note("light_201501_A.tgz")
    office.keep("light_201501_A.tgz")
    with pytest.raises(Denied):
        office.act("light_201501_A", action="move", destinations=[TO[0] | {"filepath": "stats/x"}])


def bulk_run(office: Office, id: str, **wanted: Any) -> dict[str, Any]:
    """Start a bulk run and do its steps, as the workflow does; return what the last one returned."""
    bulk.start(office.edges, office.workflows, {"collection": "lights"} | wanted, id)
    (document,) = [value for arn, value in office.workflows.started.items() if arn.endswith(f":run_{id}_1")]
    wish, told = parse_value(Wanted, document["config"], "granules"), {}
    while True:
        told = bulk.step(office.edges, office.workflows, id, wish, told)
        if not told["more"]:
            return told


def test_a_bulk_run_goes_through_all_pages_and_tells_what_failed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "STEP", 4)
    ids = [f"light_201501_{letter}" for letter in "ABCDEFGHIJ"]
    office.note(*(f"{id}.tgz" for id in ids))
    office.end(State.succeeded)
    told = bulk_run(office, "some", action="apply-workflow", workflow="Publish", ids=[*ids, "light_201501_Z"])
    assert (told["done"], told["failed"], told["steps"]) == (10, 1, 3)
    (failure,) = told["failures"]
    assert failure["id"] == "light_201501_Z"
    assert [one.id for one in bulk.outcomes(office.edges, "some")] == [*ids, "light_201501_Z"]
    assert len([arn for arn in office.workflows.started if "Publish" in arn]) == 10


def test_a_bulk_run_by_query_takes_those_that_it_names(office: Office) -> None:
    office.note("light_201501_A.tgz")
    office.note("light_201502_A.tgz", period="2015-02")
    office.end(State.failed, "2015-02", failure=Failure("X", "y"))
    told = bulk_run(office, "failed", action="apply-workflow", workflow="Publish", state="failed")
    assert [one.id for one in bulk.outcomes(office.edges, "failed")] == ["light_201502_A"]
    assert told["done"] == 1


def test_a_bulk_reingest_is_a_backfill_of_exactly_those_partitions(office: Office) -> None:
    for period in ("2015-01", "2015-02", "2015-03"):
        office.note(f"light_{period.replace('-', '')}_A.tgz", period=period)
        office.end(State.succeeded, period)
    told = bulk_run(office, "again", action="reingest", ids=["light_201501_A", "light_201503_A"])
    assert told["backfills"] == ["again-1"]
    backfill = office.edges.index.backfill("again-1")
    assert backfill is not None
    assert backfill.only == ("2015-01/all", "2015-03/all")
    assert (backfill.select, [period.iso for period in backfill.periods]) == ("all", ["2015-01", "2015-03"])


def test_many_ids_are_an_object_and_not_in_the_document(office: Office) -> None:
    ids = [f"light_201501_{number}" for number in range(3000)]
    bulk.start(office.edges, office.workflows, {"action": "remove", "collection": "lights", "ids": ids}, "many")
    (document,) = office.workflows.started.values()
    assert "ids" not in document["config"]
    assert json.loads(office.edges.store.get(document["config"]["ids_at"])) == ids


@pytest.mark.parametrize(
    ("wanted", "wrong"),
    [
        ({"action": "reingest"}, "says of no granules"),
        ({"action": "reingest", "ids": ["a"], "state": "failed"}, "contradict"),
        ({"action": "apply-workflow", "ids": ["a"]}, "workflow: required"),
        ({"action": "move", "ids": ["a"]}, "destinations: required"),
        ({"action": "remove", "ids": ["a"], "workflow": "X"}, "workflow: only for apply-workflow"),
        ({"action": "erase", "ids": ["a"]}, "action"),
        ({"action": "remove", "idz": ["a"]}, "did you mean ids"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wish_that_is_none_is_refused_before_anything_starts(
    office: Office, wanted: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(DocumentError, match=wrong):
        bulk.start(office.edges, office.workflows, {"collection": "lights"} | wanted, "x")
    assert not office.workflows.started


def test_a_collection_or_workflow_that_is_not_there_is_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PileusError, match="lihgts"):
        bulk.start(office.edges, office.workflows, {"action": "remove", "collection": "lihgts", "ids": ["a"]}, "x")
    monkeypatch.setattr(Executions, "exists", lambda self, workflow: False)
    wanted = {"action": "apply-workflow", "workflow": "Nope", "collection": "lights", "ids": ["a"]}
    with pytest.raises(UsageError, match="no workflow 'Nope'"):
        bulk.start(office.edges, office.workflows, wanted, "x")
