"""The objects of a request, from which the index can be rebuilt.

internal   runs/PROCESS/ID/input.json            the input document, written once
internal   runs/PROCESS/ID/run.json              the entry of its latest run, as it is in the index
protected  runs/PROCESS/ID/run-N/result.json     the result document of the N-th run
protected  runs/PROCESS/ID/run-N/rows.parquet    the rows that it names
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pileus.edges.store import load, revise
from pileus.errors import Conflict, NotFound, StoreError, UsageError
from pileus.lifecycle.partition import Entry
from pileus.processes import RegisteredProcess, process_of
from pileus.subject import Request
from pileus.wiring import Edges

FOLDER = "runs"
LARGEST = 10 << 20
"""Most bytes of an input document: of zones that are given by value, above all."""


def input_url(edges: Edges, subject: Request) -> str:
    """Return the address of a request's input document."""
    return edges.internal(f"{FOLDER}/{subject.process}/{subject.id}/input.json")


def entry_url(edges: Edges, subject: Request) -> str:
    """Return the address of the copy of a request's entry."""
    return edges.internal(f"{FOLDER}/{subject.process}/{subject.id}/run.json")


def output_url(edges: Edges, subject: Request, number: int, name: str) -> str:
    """Return the address of an output of the request's run of this number."""
    return edges.protected(f"{FOLDER}/{subject.process}/{subject.id}/run-{number}/{name}")


def result_of(edges: Edges, subject: Request, number: int) -> str | None:
    """Return the address of the result document of a run; None while there is none."""
    url = output_url(edges, subject, number, "result.json")
    try:
        edges.store.get(url)
    except NotFound:
        return None
    return url


def write_input(edges: Edges, subject: Request, inputs: Mapping[str, Any]) -> None:
    """Write the input document of a request, once. Raises UsageError for one that is too large, Conflict where the
    request has another.
    """
    process = process_of(subject.process)
    body = json.dumps({"process": process.id, "version": process.version, "inputs": inputs}, sort_keys=True).encode()
    if len(body) > LARGEST:
        raise UsageError(f"the inputs have {len(body):,} bytes: {LARGEST:,} are the most; give zones by their address")
    try:
        edges.store.swap(input_url(edges, subject), body, None, "application/json")
    except Conflict as exc:
        _, there = read_input(edges, input_url(edges, subject))  # perhaps of an earlier version of the process
        if json.dumps(there, sort_keys=True) != json.dumps(inputs, sort_keys=True):
            raise Conflict("there is a run of this id already, with another input", where=subject.key) from exc


def read_input(edges: Edges, url: str) -> tuple[RegisteredProcess, Mapping[str, Any]]:
    """Return the process and the inputs of an input document. Raises NotFound, DamagedObject."""

    def parse(body: bytes) -> tuple[RegisteredProcess, Mapping[str, Any]]:
        value = json.loads(body)
        return process_of(value["process"]), dict(value["inputs"])

    return load(edges.store, url, parse)


def keep(edges: Edges, subject: Request) -> None:
    """Copy the entry of a request from the index to S3, for a recovery. A slow writer never overwrites a newer one."""

    def step(_: bytes | None) -> bytes:
        now = edges.index.entry(subject)  # read after the tag: who changes it later also writes it later
        if now is None:
            raise StoreError("the index was lost: try again when it is back", where=subject.key)
        return json.dumps(now.to_json()).encode()

    revise(edges.store, entry_url(edges, subject), step)


def kept(edges: Edges) -> Iterator[str]:
    """Yield the addresses of the copies of all requests' entries."""
    for url, _ in edges.store.list(edges.internal(f"{FOLDER}/")):
        if url.endswith("/run.json"):
            yield url


def read_entry(edges: Edges, url: str) -> Entry:
    """Return a copied entry, without a tag. Raises DamagedObject."""

    def parse(body: bytes) -> Entry:
        return Entry.from_json({name: value for name, value in json.loads(body).items() if name != "tag"})

    return load(edges.store, url, parse)
