"""Objects of the embedded S3 on disk: the folder of a bucket has its objects only, and a restart loses nothing."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from spec.servers import free_port, running

TOKEN = "of this spec"
BUCKET = "protected"
KEY = "stats/collection=lights/stats.parquet"


@contextmanager
def server(folder: Path) -> Iterator[Any]:
    """Yield a client of the embedded S3 whose data lie in `folder`."""
    port = free_port()
    environ = os.environ | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AWS_SESSION_TOKEN": TOKEN,
        "S3_PERSIST": "0",
        "S3_DATA_DIR": str(folder / "s3"),
        "PILEUS_S3_METADATA": str(folder / "s3-metadata"),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }
    with running([sys.executable, "-m", "pileus.embedded.ministack"], port, env=environ):
        yield boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            aws_session_token=TOKEN,
        )


def files(folder: Path) -> list[str]:
    """Return the files of the bucket's folder."""
    bucket = folder / "s3/000000000000" / BUCKET
    return sorted(path.relative_to(bucket).as_posix() for path in bucket.rglob("*") if path.is_file())


def told(client: Any, key: str) -> tuple[Any, ...]:
    """Return all that an object is asked for."""
    found = client.get_object(Bucket=BUCKET, Key=key)
    return found["Body"].read(), found["ContentType"], found["ETag"], found["Metadata"], found["LastModified"]


def test_what_is_known_of_an_object_survives_a_restart_and_does_not_lie_beside_it(tmp_path: Path) -> None:
    with server(tmp_path) as s3:
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"one", ContentType="image/png", Metadata={"who": "me"})
        s3.put_object_tagging(Bucket=BUCKET, Key=KEY, Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
        s3.copy_object(CopySource={"Bucket": BUCKET, "Key": KEY}, Bucket=BUCKET, Key="a/copy")
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key="large", ContentType="text/csv")["UploadId"]
        part = s3.upload_part(Bucket=BUCKET, Key="large", UploadId=upload, PartNumber=1, Body=b"x" * 100)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        s3.complete_multipart_upload(Bucket=BUCKET, Key="large", UploadId=upload, MultipartUpload=parts)
        before = [told(s3, key) for key in (KEY, "a/copy", "large")]
    assert files(tmp_path) == ["a/copy", "large", KEY]
    with server(tmp_path) as s3:
        assert [told(s3, key) for key in (KEY, "a/copy", "large")] == before
        assert s3.get_object_tagging(Bucket=BUCKET, Key=KEY)["TagSet"] == [{"Key": "k", "Value": "v"}]
    assert [before[0][1], before[0][3], before[2][1]] == ["image/png", {"who": "me"}, "text/csv"]
    assert before[2][2].endswith('-1"'), "the entity tag of parts is not that of the bytes"


def test_versions_and_deletions_survive_a_restart(tmp_path: Path) -> None:
    with server(tmp_path) as s3:
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        first = s3.put_object(Bucket=BUCKET, Key="kept", Body=b"1")["VersionId"]
        s3.put_object(Bucket=BUCKET, Key="kept", Body=b"2")
        gone = s3.put_object(Bucket=BUCKET, Key="hidden", Body=b"3")["VersionId"]
        s3.delete_object(Bucket=BUCKET, Key="hidden")
        s3.delete_object(Bucket=BUCKET, Key="never/was")
    with server(tmp_path) as s3:
        assert [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["kept"]
        markers = s3.list_object_versions(Bucket=BUCKET)["DeleteMarkers"]
        assert sorted(one["Key"] for one in markers) == ["hidden", "never/was"]
        assert s3.get_object(Bucket=BUCKET, Key="kept", VersionId=first)["Body"].read() == b"1"
        assert s3.get_object(Bucket=BUCKET, Key="hidden", VersionId=gone)["Body"].read() == b"3"


def test_a_key_that_ends_as_metadata_do_is_an_object(tmp_path: Path) -> None:
    keys = ["a", "a.meta.json", "a.tmp"]
    with server(tmp_path) as s3:
        s3.create_bucket(Bucket=BUCKET)
        for key in keys:
            s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    with server(tmp_path) as s3:
        assert [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == keys
        assert [told(s3, key)[0] for key in keys] == [key.encode() for key in keys]
        s3.delete_object(Bucket=BUCKET, Key="a")
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket=BUCKET, Key="a")
    assert [name for name in files(tmp_path) if not name.startswith(".")] == []


def test_a_deleted_bucket_leaves_nothing_behind(tmp_path: Path) -> None:
    with server(tmp_path) as s3:
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        s3.delete_object(Bucket=BUCKET, Key="never/was")
        for one in s3.list_object_versions(Bucket=BUCKET)["DeleteMarkers"]:
            s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])
        s3.delete_bucket(Bucket=BUCKET)
    assert not list(tmp_path.rglob(f"*/{BUCKET}*"))


def test_what_an_older_pileus_left_beside_objects_is_moved(tmp_path: Path) -> None:
    with server(tmp_path) as s3:
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"one", ContentType="image/png")
        before = told(s3, KEY)
    there = tmp_path / "s3-metadata/000000000000" / BUCKET / f"{KEY}.meta.json"
    beside = tmp_path / "s3/000000000000" / BUCKET / f"{KEY}.meta.json"
    there.rename(beside)
    beside.with_name("half.parquet.tmp").write_bytes(b"o")
    with server(tmp_path) as s3:
        assert told(s3, KEY) == before
        assert files(tmp_path) == [KEY]
        s3.put_object(Bucket=BUCKET, Key="half.parquet", Body=b"whole")
    assert files(tmp_path) == ["half.parquet", KEY]


def test_a_reader_of_the_folder_never_sees_a_part_of_an_object(tmp_path: Path) -> None:
    body, seen, over = b"x" * 300_000, set(), threading.Event()
    with server(tmp_path) as s3:
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
        bucket = tmp_path / "s3/000000000000" / BUCKET

        def watch() -> None:
            while not over.is_set():
                seen.update((path.name, path.stat().st_size) for path in (bucket / KEY).parent.iterdir())

        watching = threading.Thread(target=watch)
        watching.start()
        for _ in range(50):
            s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
        over.set()
        watching.join()
    assert seen == {("stats.parquet", len(body))}
