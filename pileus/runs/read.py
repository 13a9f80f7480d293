"""Look at runs: one, a page of many, and what one has made."""

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pileus.edges.store import load
from pileus.errors import Conflict, NotFound
from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.processes import process_of
from pileus.runs.view import Run, view
from pileus.subject import Execution, PayloadId, Request, asks, parse_subject
from pileus.wiring import Edges

if TYPE_CHECKING:
    import pyarrow as pa

READ = 100
"""Entries that are read at once while a state is looked for."""
MOST_READ = 5000
"""Entries that are read for one page: then a page may end before it is full, and the next goes on."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some runs, and where the next page begins."""

    runs: tuple[Run, ...]
    after: str | None
    """What `list` is given for the next page; None: this is the last."""


def find(edges: Edges, key: str) -> Run:
    """Return the latest run about a subject. Raises UsageError for what is no key, NotFound where there is no run."""
    return view(edges, find_entry(edges, key))


def find_entry(edges: Edges, key: str) -> Entry:
    """Return the entry of a subject. Raises UsageError for what is no key, NotFound where there is no run."""
    entry = edges.index.entry(parse_subject(key))
    if entry is None:
        raise NotFound("there is no such run", where=key)
    return entry


def list_runs(edges: Edges, of: str, *, state: State | None = None, limit: int = 100, after: str | None = None) -> Page:
    """Return a page of runs. `of`: the id of a process or `workflow:NAME`, newest first; or the scope of partitions,
    such as `viirs/001/2015`, in order of time.

    `after`: as the page before told it. A page may have fewer than `limit` runs, or none, and still not be the last.
    Raises UsageError for an unknown process.
    """
    scope = of if asks(of) or "/" in of else f"{Request.kind}:{of}"
    requests = asks(scope)
    if scope.startswith(f"{Request.kind}:"):
        process_of(scope.partition(":")[2])
    found: list[Run] = []
    place, read, limit = after or "", 0, max(1, limit)
    while read < MOST_READ:
        size = limit - len(found) if state is None else READ
        entries = edges.index.listing(scope, limit=size, after=place, backwards=requests)
        for entry in entries:
            place = entry.subject.item
            if state in (None, entry.state):
                found.append(view(edges, entry))
                if len(found) == limit:
                    return Page(tuple(found), place)
        if len(entries) < size:
            return Page(tuple(found), None)
        read += size
    return Page(tuple(found), place)


def input_of(edges: Edges, key: str) -> Any:
    """Return the input document of a run: as its workflow was given it; of a request, process and inputs; of a
    partition, the groups that it was queued with.

    Raises NotFound where there is no run or no document, DamagedObject.
    """
    return load(edges.store, find(edges, key).input, json.loads)


def result(edges: Edges, key: str) -> Any:
    """Return the result document of a run: of a partition its manifest, of a workflow what its execution put out.

    Raises NotFound where there is no run, Conflict where it has not succeeded, DamagedObject.
    """
    run = find(edges, key)
    if run.output is None:
        why = f": {run.failure}" if run.failure else ""
        raise Conflict(f"is {run.state} and has no result{why}", where=key)
    return load(edges.store, run.output, json.loads if run.kind == Execution.kind else _object)


def rows(edges: Edges, key: str) -> "pa.Table":
    """Return the rows that a run has made, of a partition its statistics. Raises as `result` does, and NotFound where
    there are no rows.
    """
    made = result(edges, key)
    if isinstance(parse_subject(key), Execution | PayloadId):
        raise NotFound("is the run of a workflow, which makes no rows: its result is a document", where=key)
    if isinstance(parse_subject(key), Request):
        if "rows" not in made:
            raise NotFound("has made no rows: its result is a document", where=key)
        return load(edges.store, made["rows"]["url"], _table)
    tables = [output["url"] for output in made["outputs"] if output["kind"] == "table"]
    if not tables:
        raise NotFound("has made no statistics", where=key)
    return load(edges.store, tables[0], _table)


def _object(body: bytes) -> dict[str, Any]:
    return dict(json.loads(body))


def _table(body: bytes) -> "pa.Table":
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(io.BytesIO(body), pre_buffer=False).read(use_threads=False)
