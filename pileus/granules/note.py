"""Write granules down: those of a group that is queued, and those that a workflow has put out as Cumulus's do."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pileus.cumulus.granule_ids import GranuleIds
from pileus.documents import Collection
from pileus.edges.parallel_put import Batch
from pileus.edges.store import load
from pileus.errors import DamagedObject, DocumentError, NotFound
from pileus.granules.buckets import buckets
from pileus.granules.record import GranuleFile, GranuleRecord, check_id, is_id, write
from pileus.models import Group, Partition, Problem
from pileus.strict_json import parse_json
from pileus.wiring import Edges


def note_groups(edges: Edges, groups: Iterable[tuple[Partition, Group, Collection]]) -> list[Problem]:
    """Write down the granules of groups that are queued, where their collection says what a granule is.

    Return the files whose name tells no granule.
    """
    unnamed: list[Problem] = []
    with Batch(edges.store) as batch:
        for partition, group, collection in groups:
            if collection.granuleIdExtraction is None:
                continue
            for id, files in _by_id(collection, group, unnamed).items():
                made = (partition.collection, partition.version, id, partition.key, tuple(files), edges.now())
                batch.run(write, edges, GranuleRecord(*made))
    return unnamed


def _by_id(collection: Collection, group: Group, unnamed: list[Problem]) -> dict[str, list[GranuleFile]]:
    """Return the files of each granule of a group, and add those without one to `unnamed`."""
    ids = GranuleIds(collection.granuleIdExtraction, collection.granuleId)
    found: dict[str, list[GranuleFile]] = {}
    for one in group.granules:
        file = one.recorded.file
        try:
            id = ids.id_of(file.name)
            check_id(id)
        except DocumentError as error:
            unnamed.append(Problem("unnamed", file.name, f"is in no granule: {error.message}"))
            continue
        kind = collection.discovered[one.kind]
        found.setdefault(id, []).append(GranuleFile(file.name, file.url, file.size, file.checksum, kind.type))
    return found


def note_message(edges: Edges, subject: str, message: Any) -> int:
    """Write down the granules of a Cumulus message that a workflow has put out. Return how many there are.

    `subject`: key of the run. A message that was left in a bucket of the stack is read there. One without a collection
    or without granules has none; a file that is in no bucket is left out.
    """
    message = _whole(edges, message)
    collection = _part(_part(message, "meta"), "collection")
    granules = _part(message, "payload").get("granules")
    name, version = collection.get("name"), collection.get("version")
    if not (isinstance(granules, list) and isinstance(name, str) and isinstance(version, str)):
        return 0
    records = [
        GranuleRecord(name, version, granule["granuleId"], subject, tuple(_files(granule)), edges.now())
        for granule in granules
        if isinstance(granule, Mapping) and is_id(granule.get("granuleId"))
    ]
    with Batch(edges.store) as batch:
        for record in records:
            batch.run(write, edges, record)
    return len(records)


def _whole(edges: Edges, message: Any) -> Any:
    """Return a message, also where its largest part was left in a bucket, as the message adapter does (`replace`)."""
    left = _part(message, "replace")
    bucket, key, path = left.get("Bucket"), left.get("Key"), left.get("TargetPath", "$")
    if bucket not in buckets(edges) or not isinstance(key, str) or not isinstance(path, str):
        return message
    try:
        found = load(edges.store, f"s3://{bucket}/{key}", parse_json)
    except (NotFound, DamagedObject):
        return message
    for name in reversed([part for part in path.removeprefix("$").split(".") if part]):
        found = {name: found}
    return {**message, **found} if isinstance(found, dict) else message


def _files(granule: Mapping[str, Any]) -> Iterator[GranuleFile]:
    """Yield the files of a granule of a message, by their `bucket` and `key`."""
    files = granule.get("files")
    for file in files if isinstance(files, list) else ():
        if not (isinstance(file, Mapping) and isinstance(file.get("bucket"), str) and isinstance(file.get("key"), str)):
            continue
        size, checksum = file.get("size"), file.get("checksum")
        yield GranuleFile(
            str(file.get("fileName") or file["key"].rpartition("/")[2]),
            f"s3://{file['bucket']}/{file['key']}",
            size if isinstance(size, int) else None,
            f"{file.get('checksumType', 'md5')}:{checksum}" if isinstance(checksum, str) else None,
            str(file["type"]) if "type" in file else None,
        )


def _part(value: Any, name: str) -> Mapping[str, Any]:
    """Return an object inside an object, empty where there is none."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
