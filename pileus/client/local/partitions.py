"""One partition of a backfill with all that is known of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pileus.backfills import record
from pileus.backfills.record import Outcome
from pileus.backfills.status import Status
from pileus.client.answers import FileAnswer, OutputAnswer, PartitionDetail
from pileus.client.services import Services
from pileus.edges.logs import Line
from pileus.errors import Unknown
from pileus.lifecycle.backfill import Backfill
from pileus.models import Granule, Group, Manifest, Partition
from pileus.outputs.commit import read_manifest


def partition_of(services: Services, found: Status, period: str, group: str) -> PartitionDetail:
    """Return a partition of a backfill: its files, attempts, reasons, manifest and outputs. Raises Unknown."""
    edges, of = services.edges, found.backfill
    one = _outcome(found, period, group)
    at = Partition(of.collection, of.version, period, group)
    entry = edges.index.entry(at)
    manifest = read_manifest(edges.store, edges.place(at).manifest)
    known = manifest if manifest and manifest.partition == at else None
    facts: dict[str, Any] = {name: getattr(one, name) for name in ("state", "why", "size", "downloaded")}
    facts |= {name: value for name, value in one.details.items() if name in ("attempt", "seconds", "owner")}
    if entry is not None and entry.backfill == of.id:
        facts |= {"reason": entry.reason, "updated": moment(entry.updated), "missing": list(entry.missing)}
        facts |= {"attempt": entry.attempt, "seconds": entry.seconds, "owner": entry.owner}
    files = _files(services, of, at, known)
    return PartitionDetail(key=at.key, period=period, group=group, files=files, **facts, **_made(known))


def logs_of(services: Services, found: Status, period: str, group: str) -> list[Line]:
    """Return what workers wrote about a partition in any run of the backfill, oldest first. Raises Unknown."""
    key = _outcome(found, period, group).key(found.backfill)
    return list(services.logs.lines(found.backfill.id, key))


def _outcome(found: Status, period: str, group: str) -> Outcome:
    for one in found.outcomes:
        if (one.period, one.group) == (period, group):
            return one
    raise Unknown(f"backfill {found.backfill.id} has no partition {period}/{group}")


def _files(services: Services, of: Backfill, at: Partition, manifest: Manifest | None) -> list[FileAnswer]:
    """Return the files of the run that queued it, else those that its manifest names."""
    granules = next(_queued(services, of, at), manifest.inputs if manifest else ())
    return [
        FileAnswer(
            name=granule.file.name,
            url=granule.recorded.file.url,
            size=granule.file.size,
            modified=granule.file.modified,
            parts=dict(granule.parts),
        )
        for granule in granules
    ]


def _queued(services: Services, of: Backfill, at: Partition) -> Iterator[tuple[Granule, ...]]:
    for task in record.queued_at(services.edges, of, at.period):
        if task["config"]["partition"] == at.key and "granules" in task["input"]:
            yield Group.from_json(task["input"]).granules


def _made(manifest: Manifest | None) -> dict[str, Any]:
    """Return what a manifest says of its outputs; nothing without one."""
    if manifest is None:
        return {}
    outputs = [OutputAnswer(url=o.url, size=o.size, kind=o.kind, sha256=o.sha256) for o in manifest.outputs]
    made = manifest.to_json()
    return {"outputs": outputs, "notes": list(manifest.notes), "finished": manifest.finished, "manifest": made}


def moment(seconds: float) -> str:
    """Return Unix time as ISO 8601 UTC.

    >>> moment(0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
