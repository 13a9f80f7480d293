"""CNM: notifications in every form of the schema are read, each violation is named, and the response says what came."""

from typing import Any

import pytest

from pileus.cumulus.cnm import is_cnm, read_cnm, response
from pileus.errors import DocumentError
from pileus.lifecycle.partition import Failure

FILE: dict[str, Any] = {"type": "data", "uri": "s3://drop/2015/a.nc", "name": "a.nc", "size": 12}


def cnm(**changes: Any) -> dict[str, Any]:
    value = {
        "version": "1.6.1",
        "identifier": "note-1",
        "submissionTime": "2017-09-30T03:42:29.791198",
        "collection": "winds",
        "provider": "OCEAN",
        "product": {"name": "a", "dataVersion": "2.0", "files": [FILE]},
    }
    return value | changes


def of_file(**changes: Any) -> dict[str, Any]:
    file = {name: value for name, value in (FILE | changes).items() if value is not None}
    return cnm(product={"name": "a", "files": [file]})


@pytest.mark.parametrize("version", ["1.0", "v1.0", "1.4.1", "1.6"])
def test_every_version_of_one_is_read(version: str) -> None:
    assert read_cnm(cnm(version=version)).version == version


@pytest.mark.parametrize(
    ("said", "listed"),
    [
        ({"checksumType": "md5", "checksum": "AB01"}, "md5:ab01"),
        ({"checksum-type": "SHA-1", "checksum": "ab01"}, "sha1:ab01"),
        ({"checksum-type": "md5", "checksum": "ab01"}, "md5:ab01"),
        ({"checksumType": "SHA512", "checksum": "ab01"}, "sha512:ab01"),
        ({"checksumType": "SHA256", "checksum": "ab01"}, "sha256:ab01"),
        ({"checksum": "ab01"}, "md5:ab01"),
        ({}, None),
    ],
)
def test_a_checksum_is_read_in_both_spellings_and_is_md5_where_no_type_is_said(
    said: dict[str, str], listed: str | None
) -> None:
    (file,) = read_cnm(of_file(**said)).product.all_files
    assert (file.listed.checksum, file.listed.size, file.listed.url) == (listed, 12, "s3://drop/2015/a.nc")


def test_the_files_of_groups_are_read_each_once() -> None:
    other = FILE | {"name": "b.nc", "uri": "s3://drop/2015/b.nc"}
    groups = [{"id": "one", "files": [FILE, other]}, {"id": "two", "files": [FILE]}]
    found = read_cnm(cnm(product={"name": "a", "filegroups": groups}))
    assert [file.name for file in found.product.all_files] == ["a.nc", "b.nc"]


def test_a_collection_may_be_an_object_and_keys_of_later_versions_are_kept() -> None:
    found = read_cnm(cnm(collection={"name": "winds", "version": "2.0"}, later="x"))
    assert not isinstance(found.collection, str)
    assert (found.collection.name, found.collection.version) == ("winds", "2.0")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (cnm(version="2.0"), "version: "),
        (cnm(identifier=""), "identifier: "),
        (cnm(submissionTime="yesterday"), "submissionTime: expected a time in ISO 8601"),
        (cnm(collection=7), "collection"),
        (cnm(product={"name": "a"}), "product: expected exactly one of files, filegroups"),
        (cnm(product={"name": "a", "files": [], "filegroups": []}), "product: expected exactly one of files"),
        (cnm(product={"name": "a", "files": []}), "product: names no file"),
        (cnm(product={"files": [FILE]}), "product.name: required, and missing"),
        (of_file(type="picture"), "product.files[0].type: "),
        (of_file(uri="a.nc"), "product.files[0].uri: expected an address with its scheme"),
        (of_file(uri=None), "product.files[0].uri: required, and missing"),
        (of_file(name="../a.nc"), "product.files[0].name: cannot name a file: holds a slash"),
        (of_file(size=-1), "product.files[0].size: "),
        (of_file(size=None), "product.files[0].size: required, and missing"),
        (of_file(checksumType="crc", checksum="0"), "product.files[0].checksumType: expected md5, SHA1"),
        (cnm(response={"status": "SUCCESS"}), "response: this is the answer to a notification"),
    ],
)
def test_a_violation_is_named_by_its_path(wrong: dict[str, Any], told: str) -> None:
    assert is_cnm(wrong)
    with pytest.raises(DocumentError) as caught:
        read_cnm(wrong)
    assert told in str(caught.value)


def test_all_violations_are_named_at_once() -> None:
    with pytest.raises(DocumentError) as caught:
        read_cnm(of_file(type="picture", size=-1) | {"version": "3"})
    for path in ("version", "product.files[0].type", "product.files[0].size"):
        assert f"{path}: " in str(caught.value)


def test_a_success_names_the_product_and_when_it_came_and_was_done() -> None:
    told = response(cnm(), received=0, completed=1.5)
    assert told["response"] == {"status": "SUCCESS"}
    assert told["product"]["name"] == "a"
    assert (told["identifier"], told["submissionTime"]) == ("note-1", "2017-09-30T03:42:29.791198")
    assert (told["receivedTime"], told["processCompleteTime"]) == (
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:01.500Z",
    )


@pytest.mark.parametrize(
    ("type", "code"),
    [
        ("DocumentError", "VALIDATION_ERROR"),
        ("Corrupt", "TRANSFER_ERROR"),
        ("NotFound", "TRANSFER_ERROR"),
        ("RasterError", "PROCESSING_ERROR"),
        ("States.Timeout", "PROCESSING_ERROR"),
    ],
)
def test_a_failure_has_the_code_of_its_kind_and_the_reason(type: str, code: str) -> None:
    told = response(cnm(), received=0, completed=1, failure=Failure(type, "no", "a.nc"))["response"]
    assert told == {"status": "FAILURE", "errorCode": code, "errorMessage": f"{type}: a.nc: no"}
