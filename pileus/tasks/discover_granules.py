"""DiscoverGranules: list one point in time at the provider, group the files, and decide what to do with each group.

A workflow of Cumulus has a task of the same name: see `pileus.tasks.cumulus_discover`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from pileus import lifecycle
from pileus.backfills.end import is_live
from pileus.backfills.failures import fail_behind, fail_point, note_failure
from pileus.backfills.record import Outcome, displaced, note_aside, note_files, replacing, run_url
from pileus.backfills.status import WHOLE_POINT, whole_point
from pileus.documents import Collection, Provider, parse_value
from pileus.edges.index import change
from pileus.edges.providers import connect
from pileus.edges.store import Store, load, split
from pileus.errors import Cancelled, Conflict, PileusError, StoreError
from pileus.granules.note import note_groups
from pileus.group import Grouped, set_aside
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.fingerprint import fingerprint
from pileus.lifecycle.partition import Entry, Failure
from pileus.lifecycle.selection import Decision, decide
from pileus.messages import FEW, INLINE, GroupTask, PointTask, RunDocuments, part
from pileus.models import Granule, Group, Partition, State
from pileus.names import one_line
from pileus.point_groups import list_point, of_group
from pileus.tasks.cumulus_discover import discover
from pileus.tasks.group_payload import write_payloads
from pileus.timing import Recorder
from pileus.wiring import Edges

_KEPT: WeakKeyDictionary[Store, dict[str, RunDocuments]] = WeakKeyDictionary()
"""The documents of the last run that this process has listed a point of, by their address; by the store."""
PARALLEL = 8
"""Folders that are listed in parallel, where a point in time has several."""


def discover_granules(edges: Edges, event: Mapping[str, Any]) -> dict[str, Any]:
    """Queue the groups of one point in time that need work. Return the address of their list in S3 and their number.

    `config`: a PointTask. A point that cannot be listed is marked as failed in the index, and the answer says so. A
    config with a provider and no backfill is that of Cumulus's task, whose answer is returned.
    Raises Cancelled when the backfill does not run any more, StoreError when the stack cannot be reached.
    """
    config = part(event, "config")
    if isinstance(config, Mapping) and "provider" in config and "backfill" not in config:
        return discover(edges, event)
    task = PointTask.from_json(config)
    collections, provider = _documents(edges, task)
    backfill = edges.index.backfill(task.backfill)
    if backfill is None or not backfill.runs(task.run_name):
        raise Cancelled("the backfill does not run any more", where=one_line(task.run_name))
    timing = Recorder(edges.now, edges.now())
    try:
        with timing.hop("listing"):
            grouped = list_groups(edges, collections, provider, own_folder=task.own_folder)
    except StoreError:
        raise  # the workflow tries again
    except PileusError as error:
        failure = Failure.of(error)
        fail_point(edges, backfill, task.period, failure)
        return {"count": 0, "failure": {"type": failure.type, "message": str(error)}}
    listed = timing.told().to_json()
    return OnePoint(edges, task, backfill, collections, provider, grouped, timing=listed).dealt_with()


def _documents(edges: Edges, task: PointTask) -> tuple[Mapping[str, Collection], Provider]:
    """Return the concrete collections, by id, and the provider of a point in time. Raises DocumentError."""
    if not task.documents:
        provider = parse_value(Provider, task.provider, "provider")
        return {"": parse_value(Collection, task.collection, task.template)}, provider
    kept = _KEPT.setdefault(edges.store, {})
    if task.documents not in kept:
        kept.clear()  # a process lists the points of one run after the other
        kept[task.documents] = load(edges.store, task.documents, RunDocuments.from_bytes)
    documents = kept[task.documents]
    return documents.collections_of(task.period), documents.provider


def list_groups(
    edges: Edges, collections: Mapping[str, Collection], provider: Provider, *, own_folder: bool
) -> Grouped:
    """Return what the provider has for the concrete collections of a point in time, in groups."""
    with closing(connect(provider, secrets=edges.secrets, connections=edges.connections)) as edge:
        parallel = min(PARALLEL, provider.globalConnectionLimit)
        return list_point(edge, collections, own_folder=own_folder, parallel=parallel)


@dataclass
class OnePoint:
    """One point in time of a run, after its files were listed."""

    edges: Edges
    task: PointTask
    backfill: Backfill
    collections: Mapping[str, Collection]
    """By id."""
    provider: Provider
    grouped: Grouped
    aside: list[Outcome] = field(default_factory=list)
    """Groups that are not queued, with the reason of each."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """By name of a file, what a message said of it and the provider does not: `algorithm:hex`."""
    timing: Mapping[str, Any] = field(default_factory=dict)
    """When its listing began, and how long it took."""

    def dealt_with(self) -> dict[str, Any]:
        """Decide what to do with each group, and return the answer of the Lambda."""
        groups = [one for one in self.grouped.groups if not self.task.groups or one.key in self.task.groups]
        places = [whole_point(self.backfill, self.task.period), *(self._partition(found) for found in groups)]
        known = {entry.partition.group: entry for entry in self.edges.index.several(places)}
        tasks = [task for found in groups if (task := self._consider(found, known))]
        if not self.grouped.groups:
            self._nothing_published()
        elif whole := known.get(WHOLE_POINT):
            self._forget(whole)
        here = self.edges, self.task.backfill, self.task.run, self.task.period
        if self.aside:
            note_aside(*here, self.aside)
        queued = ((task.partition, task.group, of_group(task.group, self.collections)) for task in tasks)
        if files := [*set_aside(self.grouped), *note_groups(self.edges, queued)]:
            note_files(*here, files)
        return self._listed(tasks) | {"found": len(groups)}

    @cached_property
    def _documents(self) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        """The collections, by id, and the provider as the tasks of its groups carry them."""
        collections = {id: collection.to_json() for id, collection in self.collections.items()}
        return collections, self.provider.model_dump(mode="json", exclude_defaults=True)

    def _partition(self, found: Group) -> Partition:
        return Partition(self.task.template, self.backfill.version, self.task.period, found.key)

    def _nothing_published(self) -> None:
        """Record that the point has no groups yet. This entry of the whole point exists only while none is known."""
        others = f" ({len(self.grouped.problems)} other files)" if self.grouped.problems else ""
        place = whole_point(self.backfill, self.task.period)
        wanted = Entry(place, State.waiting, self.backfill.run_name, reason=f"nothing published{others}")

        def step(stored: Entry | None) -> Entry | None:
            return replacing(self.edges, stored, lifecycle.wait(stored, wanted, now=self.edges.now(), live=False))

        change(self.edges.index, place, step)
        self._put_aside(WHOLE_POINT, State.waiting, wanted.reason)

    def _forget(self, whole: Entry) -> None:
        """Delete the entry of the whole point, because its groups are known. Another run may have deleted it before."""
        displaced(self.edges, whole)
        try:
            self.edges.index.remove(whole)
        except Conflict:
            return

    def _consider(self, found: Group, known: Mapping[str, Entry]) -> GroupTask | None:
        """Record the decision about one group. Return its task if it needs work, else None."""
        entry = known.get(found.key)
        meta = of_group(found, self.collections).meta
        now = fingerprint(found.granules, meta)
        live = entry is not None and entry.run != self.backfill.run_name and is_live(self.edges, entry)
        owed = self._owed(found)
        decision = decide(found, entry or known.get(WHOLE_POINT), now, self.backfill.select, live=live, owed=owed)
        if decision.action == "skip":
            if decision.kind == "up to date":
                self._put_aside(found.key, State.skipped, "")
            elif owed:
                self._put_aside(found.key, owed, "not selected")
            return None
        wanted = self._wanted(found, str(now), decision)
        if decision.action == "run":
            return self._queue(found, entry, wanted, again=decision.kind == "up to date")
        failure = Failure("SetAside", decision.reason) if decision.action == "fail" else None
        self._note(entry, wanted, failure)
        self._put_aside(found.key, State.failed if failure else State.waiting, str(failure or decision.reason))
        return None

    def _owed(self, found: Group) -> State | None:
        """Return the state of a group in the earlier run of the backfill, where that is no success."""
        owed = self.task.owed.get(found.key) or self.task.owed.get(WHOLE_POINT)
        return State(owed) if owed else None

    def _wanted(self, found: Group, print_: str, decision: Decision) -> Entry:
        """Return the entry that the group should have."""
        return Entry(
            self._partition(found),
            State.planned,
            self.backfill.run_name,
            reason=decision.reason,
            fingerprint=print_,
            files=len(found.granules),
            size=found.size,
            missing=found.missing,
            timing=self.timing,
        )

    def _note(self, entry: Entry | None, wanted: Entry, failure: Failure | None) -> None:
        """Record in the index that a group waits or has failed, unless another run works on it."""

        def step(stored: Entry | None) -> Entry | None:
            now, live = self.edges.now(), is_live(self.edges, stored)
            if failure:
                made = lifecycle.fail(stored, wanted, failure, now=now, live=live)
            else:
                made = lifecycle.wait(stored, wanted, now=now, live=live)
            return replacing(self.edges, stored, made)

        noted = change(self.edges.index, wanted.partition, step, known=entry)
        if failure and noted:
            note_failure(self.edges, noted)
        elif failure and (stored := self.edges.index.entry(wanted.partition)) and stored.run != wanted.run:
            fail_behind(self.edges, wanted, failure)

    def _queue(self, found: Group, entry: Entry | None, wanted: Entry, *, again: bool) -> GroupTask | None:
        """Queue a group, and return its task. Where another run works on the group, the message waits for that run's
        end.

        Return None when this run has queued it before.
        """

        def step(stored: Entry | None) -> Entry | None:
            live = is_live(self.edges, stored)
            return replacing(self.edges, stored, lifecycle.queue(stored, wanted, now=self.edges.now(), live=live))

        following = change(self.edges.index, wanted.partition, step, known=entry)
        if following is None:
            stored = self.edges.index.entry(wanted.partition)
            if stored is not None and stored.run == wanted.run:
                return None  # the workflow repeats this step: the group runs or has ended
            self._put_aside(found.key, State.queued, f"after {stored.run}" if stored else "")
        collections, provider = self._documents
        return GroupTask(
            self.task.backfill,
            self.task.run,
            following or replace(wanted, state=State.queued),
            of_group(found, collections),
            provider,
            replace(found, granules=tuple(map(self._checked, found.granules))),
            again,
            rank=self.task.rank,
        )

    def _checked(self, granule: Granule) -> Granule:
        """Return a granule with the checksum that a message said."""
        said = self.checksums.get(granule.file.name)
        if said is None or granule.file.checksum is not None:
            return granule
        return replace(granule, file=replace(granule.file, checksum=said))

    def _put_aside(self, key: str, state: State, why: str) -> None:
        self.aside.append(Outcome(self.task.period, key, state, why))

    def _listed(self, tasks: Sequence[GroupTask]) -> dict[str, Any]:
        """Write the list of tasks to S3. Return their number with the list where it is short, else its address."""
        if not tasks:
            return {"count": 0}
        queue = self.edges.stack.queue_url(self.backfill.queue)
        url = run_url(self.edges, self.task.backfill, self.task.run, f"groups/{self.task.period}.json")
        items = [{"queue": queue, "task": task.to_json()} for task in self._small(tasks)]
        if payloads := self._payloads(tasks):
            items = [item | {"payload": address} for item, address in zip(items, payloads, strict=True)]
        body = json.dumps(items).encode()
        self.edges.store.put(url, body, "application/json")
        if not payloads and len(items) <= FEW and len(body) <= INLINE:
            return {"count": len(tasks), "items": items}
        bucket, key = split(url)
        return {"count": len(tasks), "groups": {"bucket": bucket, "key": key}}

    def _payloads(self, tasks: Sequence[GroupTask]) -> list[str]:
        """Write the payload of each group, where groups become payloads of Cirrus, and return their addresses."""
        if not any(collection.meta.payload for collection in self.collections.values()):
            return []
        return list(write_payloads(self.edges, self.provider, self.collections, tasks))

    def _small(self, tasks: Sequence[GroupTask]) -> Iterator[GroupTask]:
        """Yield the tasks. A task too large for a message is written to S3, and its message names the address."""
        for task in tasks:
            body = task.to_bytes()
            if len(body) > INLINE:
                url = run_url(self.edges, task.backfill, task.run, f"tasks/{task.partition.key}.json")
                self.edges.store.put(url, body, "application/json")
                yield task.left_at(url)
            else:
                yield task
