"""Cloud Notification Mechanism 1.x: a message about a product is read, and the response to it is written.

The schema is that of podaac/cloud-notification-message-schema, versions 1.0 to 1.6.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from pileus.documents import Document, parse_value
from pileus.errors import PileusError, ProviderError, TransferError, UnsafeName
from pileus.lifecycle.partition import Failure
from pileus.models import Listed
from pileus.names import FileName

ErrorCode = Literal["VALIDATION_ERROR", "TRANSFER_ERROR", "PROCESSING_ERROR"]
ALGORITHMS = {"md5": "md5", "sha1": "sha1", "sha2": "sha256", "sha256": "sha256", "sha512": "sha512"}
"""Our algorithm by CNM's word, in small letters and without `-`. `SHA2` alone is read as SHA-256."""
IDENTIFYING = {"identifier", "submissionTime"}
INVALID = ("DocumentError", "UsageError", "Unknown", "UnsafeName", "Conflict")
"""Types of failures that are the message's own fault."""


def _moment(value: str) -> str:
    try:
        datetime.fromisoformat(value)
    except ValueError as exc:
        raise ValueError("expected a time in ISO 8601, such as 2017-09-30T03:42:29Z") from exc
    return value


def _address(value: str) -> str:
    if not re.match(r"file:///.|[a-z][a-z0-9+.-]*://[^/]", value):
        raise ValueError("expected an address with its scheme, such as s3://BUCKET/KEY")
    return value


def _file_name(value: str) -> str:
    try:
        return FileName(value)
    except UnsafeName as exc:
        raise ValueError(f"cannot name a file: {exc.message}") from exc


def _algorithm(value: object) -> object:
    plain = value.lower().replace("-", "") if isinstance(value, str) else value
    if plain not in ALGORITHMS:
        raise ValueError(f"expected md5, SHA1, SHA256 or SHA512, not {str(value)[:40]!r}")
    return ALGORITHMS[str(plain)]


Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Moment = Annotated[Text, AfterValidator(_moment)]


class Part(Document):
    """A part of a CNM: keys that later versions add are kept and not read."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)


class CnmFile(Part):
    """One file of a product."""

    type: Literal["data", "browse", "metadata", "ancillary", "linkage"]
    subtype: Text | None = None
    uri: Annotated[Text, AfterValidator(_address)]
    name: Annotated[Text, AfterValidator(_file_name)]
    size: int = Field(ge=0)
    """Bytes."""
    checksum: Text | None = None
    """As the sender wrote it; None where it gave none."""
    checksumType: Annotated[str | None, BeforeValidator(_algorithm)] = Field(
        None, validation_alias=AliasChoices("checksumType", "checksum-type")
    )
    """Our word for the algorithm; None: `md5`, as the schema says."""

    @property
    def listed(self) -> Listed:
        """Return it as an entry of a listing, with the checksum as `algorithm:hex`."""
        checksum = f"{self.checksumType or 'md5'}:{self.checksum.lower()}" if self.checksum else None
        return Listed(FileName(self.name), self.uri, self.size, checksum=checksum)


class FileGroup(Part):
    """Files that belong together."""

    id: Text
    files: tuple[CnmFile, ...]


class Product(Part):
    """One granule: its files, or groups of them."""

    name: Text
    dataVersion: Text | None = None
    files: tuple[CnmFile, ...] | None = None
    filegroups: tuple[FileGroup, ...] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.files is None) == (self.filegroups is None):
            raise ValueError("expected exactly one of files, filegroups")
        if not self.all_files:
            raise ValueError("names no file")
        return self

    @property
    def all_files(self) -> tuple[CnmFile, ...]:
        """Return the files, those of groups too, each once."""
        groups = (self.files or (), *(one.files for one in self.filegroups or ()))
        return tuple(dict.fromkeys(file for files in groups for file in files))


class CollectionName(Part):
    """A collection by name and version, as versions since 1.6 may write it."""

    name: Text
    version: Text


class Cnm(Part):
    """A notification: a product was published."""

    version: Annotated[str, StringConstraints(pattern=r"^v?1\.[0-9]+(\.[0-9]+)*$")]
    identifier: Text
    submissionTime: Moment
    collection: Text | CollectionName
    provider: Text | None = None
    trace: Text | None = None
    product: Product
    receivedTime: Moment | None = None

    @model_validator(mode="after")
    def _no_response(self) -> Self:
        if "response" in (self.__pydantic_extra__ or {}):
            raise ValueError("response: this is the answer to a notification, and not one")
        return self


def is_cnm(message: object) -> bool:
    """Return whether a message means to be a CNM, a wrong one too.

    >>> is_cnm({"identifier": "1", "product": {}}), is_cnm({"granules": []}), is_cnm("text")
    (True, False, False)
    """
    return isinstance(message, Mapping) and "product" in message and bool(message.keys() & IDENTIFYING)


def read_cnm(message: object) -> Cnm:
    """Return a notification. Raises DocumentError that names each violation by its path.

    >>> read_cnm({"version": "2.0"})
    Traceback (most recent call last):
    pileus.errors.DocumentError: ...
    """
    return parse_value(Cnm, message, "CNM")


def error_code(failure: Failure) -> ErrorCode:
    """Return what a CNM calls a failure, by the type of its error.

    >>> [error_code(Failure(type, "", None)) for type in ("DocumentError", "Corrupt", "RasterError", "States.Timeout")]
    ['VALIDATION_ERROR', 'TRANSFER_ERROR', 'PROCESSING_ERROR', 'PROCESSING_ERROR']
    """
    if failure.type in INVALID:
        return "VALIDATION_ERROR"
    return "TRANSFER_ERROR" if failure.type in _names((ProviderError, TransferError)) else "PROCESSING_ERROR"


def response(
    message: Mapping[str, Any], *, received: float, completed: float, failure: Failure | None = None
) -> dict[str, Any]:
    """Return the CNM response to a notification. `received`, `completed`: Unix time.

    Without `failure` its status is SUCCESS, and it names the product. A message that is no sound CNM gets one too, with
    what it has of the fields.
    """
    kept = ("version", "provider", "collection", "submissionTime", "identifier", "trace")
    told: dict[str, Any] = {name: message[name] for name in kept if name in message}
    told |= {"receivedTime": _iso(received), "processCompleteTime": _iso(completed)}
    if failure is None:
        return told | {"product": message["product"], "response": {"status": "SUCCESS"}}
    why = {"status": "FAILURE", "errorCode": error_code(failure), "errorMessage": str(failure)}
    return told | {"response": why}


def _names(bases: tuple[type[PileusError], ...]) -> set[str]:
    """Return the names of errors, and of all below them."""
    return {kind.__name__ for base in bases for kind in (base, *base.__subclasses__())}


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
