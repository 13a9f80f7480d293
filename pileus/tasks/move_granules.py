"""MoveGranules as in Cumulus: staged files go where their collection keeps files of their kind."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from pileus.backfills.control import read_registry
from pileus.cumulus.url_path import url_path
from pileus.documents import Collection, File
from pileus.edges.archives import Handling
from pileus.errors import DocumentError, NotFound
from pileus.granules import record
from pileus.granules.record import GranuleFile
from pileus.messages import text, text_or_none
from pileus.names import one_line
from pileus.patterns import SearchPattern
from pileus.tasks.cumulus_event import (
    checksum_of,
    collection_of,
    config_of,
    granules_of,
    handling_of,
    key_of,
    kinds_of,
)
from pileus.tasks.cumulus_files import Placed, check_place, digest_of, place, size_of, staging_bucket, unversioned
from pileus.wiring import Edges

CMR = re.compile(r"\.cmr(?:_iso)?\.xml$|\.cmr\.json$")
"""Names of metadata files, which replace what is there and are no duplicates."""


def move_granules(edges: Edges, event: Mapping[str, Any]) -> dict[str, Any]:
    """Move the files of `input.granules`, and return `granules` with the files where they are now, and
    `granuleDuplicates` with those that were there before, by granule.

    `config`: `bucket`, in which the files are; `collection`, whose `files[]` say bucket and `url_path` of each kind;
    `duplicateHandling`; `moveStagedFiles`: false leaves all where it is, and tells it so. `buckets` and
    `distribution_endpoint` are taken and change nothing: the buckets are the stack's.

    A file that an earlier try has moved counts as moved. The record of each granule, where there is one, is told.
    Raises DuplicateFile, NotFound for a file that is nowhere, Denied for a place that is not for such files, and
    DocumentError for a file that is not of exactly one kind, or a template that cannot be resolved.
    """
    config, granules = config_of(event), granules_of(event)
    if config.get("moveStagedFiles", True) is False:
        return {"granules": [dict(granule) for granule in granules], "granuleDuplicates": {}}
    bucket = staging_bucket(edges, text(event, "config", "bucket"))
    registry = read_registry(edges.store, edges.stack)
    moved, duplicates = [], {}
    for granule in granules:
        collection = collection_of(registry, event, granule)
        one = _Move(edges, collection, granule, bucket, handling_of(event, collection))
        answer, twice = one.moved()
        moved.append(answer)
        duplicates[granule["granuleId"]] = {"files": twice}
    return {"granules": moved, "granuleDuplicates": duplicates}


@dataclass(frozen=True)
class _Move:
    """One granule."""

    edges: Edges
    collection: Collection
    granule: Mapping[str, Any]
    bucket: str
    handling: Handling

    @cached_property
    def _kinds(self) -> list[tuple[SearchPattern, File]]:
        return kinds_of(self.collection.files)

    def moved(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Move the files, and return the granule with them, and those of them that were there before."""
        ways = [self._way(file) for file in self.granule["files"]]
        targets = [target for _, _, target in ways]
        if twin := next((target for target in targets if targets.count(target) > 1), None):
            raise DocumentError("two files of a granule would be moved to one place", where=twin)
        found, twice, noted = [], [], []
        for file, source, target in ways:
            is_cmr = CMR.search(target) is not None
            placed = self._moved(source, target, "replace" if is_cmr else self.handling)
            told = {**file, **placed.to_json()} | ({"type": file.get("type") or "metadata"} if is_cmr else {})
            found += [told, *(Placed(url, size, duplicate=True).to_json() for url, size in placed.versions)]
            if placed.duplicate and not is_cmr:
                twice.append(told)
            noted.append((told, placed))
        self._note(noted)
        return {**self.granule, "files": found}, twice

    def _way(self, file: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, str]:
        """Return a file, where it is and where it goes. All ways are known before anything is moved."""
        key = text(file, "key")
        name = key.rpartition("/")[2]
        kind = self._kind(name)
        template = kind.url_path or self.collection.url_path or ""
        folder = url_path(template, {"file": file, "granule": self.granule, "cmrMetadata": {}})
        source = f"s3://{self.bucket}/{key_of(key)}"
        target = f"s3://{self.edges.stack.bucket(kind.bucket)}/{key_of(folder, name)}"
        for url in (source, target):
            check_place(self.edges, url)
        return file, source, target

    def _kind(self, name: str) -> File:
        """Return the one kind that a file is of. Raises DocumentError where it is of none, or of several."""
        found = [kind for pattern, kind in self._kinds if pattern.first(unversioned(name)) is not None]
        if len(found) != 1:
            told = "more than one" if found else "none"
            regexes = ", ".join(file.regex for file in self.collection.files)
            raise DocumentError(f"matches {told} of {one_line(regexes)}", where=one_line(name))
        return found[0]

    def _moved(self, source: str, target: str, handling: Handling) -> Placed:
        store = self.edges.store
        if source == target:
            return self._there(target)
        if size_of(store, source) is None:
            return self._there(target)
        digest, put = partial(digest_of, store, source), partial(store.copy, source, target)
        placed = place(self.edges, target, handling, digest, put)
        if handling != "skip" or not placed.duplicate:
            store.delete(source)
        return placed

    def _there(self, target: str) -> Placed:
        """Return the file that is at its place already. Raises NotFound where it is not."""
        size = size_of(self.edges.store, target)
        if size is None:
            raise NotFound("the file is neither where it was staged nor where it goes", where=target)
        return Placed(target, size, duplicate=False)

    def _note(self, noted: list[tuple[dict[str, Any], Placed]]) -> None:
        """Tell the record of the granule, where there is one, where its files are."""
        name = text_or_none(self.granule, "dataType") or self.collection.name
        version = text_or_none(self.granule, "version") or self.collection.version
        try:
            before = record.read(self.edges, name, version, self.granule["granuleId"])
        except NotFound:
            return
        files = tuple(
            GranuleFile(
                told["key"].rpartition("/")[2],
                placed.url,
                placed.size,
                checksum_of(told),
                text_or_none(told, "type"),
                tuple(url for url, _ in placed.versions),
            )
            for told, placed in noted
        )
        record.write(self.edges, replace(before, files=files, updated=self.edges.now()))
