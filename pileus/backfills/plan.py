"""The plan of a backfill: what it would do to each partition, and why. Reads the provider and the index; writes
nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from pileus.backfills.end import is_live
from pileus.backfills.record import Aside
from pileus.backfills.status import WHOLE_POINT
from pileus.discover import Lister
from pileus.documents import Collection, Provider
from pileus.edges.connections import LocalConnections
from pileus.edges.providers import connect
from pileus.errors import PileusError
from pileus.expand import Point, expand
from pileus.group import set_aside
from pileus.lifecycle.backfill import Backfill, Order
from pileus.lifecycle.fingerprint import fingerprint
from pileus.lifecycle.partition import Entry
from pileus.lifecycle.selection import decide
from pileus.listings import Listings
from pileus.models import Partition, Problem
from pileus.point_groups import of_group, point_groups
from pileus.scratch.need import Need, learnt, needs_files
from pileus.wiring import Edges

Action = Literal["run", "skip", "wait", "fail", "error"]


@dataclass(frozen=True, slots=True)
class Planned:
    """What the backfill would do with one partition. Action `error`: its point in time cannot be listed now."""

    partition: Partition
    action: Action
    kind: str
    reason: str
    files: int = 0
    size: int = 0
    """Bytes to download, as listed."""
    scratch: int = 0
    """Bytes on the scratch volume."""

    def to_json(self) -> dict[str, Any]:
        return {"partition": self.partition.key} | {
            name: getattr(self, name) for name in ("action", "kind", "reason", "files", "size", "scratch")
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Planned":
        return cls(**{**value, "partition": Partition.parse(value["partition"])})


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of all partitions, in the order in which their points in time would start."""

    rows: tuple[Planned, ...]
    speed: float | None
    """Bytes per second of one worker, measured in earlier groups; None: unknown."""
    files: tuple[Aside, ...] = ()
    """Files that grouping would set aside, with their points in time."""

    @property
    def actions(self) -> Counter[Action]:
        return Counter(row.action for row in self.rows)

    @property
    def running(self) -> list[Planned]:
        return [row for row in self.rows if row.action == "run"]

    @property
    def size(self) -> int:
        """Return the bytes to download."""
        return sum(row.size for row in self.running)

    @property
    def minutes(self) -> float | None:
        """Return the minutes that one worker needs; None where the speed is unknown."""
        return self.size / self.speed / 60 if self.speed else None

    @property
    def periods(self) -> list[str]:
        """Return the points in time with something to run, in order."""
        return list(dict.fromkeys(row.partition.period for row in self.running))

    def to_json(self) -> dict[str, Any]:
        totals = {
            "actions": dict(self.actions),
            "files": sum(row.files for row in self.running),
            "bytes": self.size,
            "largest_scratch_bytes": max((row.scratch for row in self.running), default=0),
            "worker_minutes": None if self.minutes is None else round(self.minutes, 1),
            "bytes_per_second": None if self.speed is None else round(self.speed),
        }
        aside = [{"period": period} | problem.to_json() for period, problem in self.files]
        return {"partitions": [row.to_json() for row in self.rows], "totals": totals, "files_set_aside": aside}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Plan":
        aside = tuple(
            (one["period"], Problem(one["kind"], one["name"], one["detail"])) for one in value["files_set_aside"]
        )
        rows = tuple(Planned.from_json(row) for row in value["partitions"])
        return cls(rows, value["totals"]["bytes_per_second"], aside)


def plan(
    edges: Edges, template: Collection, provider: Provider, backfill: Backfill, *, listings: Listings | None = None
) -> Plan:
    """Return what `backfill` would do if it started now. `listings`: those of an earlier plan, to ask the provider
    once.

    A folder that cannot be listed becomes a row with action `error`; the other rows are complete.
    """
    points = expand(template, backfill.periods)
    # A budget of its own: the one that workers share is kept in a table, and a plan writes nothing.
    with closing(connect(provider, secrets=edges.secrets, connections=LocalConnections())) as edge:
        limit, listings = provider.globalConnectionLimit, listings or Listings()
        listings.fetch(edge, (one.provider_path for point in points for one in point.by_id.values()), limit)
        known = _known(edges, backfill)
        need, by_name = learnt(edges, template.name), all("{{pointInTime}}" in file.regex for file in template.files)
        source: Listings = listings
        aside: dict[str, list[Problem]] = {point.period.iso: [] for point in points}

        def rows_of(point: Point) -> list[Planned]:
            lister, period = source.naming(point.period.point) if by_name else source, point.period.iso
            rows = _rows(backfill, point, lister, known.get(period, {}), need, partial(is_live, edges), aside[period])
            return list(rows)

        with ThreadPoolExecutor(limit, thread_name_prefix="plan") as pool:  # sizes that are not listed are asked for
            rows = dict(zip((point.period.iso for point in points), pool.map(rows_of, points), strict=True))
    order = _ordered(rows, backfill.order)
    entries = (entry for of_period in known.values() for entry in of_period.values())
    files = tuple((period, problem) for period in order for problem in aside[period])
    return Plan(tuple(row for period in order for row in rows[period]), _speed(entries), files)


def _known(edges: Edges, backfill: Backfill) -> dict[str, dict[str, Entry]]:
    """Return the entries by period and group."""
    known: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in edges.index.entries(backfill.collection, backfill.version, backfill.first, backfill.last):
        known[entry.partition.period][entry.partition.group] = entry
    return known


def _rows(
    backfill: Backfill,
    point: Point,
    lister: Lister,
    known: Mapping[str, Entry],
    need: Need,
    live: Callable[[Entry | None], bool],
    aside: list[Problem],
) -> Iterator[Planned]:
    """Yield the rows of a point in time. Files that grouping sets aside go to `aside`."""

    def partition(name: str) -> Partition:
        return Partition(backfill.collection, backfill.version, point.period.iso, name)

    collections = point.by_id
    try:
        grouped = point_groups(lister, collections, own_folder=point.own_folder)
    except PileusError as error:
        yield Planned(partition(WHOLE_POINT), "error", type(error).__name__, str(error))
        return
    aside += set_aside(grouped)
    if not grouped.groups:
        yield Planned(partition(WHOLE_POINT), "wait", "incomplete", "nothing published")
    for found in grouped.groups:
        entry = known.get(found.key)
        meta = of_group(found, collections).meta
        now = fingerprint(found.granules, meta)
        before = entry or known.get(WHOLE_POINT)
        decision = decide(found, before, now, backfill.select, live=live(entry))
        planned = Planned(partition(found.key), decision.action, decision.kind, decision.reason, len(found.granules))
        yield replace(planned, size=found.size, scratch=need.of(found, files=needs_files(found, meta)))


def _ordered(rows: Mapping[str, list[Planned]], order: Order) -> list[str]:
    """Return the periods in the order in which they would start. `smallest`: fewest bytes first, unknown sizes last."""
    if order != "smallest":
        return sorted(rows, reverse=order == "newest")

    def size(period: str) -> tuple[bool, int, str]:
        total = sum(row.size for row in rows[period] if row.action == "run")
        return total == 0, total, period

    return sorted(rows, key=size)


def _speed(entries: Iterable[Entry]) -> float | None:
    done = [(entry.downloaded, entry.seconds) for entry in entries if entry.downloaded and entry.seconds]
    return sum(size for size, _ in done) / sum(seconds for _, seconds in done) if done else None
