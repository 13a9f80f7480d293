"""Succeeded means done, over fakes: rare orders of events in which a success was told that was none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pileus import lifecycle
from pileus.backfills.control import record_started
from pileus.edges.index import Index, MemoryIndex
from pileus.errors import Conflict, UsageError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.messages import GroupTask, PointTask
from pileus.models import Manifest, Output, Partition, State
from pileus.outputs.commit import Place, fence, read_manifest
from pileus.tasks.discover_granules import discover_granules
from pileus.wiring import Edges, wire_folder

PARTITION = Partition("tiny", "001", "2015-01", "201501")
BACKFILL = Backfill("b", "tiny", "001", "2015-01", "2015-01", "month")
URL = "s3://protected/csv/tiny/001/2015-01/201501.csv"


@pytest.fixture
def edges(tmp_path: Path) -> Edges:
    return replace(wire_folder(tmp_path / "s3", {}), now=lambda: 1_700_000_000.0)


def claimed(index: Index, owner: str) -> Entry:
    """The queued partition, claimed."""
    stored = index.entry(PARTITION) or index.put(Entry(PARTITION, State.queued, "b/1"))
    taken = lifecycle.claim(stored, "b/1", owner, owner, lease=10, now=20)
    assert taken is not None
    return index.put(taken)


def test_an_owner_of_before_the_index_was_rebuilt_can_write_nothing_into_the_new_one(edges: Edges) -> None:
    old = claimed(edges.index, "old")
    rebuilt = MemoryIndex()
    new = claimed(rebuilt, "new")
    beat = lifecycle.renew(old, "old", lease=99, now=21)
    assert beat is not None
    with pytest.raises(Conflict):
        rebuilt.put(beat)
    ended = lifecycle.finish(old, "old", State.succeeded, now=22, manifest="m")
    assert ended is not None
    with pytest.raises(Conflict):
        rebuilt.put(ended)
    assert rebuilt.entry(PARTITION) == new


def made(place: Place, claim: str, print_: str) -> tuple[Callable[[], None], str]:
    """A claim fences and stages a table; the commit and publication that are left to do, and what is staged."""
    held = fence(place, claim)
    staged = held.stage(URL)
    place.store.put(staged, print_.encode())

    def finish() -> None:
        outputs = (Output(URL, len(print_), "", "csv"),)
        held.publish(held.commit(Manifest(PARTITION, print_, (), {}, outputs, "1", "2015-02-01")), [staged])

    return finish, staged


def test_a_worker_that_slept_past_its_lease_does_not_overwrite_the_newer_result(edges: Edges) -> None:
    place = edges.place(PARTITION)
    finish_old, _ = made(place, "old", "old zones")
    finish_new, _ = made(place, "new", "new zones")
    finish_new()
    with pytest.raises(Conflict):
        finish_old()
    manifest = read_manifest(edges.store, place.manifest)
    assert manifest is not None
    assert manifest.fingerprint == "new zones"
    assert edges.store.get(URL) == b"new zones"


def test_what_is_staged_is_seen_by_nobody_before_the_commit(edges: Edges) -> None:
    place = edges.place(PARTITION)
    finish, _ = made(place, "only", "zones")
    assert list(edges.store.list(URL)) == []
    assert read_manifest(edges.store, place.manifest) is None
    finish()
    assert edges.store.get(URL) == b"zones"


def test_a_rule_whose_start_is_repeated_by_the_workflow_finds_its_own_backfill(edges: Edges) -> None:
    wanted = replace(BACKFILL, execution="arn:execution:1")
    first = record_started(edges, wanted)
    assert record_started(edges, wanted) == first
    with pytest.raises(UsageError, match="there is a backfill 'b' already"):
        record_started(edges, replace(BACKFILL, execution="arn:execution:2"))


# --- a point whose first group appears while two runs look


def point(edges: Edges, site: Path, id: str) -> dict[str, Any]:
    """Config of the point, for the backfill `id`, which runs."""
    edges.index.put_backfill(replace(BACKFILL, id=id))
    collection = {
        "name": "tiny_201501",
        "files": [{"regex": r"tiny_(?P<month>\d{6})\.tgz"}],
        "provider_path": str(site),
        "meta": {"group": {"by": ["month"]}, "process": {"band": "light", "zones": "s3://internal/z.geojson"}},
    }
    provider = {"id": "site", "protocol": "file"}
    return {"config": PointTask(id, 1, "tiny", "2015-01", collection, provider, own_folder=True).to_json()}


class Meddling(MemoryIndex):
    """Lets another run change the point just before the entry of the whole point is deleted."""

    meddle: Callable[[], Any] | None = None

    def remove(self, entry: Entry) -> None:
        if meddle := self.meddle:
            self.meddle = None
            meddle()
        super().remove(entry)


def test_the_first_group_of_a_point_appears_while_two_look_and_neither_fails(edges: Edges, tmp_path: Path) -> None:
    site, index = tmp_path / "site", Meddling()
    site.mkdir()
    edges = replace(edges, index=index)
    one, two = point(edges, site, "one"), point(edges, site, "two")
    assert discover_granules(edges, one)["count"] == 0
    assert discover_granules(edges, two)["count"] == 0
    (site / "tiny_201501.tgz").write_bytes(b"x")
    index.meddle = lambda: discover_granules(edges, two)
    assert "failure" not in discover_granules(edges, one)
    entries = list(index.entries("tiny", "001", "2015-01", "2015-01"))
    assert [(entry.partition.group, entry.state) for entry in entries] == [("201501", State.queued)]


def test_a_regex_without_named_groups_takes_six_distinct_files_as_one_group(edges: Edges, tmp_path: Path) -> None:
    for tile in "abcdef":
        (tmp_path / f"tiny_{tile}.tgz").write_bytes(b"x")
    event = point(edges, tmp_path, "plain")
    document = event["config"]["collection"]
    document |= {"files": [{"regex": r"tiny_\w\.tgz"}], "meta": {}}
    (item,) = discover_granules(edges, event)["items"]
    found = GroupTask.from_json(item["task"]).group.granules
    assert [granule.file.name for granule in found] == [f"tiny_{tile}.tgz" for tile in "abcdef"]


def test_a_run_that_is_limited_to_one_group_of_a_point_leaves_the_other_alone(edges: Edges, tmp_path: Path) -> None:
    for tile in "ab":
        (tmp_path / f"tiny_{tile}.tgz").write_bytes(b"x")
    event = point(edges, tmp_path, "limited")
    event["config"]["collection"] |= {
        "files": [{"regex": r"tiny_(?P<tile>\w)\.tgz"}],
        "meta": {"group": {"by": ["tile"]}},
    }
    event["config"]["groups"] = ["b"]
    (item,) = discover_granules(edges, event)["items"]
    assert GroupTask.from_json(item["task"]).partition.group == "b"
    entries = list(edges.index.entries("tiny", "001", "2015-01", "2015-01"))
    assert [entry.partition.group for entry in entries] == ["b"]
