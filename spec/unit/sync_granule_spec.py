"""SyncGranule: where files are staged, how they are verified, and what becomes of those that are there."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import pytest

from pileus.errors import Corrupt, Denied, DocumentError, DuplicateFile, PileusError, Unknown, UnsafeName
from pileus.tasks.sync_granule import sync_granule
from spec.servers.fixtures import Start
from spec.support.cumulus_tasks import COLLECTION, Stack, data, provider, publish

FOLDER = f"file-staging/mine/MOD09GQ___006/{hashlib.md5(b'g1').hexdigest()}"


@pytest.fixture
def stack(tmp_path: Path, python_server: Start) -> Stack:
    publish(tmp_path / "site/a")
    return Stack(tmp_path, python_server(tmp_path / "site").port)


def granule(id: str = "g1", *names: str, **facts: Any) -> dict[str, Any]:
    files = [{"name": name, "path": "a"} | facts for name in names or (f"{id}.hdf", f"{id}.jpg", f"{id}.hdf.md5")]
    return {"granuleId": id, "dataType": "MOD09GQ", "version": "006", "files": files}


def sync(here: Stack, *granules: dict[str, Any], **config: Any) -> dict[str, Any]:
    told = {"provider": {"id": "site"}, "downloadBucket": "internal", "stack": "mine", "collection": COLLECTION}
    event = {"config": told | config, "input": {"granules": [*granules] or [granule()]}}
    return sync_granule(here.edges, event)


def test_the_files_of_a_granule_are_staged_and_told_with_their_checksum(stack: Stack) -> None:
    answer = sync(stack, workflowStartTime=1000)
    (told,) = answer["granules"]
    assert told | {"files": None} == {
        "granuleId": "g1", "dataType": "MOD09GQ", "version": "006", "provider": "site", "createdAt": 1000, "files": None
    }  # fmt: skip
    assert told["files"] == [
        {
            "bucket": "internal", "key": f"{FOLDER}/g1.hdf", "size": 10, "fileName": "g1.hdf", "source": "a/g1.hdf",
            "checksumType": "md5", "checksum": hashlib.md5(b"1" * 10).hexdigest(),
        },
        {"bucket": "internal", "key": f"{FOLDER}/g1.jpg", "size": 3, "fileName": "g1.jpg", "source": "a/g1.jpg"},
    ]  # fmt: skip
    assert answer["granuleDuplicates"] == {}
    assert stack.edges.store.get(f"s3://internal/{FOLDER}/g1.hdf") == data("g1")


def test_checksum_files_are_kept_where_they_are_wanted(stack: Stack) -> None:
    files = sync(stack, syncChecksumFiles=True)["granules"][0]["files"]
    assert [file["fileName"] for file in files] == ["g1.hdf", "g1.jpg", "g1.hdf.md5"]


@pytest.mark.parametrize("by", ["name", "checksumFor"])
def test_a_file_that_is_not_what_its_checksum_file_says_is_refused(stack: Stack, tmp_path: Path, by: str) -> None:
    """`checksumFor` finds one that is not named after its file."""
    (tmp_path / "site/a/g1.hdf").write_bytes(b"other bytes")
    names, collection = ("g1.hdf", "g1.hdf.md5"), COLLECTION
    if by == "checksumFor":
        (tmp_path / "site/a/g1.hdf.md5").rename(tmp_path / "site/a/g1.md5")
        names, kinds = ("g1.md5", "g1.hdf"), COLLECTION["files"]
        collection = COLLECTION | {"files": [*kinds[:2], kinds[2] | {"regex": r"^g\d\.md5$"}]}
    with pytest.raises(Corrupt, match="md5 is"):
        sync(stack, granule("g1", *names), collection=collection)
    assert stack.keys("internal") == []


def test_a_checksum_file_without_its_file_is_told(stack: Stack) -> None:
    with pytest.raises(DocumentError, match=re.escape(r"g1.hdf.md5: no file of its granule matches checksumFor")):
        sync(stack, granule("g1", "g1.jpg", "g1.hdf.md5"))


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [("cksum", 1135714720, "cksum"), ("SHA-1", hashlib.sha1(b"jpg").hexdigest().upper(), "sha1")],
)
def test_a_checksum_of_the_message_is_verified_and_told(stack: Stack, kind: str, value: Any, told: str) -> None:
    if kind == "cksum":
        value = cksum(b"jpg")
    files = sync(stack, granule("g1", "g1.jpg", checksumType=kind, checksum=value))["granules"][0]["files"]
    assert files[0]["checksumType"] == told
    assert files[0]["checksum"] == str(value).lower()
    wrong = value + 1 if kind == "cksum" else "0" * 40
    with pytest.raises(Corrupt, match=f"{told} is"):
        sync(stack, granule("g1", "g1.jpg", checksumType=kind, checksum=wrong), duplicateHandling="replace")


def cksum(body: bytes) -> int:
    """By the polynomial, bit by bit."""
    crc = 0
    for byte in (*body, len(body)):
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
    return crc ^ 0xFFFFFFFF


def test_another_size_than_the_message_says_is_refused(stack: Stack) -> None:
    with pytest.raises(Corrupt, match="3 bytes announced, 4 listed"):
        sync(stack, granule("g1", "g1.jpg", size=4))


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"useGranIdPath": False}, "file-staging/mine/MOD09GQ___006/g1.jpg"),
        ({"fileStagingDir": "/file-staging/x/"}, f"{FOLDER.replace('mine', 'x/mine')}/g1.jpg"),
        ({"stack": None}, f"{FOLDER.replace('mine/', '')}/g1.jpg"),
        ({"downloadBucket": "open", "fileStagingDir": "mine"}, f"{FOLDER.replace('file-staging', 'mine')}/g1.jpg"),
    ],
)
def test_the_config_says_where_files_are_staged(stack: Stack, config: dict[str, Any], key: str) -> None:
    (file,) = sync(stack, granule("g1", "g1.jpg"), **config)["granules"][0]["files"]
    assert (file["bucket"], file["key"]) == (config.get("downloadBucket", "internal"), key)


def test_without_a_collection_the_populated_one_of_the_granule_counts(stack: Stack) -> None:
    (told,) = sync(stack, collection=None)["granules"]
    assert len(told["files"]) == 2, "its checksum file was known by it"


def again(stack: Stack, handling: str | None, **config: Any) -> dict[str, Any]:
    """Another file of the same name is there, from 2017-05-01T14:30:15.123Z."""
    stack.put(f"s3://internal/{FOLDER}/g1.jpg")
    path = stack.edges.store._path(f"s3://internal/{FOLDER}/g1.jpg")  # type: ignore[attr-defined]
    os.utime(path, (1493649015.123, 1493649015.123))
    return sync(stack, granule("g1", "g1.jpg"), duplicateHandling=handling, **config)


TWICE = {"g1": {"files": [{"bucket": "internal", "key": f"{FOLDER}/g1.jpg"}]}}


@pytest.mark.parametrize("handling", ["error", None])
def test_a_duplicate_is_an_error(stack: Stack, handling: str | None) -> None:
    """Where neither config nor collection says anything, too."""
    with pytest.raises(DuplicateFile, match=r"g1\.jpg already exists in internal bucket"):
        again(stack, handling)
    assert stack.edges.store.get(f"s3://internal/{FOLDER}/g1.jpg") == b"old"


def test_a_duplicate_is_skipped_and_not_even_fetched(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "site/a/g1.jpg").unlink()
    answer = again(stack, "skip")
    assert answer["granuleDuplicates"] == TWICE
    assert [file["size"] for file in answer["granules"][0]["files"]] == [3]
    assert stack.edges.store.get(f"s3://internal/{FOLDER}/g1.jpg") == b"old"


@pytest.mark.parametrize("forced", [False, True])
def test_a_duplicate_is_replaced(stack: Stack, forced: bool) -> None:
    answer = again(stack, "replace")
    assert answer["granuleDuplicates"] == TWICE
    assert stack.keys("internal") == [f"{FOLDER}/g1.jpg"]
    assert stack.edges.store.get(f"s3://internal/{FOLDER}/g1.jpg") == b"jpg"
    if forced:
        event = {"config": {"provider": {"id": "site"}, "downloadBucket": "internal", "stack": "mine"}}
        event |= {"input": {"granules": [granule()]}, "cumulus_config": {"cumulus_context": {}}}  # type: ignore[dict-item]
        event["cumulus_config"]["cumulus_context"] = {"forceDuplicateOverwrite": True}
        assert sync_granule(stack.edges, event)["granuleDuplicates"] == TWICE


def test_an_old_file_is_renamed_by_the_time_it_was_written_and_listed(stack: Stack) -> None:
    stack.put(f"s3://internal/{FOLDER}/g1.jpg.v2.note")
    stack.put(f"s3://internal/{FOLDER}/g1.jpg.v20170501T143015123", b"older")
    answer = again(stack, "version")
    new, *older = answer["granules"][0]["files"]
    assert (new["fileName"], new["size"]) == ("g1.jpg", 3)
    assert older == [
        {"bucket": "internal", "key": f"{FOLDER}/{name}", "fileName": name, "size": size}
        for name, size in (("g1.jpg.v20170501T143015123", 5), ("g1.jpg.v20170501T143015124", 3))
    ], "the first millisecond that no other has"
    assert answer["granuleDuplicates"] == TWICE


def test_the_same_bytes_are_no_new_version(stack: Stack) -> None:
    sync(stack)
    answer = sync(stack, duplicateHandling="version")
    assert [file["fileName"] for file in answer["granules"][0]["files"]] == ["g1.hdf", "g1.jpg"]
    assert len(answer["granuleDuplicates"]["g1"]["files"]) == 2
    assert len(stack.keys("internal")) == 2


def test_the_collection_says_how_duplicates_are_handled_where_the_config_does_not(stack: Stack) -> None:
    again(stack, None, collection=COLLECTION | {"duplicateHandling": "replace"})


@pytest.mark.parametrize(
    ("facts", "config", "error", "why"),
    [
        ({"name": "../../registry.json"}, {}, UnsafeName, "holds a slash"),
        ({"checksumType": "crc", "checksum": "1"}, {}, DocumentError, "checksumType: expected one of md5"),
        ({}, {"downloadBucket": "protected"}, Denied, "expected the internal bucket"),
        ({}, {"downloadBucket": "elsewhere"}, Denied, "expected the internal bucket"),
        ({}, {"fileStagingDir": "backfills"}, Denied, "is the stack's own"),
        ({}, {"fileStagingDir": "file-staging/../backfills"}, DocumentError, "leads out of its folder"),
        ({}, {"fileStagingDir": f"file-staging/{'x' * 1024}"}, DocumentError, "is longer than 1,024 bytes"),
        ({}, {"fileStagingDir": "archives"}, Denied, "is what a partition keeps"),
        ({}, {"downloadBucket": "open", "fileStagingDir": "manifests"}, Denied, "is the stack's own"),
        ({}, {"provider": {"id": "disk"}}, DocumentError, "takes no files of a disk"),
        ({}, {"provider": {"id": "own"}}, Denied, "its bucket is the stack's own"),
        ({}, {"provider": {"id": "other", "host": "127.0.0.1"}}, Unknown, "unknown provider 'other'"),
    ],
)
def test_a_message_reaches_neither_the_stack_s_own_nor_the_machine(
    stack: Stack, facts: dict[str, Any], config: dict[str, Any], error: type[PileusError], why: str
) -> None:
    own = {"id": "own", "protocol": "s3", "host": "s3://internal/backfills"}
    stack.populate(provider(stack.port), {"id": "disk", "protocol": "file", "host": ""}, own)
    with pytest.raises(error, match=why):
        sync(stack, granule("g1", "g1.jpg", **facts), **config)
    assert stack.keys("internal") == stack.keys("protected") == stack.keys("open") == []


@pytest.mark.parametrize(
    "granules", [None, [5], [{"files": []}], [{"granuleId": "g1"}], [{"granuleId": "g", "files": [1]}]]
)
def test_an_event_without_granules_is_told_where(stack: Stack, granules: Any) -> None:
    config = {"provider": {"id": "site"}, "downloadBucket": "internal"}
    with pytest.raises(DocumentError, match=r"input\.granules"):
        sync_granule(stack.edges, {"config": config, "input": {"granules": granules}})
