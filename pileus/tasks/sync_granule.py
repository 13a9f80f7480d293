"""SyncGranule as in Cumulus: the files of granules are fetched into a bucket of the stack, verified."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, md5
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pileus.backfills.control import read_registry
from pileus.discover import SIDECARS
from pileus.documents import Collection, File, Provider
from pileus.download.checksum import parse_sidecar
from pileus.download.fetch import download, granule_of, open_stream
from pileus.download.transfer import SIDECAR_BYTES
from pileus.edges.archives import Handling
from pileus.edges.providers import ProviderEdge, connect
from pileus.errors import DocumentError, NotFound
from pileus.messages import text, text_or_none
from pileus.models import Granule, Listed
from pileus.patterns import SearchPattern
from pileus.tasks.cumulus_event import (
    collection_of,
    config_of,
    granules_of,
    handling_of,
    key_of,
    kind_of,
    kinds_of,
    listed_of,
    provider_of,
    told_checksum,
)
from pileus.tasks.cumulus_files import Placed, check_place, place, refuse_duplicate, size_of, staging_bucket
from pileus.wiring import Edges

PARALLEL = 8
"""Files of a granule that are fetched at once."""
STAGING = "file-staging"
"""Folder of files that a workflow has not moved yet."""


def sync_granule(edges: Edges, event: Mapping[str, Any]) -> dict[str, Any]:
    """Fetch the files of `input.granules`, and return `granules` with the files in their bucket, and
    `granuleDuplicates` with those that were there before.

    `config`: `provider`, of which the id counts; `downloadBucket`; `stack` and `fileStagingDir`, under which the files
    go; `collection`, without which each granule names its own; `duplicateHandling`; `syncChecksumFiles`;
    `useGranIdPath`: whether each granule has a folder, by the MD5 of its id, true if not given; `workflowStartTime`,
    in milliseconds; `pdr`, which is handed on.

    Raises DuplicateFile, Denied for a bucket or a folder that is not for such files, Corrupt for a wrong size or
    checksum, what a download raises, and DocumentError, UnsafeName or Unknown for what the event says.
    """
    config = config_of(event)
    registry = read_registry(edges.store, edges.stack)
    provider = provider_of(edges, registry, event)
    folder = key_of(text_or_none(config, "fileStagingDir") or STAGING, text_or_none(config, "stack") or "")
    bucket = staging_bucket(edges, text(event, "config", "downloadBucket"))
    done, duplicates, process = [], {}, None
    with (
        TemporaryDirectory() as scratch,
        closing(connect(provider, secrets=edges.secrets, connections=edges.connections)) as edge,
    ):
        for number, granule in enumerate(granules_of(event)):
            collection = collection_of(registry, event, granule)
            process = process or collection.process
            handling = handling_of(event, collection)
            one = _Sync(edges, edge, provider, collection, granule, config, f"s3://{bucket}/{folder}", handling)
            answer, twice = one.synced(Path(scratch) / str(number))
            done.append(answer)
            if twice:
                duplicates[granule["granuleId"]] = {"files": twice}
    answer = {"granules": done, "granuleDuplicates": duplicates}
    passed = {"process": process, "pdr": config.get("pdr")}
    return answer | {name: value for name, value in passed.items() if value}


@dataclass(frozen=True)
class _Sync:
    """One granule."""

    edges: Edges
    edge: ProviderEdge
    provider: Provider
    collection: Collection
    granule: Mapping[str, Any]
    config: Mapping[str, Any]
    root: str
    """Address under which the files go."""
    handling: Handling

    @cached_property
    def _kinds(self) -> list[tuple[SearchPattern, File]]:
        return kinds_of(self.collection.files)

    @cached_property
    def _named(self) -> tuple[str, str]:
        """Name and version of the granule's collection."""
        name, version = text_or_none(self.granule, "dataType"), text_or_none(self.granule, "version")
        return name or self.collection.name, version or self.collection.version

    @cached_property
    def _folder(self) -> str:
        id = self.granule["granuleId"]
        own = md5(id.encode(), usedforsecurity=False).hexdigest() if self.config.get("useGranIdPath", True) else ""
        return f"{self.root}/{key_of('___'.join(self._named), own)}"

    def synced(self, scratch: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
        """Return the granule as it is told, and bucket and key of each of its files that was there before."""
        files = {file: told for told in self.granule["files"] if (file := listed_of(self.provider, told))}
        sums = self._checksum_files(list(files))
        wanted = [file for file in files if self.config.get("syncChecksumFiles") or not self._is_checksum(file.name)]
        urls = {file: f"{self._folder}/{file.name}" for file in wanted}
        for url in urls.values():
            check_place(self.edges, url)
            if self.handling == "error":
                refuse_duplicate(self.edges.store, url)
        fetched = self._fetched([file for file in wanted if not self._stays(urls[file])], sums, scratch)
        found, twice = [], []
        for file in wanted:
            path, checksum = fetched.get(file.name, (None, file.checksum or sums.get(file.name)))
            placed = self._place(urls[file], path)
            found += self._told(files[file], placed, checksum)
            if placed.duplicate:
                there = placed.to_json()
                twice.append({"bucket": there["bucket"], "key": there["key"]})
        for path, _ in fetched.values():
            path.unlink(missing_ok=True)
        return self._answer(found), twice

    def _stays(self, url: str) -> bool:
        return self.handling == "skip" and size_of(self.edges.store, url) is not None

    def _fetched(
        self, files: Sequence[Listed], sums: Mapping[str, str], scratch: Path
    ) -> dict[str, tuple[Path, str | None]]:
        """Return the path of each file that is here and verified, and its checksum, by its name."""
        granules = [Granule(_with_checksum(file, sums.get(file.name)), {}) for file in files]
        if not granules:
            return {}
        parallel = min(PARALLEL, self.provider.globalConnectionLimit)
        archives = download(granules, scratch, self.edge, parallel=parallel)
        return {one.granule.file.name: (one.path, one.granule.file.checksum) for one in archives}

    def _place(self, url: str, path: Path | None) -> Placed:
        """Put a fetched file into its bucket. `path`: None for one that stays as it is there. Raises NotFound."""
        if path is None:
            if (size := size_of(self.edges.store, url)) is None:
                raise NotFound("was removed meanwhile", where=url)
            return Placed(url, size, duplicate=True)

        def digest() -> str:
            with path.open("rb") as file:
                return file_digest(file, "sha256").hexdigest()

        return place(self.edges, url, self.handling, digest, lambda: self.edges.archives.put(path, url))

    def _told(self, told: Mapping[str, Any], placed: Placed, checksum: str | None) -> list[dict[str, Any]]:
        """Return a file as Cumulus tells it, and after it the older ones of its name."""
        file = placed.to_json() | {"fileName": told["name"], "source": f"{told['path']}/{told['name']}"}
        if isinstance(told.get("type"), str):
            file["type"] = told["type"]
        older = [Placed(url, size, duplicate=True).to_json() for url, size in placed.versions]
        return [file | told_checksum(checksum), *(one | {"fileName": _name(one["key"])} for one in older)]

    def _answer(self, files: list[dict[str, Any]]) -> dict[str, Any]:
        name, version = self._named
        now, started = round(self.edges.now() * 1000), self.config.get("workflowStartTime")
        created = min(started, now) if isinstance(started, int) and not isinstance(started, bool) else now
        kept = {key: self.granule[key] for key in ("producerGranuleId",) if key in self.granule}
        facts = {"granuleId": self.granule["granuleId"], "dataType": name, "version": version}
        return kept | facts | {"provider": self.provider.id, "createdAt": created, "files": files}

    def _is_checksum(self, name: str) -> bool:
        """Return whether a file holds a checksum: by `checksumFor` of its kind, or by how its name ends."""
        kind = kind_of(self._kinds, name)
        return bool(kind and kind.checksumFor) or name.rpartition(".")[2].lower() in SIDECARS

    def _checksum_files(self, files: Sequence[Listed]) -> dict[str, str]:
        """Return `algorithm:hex` of each file that has none yet, by its name, from the files that hold checksums."""
        found: dict[str, str] = {}
        for file in files:
            if self._is_checksum(file.name) and (about := self._about(file, files)) and about.checksum is None:
                found[about.name] = self._read(file, about)
        return found

    def _about(self, file: Listed, files: Sequence[Listed]) -> Listed | None:
        """Return the file that a checksum file is about. Raises DocumentError where `checksumFor` finds none.

        1. The file that it is named after. 2. The first that `checksumFor` matches.
        """
        stem, kind = file.name.rpartition(".")[0], kind_of(self._kinds, file.name)
        if twin := next((one for one in files if one.name == stem), None):
            return twin
        if kind is None or not kind.checksumFor:
            return None
        wanted = SearchPattern(kind.checksumFor)
        about = next((one for one in files if one is not file and wanted.first(one.name) is not None), None)
        if about is None:
            raise DocumentError(
                f"no file of its granule matches checksumFor {kind.checksumFor[:80]!r}", where=file.name
            )
        return about

    def _read(self, file: Listed, about: Listed) -> str:
        with open_stream(granule_of(file.url), self.edge) as stream:
            return parse_sidecar(stream.read(SIDECAR_BYTES), file.url, about.name)


def _with_checksum(file: Listed, checksum: str | None) -> Listed:
    return file if file.checksum or not checksum else Listed(file.name, file.url, file.size, checksum=checksum)


def _name(key: str) -> str:
    return key.rpartition("/")[2]
