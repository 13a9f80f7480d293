"""The files of a collection's points in time.

1. Archives that the collection keeps are read from S3.
2. Others are discovered at the provider, as workers of a backfill do.
3. A point of which no whole group is there is left out.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pileus import keys
from pileus.documents import Collection
from pileus.edges.connections import LocalConnections
from pileus.errors import DamagedObject, DocumentError, NotFound, PileusError
from pileus.expand import Point
from pileus.graphs.span import Span
from pileus.models import Group, Output, safe
from pileus.outputs.commit import read_manifest
from pileus.point_groups import of_group
from pileus.tasks.discover_granules import list_groups
from pileus.wiring import Edges

LOOKS = 6
"""Points in time of a span that is looked for before a request is accepted, at most."""
log = logging.getLogger("pileus.graphs")


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one point in time."""

    point: Point
    collection: Collection
    """The concrete one."""
    group: Group
    kept: tuple[Output, ...] = ()
    """The archives in S3, one for each granule; empty: they are at the provider."""


def check_published(edges: Edges, span: Span) -> None:
    """Raise DocumentError where a short span has nothing that is whole. A long span, and a provider that cannot be
    listed by whoever takes the request, are for the worker to judge.
    """
    here = replace(edges, connections=LocalConnections())
    try:
        if len(span.points) <= LOOKS and next(files_of(here, span), None) is None:
            raise nothing(span)
    except DocumentError:
        raise
    except PileusError as error:
        log.warning("cannot be listed before the start", extra={"collection": span.template.name, "error": str(error)})


def files_of(edges: Edges, span: Span) -> Iterator[Files]:
    """Yield the files of each point in time that has a whole group. Raises what a listing raises, DocumentError where a
    point has several groups and none is named.
    """
    for point in span.points:
        by_id = point.by_id
        found = [*_kept(edges, span, point, by_id)] or [*_published(edges, span, point, by_id)]
        if span.group:
            found = [one for one in found if one.group.key == span.group]
        if len(found) > 1:
            there = ", ".join(one.group.key for one in found[:20])
            told = f"has several groups at {point.period.iso}: name one of {there} with group="
            raise DocumentError(f"collection {span.template.name}: {told}")
        yield from found


def _kept(edges: Edges, span: Span, point: Point, by_id: dict[str, Collection]) -> Iterator[Files]:
    """Yield the groups of a point whose archives lie in S3."""
    rules = span.template.meta.process
    if rules is None or not rules.archive:
        return
    head = f"{safe(span.template.name)}/{safe(span.template.version)}/{point.period.iso}"
    for url, _ in edges.store.list(edges.protected(f"{keys.MANIFESTS}/{head}/")):
        try:
            manifest = read_manifest(edges.store, url)
        except ValueError as error:
            raise DamagedObject(f"{error}; `pileus reconcile` mends it", where=url) from error
        kept = tuple(one for one in manifest.outputs if one.kind == "archive") if manifest else ()
        if manifest and len(kept) == len(manifest.inputs):
            group = Group(manifest.partition.group, manifest.inputs)
            if "" in by_id or group.key in by_id:
                yield Files(point, of_group(group, by_id), group, kept)


def _published(edges: Edges, span: Span, point: Point, by_id: dict[str, Collection]) -> Iterator[Files]:
    """Yield the whole groups that the provider has of a point."""
    try:
        grouped = list_groups(edges, by_id, span.provider, own_folder=point.own_folder)
    except NotFound:  # no folder: nothing is published
        return
    for group in grouped.groups:
        if group.complete and not group.spoilt and group.granules:
            yield Files(point, of_group(group, by_id), group)


def nothing(span: Span) -> DocumentError:
    return DocumentError(f"collection {span.template.name}: has nothing whole {span.told}")
