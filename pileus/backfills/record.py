"""The record of a run in S3: its partitions and the outcome of each. No later run writes to it.

Below `backfills/ID/run-N/` in the bucket `internal`:

    documents.json            the template and the provider, as they were then
    points.json               the points in time, when the template was expanded
    groups/PERIOD.json        the groups that were queued, when the point was discovered
    aside/PERIOD.json         the groups that were not: up to date, not published, another run's
    files/PERIOD.json         the files that grouping set aside, if any
    ended/PERIOD/GROUP.json   the end of a partition that another run has taken since, or made for this one
    admitted/CLAIM            empty: a group that was started, where `--max-dollars` counts them
    record.json               everything, once, when the run has ended

While a run goes on, the end of each of its partitions is in the index, and for a success in the manifest.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from pileus.edges.store import Store, load
from pileus.errors import Conflict, NotFound
from pileus.lifecycle.backfill import Backfill, backfill_of
from pileus.lifecycle.partition import Entry
from pileus.lifecycle.spending import Spending
from pileus.models import Partition, Problem, State, safe
from pileus.wiring import Edges

T = TypeVar("T")
Aside = tuple[str, Problem]
"""A file that grouping set aside, with its point in time (ISO 8601)."""
PARALLEL = 16
FILES = 1000
"""Points in time whose files set aside are told."""
DETAILS = ("failure", "reason", "missing", "files", "seconds", "attempt", "manifest", "owner", "told", "timing")
"""Fields of an entry that the outcome of a partition keeps beside its own."""


class Outcome(NamedTuple):
    """The state of one partition of a run. A tuple, because there may be a hundred thousand."""

    period: str
    """ISO 8601."""
    group: str
    state: State
    why: str = ""
    """One line: the failure, what it waits for, or why it was queued; empty for a success."""
    size: int = 0
    """Bytes to download, as listed."""
    downloaded: int = 0
    """Bytes, for this backfill."""
    details: Mapping[str, Any] = MappingProxyType({})
    """Of DETAILS, those that are known."""

    def key(self, backfill: Backfill) -> str:
        """Key of the partition."""
        return Partition(backfill.collection, backfill.version, self.period, self.group).key

    def to_json(self, backfill: Backfill) -> dict[str, Any]:
        value = {"partition": self.key(backfill), "state": str(self.state), "why": self.why} | dict(self.details)
        sizes = {"size": self.size, "downloaded": self.downloaded}
        return {name: item for name, item in (value | sizes).items() if item not in ("", None)}


def run_url(edges: Edges, id: str, run: int, rest: str) -> str:
    """Return the address of an object in a run's record."""
    return edges.internal(f"backfills/{id}/run-{run}/{rest}")


def order_url(edges: Edges, backfill: Backfill) -> str:
    """Return the address of the periods in their order of start. Only a backfill with `order: smallest` has this
    object.
    """
    return edges.internal(f"backfills/{backfill.id}/order.json")


def note_aside(edges: Edges, id: str, run: int, period: str, outcomes: Sequence[Outcome]) -> None:
    """Write the groups of a point in time that were not queued, and the reason of each."""
    body = json.dumps([_row(outcome) for outcome in outcomes]).encode()
    edges.store.put(run_url(edges, id, run, f"aside/{period}.json"), body, "application/json")


def note_files(edges: Edges, id: str, run: int, period: str, problems: Sequence[Problem]) -> None:
    """Write the files of a point in time that grouping set aside."""
    body = json.dumps([problem.to_json() for problem in problems]).encode()
    edges.store.put(run_url(edges, id, run, f"files/{period}.json"), body, "application/json")


def note_ended(edges: Edges, entry: Entry, state: State | None = None, why: str = "", **facts: Any) -> None:
    """Write the end of a partition in the run that `entry` names. `state`, `why` and `facts` replace those of the
    entry.
    """
    ended = replace(entry, state=state or entry.state, reason=why or entry.reason, **facts)
    body = json.dumps(ended.to_json()).encode()
    edges.store.put(_ended_url(edges, entry), body, "application/json")


def note_admitted(edges: Edges, id: str, spending: Spending, claim: str) -> None:
    """Write down that a group is about to start whose dollars count."""
    edges.store.put(run_url(edges, id, spending.since, f"admitted/{claim}"), b"", "text/plain")


def admitted(edges: Edges, id: str, spending: Spending) -> int:
    """Return how many groups have started since the spending began."""
    return sum(1 for _ in edges.store.list(run_url(edges, id, spending.since, "admitted/")))


def displaced(edges: Edges, entry: Entry) -> None:
    """Write down the end of a partition before another run replaces its entry, unless the run's record is complete."""
    owner = edges.index.backfill(entry.backfill)
    if owner is not None and owner.run_name == entry.run and not owner.closed:
        cancelled = None if entry.state.ended else State.cancelled
        note_ended(edges, entry, cancelled)


def replacing(edges: Edges, stored: Entry | None, made: Entry | None) -> Entry | None:
    """Return `made`, which is about to replace `stored` in the index. The end of another run's entry is written down
    first. None: nothing is replaced.
    """
    if made is not None and stored is not None and stored.run != made.run:
        displaced(edges, stored)
    return made


