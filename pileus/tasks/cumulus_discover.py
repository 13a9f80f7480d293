"""DiscoverGranules as in Cumulus: the files of a provider's folder, as granules."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from pileus.backfills.control import read_registry
from pileus.cumulus.granule_ids import GranuleIds
from pileus.documents import Collection, Provider
from pileus.edges.archives import Handling
from pileus.edges.providers import connect
from pileus.errors import Conflict, DocumentError, NotFound
from pileus.granules import record
from pileus.models import Listed
from pileus.tasks.cumulus_event import checked_handling, collection_of, config_of, kind_of, kinds_of, provider_of
from pileus.wiring import Edges

CONCURRENCY = 3
"""Records that are asked for at once, where `config.concurrency` says nothing."""


def discover(edges: Edges, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"granules": [...]}` of the files of a folder, in the order of the listing.

    `config`: `provider`, of which the id counts; `collection`; `provider_path`, else the collection's;
    `duplicateGranuleHandling`, `replace` if not given; `ignoreFilesConfigForDiscovery`, else the collection's;
    `concurrency`. `useList` is taken and changes nothing: every folder is listed.

    A granule is known when it has a record. Raises Conflict for one that is, where duplicates are an error; Unknown,
    DocumentError, and what listing raises.
    """
    config = config_of(event)
    registry = read_registry(edges.store, edges.stack)
    provider, collection = provider_of(edges, registry, event), collection_of(registry, event)
    handling = checked_handling(config.get("duplicateGranuleHandling"), "duplicateGranuleHandling") or "replace"
    path = config.get("provider_path", collection.provider_path)
    if not isinstance(path, str):
        raise DocumentError("expected a text", where="config.provider_path")
    by_id = _by_id(collection, _listed(edges, provider, path))
    wanted = config.get("concurrency")
    at_once = wanted if isinstance(wanted, int) and 0 < wanted <= 64 else CONCURRENCY
    kept = _without_known(edges, collection, by_id, handling, at_once)
    if (collection.meta.model_extra or {}).get("allFilesPresent"):
        kept = [id for id in kept if len(by_id[id]) >= len(collection.files)]
    everything = config.get("ignoreFilesConfigForDiscovery")
    if not isinstance(everything, bool):
        everything = collection.ignoreFilesConfigForDiscovery
    files = _Files(edges, collection, path, everything=everything)
    return {
        "granules": [
            {
                "granuleId": id,
                "dataType": collection.name,
                "version": collection.version,
                "files": files.told(by_id[id]),
            }
            for id in kept
        ]
    }


def _listed(edges: Edges, provider: Provider, path: str) -> list[Listed]:
    """Return the files of a folder. One whose name must not be used is left out."""
    with closing(connect(provider, secrets=edges.secrets, connections=edges.connections)) as edge:
        return [entry for entry in edge.list(path) if isinstance(entry, Listed)]


def _by_id(collection: Collection, files: Iterable[Listed]) -> dict[str, list[Listed]]:
    """Return the files of each granule. A file whose name tells no id is left out, as in Cumulus."""
    ids, found = GranuleIds(collection.granuleIdExtraction), dict[str, list[Listed]]()
    for file in files:
        try:
            id = ids.id_of(file.name)
        except DocumentError:
            continue
        found.setdefault(id, []).append(file)
    return found


def _without_known(
    edges: Edges, collection: Collection, ids: Iterable[str], handling: Handling, at_once: int
) -> list[str]:
    """Return the granules that are to be told, by how duplicates are handled."""
    ids = list(ids)
    if handling in ("replace", "version"):
        return ids

    def is_known(id: str) -> bool:
        try:
            record.read(edges, collection.name, collection.version, id)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(at_once) as pool:
        known = dict(zip(ids, pool.map(is_known, ids), strict=True))
    if handling == "error" and (twice := next((id for id in ids if known[id]), None)):
        raise Conflict("is known already (duplicateGranuleHandling: error)", where=f"granule {twice}")
    return [id for id in ids if not known[id]]


class _Files:
    """Tells the files of granules. `everything`: those that are of no kind too, and then nothing of their kinds."""

    def __init__(self, edges: Edges, collection: Collection, path: str, *, everything: bool) -> None:
        self._edges, self._collection, self._path, self._everything = edges, collection, path, everything
        self._kinds = kinds_of(collection.files)

    def told(self, files: Iterable[Listed]) -> list[dict[str, Any]]:
        return [told for file in files if (told := self._one(file))]

    def _one(self, file: Listed) -> dict[str, Any] | None:
        told: dict[str, Any] = {"name": str(file.name), "path": self._path}
        if file.size is not None:
            told["size"] = file.size
        if (time := _milliseconds(file.modified)) is not None:
            told["time"] = time
        if self._everything:
            return told
        kind = kind_of(self._kinds, file.name)
        if kind is None:
            return None
        folder = kind.url_path or self._collection.url_path or ""
        bucket = self._edges.stack.bucket(kind.bucket)
        return told | {"bucket": bucket, "url_path": folder, "type": kind.type or ""}


def _milliseconds(modified: str | None) -> int | None:
    """Return the milliseconds since 1970 of a time in ISO 8601; None for none.

    >>> _milliseconds("1970-01-01T00:00:01"), _milliseconds("1970-01-02T01:00:00+01:00"), _milliseconds("May")
    (1000, 86400000, None)
    """
    try:
        found = datetime.fromisoformat(modified or "")
    except ValueError:
        return None
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
