"""Reconcile: what is lost, missing, corrupt, orphaned or undone is found, and repair runs exactly what must run."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pileus import keys
from pileus.models import Partition, State
from spec.support import tiny
from spec.support.stack import Project

MONTHS = ("201501", "201502", "201503", "201504")


def partition(month: str) -> Partition:
    return Partition("whole", "001", f"{month[:4]}-{month[4:]}", month)


@pytest.fixture(scope="module")
def done(stack: Project) -> Project:
    tiny.collection(stack, "whole", MONTHS[0], MONTHS[-1])
    tiny.publish(stack, "whole", *MONTHS)
    stack.pileus("populate")
    stack.pileus("backfill", "whole", "--name", "whole", "--wait")
    return stack


@pytest.fixture
def agreed(done: Project) -> Iterator[Project]:
    """A stack on which everything agrees, before and after."""
    assert done.json("reconcile", "whole")["findings"] == []
    yield done
    assert done.json("reconcile", "whole")["findings"] == []


def found(project: Project) -> list[tuple[str, str]]:
    value = project.json("reconcile", "whole", code=1)
    return [(finding["kind"], finding["partition"]) for finding in value["findings"]]


def repaired(project: Project) -> dict[str, Any]:
    """What the repair's backfill did, by state."""
    value = project.json("reconcile", "whole", "--repair")
    if value["backfill"]:
        project.wait_until_over(value["backfill"])
        counts: dict[str, Any] = project.counts(value["backfill"])
        return counts
    return {}


def url(project: Project, key: str) -> str:
    return project.edges.protected(key)


def test_an_object_that_is_gone(agreed: Project) -> None:
    agreed.edges.store.delete(url(agreed, keys.csv_key(partition("201502"))))
    assert found(agreed) == [("missing", partition("201502").key)]
    assert repaired(agreed) == {"succeeded": 1}


def test_an_object_of_the_right_size_with_other_bytes(agreed: Project) -> None:
    address = url(agreed, keys.table_key(partition("201503")))
    body = agreed.edges.store.get(address)
    agreed.edges.store.put(address, body[:-1] + bytes([body[-1] ^ 1]))
    assert found(agreed) == [("corrupt", partition("201503").key)]
    assert repaired(agreed) == {"succeeded": 1}


def test_a_manifest_that_is_gone_leaves_lost_and_orphans(agreed: Project) -> None:
    agreed.edges.store.delete(url(agreed, keys.manifest_key(partition("201501"))))
    kinds = [kind for kind, _ in found(agreed)]
    assert kinds.count("lost") == 1
    assert kinds.count("orphan") == 3, "its table, CSV and item"
    assert repaired(agreed) == {"succeeded": 1}


def test_a_manifest_that_cannot_be_read(agreed: Project) -> None:
    agreed.edges.store.put(url(agreed, keys.manifest_key(partition("201501"))), b'{"cut')
    kinds = [kind for kind, _ in found(agreed)]
    assert "corrupt" in kinds
    assert repaired(agreed) == {"succeeded": 1}


def test_the_record_is_rebuilt_from_manifests_without_running_anything(agreed: Project) -> None:
    for entry in agreed.edges.index.entries("whole", "001", "2015-01", "2015-04"):
        agreed.edges.index.remove(entry)
    assert found(agreed) == [("unrecorded", partition(month).key) for month in MONTHS]
    assert repaired(agreed) == {}
    entries = list(agreed.edges.index.entries("whole", "001", "2015-01", "2015-04"))
    assert [entry.state for entry in entries] == [State.succeeded] * 4


def test_several_at_once_and_only_they_run(agreed: Project) -> None:
    agreed.edges.store.delete(url(agreed, keys.csv_key(partition("201501"))))
    agreed.edges.store.delete(url(agreed, keys.csv_key(partition("201504"))))
    assert found(agreed) == [("missing", partition("201501").key), ("missing", partition("201504").key)]
    assert repaired(agreed) == {"succeeded": 2, "skipped": 2}


def test_an_orphan_is_told_and_left_alone(agreed: Project) -> None:
    address = url(agreed, keys.csv_key(Partition("whole", "001", "1999-01", "199901")))
    agreed.edges.store.put(address, b"nobody's")
    assert found(agreed) == [("orphan", "")]
    agreed.pileus("reconcile", "whole", "--repair")
    assert agreed.edges.store.get(address) == b"nobody's"
    agreed.edges.store.delete(address)


@pytest.mark.parametrize("damaged", [None, b"PAR1 cut"])
def test_the_geometry_of_zones_is_written_again_and_nothing_runs(agreed: Project, damaged: bytes | None) -> None:
    store = agreed.edges.store
    ((address, _),) = store.list(url(agreed, "zones/collection=whole/"))
    before = store.get(address)
    store.delete(address) if damaged is None else store.put(address, damaged)
    assert found(agreed) == [("zones", "")]
    assert repaired(agreed) == {}
    assert store.get(address) == before


def test_a_source_that_changed_is_stale_and_not_repaired_unasked(agreed: Project) -> None:
    tiny.publish(agreed, "whole", "201502", body=tiny.archive() + b"\0" * 10)
    assert found(agreed) == [("stale", partition("201502").key)]
    assert repaired(agreed) == {}
    agreed.pileus("backfill", "whole", "--select", "stale", "--wait")


def test_the_record_comes_back_after_the_embedded_aws_was_killed(agreed: Project) -> None:
    killed = agreed.running.ministack
    agreed.kill(killed)
    agreed.wait_for(lambda: agreed.running.ready and agreed.running.ministack not in (0, killed))
    assert json.loads(agreed.pileus("status", "whole", "--json"))["state"] == "succeeded"
