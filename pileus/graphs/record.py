"""The objects of a run of a graph, beside those that every run has.

internal   runs/operations/ID/run-N/graph.json        the plan: which results each message makes
internal   runs/operations/ID/run-N/tries/R-P.json    how often workers began a message and did not hand it back
internal   runs/operations/ID/run-N/made/NAME.nc      a result that only other operations read
protected  runs/operations/ID/run-N/results/NAME.nc   a result that the request wants
protected  runs/operations/ID/run-N/result.json       the result document, when all are made
internal   runs/values/SHA256.nc                      a file that somebody has uploaded; see uploads.py
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pileus.edges.store import load, revise
from pileus.errors import Conflict, NotFound
from pileus.messages import PartTask
from pileus.processes import Operations, process_of
from pileus.runs.record import folder, input_url, output_url, read_document
from pileus.stopping import Check, go_on
from pileus.stratus.graph import Graph
from pileus.stratus.plan import Plan, plan_from, plan_json
from pileus.subject import Request
from pileus.wiring import Edges

PROCESS = "operations"
BLOCK = 8 << 20
"""Bytes that are read at once."""


def graph_at(edges: Edges, subject: Request) -> Graph:
    """Return the graph that a run is about. Raises NotFound, DamagedObject, DocumentError."""
    inputs = process_of(PROCESS).read(read_document(edges, input_url(edges, subject))["inputs"])
    assert isinstance(inputs, Operations)
    return inputs.graph


def plan_url(edges: Edges, subject: Request, number: int) -> str:
    """Return the address of the plan of a run."""
    return edges.internal(f"{folder(subject)}/run-{number}/graph.json")


def keep_plan(edges: Edges, subject: Request, number: int, plan: Plan) -> Plan:
    """Write the plan of a run, once. Return the one that is kept."""
    url = plan_url(edges, subject, number)
    try:
        edges.store.swap(url, json.dumps(plan_json(plan)).encode(), None, "application/json")
    except Conflict:
        return read_plan(edges, url)
    return plan


def read_plan(edges: Edges, url: str) -> Plan:
    """Return a plan. Raises NotFound, DamagedObject."""
    return load(edges.store, url, lambda body: plan_from(json.loads(body)))


def begin(edges: Edges, task: PartTask, change: int = 1) -> int:
    """Count one more try of a message, or (-1) one less, and return how many there are. One that a worker died on
    stays counted.
    """

    def step(before: bytes | None) -> bytes:
        return json.dumps(max(0, (json.loads(before) if before else 0) + change)).encode()

    url = edges.internal(f"{folder(task.subject)}/run-{task.run}/tries/{task.round}-{task.part}.json")
    return int(json.loads(revise(edges.store, url, step, fresh=change > 0)[1]))


def result_url(edges: Edges, subject: Request, number: int, name: str, wanted: Collection[str]) -> str:
    """Return the address of the NetCDF file of a result. `wanted`: the results that the request wants."""
    if name in wanted:
        return output_url(edges, subject, number, f"results/{name}.nc")
    return f"{_made(edges, subject, number)}{name}.nc"


def sizes(edges: Edges, subject: Request, number: int) -> dict[str, int]:
    """Return the results of a run that are made, by name, with the bytes of each."""
    found: dict[str, int] = {}
    for prefix in (_made(edges, subject, number), output_url(edges, subject, number, "results/")):
        for url, size in edges.store.list(prefix):
            found[url.removeprefix(prefix).removesuffix(".nc")] = size
    return found


def is_made(edges: Edges, url: str) -> bool:
    """Return whether there is an object at an address."""
    try:
        edges.store.mark(url)
    except NotFound:
        return False
    return True


def write_results(edges: Edges, subject: Request, number: int, document: Mapping[str, Any]) -> str:
    """Write the result document, and delete what only operations have read. Return its address."""
    url = output_url(edges, subject, number, "result.json")
    edges.store.put(url, json.dumps(document).encode(), "application/json")
    edges.store.delete(*[one for one, _ in edges.store.list(_made(edges, subject, number))])
    return url


def value_url(edges: Edges, sha256: str) -> str:
    """Return the address of an uploaded file."""
    return edges.internal(f"runs/values/{sha256}.nc")


def copy_object(edges: Edges, url: str, path: Path, check: Check = go_on) -> None:
    """Copy an object of the stack's own buckets into a file. `check`: called before each piece; it raises to end this.

    Raises NotFound, and Conflict where the object changes meanwhile.
    """
    size, mark = edges.store.mark(url)
    with path.open("wb") as file:
        for start in range(0, size, BLOCK):
            check()
            file.write(edges.store.part(url, start, min(size, start + BLOCK), mark))


def objects(edges: Edges, subject: Request) -> list[str]:
    """Return the addresses of all objects of a subject, the copy of its entry last."""
    prefixes = (edges.protected(f"{folder(subject)}/"), edges.internal(f"{folder(subject)}/"))
    found = [url for prefix in prefixes for url, _ in edges.store.list(prefix)]
    return sorted(found, key=lambda url: (url.endswith("/run.json"), url))


def _made(edges: Edges, subject: Request, number: int) -> str:
    return edges.internal(f"{folder(subject)}/run-{number}/made/")
