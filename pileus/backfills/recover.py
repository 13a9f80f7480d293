"""Rebuild the live index from the objects in S3."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from pileus import keys
from pileus.backfills import record
from pileus.backfills.control import read_registry, revive
from pileus.backfills.message_rules import sync_sources
from pileus.backfills.rules import fire_lost, sync
from pileus.edges.index import change, new_tag
from pileus.edges.message_sources import MessageSources
from pileus.edges.schedules import Schedules
from pileus.edges.store import load
from pileus.edges.workflows import Workflows
from pileus.errors import Conflict, DamagedObject, UsageError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.messages import GroupTask
from pileus.models import Manifest, State
from pileus.outputs.commit import claims, clean, settled
from pileus.wiring import Edges


def recover(edges: Edges, workflows: Workflows, tell: Callable[[str], None]) -> None:
    """Fill an empty index from S3, and start the backfills again that were running. Tells what it did, line by line.

    A backfill whose objects are damaged is reported and left out.
    """
    found = 0
    for entry in recorded(edges):
        found += _put(edges, entry)
    if found:
        tell(f"{found} partitions are in the index")
    finish_publications(edges)  # after the manifests were read: a worker may have committed one of them just before
    for url in [url for url, _ in edges.store.list(edges.internal("backfills/")) if url.endswith("/backfill.json")]:
        try:
            _recover_backfill(edges, workflows, url, tell)
        except DamagedObject as exc:
            tell(f"left out: {exc}")


def _recover_backfill(edges: Edges, workflows: Workflows, url: str, tell: Callable[[str], None]) -> None:
    backfill = load(edges.store, url, lambda body: Backfill.from_json(json.loads(body)))
    if backfill.spending is not None and not backfill.closed:  # what a closed one has spent was kept with it
        known = backfill.spending.recall(record.admitted(edges, backfill.id, backfill.spending))
        backfill = replace(backfill, spending=known)
    try:
        edges.index.put_backfill(replace(backfill, tag=""))
    except Conflict:
        return  # another process started it since
    for entry in _unfinished(edges, backfill):
        _put(edges, entry)
    if not backfill.closed:
        _queue_again(edges, backfill)
    if not backfill.over:
        tell(f"going on with backfill {backfill.id}")
        with suppress(UsageError):  # its user has stopped it since
            revive(edges, workflows, backfill.id)


def finish_publications(edges: Edges) -> None:
    """Publish what dead workers had committed; delete what cannot be committed any more."""
    for partition, claim in claims(edges.store, edges.stack.internal):
        clean(edges.place(partition), claim)


def restore_rules(edges: Edges, workflows: Workflows, schedules: Schedules, sources: MessageSources) -> None:
    """Create the schedules and sources of the populated rules again, and start the onetime rules whose backfill was
    never written.

    A onetime rule whose backfill is in S3 does not fire again.
    """
    try:
        registry = read_registry(edges.store, edges.stack)
    except (UsageError, DamagedObject):
        return  # nothing is populated, or it is damaged: every command that reads it says so
    sync(edges, schedules, registry)
    sync_sources(edges, sources, registry)
    fire_lost(edges, workflows, registry)


def recorded(edges: Edges) -> Iterator[Entry]:
    """Yield the entry of every partition that has a manifest."""
    for url, _ in edges.store.list(edges.protected(f"{keys.MANIFESTS}/")):
        try:
            partition = keys.partition_of(url.removeprefix(edges.protected("")))
        except UsageError:
            continue  # not one of ours
        # A damaged manifest counts as none: its partition is not done, and `pileus reconcile` says so.
        manifest = settled(edges.place(partition), f"recover-{new_tag()}")
        if manifest is not None:
            yield entry_of(manifest, url)


def entry_of(manifest: Manifest, url: str) -> Entry:
    """Return the index entry of a partition that succeeded, from its manifest."""
    return Entry(
        manifest.partition,
        State.succeeded,
        manifest.run_name,
        fingerprint=manifest.fingerprint,
        files=len(manifest.inputs),
        size=sum(granule.file.size or 0 for granule in manifest.inputs),
        downloaded=manifest.bytes_downloaded,
        seconds=round(sum(manifest.seconds.values()), 3),
        manifest=url,
        timing=manifest.timing,
    )


def _unfinished(edges: Edges, backfill: Backfill) -> Iterator[Entry]:
    """Yield the partitions that did not succeed, from the last record of the backfill, as those of that record's run:
    the present one may have queued them since. The others have manifests.
    """
    for run in range(backfill.run, 0, -1):
        if (kept := record.closed(edges, backfill.id, run)) is not None:
            yield from (
                _entry(one, backfill, run)
                for one in kept.outcomes
                if one.state in (State.failed, State.waiting, State.cancelled)
            )
            return


def _entry(one: record.Outcome, backfill: Backfill, run: int) -> Entry:
    """Return the index entry of an outcome. What has no failure says why it did not succeed, and not why it began."""
    facts = {"partition": one.key(backfill), "state": one.state, "run": f"{backfill.id}/{run}", "size": one.size}
    reason = {} if "failure" in one.details else {"reason": one.why}
    return Entry.from_json(facts | dict(one.details) | reason)


def _queue_again(edges: Edges, backfill: Backfill) -> None:
    """Put the partitions that an unfinished run had queued into the index again."""
    for value in record.queued(edges, backfill):
        wanted = GroupTask.from_json(value).entry

        def step(stored: Entry | None, wanted: Entry = wanted) -> Entry | None:
            if stored is None:
                return replace(wanted, tag="")
            earlier = stored.backfill == wanted.backfill and stored.number < wanted.number
            if not earlier or stored.fingerprint == wanted.fingerprint:
                return None
            return replace(wanted, tag=stored.tag, manifest=stored.manifest)

        change(edges.index, wanted.partition, step)


def _put(edges: Edges, entry: Entry) -> bool:
    """Put an entry into the index. Return False when the index has the partition already: its entry is newer."""
    try:
        edges.index.put(entry)
    except Conflict:
        return False
    return True
