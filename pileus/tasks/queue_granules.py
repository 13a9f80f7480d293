"""QueueGranules: the files that a Cumulus message announces become groups of a point in time, for workers.

A workflow of Cumulus has a task of the same name: see `pileus.tasks.cumulus_queue`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pileus.backfills.control import new_backfill, read_registry, record_started
from pileus.cumulus.announced import WithAnnounced, announced
from pileus.cumulus.point_of import point_of
from pileus.cumulus.start_document import source_of
from pileus.documents import Collection, Provider
from pileus.edges.providers import connect
from pileus.edges.providers.address import base_of, origin_of, shown
from pileus.edges.store import load
from pileus.edges.workflows import Workflows
from pileus.errors import DocumentError, UsageError
from pileus.group import Grouped
from pileus.lifecycle.backfill import Backfill
from pileus.messages import PointTask, part, text, text_or_none
from pileus.models import Group, Listed, safe
from pileus.periods import Period
from pileus.point_collections import PointCollections
from pileus.point_groups import list_point
from pileus.project.registry import Registry
from pileus.tasks.cumulus_queue import queue
from pileus.tasks.discover_granules import PARALLEL, OnePoint
from pileus.timing import Recorder
from pileus.wiring import Edges

FILE = "file"
"""Protocol whose files are taken from listings alone: a message may not name any file of a machine."""


def queue_granules(edges: Edges, workflows: Workflows, event: Mapping[str, Any]) -> dict[str, Any]:
    """Queue the granules of an event, and return the answer: by `cumulus_queue.queue` where its `config` names a
    `granuleIngestWorkflow`, as workflows of Cumulus do, else by `queue_announced`.
    """
    config = part(event, "config")
    if isinstance(config, Mapping) and "granuleIngestWorkflow" in config:
        return queue(edges, workflows, event)
    return queue_announced(edges, event)


def queue_announced(edges: Edges, event: Mapping[str, Any]) -> dict[str, Any]:
    """Queue the groups of the files that a message announces. Return them as DiscoverGranules does, with the backfill.

    `input`: a Cumulus message, with `meta.collection`, `meta.provider` and the files in `payload`, all of one point in
    time. `config`: `execution` and `name` of the execution, which begins a backfill of exactly that point in time, with
    those of its groups that have one of the files.

    The provider's folder of that point is listed as every backfill does, so that the partition is the same: its files
    and their facts, its key, its fingerprint. Announced files that are not in the folder are added, by their address,
    to those that earlier messages announced. Raises DocumentError for a message that is wrong, Unknown for a collection
    or provider that is not populated, what listing raises, and StoreError when the stack cannot be reached.
    """
    message = part(event, "input")
    registry = read_registry(edges.store, edges.stack)
    template = registry.collection(text(message, "meta", "collection", "name"), _version(message))
    if template.options is None:
        raise DocumentError("has no options, so a message cannot tell its point in time", where=template.name)
    given = text_or_none(part(message, "meta", "provider"), "id")
    provider = registry.provider_of(template, given)
    files = announced(part(message, "payload"), lambda path: _folder_url(provider, path))
    period, wanted = _of_one_point(template, files)
    task = _Announced(edges, template, provider, period, wanted)
    collections = PointCollections(template).of(period)
    timing = Recorder(edges.now, edges.now())
    with timing.hop("listing"):
        grouped = task.grouped(collections)
    groups = task.mine(grouped)
    backfill = record_started(edges, _backfill(edges, registry, template, period, event, given))
    keys = tuple(one.key for one in groups)
    point = PointTask(backfill.id, backfill.run, template.name, period.iso, groups=keys)
    checksums = {str(file.name): file.checksum for file in wanted if file.checksum}
    listed = timing.told().to_json()
    work = OnePoint(edges, point, backfill, collections, provider, grouped, checksums=checksums, timing=listed)
    return {"backfill": backfill.id, "run": backfill.run} | work.dealt_with()


def _backfill(
    edges: Edges, registry: Registry, template: Collection, period: Period, event: Mapping[str, Any], given: str | None
) -> Backfill:
    """Return the backfill of one point in time, which the execution of the event begins."""
    source = source_of(event["input"])
    return new_backfill(
        registry,
        template.name,
        version=template.version,
        first=period.iso,
        last=period.iso,
        onward=True,
        id=_id_of(text(event, "config", "name")),
        queue="ingest",
        started_by=f"rule {source[0]}" if source else "a message",
        now=edges.now(),
        execution=text(event, "config", "execution"),
        provider=given if given != template.provider else None,
    )


def _version(message: Any) -> str | None:
    return text_or_none(part(message, "meta", "collection"), "version")


def _id_of(name: str) -> str:
    """Return the id of the backfill that an execution of this name begins.

    >>> _id_of("run_0a1b2c_1")
    'ingest-0a1b2c-1'
    """
    return f"ingest-{re.sub('[^A-Za-z0-9-]', '-', name.removeprefix('run_'))[-50:]}"


def _folder_url(provider: Provider, path: str) -> str:
    if provider.protocol in ("s3", FILE):
        host = provider.host.removeprefix("s3://").partition("/")[0] if provider.protocol == "s3" else ""
        return f"{provider.protocol}://{host}/{path.strip('/')}/"
    base = base_of(provider)
    return base.url(base.folder(path))


def _of_one_point(template: Collection, files: Sequence[Listed]) -> tuple[Period, list[Listed]]:
    """Return the point in time of the files, and those that are of the collection. Raises DocumentError."""
    found = {file: point for file in files if (point := point_of(template, file))}
    if not found:
        names = ", ".join(file.name for file in files[:3])
        raise DocumentError(f"files[].regex matches none of {len(files)} files, such as {names}", where=template.name)
    points = set(found.values())
    if len(points) > 1:
        told = ", ".join(sorted(point.iso for point in points))
        raise DocumentError(
            f"the files are of several points in time: {told}; send a message for each", where="payload"
        )
    return points.pop(), list(found)


@dataclass(frozen=True)
class _Announced:
    """The files of one message, of one point in time."""

    edges: Edges
    template: Collection
    provider: Provider
    period: Period
    files: list[Listed]

    def grouped(self, collections: Mapping[str, Collection]) -> Grouped:
        """Return the groups of the point in time: of the files that its folder has, and of those announced beside."""
        with closing(connect(self.provider, secrets=self.edges.secrets, connections=self.edges.connections)) as edge:
            lister = WithAnnounced(edge, [])
            parallel = min(PARALLEL, self.provider.globalConnectionLimit)
            there = list_point(lister, collections, own_folder=False, parallel=parallel)
            here: dict[str, Listed | None] = {problem.name: None for problem in there.problems}
            here |= {granule.file.name: granule.file for one in there.groups for granule in one.granules}
            for file in self.files:
                self._check_size(file, here.get(file.name))
            beside = [file for file in self.files if file.name not in here]
            for file in beside:
                self._keep(file)
            if not (extra := [file for file in self._kept() if file.name not in here]):
                return there
            return list_point(WithAnnounced(edge, extra), collections, own_folder=False, parallel=parallel)

    def _check_size(self, said: Listed, there: Listed | None) -> None:
        if there and there.size is not None and said.size not in (None, there.size):
            told = f"announced with {said.size:,} bytes, and the provider has {there.size:,}"
            raise DocumentError(told, where=shown(there.url))

    def mine(self, grouped: Grouped) -> list[Group]:
        """Return the groups that have one of the files, or would. Raises DocumentError where none has."""
        names = {file.name for file in self.files}
        found = [one for one in grouped.groups if any(g.file.name in names for g in one.granules)]
        found = found or [
            one for one in grouped.groups if one.spoilt and any(n in why for n in names for why in one.spoilt)
        ]
        if not found:
            aside = [f"{one.name}: {one.kind}: {one.detail}" for one in grouped.problems if one.name in names]
            raise DocumentError("; ".join(aside) or "is in no group", where=", ".join(sorted(names))[:200])
        return found

    def _keep(self, file: Listed) -> None:
        """Keep a file that is not in the folder, for the messages that announce the rest of its group."""
        if self.provider.protocol == FILE:
            raise DocumentError("is not in the provider's folder of its point in time", where=shown(file.url))
        if self._origin(file.url) != self._origin(_folder_url(self.provider, "")):
            raise DocumentError(f"is not at provider {self.provider.id}, {self.provider.host}", where=shown(file.url))
        value = {name: getattr(file, name) for name in ("name", "url", "size", "checksum")}
        self.edges.store.put(f"{self._folder}{safe(file.name)}.json", json.dumps(value).encode(), "application/json")

    def _origin(self, url: str) -> object:
        try:
            return url.split("/")[2] if self.provider.protocol == "s3" else origin_of(url)
        except (UsageError, IndexError):
            return None

    def _kept(self) -> list[Listed]:
        """Return the files of the point in time that messages have announced."""
        return [
            load(self.edges.store, url, lambda body: Listed(**json.loads(body)))
            for url, _ in self.edges.store.list(self._folder)
        ]

    @property
    def _folder(self) -> str:
        name, version = safe(self.template.name), safe(self.template.version)
        return self.edges.internal(f"announced/{name}/{version}/{self.period.iso}/")
