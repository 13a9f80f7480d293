"""Protocol s3: a bucket of another account, a public one, or one at another endpoint.

botocore lists and signs; the bytes come through the HTTP edge by signed URLs, with its limits, budget and continuing.
"""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import botocore
from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)
from botocore.parsers import ResponseParserError

from pileus.documents import Provider
from pileus.download.source import Limits
from pileus.edges.aws import new_session
from pileus.edges.connections import Connections
from pileus.edges.providers.address import limits_of
from pileus.edges.providers.faults import Fault, status_error, translated
from pileus.edges.providers.http import HttpEdge
from pileus.edges.providers.http_body import HttpResponse
from pileus.edges.providers.listing_limits import DIGITS, ListingLimits
from pileus.edges.providers.reach import Reach, guarded_pools
from pileus.edges.providers.time_limit import Sockets
from pileus.edges.secrets import Secrets
from pileus.errors import (
    DocumentError,
    NotAListing,
    NotFound,
    PileusError,
    ProviderError,
    Refused,
    Unreachable,
    UsageError,
)
from pileus.models import Listed, Problem, listed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FAULTS: tuple[Fault, ...] = (
    (NoCredentialsError, Refused, "there are no AWS credentials"),
    (NoConnection, Unreachable, "the connection failed: {detail}"),
    (HTTPClientError, Unreachable, "the connection failed: {detail}"),
    (BotoCoreError, ProviderError, "S3 could not be asked: {detail}"),
    *(
        (foreign, Unreachable, "the answer is not S3's")
        for foreign in (ResponseParserError, TypeError, ValueError, RuntimeError)
    ),
)
MOST_BYTES = 32 << 20
"""Bytes of one page of a listing, which has 1,000 keys."""
PAGE = 1 << 10
"""Bytes that a page of a listing counts, beside its keys: pages without any do not come for ever."""
_PAGE: ContextVar[Sockets | None] = ContextVar("page", default=None)
"""Connections of the page of a listing that this thread asks for. None: it asks for no page."""
SIGNED_SECONDS = 3600
"""Life of a signed URL; a transfer that continues later signs anew."""