def ended_in(edges: Edges, id: str, run: int, partition: Partition) -> Entry | None:
    """Return the end of a partition that a run wrote as an object of its own; None where there is none."""
    url = run_url(edges, id, run, f"ended/{partition.period}/{safe(partition.group)}.json")
    try:
        return load(edges.store, url, lambda body: Entry.from_json(json.loads(body)))
    except NotFound:
        return None


def _ended_url(edges: Edges, entry: Entry) -> str:
    id, run = backfill_of(entry.run), int(entry.run.rpartition("/")[2])
    return run_url(edges, id, run, f"ended/{entry.partition.period}/{safe(entry.partition.group)}.json")


def asides(edges: Edges, backfill: Backfill) -> list[Outcome]:
    """Return the groups that the present run did not queue."""

    def read(url: str, value: Any) -> list[Outcome]:
        period = url.rpartition("/")[2].removesuffix(".json")
        return [_outcome([period, *row[1:]]) for row in value]

    found = _objects(edges.store, run_url(edges, backfill.id, backfill.run, "aside/"), read)
    return [outcome for outcomes in found for outcome in outcomes]


def files_aside(edges: Edges, backfill: Backfill) -> list[Aside]:
    """Return the files that grouping set aside in the present run, of the first points in time that have any."""

    def read(url: str, value: Any) -> list[Aside]:
        period = url.rpartition("/")[2].removesuffix(".json")
        return [(period, Problem(**problem)) for problem in value]

    found = _objects(edges.store, run_url(edges, backfill.id, backfill.run, "files/"), read, most=FILES)
    return [aside for asides in found for aside in asides]


def queued(edges: Edges, backfill: Backfill) -> list[Any]:
    """Return the tasks, as JSON, that the present run has queued."""
    head = run_url(edges, backfill.id, backfill.run, "groups/")
    found = _objects(edges.store, head, lambda _, value: [item["task"] for item in value])
    return [task for tasks in found for task in tasks]


def queued_at(edges: Edges, backfill: Backfill, period: str) -> list[Any]:
    """Return the tasks, as JSON, that the present run has queued of one point in time; none where it has not yet."""
    url = run_url(edges, backfill.id, backfill.run, f"groups/{period}.json")
    try:
        return load(edges.store, url, lambda body: [item["task"] for item in json.loads(body)])
    except NotFound:
        return []


def ends(edges: Edges, backfill: Backfill) -> list[Entry]:
    """Return the ends that the present run wrote as single objects."""
    head = run_url(edges, backfill.id, backfill.run, "ended/")
    return _objects(edges.store, head, lambda _, value: Entry.from_json(value))


def _objects(store: Store, head: str, read: Callable[[str, Any], T], *, most: int | None = None) -> list[T]:
    """Return what `read` makes of the address and the JSON of every object below `head`, of `most` at most.

    Raises DamagedObject.
    """

    def one(url: str) -> T:
        return load(store, url, lambda body: read(url, json.loads(body)))

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="record") as pool:
        return list(pool.map(one, [url for url, _ in islice(store.list(head), most)]))


def close(edges: Edges, backfill: Backfill, outcomes: Sequence[Outcome]) -> None:
    """Write the whole record of the present run. A record that exists is kept."""
    body = written(backfill, outcomes, files_aside(edges, backfill))
    place = run_url(edges, backfill.id, backfill.run, "record.json")
    try:
        edges.store.swap(place, body, None, "application/json")
    except Conflict:
        return


def written(backfill: Backfill, outcomes: Sequence[Outcome], files: Sequence[Aside]) -> bytes:
    """Return a record as JSON."""
    aside = [[period, problem.to_json()] for period, problem in files]
    body = BytesIO()  # row by row: there may be 100,000
    body.write(f'{{"backfill":{_json(backfill.to_json())},"files":{_json(aside)},"partitions":['.encode())
    for number, outcome in enumerate(outcomes):
        body.write(f"{',' * (number > 0)}{_json(_row(outcome))}".encode())
    body.write(b"]}")
    return body.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Closed:
    """The record of a run that has ended."""

    outcomes: list[Outcome]
    files: list[Aside]


def closed(edges: Edges, id: str, run: int) -> Closed | None:
    """Return the record of an ended run; None when the run has not ended, or does not exist."""
    if run < 1:
        return None
    try:
        return load(edges.store, run_url(edges, id, run, "record.json"), read_record)
    except NotFound:
        return None


def read_record(body: bytes) -> Closed:
    """Return what a record holds, the backfill left out."""
    value = json.loads(body)
    files = [(period, Problem(**problem)) for period, problem in value.get("files", ())]
    return Closed(list(map(_outcome, value["partitions"])), files)


def _row(one: Outcome) -> list[Any]:
    return [one.period, one.group, str(one.state), one.why, one.size, one.downloaded, dict(one.details)]


_STATES = {str(state): state for state in State}


def _outcome(row: list[Any]) -> Outcome:
    period, group, state, *rest = row
    return Outcome(period, group, _STATES[state], *rest)
