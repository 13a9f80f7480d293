"""Archives kept in S3, and what happens when one of the same name is there already (`duplicateHandling`).

The rules are Cumulus's:

1. The same bytes are there already: the old object stays, whatever the handling.
2. `error`: StoreError. 3. `skip`: the old object stays. 4. `replace`: the new one takes its place.
5. `version`: the old one is renamed to KEY.vYYYYMMDDTHHmmssSSS, the time it was written (UTC), and the new one takes
   its place. There is an object of that key at every moment.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

from pileus.edges.aws_errors import translated
from pileus.edges.store import Store, split
from pileus.errors import NotFound, StoreError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Handling = Literal["error", "skip", "replace", "version"]
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """Where an archive will be, and what is to be done for that."""

    url: str
    size: int
    """Bytes of the object that will be at `url`."""
    sha256: str | None
    """Hexadecimal; None for an old object that was stored without its hash."""
    action: Literal["written", "kept", "replaced", "versioned"]
    previous: str | None = None
    """Where the old object will be, when it is renamed."""


class Archives(Protocol):
    """Keeps archives by the rules above, in two steps: nothing that a reader sees changes before the commit."""

    def weigh(self, path: Path, url: str, handling: Handling) -> Kept:
        """Return what must be done to keep the file at `path` as `url` (s3://BUCKET/KEY).

        Changes nothing. Raises StoreError.
        """

    def stage(self, path: Path, url: str, kept: Kept) -> None:
        """Upload the file at `path` to the staging address `url`; the commit publishes it. Raises StoreError."""

    def put(self, path: Path, url: str) -> None:
        """Upload the file at `path` as `url`, in place of what is there. Raises StoreError."""

    def written(self, url: str) -> datetime:
        """Return when the object was written. Raises NotFound when there is none, StoreError."""


class StoreArchives:
    """Archives in a Store without `duplicateHandling`: the new file replaces the old one. For work without AWS."""

    def __init__(self, store: Store, written: Callable[[str], datetime] | None = None) -> None:
        """`written`: tells when an object was written. None: each counts as written now."""
        self._store, self._written = store, written

    def weigh(self, path: Path, url: str, handling: Handling) -> Kept:
        """See Archives."""
        del handling
        return Kept(url, path.stat().st_size, _digest(path, "sha256"), "written")

    def stage(self, path: Path, url: str, kept: Kept) -> None:
        """See Archives."""
        del kept
        self.put(path, url)

    def put(self, path: Path, url: str) -> None:
        """See Archives."""
        self._store.put(url, path.read_bytes())

    def written(self, url: str) -> datetime:
        """See Archives."""
        return self._written(url) if self._written else datetime.now(UTC)


class ArchiveStore:
    """Archives in S3. `client`: of S3."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def weigh(self, path: Path, url: str, handling: Handling) -> Kept:
        """See Archives."""
        bucket, key = urlsplit(url).netloc, urlsplit(url).path.removeprefix("/")
        digest, size = _digest(path, "sha256"), path.stat().st_size
        with translated(url, "S3"):
            old = self._head(bucket, key)
            if old is None:
                return Kept(url, size, digest, "written")
            if self._is_same(path, digest, old, bucket, key):
                return Kept(url, old["ContentLength"], digest, "kept")
            if handling == "skip":
                return Kept(url, old["ContentLength"], old["Metadata"].get("sha256"), "kept")
            if handling == "error":
                raise StoreError("another archive of this name is there already (duplicateHandling: error)", where=url)
            if handling == "replace":
                return Kept(url, size, digest, "replaced")
            return Kept(url, size, digest, "versioned", f"s3://{bucket}/{key}.v{stamp(old['LastModified'])}")

    def stage(self, path: Path, url: str, kept: Kept) -> None:
        """See Archives."""
        self._upload(path, url, kept.sha256 or "")

    def put(self, path: Path, url: str) -> None:
        """See Archives."""
        self._upload(path, url, _digest(path, "sha256"))

    def written(self, url: str) -> datetime:
        """See Archives."""
        bucket, key = split(url)
        with translated(url, "S3"):
            return self._client.head_object(Bucket=bucket, Key=key)["LastModified"]

    def _upload(self, path: Path, url: str, sha256: str) -> None:
        bucket, key = split(url)
        try:
            with translated(url, "S3"):
                self._client.upload_file(str(path), bucket, key, ExtraArgs={"Metadata": {"sha256": sha256}})
        except NotFound as exc:
            raise StoreError("the archive cannot be kept: there is no such bucket", where=url) from exc

    def _head(self, bucket: str, key: str) -> Any:
        try:
            with translated(f"s3://{bucket}/{key}", "S3"):
                return self._client.head_object(Bucket=bucket, Key=key)
        except NotFound:
            return None

    def _is_same(self, path: Path, digest: str, old: Any, bucket: str, key: str) -> bool:
        """Return whether the object has the bytes of the file: compare the size, then the stored hash, the ETag where
        it is the MD5, or the bytes.
        """
        if old["ContentLength"] != path.stat().st_size:
            return False
        if written := old["Metadata"].get("sha256"):
            return bool(written == digest)
        etag = old["ETag"].strip('"')
        if re.fullmatch(r"[0-9a-f]{32}", etag) and old.get("ServerSideEncryption", "AES256") == "AES256":
            return bool(_digest(path, "md5") == etag)
        stored = hashlib.sha256()
        for block in self._client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(BLOCK):
            stored.update(block)
        return stored.hexdigest() == digest


def stamp(when: datetime) -> str:
    """Return the time in the name of a renamed archive.

    >>> stamp(datetime(2015, 5, 11, 17, 9, 3, 45_000, tzinfo=UTC))
    '20150511T170903045'
    """
    told = when.astimezone(UTC)
    return f"{told:%Y%m%dT%H%M%S}{told.microsecond // 1000:03}"


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
