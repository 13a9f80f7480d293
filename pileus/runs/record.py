"""The objects of what was asked for, from which the index can be rebuilt.

internal   runs/PROCESS/ID/input.json            the input document, written once
internal   runs/PROCESS/ID/run.json              the entry of its latest run, as it is in the index
protected  runs/PROCESS/ID/run-N/result.json     the result document of the N-th run
protected  runs/PROCESS/ID/run-N/rows.parquet    the rows that it names

Those of the run of a workflow are the same, without rows, under `executions/WORKFLOW/ID/`: `input.json` is the document
as it was given, and `result.json` what the execution put out.

Those of a payload lie where Cirrus has them, each execution with its own:

internal   cirrus/executions/ID/run.json               the entry of its latest run
internal   cirrus/executions/ID/EXECUTION/input.json   the payload, written once
internal   cirrus/executions/ID/EXECUTION/output.json  what the execution put out
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pileus.edges.store import load, revise
from pileus.errors import Conflict, NotFound, StoreError, UsageError
from pileus.lifecycle.partition import Entry
from pileus.processes import RegisteredProcess, process_of
from pileus.subject import Asked, PayloadId, Request
from pileus.wiring import Edges

FOLDERS = {"request": "runs", "workflow": "executions", "payload": "cirrus/executions"}
"""By kind of subject."""
COPY = "copy"
"""In the `extra` of an entry: entity tag of the copy that an earlier entry of the subject has in S3."""
LARGEST = 10 << 20
"""Most bytes of an input document: of zones that are given by value, above all."""


def folder(subject: Asked) -> str:
    """Return the folder of its objects, in each bucket."""
    if isinstance(subject, PayloadId):
        return f"{FOLDERS[subject.kind]}/{subject}"
    return f"{FOLDERS[subject.kind]}/{subject.name}/{subject.id}"


def input_url(edges: Edges, subject: Asked) -> str:
    """Return the address of the input document."""
    return edges.internal(f"{folder(subject)}/input.json")


def execution_url(edges: Edges, subject: PayloadId, execution: str, name: str) -> str:
    """Return the address of the input or the output of an execution (ARN) of a payload."""
    return edges.internal(f"{folder(subject)}/{execution.rpartition(':')[2]}/{name}")


def input_of(edges: Edges, entry: Entry) -> str:
    """Return the address of the input document of the run that an entry of what was asked for is about."""
    subject = entry.subject
    assert isinstance(subject, Asked)
    if isinstance(subject, PayloadId):
        return execution_url(edges, subject, entry.extra["executions"][-1], "input.json")
    return input_url(edges, subject)


def entry_url(edges: Edges, subject: Asked) -> str:
    """Return the address of the copy of the entry."""
    return edges.internal(f"{folder(subject)}/run.json")


def output_url(edges: Edges, subject: Asked, number: int, name: str) -> str:
    """Return the address of an output of the run of this number."""
    return edges.protected(f"{folder(subject)}/run-{number}/{name}")


def result_of(edges: Edges, subject: Asked, number: int) -> str | None:
    """Return the address of the result document of a run; None while there is none."""
    url = output_url(edges, subject, number, "result.json")
    try:
        edges.store.get(url)
    except NotFound:
        return None
    return url


def write_input(edges: Edges, subject: Asked, document: Mapping[str, Any]) -> None:
    """Write the input document, once. Raises UsageError for one that is too large, Conflict where there is another."""
    body = json.dumps(document, sort_keys=True).encode()
    if len(body) > LARGEST:
        raise UsageError(f"the inputs have {len(body):,} bytes: {LARGEST:,} are the most; give zones by their address")
    try:
        edges.store.swap(input_url(edges, subject), body, None, "application/json")
    except Conflict as exc:
        there = read_document(edges, input_url(edges, subject))
        if json.dumps(_asked(subject, there), sort_keys=True) != json.dumps(_asked(subject, document), sort_keys=True):
            raise Conflict("there is a run of this id already, with another input", where=subject.key) from exc


def _asked(subject: Asked, document: Mapping[str, Any]) -> Any:
    """Return what a user gave of an input document: it stays the same when the process has another version."""
    return document["inputs"] if isinstance(subject, Request) else document


def read_document(edges: Edges, url: str) -> dict[str, Any]:
    """Return an input document. Raises NotFound, DamagedObject."""
    return load(edges.store, url, lambda body: dict(json.loads(body)))


def read_input(edges: Edges, url: str) -> tuple[RegisteredProcess, Mapping[str, Any]]:
    """Return the process and the inputs of the input document of a request. Raises NotFound, DamagedObject."""

    def parse(body: bytes) -> tuple[RegisteredProcess, Mapping[str, Any]]:
        value = json.loads(body)
        return process_of(value["process"]), dict(value["inputs"])

    return load(edges.store, url, parse)


def keep(edges: Edges, subject: Asked) -> str:
    """Copy the entry of a subject from the index to S3, for a recovery. A slow writer never overwrites a newer one.
    Return the entity tag of the copy.
    """

    def step(_: bytes | None) -> bytes:
        now = edges.index.entry(subject)  # read after the tag: who changes it later also writes it later
        if now is None:
            raise StoreError("the index was lost: try again when it is back", where=subject.key)
        return _body(now)

    return revise(edges.store, entry_url(edges, subject), step)[2]


def keep_stored(edges: Edges, entry: Entry) -> str:
    """Copy an entry that this process has just stored, as `keep` does, and return the entity tag of the copy.

    The entry names the tag of the copy before it (`COPY` in its `extra`), which was read before it was stored. Where
    that is still the copy's, nobody has changed the entry and copied it since: so nothing needs to be read.
    """
    subject = entry.subject
    assert isinstance(subject, Asked)
    try:
        return edges.store.swap(entry_url(edges, subject), _body(entry), entry.extra.get(COPY), "application/json")
    except Conflict:
        return keep(edges, subject)


def _body(entry: Entry) -> bytes:
    return json.dumps(entry.to_json()).encode()


def kept(edges: Edges) -> Iterator[str]:
    """Yield the addresses of the copies of all entries."""
    for place in FOLDERS.values():
        for url, _ in edges.store.list(edges.internal(f"{place}/")):
            if url.endswith("/run.json"):
                yield url


def read_entry(edges: Edges, url: str) -> Entry:
    """Return a copied entry, without a tag. Raises DamagedObject."""

    def parse(body: bytes) -> Entry:
        return Entry.from_json({name: value for name, value in json.loads(body).items() if name != "tag"})

    return load(edges.store, url, parse)
