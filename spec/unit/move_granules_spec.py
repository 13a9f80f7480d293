"""MoveGranules: where staged files go, and what becomes of those that are there."""

import os
from pathlib import Path
from typing import Any

import pytest

from pileus.errors import Denied, DocumentError, DuplicateFile, NotFound, PileusError
from pileus.granules import record
from pileus.tasks.move_granules import move_granules
from spec.support.cumulus_tasks import COLLECTION, Stack

STAGED = "file-staging/mine/MOD09GQ___006"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    stack = Stack(tmp_path)
    stack.put(f"s3://internal/{STAGED}/g1.hdf", b"hdf")
    stack.put(f"s3://internal/{STAGED}/g1.jpg", b"image")
    return stack


def granule(*names: str, **facts: Any) -> dict[str, Any]:
    files = [
        {"bucket": "internal", "key": f"{STAGED}/{name}", "fileName": name, "size": 3, "type": "data"} | facts
        for name in names or ("g1.hdf", "g1.jpg")
    ]
    return {"granuleId": "g1", "dataType": "MOD09GQ", "version": "006", "files": files}


def move(stack: Stack, told: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    own = {"bucket": "internal", "collection": COLLECTION, "buckets": {}, "distribution_endpoint": "https://x.org/"}
    return move_granules(stack.edges, {"config": own | config, "input": {"granules": [told or granule()]}})


def test_files_go_to_the_bucket_and_the_url_path_of_their_kind(stack: Stack) -> None:
    answer = move(stack)
    (told,) = answer["granules"]
    assert [(file["bucket"], file["key"], file["size"], file["type"]) for file in told["files"]] == [
        ("protected", "mod/g/g1.hdf", 3, "data"),
        ("open", "mod/g1/g1.jpg", 5, "data"),
    ]
    assert (told["granuleId"], told["dataType"]) == ("g1", "MOD09GQ")
    assert answer["granuleDuplicates"] == {"g1": {"files": []}}
    assert stack.edges.store.get("s3://open/mod/g1/g1.jpg") == b"image"
    assert stack.keys("internal") == []


def test_the_record_of_a_granule_is_told_and_none_is_made(stack: Stack) -> None:
    stack.known("g1")
    move(stack)
    found = record.read(stack.edges, "MOD09GQ", "006", "g1")
    assert [file.url for file in found.files] == ["s3://protected/mod/g/g1.hdf", "s3://open/mod/g1/g1.jpg"]
    assert found.subject == "workflow:Ingest/x"
    record.remove(stack.edges, found)
    stack.put(f"s3://internal/{STAGED}/g1.hdf", b"hdf")
    move(stack, granule("g1.hdf"), duplicateHandling="replace")
    with pytest.raises(NotFound):
        record.read(stack.edges, "MOD09GQ", "006", "g1")


def test_files_stay_where_they_are_where_that_is_wanted(stack: Stack) -> None:
    answer = move(stack, moveStagedFiles=False)
    assert answer["granules"] == [granule()]
    assert len(stack.keys("internal")) == 2


def test_a_step_that_is_repeated_finds_its_files_moved(stack: Stack) -> None:
    assert move(stack)["granules"] == move(stack)["granules"]


def twice(stack: Stack, handling: str | None, body: bytes = b"old", **config: Any) -> dict[str, Any]:
    """Another file is where the data goes, from 2017-05-01T14:30:15.123Z."""
    stack.put("s3://protected/mod/g/g1.hdf", body)
    path = stack.edges.store._path("s3://protected/mod/g/g1.hdf")  # type: ignore[attr-defined]
    os.utime(path, (1493649015.123, 1493649015.123))
    return move(stack, granule("g1.hdf"), duplicateHandling=handling, **config)


@pytest.mark.parametrize("handling", ["error", None])
def test_a_duplicate_is_an_error_and_all_stays(stack: Stack, handling: str | None) -> None:
    with pytest.raises(DuplicateFile, match=r"mod/g/g1\.hdf already exists in protected bucket"):
        twice(stack, handling)
    assert stack.edges.store.get("s3://protected/mod/g/g1.hdf") == b"old"
    assert f"{STAGED}/g1.hdf" in stack.keys("internal")


def test_a_duplicate_is_skipped_and_stays_staged(stack: Stack) -> None:
    answer = twice(stack, "skip")
    (file,) = answer["granules"][0]["files"]
    assert answer["granuleDuplicates"] == {"g1": {"files": [file]}}
    assert (file["bucket"], file["key"]) == ("protected", "mod/g/g1.hdf")
    assert stack.edges.store.get("s3://protected/mod/g/g1.hdf") == b"old"
    assert f"{STAGED}/g1.hdf" in stack.keys("internal")


def test_a_duplicate_is_replaced(stack: Stack) -> None:
    answer = twice(stack, "replace")
    assert len(answer["granuleDuplicates"]["g1"]["files"]) == 1
    assert stack.keys("protected") == ["mod/g/g1.hdf"]
    assert stack.edges.store.get("s3://protected/mod/g/g1.hdf") == b"hdf"


def test_an_old_file_is_renamed_and_listed_in_the_answer_and_in_the_record(stack: Stack) -> None:
    stack.known("g1")
    answer = twice(stack, "version")
    new, old = answer["granules"][0]["files"]
    assert (new["key"], new["size"]) == ("mod/g/g1.hdf", 3)
    assert old == {"bucket": "protected", "key": "mod/g/g1.hdf.v20170501T143015123", "size": 3}
    assert answer["granuleDuplicates"]["g1"]["files"] == [new]
    (file,) = record.read(stack.edges, "MOD09GQ", "006", "g1").files
    assert file.previous == ("s3://protected/mod/g/g1.hdf.v20170501T143015123",)


def test_the_same_bytes_are_no_new_version(stack: Stack) -> None:
    answer = twice(stack, "version", b"hdf")
    assert len(answer["granules"][0]["files"]) == 1
    assert stack.keys("protected") == ["mod/g/g1.hdf"]
    assert f"{STAGED}/g1.hdf" not in stack.keys("internal")


def test_a_renamed_file_is_of_the_kind_of_its_old_name(stack: Stack) -> None:
    name = "g1.hdf.v20170501T143015123"
    stack.put(f"s3://internal/{STAGED}/{name}")
    (file,) = move(stack, granule(name))["granules"][0]["files"]
    assert file["key"] == f"mod/g/{name}"


def test_a_metadata_file_of_cmr_replaces_and_is_no_duplicate(stack: Stack) -> None:
    collection = COLLECTION | {"files": [{"regex": r"\.cmr\.xml$", "bucket": "protected"}]}
    for body in (b"a", b"b"):
        stack.put(f"s3://internal/{STAGED}/g1.cmr.xml", body)
        answer = move(stack, granule("g1.cmr.xml", type=None), collection=collection)
    assert answer["granuleDuplicates"] == {"g1": {"files": []}}
    assert answer["granules"][0]["files"][0]["type"] == "metadata"
    assert stack.edges.store.get("s3://protected/mod/g1/g1.cmr.xml") == b"b"


KIND = {"regex": "hdf", "bucket": "protected"}


@pytest.mark.parametrize(
    ("files", "error", "why"),
    [
        ([KIND, {"regex": "g1", "bucket": "public"}], DocumentError, "g1.hdf: matches more than one of hdf, g1"),
        ([{"regex": "xml"}], DocumentError, "g1.hdf: matches none of xml"),
        ([KIND | {"bucket": "publik"}], DocumentError, "unknown bucket 'publik'"),
        ([KIND | {"url_path": "{cmrMetadata.Granule.x}"}], DocumentError, "cannot resolve cmrMetadata.Granule.x"),
        ([KIND | {"url_path": "stats"}], Denied, "is the stack's own"),
        ([KIND | {"url_path": "../x"}], DocumentError, "leads out of its folder"),
        ([KIND | {"url_path": "{file.type}"}], DocumentError, "leads out of its folder"),
        ([KIND | {"url_path": "archives/x"}], Denied, "is what a partition keeps"),
        ([KIND | {"bucket": "internal", "url_path": "granules"}], Denied, "is the stack's own"),
    ],
)
def test_a_collection_that_says_no_place_is_refused_before_anything_moves(
    stack: Stack, files: list[dict[str, Any]], error: type[PileusError], why: str
) -> None:
    with pytest.raises(error, match=why):
        move(stack, granule("g1.hdf", type="../stats"), collection=COLLECTION | {"files": files})
    assert len(stack.keys("internal")) == 2


@pytest.mark.parametrize(
    ("key", "config", "error", "why"),
    [
        ("registry.json", {}, Denied, "is the stack's own"),
        ("file-staging/../registry.json", {}, DocumentError, "leads out of its folder"),
        ("archives/viirs/001/g1.hdf", {}, Denied, "is what a partition keeps"),
        (f"{STAGED}/g1.hdf", {"bucket": "protected"}, Denied, "expected the internal bucket"),
        (f"{STAGED}/g1.hdf", {"bucket": "elsewhere"}, Denied, "expected the internal bucket"),
        (f"{STAGED}/x/g1.hdf", {}, NotFound, "neither where it was staged nor where it goes"),
    ],
)
def test_a_message_moves_nothing_but_staged_files(
    stack: Stack, key: str, config: dict[str, Any], error: type[PileusError], why: str
) -> None:
    collection = COLLECTION | {"files": [{"regex": ".*", "bucket": "protected"}]}
    with pytest.raises(error, match=why):
        move(stack, granule("x", key=key), **({"collection": collection} | config))
    assert stack.keys("protected") == []
    assert stack.edges.store.get(stack.edges.internal("registry.json"))


def test_two_files_that_would_go_to_one_place_are_refused(stack: Stack) -> None:
    stack.put(f"s3://internal/{STAGED}/x/g1.hdf")
    told = granule("g1.hdf", "g1.hdf")
    told["files"][1]["key"] = f"{STAGED}/x/g1.hdf"
    with pytest.raises(DocumentError, match="moved to one place"):
        move(stack, told)
