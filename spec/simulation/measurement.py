"""In place of the hops from download to zonal: bytes that depend on the zones and on the source."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from shapely import box

from pileus import keys
from pileus.backfills import record
from pileus.documents import Meta
from pileus.edges import parallel_put
from pileus.errors import ArchiveError, Changed, HandedBack
from pileus.models import Archive, Group
from pileus.outputs import zone_sets
from pileus.tasks import discover_granules, process_group
from pileus.tasks.pipeline import Processed
from pileus.worker import heartbeat
from pileus.zonal.zones import make_zones
from spec.simulation import site
from spec.simulation.schedule import Schedule

ZONES = [make_zones(["here"], ["Here"], [box(0, 0, side, side)], "EPSG:4326") for side in (1, 2)]
"""The later zones, and the first."""


@dataclass
class Bench:
    """What process_group keeps from task to task; nothing here."""

    schedule: Schedule
    broken: set[str] = field(default_factory=set)
    """Groups, as PERIOD/GROUP, whose archives cannot be read."""
    needs: Any = None
    zones: dict[str, Any] = field(default_factory=dict)
    zone_sets: dict[str, Any] = field(default_factory=dict)
    looked: set[str] = field(default_factory=set)
    indexes: Any = None

    def __post_init__(self) -> None:
        self.needs = {site.NAME: SimpleNamespace(of=lambda group, files: 0, saw=lambda *_: None)}
        self.volume = self

    def inside(self, purpose: str) -> None:
        """Nothing is opened."""

    def cache_of(self, store: Any) -> None:
        """No index is needed."""

    def delete_of(self, store: Any) -> Callable[..., None]:
        """Deletes at once."""
        delete: Callable[..., None] = store.delete
        return delete

    @contextmanager
    def reserved(self, *_: Any, **__: Any) -> Iterator[Path]:
        yield Path("scratch")


class Worked:
    """In place of pileus.tasks.pipeline.process for one schedule."""

    def __init__(self, schedule: Schedule, bench: Bench) -> None:
        self._schedule, self._bench = schedule, bench

    def __call__(
        self,
        group: Group,
        meta: Meta,
        zones: Any,
        *,
        edge: site.Edge,
        progress: Callable[[str, int], None] | None = None,
        cancelled: threading.Event,
        **_: Any,
    ) -> Processed:
        schedule, tags, rules = self._schedule, [], meta.process
        assert rules is not None
        for granule in group.granules:
            if schedule.wait(cancelled, _seconds(schedule)):
                raise HandedBack("told to stop")
            tags.append(edge.version(granule.file.url))
            if tags[-1] != granule.file.etag:
                raise Changed("is another file than was listed", where=granule.file.url)
            if progress:
                progress(granule.file.name, 100)
        period = group.granules[0].file.url.split("/")[-2]
        if f"{period}/{group.key}" in self._bench.broken:
            raise ArchiveError("is not an archive", where=group.key)
        body = f"{rules.zones} {period} {group.key} {tags}".encode()
        archives: Sequence[Archive] = ()
        measured: Any = SimpleNamespace(body=body, engine="none", index_hashes=(), notes=(), zones=rules.zones)
        return Processed(tuple(archives), measured, {"download": 1.0}, 200, 0)


def _seconds(schedule: Schedule) -> float:
    """How long a file takes: some take longer than a lease."""
    return schedule.dice.uniform(1, 10) if schedule.dice.random() < 0.9 else schedule.dice.uniform(20, 60)


def fill(outputs: Any, written: Any, measured: Any) -> None:
    """In place of process_group.Outputs._fill: a table, its CSV, the zones, a clip that only the first zones have."""
    partition, body = outputs.task.partition, measured.body
    zones = ZONES["/1/" in measured.zones]
    url = outputs.edges.protected(keys.zones_key(partition.collection, zone_sets.name_of(zones)))
    known = outputs.worker.zone_sets
    written.note(zone_sets.publish(outputs.edges.store, url, zones, known, now=outputs.edges.now()), "zones")
    written.add(keys.table_key(partition), b"table " + body, "", "table", "statistics")
    written.add(keys.csv_key(partition), b"csv " + body, "", "csv", "statistics")
    if "/1/" in measured.zones:
        written.add(keys.clip_key(partition, "light", "here"), b"clip " + body, "", "clip", "clip")


class InTurn:
    """In place of a pool of threads: one call after the other, in the thread that asks."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001 - it is told by the future
            done.set_exception(error)
        return done

    def map(self, work: Callable[..., Any], *items: Any) -> list[Any]:
        return [work(*arguments) for arguments in zip(*items, strict=True)]

    def shutdown(self, **_: Any) -> None:
        pass

    def __enter__(self) -> "InTurn":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def task_of(edges: Any, bench: Bench) -> Callable[[Any, Any], Any]:
    """The work of a worker: the real process_group."""
    return lambda event, watch: process_group.process_group(edges, event, bench, watch)


@contextmanager
def replaced(schedule: Schedule, bench: Bench, few: int, inline: int) -> Iterator[None]:
    """Put the parts above, and random bytes of the seed, in the place of the real ones while the block runs.

    `few`: groups of a point that need no map of their own; `inline`: bytes of a task that fit into a message.
    """
    places: list[tuple[Any, str, Any]] = [
        (discover_granules, "connect", site.connect),
        (discover_granules, "FEW", few),
        (discover_granules, "INLINE", inline),
        (process_group, "connect", site.connect),
        (process_group, "process", Worked(schedule, bench)),
        (process_group, "_zones", lambda *_: "zones"),
        (process_group.Outputs, "_fill", fill),
        (parallel_put, "_threads", InTurn),
        (parallel_put, "PATIENCE", 0),  # no real second passes here
        (record, "ThreadPoolExecutor", InTurn),
        (heartbeat, "HEARD_SECONDS", 6),
        (os, "urandom", schedule.dice.randbytes),
    ]
    before = [(place, name, getattr(place, name)) for place, name, _ in places]
    silent = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        for place, name, value in places:
            setattr(place, name, value)
        yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)
        logging.disable(silent)
