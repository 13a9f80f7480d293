"""Archives in S3: what happens to a second one of the same name."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pileus.edges.archives import ArchiveStore, Handling, Kept
from pileus.edges.store import S3Store
from pileus.errors import StoreError
from pileus.models import Manifest, Output, Partition
from pileus.outputs.commit import Place, fence
from spec.servers import Site
from spec.servers.sessions import aws_client

PARTITION = Partition("viirs", "001", "2015-01", "g")
HANDLINGS: tuple[Handling, ...] = ("error", "skip", "replace", "version")


@pytest.fixture
def bucket(aws: Site) -> Any:
    """A client and a bucket of its own."""
    client: Any = aws_client(aws, "s3")
    name = f"archives-{uuid4().hex[:8]}"
    client.create_bucket(Bucket=name)
    return client, name


@pytest.fixture
def old(tmp_path: Path) -> Path:
    (tmp_path / "old").write_bytes(b"old bytes")
    return tmp_path / "old"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    (tmp_path / "new").write_bytes(b"new bytes")
    return tmp_path / "new"


def stored(bucket: Any) -> dict[str, bytes]:
    client, name = bucket
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=name, Prefix="viirs/").get("Contents", [])]
    return {key: client.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}


def keep(bucket: Any, path: Path, handling: Handling, key: str = "viirs/a.tgz") -> Kept:
    """Weigh the archive, stage it, commit a manifest that names it, and publish: as a worker does."""
    client, name = bucket
    archives, url = ArchiveStore(client), f"s3://{name}/{key}"
    kept = archives.weigh(path, url, handling)
    held, staged = fence(Place(S3Store(client), name, name, PARTITION), uuid4().hex), []
    if kept.action != "kept":
        staged = [held.stage(url)]
        archives.stage(path, staged[0], kept)
    output = Output(kept.url, kept.size, kept.sha256 or "", "archive", kept.previous or "")
    held.publish(held.commit(Manifest(PARTITION, "f", (), {}, (output,), "code", "2015-01-01")), staged)
    return kept


@pytest.mark.parametrize("handling", HANDLINGS)
def test_the_first_archive_is_written(bucket: Any, new: Path, handling: Handling) -> None:
    kept = keep(bucket, new, handling)
    assert (kept.action, kept.size, kept.previous) == ("written", 9, None)
    assert stored(bucket) == {"viirs/a.tgz": b"new bytes"}


@pytest.mark.parametrize("handling", HANDLINGS)
@pytest.mark.parametrize("by", ["us", "others"])
def test_the_same_bytes_keep_the_old_object(bucket: Any, old: Path, handling: Handling, by: str) -> None:
    if by == "us":
        keep(bucket, old, "replace")
    else:
        bucket[0].put_object(Bucket=bucket[1], Key="viirs/a.tgz", Body=b"old bytes")
    before = bucket[0].head_object(Bucket=bucket[1], Key="viirs/a.tgz")["LastModified"]
    assert keep(bucket, old, handling).action == "kept"
    assert bucket[0].head_object(Bucket=bucket[1], Key="viirs/a.tgz")["LastModified"] == before
    assert stored(bucket) == {"viirs/a.tgz": b"old bytes"}


def test_error_refuses_another_archive(bucket: Any, old: Path, new: Path) -> None:
    keep(bucket, old, "error")
    with pytest.raises(StoreError, match="duplicateHandling: error"):
        keep(bucket, new, "error")
    assert stored(bucket) == {"viirs/a.tgz": b"old bytes"}


def test_skip_leaves_the_old_one(bucket: Any, old: Path, new: Path) -> None:
    keep(bucket, old, "skip")
    assert keep(bucket, new, "skip").action == "kept"
    assert stored(bucket) == {"viirs/a.tgz": b"old bytes"}


def test_replace_puts_the_new_one_in_its_place(bucket: Any, old: Path, new: Path) -> None:
    keep(bucket, old, "replace")
    assert keep(bucket, new, "replace").action == "replaced"
    assert stored(bucket) == {"viirs/a.tgz": b"new bytes"}


def test_version_renames_the_old_one_by_its_time(bucket: Any, old: Path, new: Path) -> None:
    keep(bucket, old, "version")
    kept = keep(bucket, new, "version")
    assert kept.action == "versioned"
    assert kept.previous is not None
    name = kept.previous.removeprefix(f"s3://{bucket[1]}/")
    assert re.fullmatch(r"viirs/a\.tgz\.v\d{8}T\d{9}", name)
    assert stored(bucket) == {"viirs/a.tgz": b"new bytes", name: b"old bytes"}


def test_a_bucket_that_is_not_there_is_a_store_error(bucket: Any, new: Path) -> None:
    kept = Kept("s3://no-such-bucket-here/a.tgz", 9, "", "written")
    with pytest.raises(StoreError, match="the archive cannot be kept"):
        ArchiveStore(bucket[0]).stage(new, kept.url, kept)


def test_an_archive_that_is_staged_changes_nothing_until_it_is_committed(bucket: Any, old: Path, new: Path) -> None:
    keep(bucket, old, "replace")
    archives, url = ArchiveStore(bucket[0]), f"s3://{bucket[1]}/viirs/a.tgz"
    archives.stage(new, f"s3://{bucket[1]}/staged/x", archives.weigh(new, url, "replace"))
    assert stored(bucket) == {"viirs/a.tgz": b"old bytes"}
