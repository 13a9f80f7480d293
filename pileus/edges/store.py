"""Objects by `s3://bucket/key` address: in S3, or in a folder for work with no AWS at all."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from pileus.errors import NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Store(Protocol):
    """Whole objects. Every method raises StoreError when the store refuses, UsageError for a bad address."""

    def get(self, url: str) -> bytes:
        """The object's bytes. Raises NotFound when there is none."""

    def put(self, url: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Write the object, whole or not at all; an older one is replaced."""

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Address and size in bytes of every object whose address begins with `prefix`, in order of address."""

    def delete(self, url: str) -> None:
        """Remove the object; that there was none is no error."""


def split(url: str) -> tuple[str, str]:
    """Bucket and key of an address.

    >>> split("s3://pileus-internal/zones/a.geojson")
    ('pileus-internal', 'zones/a.geojson')
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise UsageError(f"{url!r} is not an address of an object: expected s3://bucket/key")
    return parts.netloc, url.removeprefix(f"s3://{parts.netloc}").lstrip("/")


class S3Store:
    """Objects in S3."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def get(self, url: str) -> bytes:
        bucket, key = split(url)
        with _translated(url):
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def put(self, url: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        bucket, key = split(url)
        with _translated(url):
            self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        bucket, key = split(prefix)
        with _translated(prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
                for item in page.get("Contents", ()):
                    yield f"s3://{bucket}/{item['Key']}", item["Size"]

    def delete(self, url: str) -> None:
        bucket, key = split(url)
        with _translated(url):
            self._client.delete_object(Bucket=bucket, Key=key)


class _translated:  # noqa: N801 - reads as a statement
    """Turn botocore's errors into ours, with the address."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            if code in ("NoSuchKey", "404", "NoSuchBucket"):
                raise NotFound("there is no such object", where=self._url) from error
            raise StoreError(f"S3 refused: {error}", where=self._url) from error
        if isinstance(error, BotoCoreError):
            raise StoreError(f"S3 cannot be reached: {error}", where=self._url) from error


class FolderStore:
    """Objects as files under a folder: `s3://bucket/key` is `root/bucket/key`."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def _path(self, url: str) -> Path:
        bucket, key = split(url)
        path = (self._root / bucket / key).resolve()
        if not path.is_relative_to(self._root):
            raise UsageError("leads out of the folder", where=url)
        return path

    def get(self, url: str) -> bytes:
        try:
            return self._path(url).read_bytes()
        except (FileNotFoundError, IsADirectoryError) as exc:
            raise NotFound("there is no such object", where=url) from exc

    def put(self, url: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        del content_type
        path = self._path(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(body)
        part.replace(path)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        bucket, key = split(prefix)
        base = self._root / bucket
        found = (path for path in base.rglob("*") if path.is_file() and not path.name.endswith(".part"))
        for name, path in sorted((path.relative_to(base).as_posix(), path) for path in found):
            if name.startswith(key):
                yield f"s3://{bucket}/{name}", path.stat().st_size

    def delete(self, url: str) -> None:
        self._path(url).unlink(missing_ok=True)