class S3Edge:
    """A ProviderEdge over S3. `host` is the bucket, or s3://BUCKET/PREFIX."""

    def __init__(self, provider: Provider, secrets: Secrets, connections: Connections) -> None:
        split = urlsplit(provider.host if "://" in provider.host else f"s3://{provider.host}")
        self._bucket, self._prefix = split.netloc, split.path.strip("/")
        self._payer: dict[str, Any] = {"RequestPayer": "requester"} if provider.requester_pays else {}
        self._provider, self._connections = provider, connections
        self._client = _client(provider, secrets)
        # Only for its lines and bodies: what it asks for is signed already.
        plain = Provider(
            **{
                **provider.model_dump(exclude={"credentials", "endpoint", "username", "password"}),
                "protocol": urlsplit(self._client.meta.endpoint_url).scheme,
                "host": urlsplit(self._client.meta.endpoint_url).netloc,
                "port": None,
            }
        )
        self._http = HttpEdge(plain, secrets, connections)
        self._homes: set[str] = set()
        self.limits: Limits = limits_of(provider)

    def now(self) -> float:
        return time.monotonic()

    def list(self, path: str) -> Iterator[Listed | Problem]:
        """See Lister. A prefix without objects is NotFound, as a folder would be that is not there."""
        joined = path.strip("/") if path.startswith("/") else f"{self._prefix}/{path}".strip("/")
        prefix = f"{joined}/" if joined else ""
        where = f"s3://{self._bucket}/{prefix}"
        token: dict[str, Any] = {}
        found, limits = False, ListingLimits(self.limits, self.now, where)
        while True:
            limits.check_time()
            lease = self._connections.acquire(self._provider.id, self._provider.globalConnectionLimit)
            with lease, _cutting(limits), _refusals(where):
                page = self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=prefix, Delimiter="/", **token, **self._payer
                )
            found = found or bool(page.get("Contents") or page.get("CommonPrefixes"))
            for entry in page.get("Contents", []):
                limits.entry()
                key, *facts = _facts(entry, where)
                limits.came(len(key))
                if key not in ("", prefix):
                    yield listed(key.rpartition("/")[2], f"s3://{self._bucket}/{quote(key)}", *facts)
            if not page.get("IsTruncated"):
                break
            limits.came(PAGE)
            following = {"ContinuationToken": page.get("NextContinuationToken", "")}
            if following == token or not all(following.values()):
                raise NotAListing("a page of the listing does not say how it continues", where=where)
            token = following
        if not found:
            raise NotFound("nothing is under this prefix", where=where)

    def describe(self, file: Listed) -> Listed:
        """See Lister. Listings of S3 are complete."""
        return file

    def open(
        self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Callable[[], None] | None = None
    ) -> HttpResponse:
        """See Opener."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        return self._open(url, headers | ({"If-Match": validator} if offset and validator else {}), pulse)

    def open_range(self, url: str, start: int, end: int, *, pulse: Callable[[], None] | None = None) -> HttpResponse:
        """See RangeOpener."""
        return self._open(url, {"Range": f"bytes={start}-{end - 1}"}, pulse)

    def _open(self, url: str, headers: dict[str, str], pulse: Callable[[], None] | None) -> HttpResponse:
        split = urlsplit(url)
        if split.scheme != "s3" or not split.path.strip("/"):
            raise UsageError("expected s3://BUCKET/KEY", where=url)
        key = unquote(split.path.removeprefix("/"))
        self._find_region(split.netloc)
        with _refusals(url):
            signed = self._client.generate_presigned_url(
                "get_object", Params={"Bucket": split.netloc, "Key": key, **self._payer}, ExpiresIn=SIGNED_SECONDS
            )
        if self._provider.requester_pays:
            # The signature covers this header.
            headers["x-amz-request-payer"] = "requester"
        return self._http.open_with(signed, headers, pulse)

    def _find_region(self, bucket: str) -> None:
        """Have botocore learn where the bucket is, or it would sign for the wrong region."""
        if self._provider.endpoint is None and bucket not in self._homes:
            # Refused or not, the answer names the region; the transfer itself tells what is wrong.
            with suppress(ClientError, BotoCoreError):
                self._client.head_bucket(Bucket=bucket)
            self._homes.add(bucket)

    def rest(self) -> None:
        """See Opener."""
        self._http.rest()

    def close(self) -> None:
        """See ProviderEdge."""
        self._http.close()
        self._client.close()


def _facts(entry: Mapping[str, Any], where: str) -> tuple[str, int | None, str | None, str | None]:
    """Return key, size, date and entity tag. botocore makes a list of what comes twice, which no S3 sends."""
    key, size, modified, etag = (entry.get(name) for name in ("Key", "Size", "LastModified", "ETag"))
    whole = isinstance(key, str) and isinstance(size, int | None) and isinstance(etag, str | None)
    if not (whole and isinstance(modified, datetime | None)) or (size is not None and not 0 <= size < 10**DIGITS):
        raise Unreachable("the answer is not S3's", where=where)
    return str(key), size, modified.isoformat() if modified else None, etag.strip('"') if etag else None


def _client(provider: Provider, secrets: Secrets) -> "S3Client":
    """Signs with the provider's keys, else with those of the machine, else not at all (public buckets)."""
    credentials = provider.credentials
    keys: dict[str, Any] = {}
    where = f"provider {provider.id}: credentials"
    if credentials is not None:
        if credentials.type != "aws" or not credentials.access_key or not credentials.secret_key:
            raise DocumentError(f"type: {credentials.type} is not for protocol s3: expected aws", where=where)
        keys = {
            "aws_access_key_id": secrets.resolve(credentials.access_key, f"{where}.access_key").reveal(),
            "aws_secret_access_key": secrets.resolve(credentials.secret_key, f"{where}.secret_key").reveal(),
        }
    session = new_session()
    signed = bool(keys) or session.get_credentials() is not None
    unsigned: dict[str, Any] = {} if signed else {"signature_version": botocore.UNSIGNED}
    config = Config(
        connect_timeout=provider.connect_seconds,
        read_timeout=provider.read_seconds,
        retries={"mode": "standard", "total_max_attempts": 5},
        **({"signature_version": "s3v4"} | unsigned),
    )
    client: S3Client = session.create_client(
        "s3",
        region_name=session.get_config_variable("region") or "us-east-1",
        endpoint_url=provider.endpoint,
        verify=provider.ca_file or None,
        config=config,
        **keys,
    )
    reach = Reach.of(provider, urlsplit(client.meta.endpoint_url).hostname or "")
    kinds = {"http": AWSHTTPConnectionPool, "https": AWSHTTPSConnectionPool}
    pools = guarded_pools(reach, MOST_BYTES, _opened, **kinds)
    client._endpoint.http_session._manager.pool_classes_by_scheme = pools  # type: ignore[attr-defined]
    # A connection ends with its request, for the lease does too.
    client.meta.events.register("before-send.s3", _close_after)
    return client


def _close_after(request: Any, **_: object) -> None:
    request.headers["Connection"] = "close"
    if (page := _PAGE.get()) is not None and page.is_cut:
        raise TimeoutError  # which botocore does not try again


def _opened(sock: socket.socket) -> None:
    if (page := _PAGE.get()) is not None:
        page.add(sock)


@contextmanager
def _cutting(limits: ListingLimits) -> Iterator[None]:
    """End the connections of the block when the time of the listing is over; it then raises NotAListing."""
    sockets = Sockets()
    before = _PAGE.set(sockets)
    try:
        with limits.cutting(sockets.cut):
            yield
    finally:
        _PAGE.reset(before)


@contextmanager
def _refusals(url: str) -> Iterator[None]:
    """What botocore raises becomes ours; a ClientError by its HTTP status."""
    with translated(FAULTS, url):
        try:
            yield
        except ClientError as exc:
            status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise status_error(status, exc.response.get("Error", {}).get("Code", ""), url) from exc
        except HTTPClientError as exc:
            if isinstance(error := exc.kwargs.get("error"), PileusError):
                raise error from exc
            raise
