"""DiscoverGranules as in Cumulus: which granules and files it tells of a folder."""

from pathlib import Path
from typing import Any

import pytest

from pileus.errors import Conflict, Denied, DocumentError, NotFound, Unknown
from pileus.tasks.discover_granules import discover_granules
from spec.servers.fixtures import Start
from spec.support.cumulus_tasks import COLLECTION, IDS, Stack, provider, publish


@pytest.fixture
def stack(tmp_path: Path, python_server: Start) -> Stack:
    publish(tmp_path / "site/a")
    (tmp_path / "site/a/strange.txt").write_text("of no granule")
    return Stack(tmp_path, python_server(tmp_path / "site").port)


def discover(stack: Stack, collection: dict[str, Any] | None = None, **config: Any) -> list[dict[str, Any]]:
    told = {"provider": {"id": "site"}, "provider_path": "a", "collection": COLLECTION | (collection or {})}
    answer = discover_granules(stack.edges, {"config": told | config, "input": {}})
    assert [*answer] == ["granules"]
    found: list[dict[str, Any]] = answer["granules"]
    return found


def test_the_files_of_a_folder_are_told_as_granules(stack: Stack) -> None:
    granules = discover(stack)
    assert [one["granuleId"] for one in granules] == [*IDS]
    first = granules[0]
    assert (first["dataType"], first["version"]) == ("MOD09GQ", "006")
    files = {file["name"]: file for file in first["files"]}
    assert [*files] == ["g1.hdf", "g1.hdf.md5", "g1.jpg"]
    template = "mod/{substring(file.fileName, 0, 1)}"
    assert files["g1.hdf"] == {
        "name": "g1.hdf", "path": "a", "bucket": "protected", "url_path": template, "type": "data"
    }  # fmt: skip
    assert files["g1.jpg"]["bucket"] == "open", "the name of the bucket that the key stands for"
    assert files["g1.jpg"]["url_path"] == "mod/{granule.granuleId}"


def test_a_file_of_no_kind_is_left_out_unless_all_are_wanted(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "site/a/g1.log").write_text("x")
    names = [file["name"] for file in discover(stack)[0]["files"]]
    assert "g1.log" not in names
    for told in (
        discover(stack, ignoreFilesConfigForDiscovery=True),
        discover(stack, {"ignoreFilesConfigForDiscovery": True}),
    ):
        assert {"name": "g1.log", "path": "a"} in told[0]["files"]
    assert len(discover(stack, {"ignoreFilesConfigForDiscovery": True}, ignoreFilesConfigForDiscovery=False)[0]) == 4


@pytest.mark.parametrize("handling", [None, "replace", "version"])
def test_a_known_granule_is_told_where_duplicates_are_replaced(stack: Stack, handling: str | None) -> None:
    stack.known("g2")
    assert [one["granuleId"] for one in discover(stack, duplicateGranuleHandling=handling)] == [*IDS]


def test_a_known_granule_is_skipped_or_an_error(stack: Stack) -> None:
    stack.known("g2")
    assert [one["granuleId"] for one in discover(stack, duplicateGranuleHandling="skip", concurrency=2)] == ["g1", "g3"]
    with pytest.raises(Conflict, match="granule g2: is known already"):
        discover(stack, duplicateGranuleHandling="error")


def test_a_granule_that_lacks_files_is_left_out_where_all_must_be_there(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "site/a/g3.jpg").unlink()
    assert [one["granuleId"] for one in discover(stack, {"meta": {"allFilesPresent": True}})] == ["g1", "g2"]
    assert [one["granuleId"] for one in discover(stack)] == [*IDS]


def test_use_list_changes_nothing(stack: Stack) -> None:
    assert discover(stack, useList=True) == discover(stack)


def test_without_provider_path_the_collections_counts(stack: Stack) -> None:
    told = {"provider": {"id": "site"}, "collection": COLLECTION | {"provider_path": "/a/"}}
    answer = discover_granules(stack.edges, {"config": told, "input": None})
    assert {file["path"] for one in answer["granules"] for file in one["files"]} == {"/a/"}


@pytest.mark.parametrize(
    ("config", "error", "why"),
    [
        ({"duplicateGranuleHandling": "keep"}, DocumentError, "expected one of error, skip, replace, version"),
        ({"provider": {"id": "else", "protocol": "http", "host": "127.0.0.1"}}, Unknown, "unknown provider 'else'"),
        ({"provider": {"id": "disk"}}, DocumentError, "takes no files of a disk"),
        ({"provider": {"id": "own"}}, Denied, "its bucket is the stack's own"),
        ({"provider_path": ["a"]}, DocumentError, "config.provider_path: expected a text"),
        ({"provider_path": "nowhere"}, NotFound, "nowhere"),
    ],
)
def test_what_is_wrong_is_refused(stack: Stack, config: dict[str, Any], error: type[Exception], why: str) -> None:
    disk = {"id": "disk", "protocol": "file", "host": ""}
    stack.populate(provider(stack.port), disk, {"id": "own", "protocol": "s3", "host": "internal"})
    with pytest.raises(error, match=why):
        discover(stack, **config)


def test_the_host_of_the_message_does_not_count(stack: Stack) -> None:
    """So a message cannot have the secrets of a provider sent elsewhere."""
    told = {"id": "site", "protocol": "http", "host": "192.0.2.1"}
    assert len(discover(stack, provider=told)) == 3
