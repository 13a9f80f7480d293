"""The node of type `ogc`: a server of OGC API - Processes, of anybody's.

    [far]
    type = ogc
    url = https://example.org/ogcapi
    token_env = FAR_TOKEN           or token_file, or neither

Each process is an operation `far:ID`; characters that no name has are `_` in it. Each operation is an execution of its
own: asynchronous where the process can be, and waited for. Parameters are inputs of that name. Data go to the inputs
that are data, in their order: by address where they have one, else within the request. A number that another operation
made goes to the first input that is a number and is not given. NetCDF, GeoTIFF and JSON with numbers are read.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pileus.errors import DamagedObject, DocumentError, HandedBack, OperationFailed, PileusError
from pileus.near import unknown
from pileus.nodes.ogc_http import Answer, OgcServer
from pileus.nodes.ogc_process import JSON, Process, dataset_of, number_in
from pileus.nodes.rest_node import token_of
from pileus.nodes.settings import Section
from pileus.stratus.capability import Capability
from pileus.stratus.domain import cut
from pileus.stratus.graph import graph_of
from pileus.stratus.netcdf import plain, write
from pileus.stratus.open_dataset import open_dataset
from pileus.stratus.request import Operation, StratusRequest

FRESH = 300
"""Seconds for which descriptions are kept."""
MOST_PROCESSES = 500
SLOWEST = 2.0
"""Longest pause between two looks at a job, in seconds."""


def ogc_node(section: Section) -> "OgcNode":
    """Return the node of a section. Nothing is sent. Raises UsageError for what is no address of a server."""
    return OgcNode(section.name, OgcServer(section.text("url"), token_of(section)))


class OgcNode:
    """See `Node`."""

    def __init__(self, name: str, server: OgcServer) -> None:
        self.name, self._server, self._lock = name, server, threading.Lock()
        self._read, self._processes = 0.0, dict[str, Process]()

    def capabilities(self, _via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """See Node."""
        return tuple(one.capability(self.name) for one in self._known().values())

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        """See Node. Operations come one after another; what one makes is sent to the next."""
        graph, files, known = graph_of(request), dict(given), self._known()
        for result, operation in graph.operations.items():
            if operation.op not in known:
                raise DocumentError(unknown("process", operation.op, known))
            for id in operation.inputs:
                if id in request.inputs and (request.inputs[id].variable or request.inputs[id].domain):
                    raise DocumentError(f"input {id}: an OGC process reads all of it: without a variable or a domain")
            body = folder / f".{result}.answer"
            try:
                answer = self._execute(known[operation.op], operation, request, files, body, stopping)
                files[result] = self._kept(answer, operation, request, folder)
            finally:
                body.unlink(missing_ok=True)
        return {output: files[output] for output in graph.outputs}

    def close(self) -> None:
        """See Node. There is nothing that is kept open."""

    def _known(self) -> dict[str, Process]:
        """Return the processes of the server by their names as operations."""
        with self._lock:
            if self._processes and time.monotonic() - self._read < FRESH:
                return self._processes
            told = self._server.json("/processes?limit=1000&f=json")
            listed = told.get("processes") if isinstance(told, Mapping) else None
            if not isinstance(listed, list) or not all(isinstance(one, Mapping) and "id" in one for one in listed):
                raise DamagedObject("expected a list of processes", where=self._server.url)
            found = [str(one["id"]) for one in listed[:MOST_PROCESSES]]
            described = (Process.of(self._server.json(f"/processes/{quote(id, safe='')}?f=json")) for id in found)
            self._processes, self._read = {one.op: one for one in described}, time.monotonic()
            return self._processes

    def _execute(
        self,
        process: Process,
        operation: Operation,
        request: StratusRequest,
        files: Mapping[str, Path],
        body: Path,
        stopping: threading.Event,
    ) -> Answer:
        """Return the answer of a process, once it has one."""
        value = process.body(*_numbers(process, operation, request, files))
        headers = {"Accept": "*/*"} | ({"Prefer": "respond-async"} if process.asynchronous else {})
        path = f"/processes/{quote(process.id, safe='')}/execution"
        answer = self._server.post(path, value, headers, body)
        if answer.status == 201 and answer.location:
            self._wait(answer.location, operation, stopping)
            answer = self._server.get(f"{answer.location.partition('?')[0].rstrip('/')}/results?f=json", body, stopping)
        if answer.media_type in JSON and (href := _reference(answer.json())):
            return self._server.get(href, body, stopping)
        return answer

    def _wait(self, job: str, operation: Operation, stopping: threading.Event) -> None:
        pause = 0.05
        while True:
            told = self._server.json(f"{job}{'&' if '?' in job else '?'}f=json")
            status = told.get("status") if isinstance(told, Mapping) else None
            if status == "successful":
                return
            if status not in ("accepted", "running"):
                why = told.get("message", "") if isinstance(told, Mapping) else ""
                raise OperationFailed(f"{operation.name}: the job is {str(status)[:40]}: {str(why)[:300]}")
            if stopping.wait(pause):
                with suppress(PileusError):  # it costs the server time, and nothing else
                    self._server.delete(job)
                raise HandedBack("told to stop")
            pause = min(pause * 1.5, SLOWEST)

    def _kept(self, answer: Answer, operation: Operation, request: StratusRequest, folder: Path) -> Path:
        """Return an answer as a NetCDF4 file, cut to the domain of the operation."""
        path, what = folder / f"{operation.result}.nc", f"operation {operation.result} ({operation.name})"
        domain = request.domains[operation.domain] if operation.domain else None
        if answer.media_type in JSON:
            data = plain(dataset_of(answer.json(), what), what)
            write(cut(data, domain, what) if domain else data, path, what)
            return path
        try:
            with open_dataset(answer.body, what) as opened:
                data = plain(opened, what)
                write(cut(data, domain, what) if domain else data, path, what)
        except DocumentError as error:
            raise DamagedObject(f"{what}: the server answered with {answer.media_type or 'bytes'}: {error}") from error
        return path


def _numbers(
    process: Process, operation: Operation, request: StratusRequest, files: Mapping[str, Path]
) -> tuple[Operation, Mapping[str, Any], Mapping[str, Path]]:
    """Return an operation whose inputs that are one number are among its parameters, with what else `body` takes."""
    parameters, left = dict(operation.parameters), list[str]()
    free = [name for name, one in process.parameters.items() if one.get("type") in ("number", "integer")]
    for id in operation.inputs:
        name = next((one for one in free if one not in parameters), None)
        value = number_in(files[id]) if id in files and name and len(left) >= len(process.data) else None
        if value is None or name is None:
            left.append(id)
        else:
            parameters[name] = int(value) if value.is_integer() else value
    return replace(operation, inputs=tuple(left), parameters=parameters), request.inputs, files


def _reference(value: Any) -> str:
    """Return the address of a result that is given by one: `{"href"}`, or an object whose only value is that."""
    for _ in range(2):
        if isinstance(value, Mapping) and isinstance(value.get("href"), str):
            return str(value["href"])
        value = next(iter(value.values())) if isinstance(value, Mapping) and len(value) == 1 else None
    return ""
