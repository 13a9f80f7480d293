"""Objects by `s3://bucket/key` address: in S3, or in a folder for work with no AWS at all."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from pileus.edges.aws_errors import refused_in, translated
from pileus.errors import Conflict, DamagedObject, DocumentError, NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


T = TypeVar("T")
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError, DocumentError, UsageError)
"""Errors of a parser whose bytes are damaged."""


class Reader(Protocol):
    """Gives whole objects."""

    def get(self, url: str) -> bytes:
        """Return the object's bytes. Raises NotFound when there is none."""


class Store(Protocol):
    """Whole objects. Every method raises StoreError when the store refuses, UsageError for a bad address."""

    def get(self, url: str) -> bytes:
        """Return the object's bytes. Raises NotFound when there is none."""

    def put(self, url: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Write the object; it replaces an older one. Readers never see a part of it."""

    def tagged(self, url: str) -> tuple[bytes, str]:
        """Return the object's bytes and its entity tag, which changes with its bytes.

        Raises NotFound when there is none.
        """

    def swap(self, url: str, body: bytes, tag: str | None, content_type: str = "application/octet-stream") -> str:
        """Write the object if its entity tag is still `tag` (None: if there is no object), and return its new tag.

        Raises Conflict when another process has written it. A write whose answer was lost counts as done.
        """

    def copy(self, source: str, target: str) -> None:
        """Write the bytes of object `source` to `target` within the store. Raises NotFound when there is no source."""

    def drop(self, url: str, tag: str) -> None:
        """Remove the object if its entity tag is still `tag`. It is no error when it has changed or is gone."""

    def list(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
        """Yield address and size in bytes of every object whose address begins with `prefix`, in order of address.

        `after`: only those behind this address.
        """

    def delete(self, *urls: str) -> None:
        """Remove objects of one bucket. It is no error when one does not exist."""

    def marks(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield address and mark of every object whose address begins with `prefix`, in order of address.

        A mark changes when the object is written with other bytes.
        """

    def mark(self, url: str) -> tuple[int, str]:
        """Return the object's size in bytes and its mark. Raises NotFound when there is none."""

    def part(self, url: str, start: int, stop: int, mark: str) -> bytes:
        """Return the bytes from `start` up to `stop`, which is not included and not beyond the end.

        Raises Conflict when the object no longer has this mark, NotFound when it is gone.
        """

    def signed(self, url: str, seconds: int, *, write: bool = False) -> str | None:
        """Return an http address at which anybody can read the object for some seconds, or `write` it; None where there
        is none. It holds no longer than the credentials of this process.
        """


def split(url: str) -> tuple[str, str]:
    """Return bucket and key of an address.

    >>> split("s3://pileus-internal/zones/a.geojson")
    ('pileus-internal', 'zones/a.geojson')
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise UsageError(f"{url[:200]!r} is not an address of an object: expected s3://bucket/key")
    return parts.netloc, url.removeprefix(f"s3://{parts.netloc}").lstrip("/")


def load(store: Reader, url: str, parse: Callable[[bytes], T]) -> T:
    """Return what `parse` makes of an object's bytes. Raises NotFound, DamagedObject."""
    return parsed(url, store.get(url), parse)


def parsed(url: str, body: bytes, parse: Callable[[bytes], T]) -> T:
    """Return what `parse` makes of the bytes of the object at `url`. Raises DamagedObject when it cannot read them.

    >>> import json
    >>> parsed("s3://b/x", b"{}", lambda body: json.loads(body)["name"])
    Traceback (most recent call last):
    pileus.errors.DamagedObject: s3://b/x: is damaged: KeyError: 'name'
    """
    try:
        return parse(body)
    except UNREADABLE as exc:
        reason = " ".join(str(exc).split())[:200]
        raise DamagedObject(f"is damaged: {type(exc).__name__}: {reason}", where=url) from exc


REVISIONS = 20
"""How often `revise` tries while other processes write the same object."""


def revise(
    store: Store, url: str, step: Callable[[bytes | None], bytes], *, fresh: bool = False
) -> tuple[bytes | None, bytes, str]:
    """Write what `step` makes of an object's bytes (None: there is none), though other processes write it too.

    Return the bytes before, the bytes written and their entity tag. `fresh`: there is probably no object yet, so that
    the first try does not read. Raises StoreError when the object changes again and again.
    """
    for attempt in range(REVISIONS):
        before: bytes | None = None
        tag: str | None = None
        if attempt or not fresh:
            with suppress(NotFound):
                before, tag = store.tagged(url)
        body = step(before)
        with suppress(Conflict):
            return before, body, store.swap(url, body, tag, "application/json")
    raise StoreError(f"changed {REVISIONS} times while it was written", where=url)


def delete_all(store: Store, urls: Iterable[str]) -> None:
    """Delete objects of several buckets."""
    for _, group in groupby(sorted(urls), key=lambda url: split(url)[0]):
        store.delete(*group)


DELETES = 1000
"""Most objects of one DeleteObjects."""


class S3Store:
    """Objects in S3."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def get(self, url: str) -> bytes:
        bucket, key = split(url)
        with translated(url, "S3"):
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def put(self, url: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        bucket, key = split(url)
        with translated(url, "S3"):
            self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def tagged(self, url: str) -> tuple[bytes, str]:
        bucket, key = split(url)
        with translated(url, "S3"):
            found = self._client.get_object(Bucket=bucket, Key=key)
            return found["Body"].read(), found["ETag"]

    def swap(self, url: str, body: bytes, tag: str | None, content_type: str = "application/octet-stream") -> str:
        bucket, key = split(url)
        condition: dict[str, str] = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        wanted: Any = {"Bucket": bucket, "Key": key, "Body": body, "ContentType": content_type, **condition}
        try:
            with translated(url, "S3"):
                return self._client.put_object(**wanted)["ETag"]
        except (Conflict, NotFound) as exc:
            return self._ours(url, body, exc)

    def _ours(self, url: str, body: bytes, refused: Exception) -> str:
        """Return the object's tag if its bytes are `body`: then the first try was stored, and its answer was lost."""
        try:
            stored, tag = self.tagged(url)
        except NotFound:
            stored, tag = b"", ""
        if not tag or stored != body:
            raise Conflict("changed meanwhile", where=url) from refused
        return tag

    def copy(self, source: str, target: str) -> None:
        bucket, key = split(target)
        there, name = split(source)
        with translated(source, "S3"):
            self._client.copy_object(CopySource={"Bucket": there, "Key": name}, Bucket=bucket, Key=key)

    def drop(self, url: str, tag: str) -> None:
        bucket, key = split(url)
        with suppress(Conflict, NotFound), translated(url, "S3"):
            self._client.delete_object(Bucket=bucket, Key=key, IfMatch=tag)

    def list(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
        bucket, key = split(prefix)
        behind: Any = {"StartAfter": split(after)[1]} if after else {}
        with translated(prefix, "S3"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key, **behind):
                for item in page.get("Contents", ()):
                    yield f"s3://{bucket}/{item['Key']}", item["Size"]

    def delete(self, *urls: str) -> None:
        for start in range(0, len(urls), DELETES):
            found = [split(url) for url in urls[start : start + DELETES]]
            with translated(urls[start], "S3"):
                if len(found) == 1:
                    self._client.delete_object(Bucket=found[0][0], Key=found[0][1])
                else:
                    objects: Any = {"Objects": [{"Key": key} for _, key in found], "Quiet": True}
                    answer = self._client.delete_objects(Bucket=found[0][0], Delete=objects)
                    for one in answer.get("Errors", ()):
                        said = f"{one.get('Key', '')}: {one.get('Message', '')}"
                        raise refused_in(one.get("Code", ""), said, "DeleteObjects", "S3", urls[start])

    def marks(self, prefix: str) -> Iterator[tuple[str, str]]:
        bucket, key = split(prefix)
        with translated(prefix, "S3"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
                for item in page.get("Contents", ()):
                    yield f"s3://{bucket}/{item['Key']}", item["ETag"]

    def mark(self, url: str) -> tuple[int, str]:
        bucket, key = split(url)
        with translated(url, "S3"):
            found = self._client.head_object(Bucket=bucket, Key=key)
            return found["ContentLength"], found["ETag"]

    def part(self, url: str, start: int, stop: int, mark: str) -> bytes:
        if stop <= start:
            return b""
        bucket, key = split(url)
        with translated(url, "S3"):
            wanted = f"bytes={start}-{stop - 1}"
            return self._client.get_object(Bucket=bucket, Key=key, Range=wanted, IfMatch=mark)["Body"].read()

    def signed(self, url: str, seconds: int, *, write: bool = False) -> str | None:
        bucket, key = split(url)
        wanted = {"Bucket": bucket, "Key": key}
        call = "put_object" if write else "get_object"
        return self._client.generate_presigned_url(call, Params=wanted, ExpiresIn=seconds)


class FolderStore:
    """Objects as files under a folder: `s3://bucket/key` is `root/bucket/key`."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._swapping = threading.Lock()

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

    def tagged(self, url: str) -> tuple[bytes, str]:
        body = self.get(url)
        return body, hashlib.md5(body, usedforsecurity=False).hexdigest()

    def swap(self, url: str, body: bytes, tag: str | None, content_type: str = "application/octet-stream") -> str:
        with self._swapping:
            try:
                stored, now = self.tagged(url)
            except NotFound:
                stored, now = b"", None
            if now != tag:
                if now is not None and stored == body:
                    return now  # the first try arrived, and only its answer was lost
                raise Conflict("changed meanwhile", where=url)
            self.put(url, body, content_type)
            return hashlib.md5(body, usedforsecurity=False).hexdigest()

    def copy(self, source: str, target: str) -> None:
        self.put(target, self.get(source))

    def drop(self, url: str, tag: str) -> None:
        with self._swapping, suppress(NotFound):
            if self.tagged(url)[1] == tag:
                self._path(url).unlink()

    def list(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
        bucket, key = split(prefix)
        base = self._root / bucket
        found = (path for path in base.rglob("*") if path.is_file() and not path.name.endswith(".part"))
        for name, path in sorted((path.relative_to(base).as_posix(), path) for path in found):
            if name.startswith(key) and (not after or name > split(after)[1]):
                yield f"s3://{bucket}/{name}", path.stat().st_size

    def delete(self, *urls: str) -> None:
        for url in urls:
            self._path(url).unlink(missing_ok=True)

    def marks(self, prefix: str) -> Iterator[tuple[str, str]]:
        for url, _ in self.list(prefix):
            with suppress(NotFound):
                yield url, self.mark(url)[1]

    def mark(self, url: str) -> tuple[int, str]:
        try:
            found = self._path(url).stat()
        except FileNotFoundError as exc:
            raise NotFound("there is no such object", where=url) from exc
        return found.st_size, f'"{found.st_mtime_ns}-{found.st_ino}-{found.st_size}"'

    def written(self, url: str) -> datetime:
        """Return when the object was written. Raises NotFound when there is none."""
        try:
            return datetime.fromtimestamp(self._path(url).stat().st_mtime, UTC)
        except FileNotFoundError as exc:
            raise NotFound("there is no such object", where=url) from exc

    def part(self, url: str, start: int, stop: int, mark: str) -> bytes:
        if self.mark(url)[1] != mark:
            raise Conflict("changed meanwhile", where=url)
        with self._path(url).open("rb") as file:
            file.seek(start)
            return file.read(max(0, stop - start))

    def signed(self, url: str, seconds: int, *, write: bool = False) -> str | None:
        del url, seconds, write
        return None
