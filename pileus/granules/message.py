"""The Cumulus message with which a workflow is applied to a granule that was processed before."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pileus.cumulus.message import cumulus_message
from pileus.documents import Collection, Provider
from pileus.granules.record import GranuleFile, GranuleRecord
from pileus.runs.executions import arn_of, place_of
from pileus.subject import Execution
from pileus.wiring import Edges


def message_of(
    edges: Edges,
    subject: Execution,
    found: GranuleRecord,
    collection: Collection,
    provider: Provider | None,
    meta: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the message of the first run of `subject` over a granule. `meta`: what is added to the message's own."""
    granule: dict[str, Any] = {"granuleId": found.id, "version": found.version}
    if collection.dataType:
        granule["dataType"] = collection.dataType
    return cumulus_message(
        place_of(edges, subject),
        collection,
        provider,
        {"granules": [granule | {"files": [told_file(one) for one in found.files]}]},
        meta=meta,
        told={},
        cumulus_meta={"execution_arn": arn_of(edges, subject, 1)},
    )


def told_file(file: GranuleFile) -> dict[str, Any]:
    """Return a file as Cumulus's tasks name it: by bucket and key where it is in one, else by its path there."""
    at = urlsplit(file.url)
    value: dict[str, Any] = {"fileName": file.name, "name": file.name, "source": file.url}
    if at.scheme == "s3":
        value |= {"bucket": at.netloc, "key": file.url.partition("://")[2].partition("/")[2]}
    else:
        value["path"] = unquote(at.path).rpartition("/")[0].strip("/")
    if file.size is not None:
        value["size"] = file.size
    if file.checksum is not None:
        value["checksumType"], _, value["checksum"] = file.checksum.partition(":")
    return value | ({"type": file.type} if file.type else {})
