"""Commit: who may make a result visible, and what a rebuilt index may rely on."""

from pathlib import Path

import pytest

from pileus.backfills.recover import recorded
from pileus.errors import Conflict
from pileus.models import Manifest, Output, Partition
from pileus.outputs.commit import fence
from pileus.wiring import Edges, wire_folder

PARTITION = Partition("viirs", "001", "2015-01", "20150101")


@pytest.fixture
def edges(tmp_path: Path) -> Edges:
    return wire_folder(tmp_path, {})


def manifest(edges: Edges, fingerprint: str, *keys: str) -> Manifest:
    outputs = tuple(Output(edges.protected(key), 1, "", "clip") for key in keys)
    return Manifest(PARTITION, fingerprint, (), {}, outputs, "0", "2015-02-01", backfill="b", run=1)


def make(edges: Edges, claim: str, fingerprint: str, *keys: str) -> None:
    """Fence, stage, commit and publish, as a worker does."""
    held, wanted = fence(edges.place(PARTITION), claim), manifest(edges, fingerprint, *keys)
    staged = [held.stage(output.url) for output in wanted.outputs]
    for url in staged:
        edges.store.put(url, fingerprint.encode())
    held.publish(held.commit(wanted), staged)


def seen(edges: Edges) -> dict[str, bytes]:
    """What readers see."""
    found = edges.store.list(edges.protected("clips/"))
    return {url.rpartition("/")[2]: edges.store.get(url) for url, _ in found}


def test_of_two_claims_the_later_one_alone_can_commit(edges: Edges) -> None:
    place = edges.place(PARTITION)
    early, late = fence(place, "early"), fence(place, "late")
    with pytest.raises(Conflict):
        early.commit(manifest(edges, "old"))
    late.commit(manifest(edges, "new"))


def test_what_is_staged_is_seen_only_after_the_commit_and_then_whole(edges: Edges) -> None:
    held, wanted = fence(edges.place(PARTITION), "a"), manifest(edges, "f", "clips/1", "clips/2")
    staged = [held.stage(output.url) for output in wanted.outputs]
    for url in staged:
        edges.store.put(url, b"f")
    assert seen(edges) == {}
    held.publish(held.commit(wanted), staged)
    assert seen(edges) == {"1": b"f", "2": b"f"}
    assert list(edges.store.list(edges.internal("staged/"))) == []


def test_a_commit_that_was_not_published_is_published_by_the_next_claim(edges: Edges) -> None:
    held, wanted = fence(edges.place(PARTITION), "dead"), manifest(edges, "f", "clips/1")
    edges.store.put(held.stage(wanted.outputs[0].url), b"f")
    held.commit(wanted)
    assert seen(edges) == {}
    assert fence(edges.place(PARTITION), "next").before is not None
    assert seen(edges) == {"1": b"f"}


def test_outputs_that_a_newer_result_does_not_have_are_deleted(edges: Edges) -> None:
    make(edges, "a", "old", "clips/1", "clips/2")
    make(edges, "b", "new", "clips/2")
    assert seen(edges) == {"2": b"new"}


def test_a_publisher_that_wakes_up_late_changes_nothing(edges: Edges) -> None:
    held, wanted = fence(edges.place(PARTITION), "slow"), manifest(edges, "old", "clips/1")
    staged = [held.stage(wanted.outputs[0].url)]
    edges.store.put(staged[0], b"old")
    committed = held.commit(wanted)
    make(edges, "b", "new", "clips/1")
    held.publish(committed, staged)
    assert seen(edges) == {"1": b"new"}


def test_a_claim_under_way_while_the_index_is_rebuilt_cannot_replace_what_was_recovered(edges: Edges) -> None:
    """Seed 5163 of the simulation: it committed a moment after recovery had read the manifest."""
    make(edges, "a", "old")
    late = fence(edges.place(PARTITION), "late")
    (entry,) = recorded(edges)
    assert entry.fingerprint == "old"
    with pytest.raises(Conflict):
        late.commit(manifest(edges, "new"))
