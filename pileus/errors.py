"""Every error that Pileus raises on purpose.

    PileusError                 anything below
    ├── UsageError              the command or its arguments cannot be carried out
    │   ├── Unknown             what is named does not exist
    │   └── NotNow              it exists, and is in a state in which this cannot be done
    ├── DocumentError           a collection, provider, rule or settings file is wrong
    ├── ZonesError              zones cannot be read or used
    ├── ProviderError           the provider's answer, or its absence
    │   ├── Unreachable         no connection, reset, time limit, TLS failure          (retried)
    │   ├── Busy                429, 500, 502, 503, 504 and their kin; `retry_after`    (retried)
    │   ├── Refused             401, 403, failed sign-in, redirect off the list
    │   ├── NotFound            404, 410, no such key
    │   ├── NotAListing         the page is not a directory index
    │   └── UnsafeName          a name that cannot be one of a file here
    ├── TransferError           bytes that did not arrive as they should
    │   ├── Truncated           fewer bytes than announced                              (retried)
    │   ├── Corrupt             checksum or size differs                                (retried)
    │   ├── Changed             the file changed between two ranges                     (retried)
    │   ├── TooSlow             below the minimum speed, or over the total time         (retried)
    │   ├── NoSpace             the volume cannot hold the file                         (retried)
    │   └── VolumeTooSmall      the volume could never hold the group, empty as it may be
    ├── ArchiveError            an archive is cut, hostile, or lacks a wanted member
    ├── RasterError             a raster lacks a band, a georeference or whole strips
    ├── StoreError              S3, DynamoDB, SQS or Step Functions refused
    │   ├── Conflict            a conditional write lost the race
    │   ├── Denied              these credentials may not, or there are none
    │   ├── DuplicateFile       an object of this name is there, and `duplicateHandling` is `error`
    │   ├── Unavailable         throttled, overloaded, or out of reach                      (retried)
    │   └── Unpublished         a result is committed, and not all of it is published yet   (retried)
    ├── DamagedObject           an object that Pileus wrote holds something else now
    ├── OperationFailed         the function of an operation raised, or returned no data set
    ├── HandedBack              a worker was told to stop; the partition returns to its queue (retried)
    └── Cancelled               the backfill was cancelled or paused while the partition ran

`retryable` says whether the same work may succeed if tried again with nothing changed; only such errors
are retried. `where` is what the error is about: a URL (without what signs it), a file, a path in a document, a
partition.
"""

from collections.abc import Mapping
from typing import ClassVar

from pileus.public_url import public_url


class PileusError(Exception):
    """Base of all. `message`: one line for a person; `where`: the thing it failed on, or None."""

    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = public_url(where) if where else where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.__dict__)


def _rebuild(kind: type[PileusError], message: str, state: dict[str, object]) -> PileusError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class UsageError(PileusError):
    exit_code = 2


class Unknown(UsageError):
    pass


class NotNow(UsageError):
    pass


class DocumentError(PileusError):
    exit_code = 2


class ZonesError(PileusError):
    exit_code = 2


class ProviderError(PileusError):
    pass


class Unreachable(ProviderError):
    retryable = True


class Busy(ProviderError):
    """`retry_after`: seconds the provider asked us to wait, None when it did not say."""

    retryable = True

    def __init__(self, message: str, *, where: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, where=where)
        self.retry_after = retry_after


class Refused(ProviderError):
    pass


class NotFound(ProviderError):
    pass


class NotAListing(ProviderError):
    exit_code = 2


class UnsafeName(ProviderError):
    exit_code = 2


class TransferError(PileusError):
    pass


class Truncated(TransferError):
    retryable = True


class Corrupt(TransferError):
    retryable = True


class Changed(TransferError):
    retryable = True


class TooSlow(TransferError):
    retryable = True


class NoSpace(TransferError):
    retryable = True


class VolumeTooSmall(TransferError):
    pass


class ArchiveError(PileusError):
    pass


class RasterError(PileusError):
    pass


class StoreError(PileusError):
    """`code`: AWS's own word for it, empty where there is none."""

    def __init__(self, message: str, *, where: str | None = None, code: str = "") -> None:
        super().__init__(message, where=where)
        self.code = code


class Unavailable(StoreError):
    retryable = True


class Denied(StoreError):
    pass


class Conflict(StoreError):
    pass


class DuplicateFile(StoreError):
    pass


class Unpublished(StoreError):
    retryable = True


class DamagedObject(PileusError):
    pass


class OperationFailed(PileusError):
    """`kind`: name of the error that the function raised. `where`: the operation."""

    def __init__(self, message: str, *, where: str | None = None, kind: str = "OperationFailed") -> None:
        super().__init__(message, where=where)
        self.kind = kind


class HandedBack(PileusError):
    retryable = True


class Cancelled(PileusError):
    pass


BY_NAME: Mapping[str, type[PileusError]] = {
    name: kind for name, kind in globals().items() if isinstance(kind, type) and issubclass(kind, PileusError)
}
"""The errors of this module, by the names with which one process tells another of them."""
