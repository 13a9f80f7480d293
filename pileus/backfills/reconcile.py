"""Reconciliation: compare the provider, the objects in S3, the index and the rows of statistics.

A finding has one of these kinds.

    lost        the index says succeeded, and there is no manifest
    missing     an object that a manifest names is not there
    corrupt     an object differs from its manifest in size or checksum, or a manifest cannot be read
    rows        a table cannot be read, or holds no rows
    unrecorded  a manifest is there, and the index has no entry, or another state
    orphan      an object that no manifest names
    unfinished  the index says running, its lease ran out, and its backfill is over
    undone      the provider has the whole group, and no run made it
    stale       it was made, and the provider or the template has changed since
    unlisted    the provider cannot be asked about a point in time
    zones       the geometry of a zone set is not there, or another than its manifests say
    spoilt      the provider has several files for one member, so that the group cannot be made

`repair` corrects the index from the manifests, writes the geometry of the collection's zones where that was lost, and
returns the points in time that must run again. It reports orphaned and stale objects and changes nothing there;
`pileus backfill --select stale` makes stale partitions again.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from pileus import keys
from pileus.backfills.end import is_live
from pileus.backfills.plan import Plan, plan
from pileus.backfills.record import displaced
from pileus.backfills.recover import entry_of
from pileus.documents import Collection, Provider
from pileus.edges.index import change
from pileus.errors import Conflict, NotFound, PileusError
from pileus.lifecycle import busy
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.models import Manifest, Output, Partition, State, safe
from pileus.outputs.commit import read_manifest, void
from pileus.outputs.read import objects
from pileus.outputs.zone_sets import name_of, publish, same, to_parquet
from pileus.wiring import Edges
from pileus.zonal.zones import Zones, read_zones

Kind = Literal[
    "lost", "missing", "corrupt", "rows", "unrecorded", "orphan", "unfinished", "undone", "stale", "unlisted", "spoilt",
    "zones",
]  # fmt: skip
RERUN = ("lost", "missing", "corrupt", "rows", "unfinished", "undone")
"""Kinds that are repaired by running the partition again."""
VOID = ("missing", "corrupt", "rows")
"""Kinds in which a manifest names objects that are not there: it is made void, so that no worker skips the work."""
PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference."""

    kind: Kind
    partition: str
    """Key of the partition; empty for an orphan whose address names none."""
    detail: str

    def to_json(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared, and the differences."""

    partitions: int
    objects: int
    findings: tuple[Finding, ...]
    manifests: Mapping[str, tuple[str, Manifest]]
    """Address and content, by partition."""

    @property
    def rerun(self) -> list[str]:
        """Return the partitions that must run again, in order."""
        return sorted({f.partition for f in self.findings if f.kind in RERUN})

    def to_json(self) -> dict[str, Any]:
        return {
            "partitions": self.partitions,
            "objects": self.objects,
            "findings": [finding.to_json() for finding in self.findings],
        }


def reconcile(edges: Edges, template: Collection, provider: Provider, whole: Backfill) -> Reconciliation:
    """Compare all objects of a collection, and return the differences.

    `whole`: a backfill over the template's span, to compare with the provider.
    """
    there = dict(objects(edges.store, edges.stack.protected, template.name))
    manifests, findings = _manifests(edges, template, there)
    entries = {
        entry.partition.key: entry
        for entry in edges.index.entries(template.name, template.version, "0000", "9999")
        if entry.state is not State.waiting
    }
    with ThreadPoolExecutor(PARALLEL) as pool:
        for found in pool.map(lambda item: list(_objects(edges, item[0], item[1][1], there)), manifests.items()):
            findings += found
    findings += _zone_sets(edges, template, manifests)
    findings += _record(edges, entries, manifests)
    findings += _orphans(there, manifests, edges.protected(""))
    bad = {finding.partition for finding in findings if finding.kind in RERUN}
    findings += _provider(plan(edges, template, provider, replace(whole, select="needed")), manifests, bad)
    ordered = tuple(sorted(findings, key=lambda f: (f.partition, f.kind, f.detail)))
    return Reconciliation(len(entries.keys() | manifests.keys()), len(there), ordered, manifests)


def _manifests(
    edges: Edges, template: Collection, there: Mapping[str, int]
) -> tuple[dict[str, tuple[str, Manifest]], list[Finding]]:
    head = edges.protected(f"{keys.MANIFESTS}/{safe(template.name)}/{safe(template.version)}/")
    found: dict[str, tuple[str, Manifest]] = {}
    findings = []
    for url in there:
        if not url.startswith(head):
            continue
        key = keys.partition_of(url.removeprefix(edges.protected(""))).key
        try:
            manifest = read_manifest(edges.store, url)
            if manifest is None:
                continue  # a claim, not a committed manifest
            if manifest.partition.key != key:
                raise ValueError(f"it is of {manifest.partition.key}")
            found[key] = url, manifest
        except (ValueError, KeyError, TypeError, PileusError) as exc:
            findings.append(Finding("corrupt", key, f"manifest cannot be read: {exc}"))
    return found, findings


def _objects(edges: Edges, key: str, manifest: Manifest, there: Mapping[str, int]) -> Iterator[Finding]:
    """Yield the outputs of one partition against its manifest."""
    for output in manifest.outputs:
        if output.kind == "zones":
            continue  # one for many partitions: see `_zone_sets`
        size = there.get(output.url)
        try:
            body = edges.store.get(output.url) if size in (None, output.size) else b""
        except NotFound:
            yield Finding("missing", key, f"{output.url} is not there")
            continue
        if size not in (None, output.size):
            yield Finding("corrupt", key, f"{output.url} has {size} bytes, its manifest says {output.size}")
        elif hashlib.sha256(body).hexdigest() != output.sha256:
            yield Finding("corrupt", key, f"{output.url} differs from the checksum in its manifest")
        elif output.kind == "table":
            yield from _rows(manifest.partition, output, body)


def _rows(partition: Partition, output: Output, body: bytes) -> Iterator[Finding]:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        count = pa.parquet.read_metadata(io.BytesIO(body)).num_rows
    except pa.ArrowException as exc:
        yield Finding("rows", partition.key, f"{output.url} cannot be read: {exc}")
        return
    if count == 0:
        yield Finding("rows", partition.key, f"{output.url} holds no rows")


def _zone_sets(edges: Edges, template: Collection, manifests: Mapping[str, tuple[str, Manifest]]) -> Iterator[Finding]:
    named: dict[str, set[str]] = {}
    for _, manifest in manifests.values():
        for output in manifest.outputs:
            if output.kind == "zones":
                named.setdefault(output.url, set()).add(output.sha256)
    for url, sums in sorted(named.items()):
        try:
            body = edges.store.get(url)
        except NotFound:
            yield Finding("zones", "", f"{url} is not there")
            continue
        now = _zones(edges, template) if {hashlib.sha256(body).hexdigest()} != sums else None
        if now is not None and not (url == _url_of(edges, template, now) and same(body, to_parquet(now))):
            yield Finding("zones", "", f"{url} differs from the checksum in a manifest")


def _zones(edges: Edges, template: Collection) -> Zones | None:
    rules = template.meta.process
    return read_zones(edges.store.get(rules.zones), zone_id=rules.zone_id, where=rules.zones) if rules else None


def _url_of(edges: Edges, template: Collection, zones: Zones) -> str:
    return edges.protected(keys.zones_key(template.name, name_of(zones)))


def _record(
    edges: Edges, entries: Mapping[str, Entry], manifests: Mapping[str, tuple[str, Manifest]]
) -> Iterator[Finding]:
    for key, entry in entries.items():
        if entry.state is State.succeeded and key not in manifests:
            yield Finding("lost", key, "the index says succeeded, and there is no manifest")
        if entry.state is State.running and entry.lease <= edges.now() and not is_live(edges, entry):
            yield Finding("unfinished", key, f"running for {entry.run}, which is over")
    for key, (_, manifest) in manifests.items():
        known = entries.get(key)
        if known is None:
            yield Finding("unrecorded", key, "there is a manifest, and the index has no entry")
        elif known.state is State.succeeded and known.fingerprint != manifest.fingerprint:
            yield Finding("unrecorded", key, "the index has another fingerprint than the manifest")


def _orphans(there: Mapping[str, int], manifests: Mapping[str, tuple[str, Manifest]], root: str) -> Iterator[Finding]:
    named = {url for url, _ in manifests.values()}
    named |= {output.url for _, manifest in manifests.values() for output in manifest.outputs}
    for url in there:
        kind, *rest = url.removeprefix(root).split("/")
        # The catalog's own pages, which no partition made; and older zones, to which rows may join that somebody has.
        of_all = (kind == "stac" and len(rest) != 4) or kind == keys.ZONES
        if url not in named and kind != keys.MANIFESTS and not of_all:
            yield Finding("orphan", "", f"{url} is named by no manifest")


def _provider(found: Plan, manifests: Mapping[str, tuple[str, Manifest]], bad: set[str]) -> Iterator[Finding]:
    for row in found.rows:
        key = row.partition.key
        if row.action == "error":
            yield Finding("unlisted", key, row.reason)
        elif row.action == "fail":
            yield Finding("spoilt", key, row.reason)
        elif row.action == "run" and row.kind == "stale" and key not in bad:
            yield Finding("stale", key, row.reason)
        elif row.action == "run" and key not in bad and key not in manifests:
            yield Finding("undone", key, row.reason)


def repair(edges: Edges, template: Collection, found: Reconciliation) -> list[str]:
    """Correct the index from the manifests, and write lost geometry. Return the periods (ISO 8601) that must run
    again.
    """
    if any(finding.kind == "zones" for finding in found.findings) and (zones := _zones(edges, template)):
        publish(edges.store, _url_of(edges, template, zones), zones, {}, now=edges.now())
    for finding in found.findings:
        if finding.kind == "unrecorded" and finding.partition not in found.rerun:
            _set(edges, entry_of(found.manifests[finding.partition][1], found.manifests[finding.partition][0]))
        elif finding.kind in RERUN:
            _unset(edges, finding)
    return sorted({Partition.parse(key).period for key in found.rerun})


def _set(edges: Edges, wanted: Entry) -> None:
    def step(stored: Entry | None) -> Entry | None:
        if stored is not None and not stored.state.ended:
            return None  # another run works on it
        return replace(wanted, tag=stored.tag if stored else "", updated=edges.now())

    change(edges.index, wanted.partition, step)


def _unset(edges: Edges, finding: Finding) -> None:
    """Remove the partition from index and manifest, so that the selection `missing` picks it."""
    partition = Partition.parse(finding.partition)
    stored = edges.index.entry(partition)
    if stored is not None and busy(stored, now=edges.now(), live=is_live(edges, stored)):
        return  # another run works on it
    if finding.kind in VOID:
        void(edges.place(partition), f"reconcile-{edges.now()}")
    if stored is not None:
        displaced(edges, stored)
        with suppress(Conflict):  # a worker has claimed it since
            edges.index.remove(stored)
