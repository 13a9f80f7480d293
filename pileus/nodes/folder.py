"""A node that runs by itself: requests, where they stand and their results as files of one folder; no AWS.

What had not ended when the process was killed goes on when the next begins. Results stay until they are deleted.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, Protocol
from uuid import uuid4

from pileus.errors import Conflict, HandedBack, NotFound, OperationFailed, PileusError, UsageError
from pileus.models import State
from pileus.near import unknown
from pileus.nodes.addresses import check_form, local_file
from pileus.nodes.kept import Kept, KeptRequests, Standing, pieces
from pileus.nodes.route import Told
from pileus.nodes.uploads import Uploads
from pileus.stratus.addresses import GIVEN
from pileus.stratus.capability import Capability
from pileus.stratus.forms import write_form
from pileus.stratus.graph import graph_of
from pileus.stratus.request import StratusRequest
from pileus.stratus.service import FORMS, NETCDF, Progress

LINGER = 2.0
"""Seconds that requests have to end when the service is closed."""


class Works(Protocol):
    """What the service does requests with: a `route.Route`."""

    def capabilities(self, via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """Return what it can do; see `Node`."""
        ...

    def check(self, request: StratusRequest) -> None:
        """Raise DocumentError with what is wrong with a request."""
        ...

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event, told: Told
    ) -> Mapping[str, Path]:
        """Do a request."""
        ...


class FolderService:
    """See `Service`. Safe in several threads at once. Raises UsageError where another process serves the folder."""

    def __init__(self, folder: Path, node: Works, *, files: Sequence[Path] = (), at_once: int = 4) -> None:
        """`files`: folders below which inputs `file:///PATH` may lie. `at_once`: requests that are done at one time."""
        self._node, self._files = node, files
        self._disk = KeptRequests(folder)
        self._uploads = Uploads(folder / "values")
        self._lock = threading.Lock()
        self._kept = {one.request.rid: one for one in self._disk.all()}
        self._stops: dict[str, threading.Event] = {}
        self._waiting: SimpleQueue[str] = SimpleQueue()
        self._closing = threading.Event()
        for rid, one in self._kept.items():
            if one.standing.state.ended:
                self._disk.tidy(rid, one.standing)
            else:
                self._waiting.put(rid)
        self._sweep()
        self._threads = [threading.Thread(target=self._work, daemon=True, name=f"request {n}") for n in range(at_once)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End within about two seconds. What has not ended goes on when the next service begins."""
        self._closing.set()
        for stopping in [*self._stops.values()]:
            stopping.set()
        for _ in self._threads:
            self._waiting.put("")
        for thread in self._threads:
            thread.join(LINGER)
        self._disk.close()

    def capabilities(self, via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """See Service."""
        return self._node.capabilities(via)

    def start(self, request: StratusRequest) -> Progress:
        """See Service."""
        request = request if request.rid else replace(request, rid=uuid4().hex)
        if known := self._known(request):
            return known
        graph_of(request)
        self._files_of(request)
        self._node.check(request)
        with self._lock:
            if known := self._known(request):
                return known
            number = max((one.number for one in self._kept.values()), default=0) + 1
            kept = self._kept[request.rid] = self._disk.begin(number, request)
        self._waiting.put(request.rid)
        return _progress(kept)

    def find(self, rid: str) -> Progress:
        """See Service."""
        return _progress(self._one(rid))

    def list(self, cid: str = "", limit: int = 100) -> tuple[Progress, ...]:
        """See Service."""
        found = [one for one in [*self._kept.values()] if cid in ("", one.request.cid)]
        return tuple(map(_progress, sorted(found, key=lambda one: -one.number)[:limit]))

    def result(self, rid: str, name: str, form: str) -> Iterator[bytes]:
        """See Service."""
        if form not in FORMS:
            raise UsageError(unknown("form", form, FORMS))
        path = self.file(rid, name)
        return pieces(path) if form == NETCDF else write_form(path, form)

    def file(self, rid: str, name: str) -> Path:
        """Return the NetCDF4 file of a result; see `result`."""
        one = self._one(rid)
        if one.standing.state is State.failed:
            raise one.standing.failure()
        if one.standing.state is not State.succeeded:
            raise Conflict(f"has no result: it is {one.standing.state}", where=rid)
        results = one.standing.results
        if not name and len(results) > 1:
            raise UsageError(f"has several results: expected the name of one of {', '.join(results)}", where=rid)
        if name and name not in results:
            raise NotFound(unknown("result", name, results), where=rid)
        return self._disk.work(rid) / results[name or next(iter(results))]

    def stop(self, rid: str) -> Progress:
        """See Service."""
        with self._lock:
            one = self._one(rid)
            if one.standing.state.ended:
                raise Conflict(f"has ended: it is {one.standing.state}", where=rid)
            self._stand(rid, replace(one.standing, state=State.cancelled, why="was stopped"))
            if stopping := self._stops.get(rid):
                stopping.set()
        return self.find(rid)

    def delete(self, rid: str) -> None:
        """See Service."""
        with self._lock:
            one = self._one(rid)
            if not one.standing.state.ended or rid in self._stops:
                raise Conflict("goes on: stop it first, and wait until it has ended", where=rid)
            self._disk.delete(rid)
            del self._kept[rid]
        self._sweep()

    def upload(self, content: BinaryIO) -> str:
        """See Service."""
        return self._uploads.keep(content)

    def _one(self, rid: str) -> Kept:
        if rid not in self._kept:
            raise NotFound("there is no request of this id", where=rid)
        return self._kept[rid]

    def _known(self, request: StratusRequest) -> Progress | None:
        """Return where the request of this rid stands; None where there is none. Raises Conflict for another."""
        one = self._kept.get(request.rid)
        if one and one.request.to_json() != request.to_json():
            raise Conflict("another request has this id", where=request.rid)
        return _progress(one) if one else None

    def _files_of(self, request: StratusRequest) -> dict[str, Path]:
        """Return the files that are here, by the id of the input. Raises DocumentError."""
        found: dict[str, Path] = {}
        for id, one in request.inputs.items():
            check_form(one)
            if one.uri.startswith("value:"):
                found[id] = self._uploads.file(one)
            elif one.uri.startswith("file:"):
                found[id] = local_file(one, self._files)
        return found

    def _stand(self, rid: str, standing: Standing) -> None:
        """Write down where a request stands; to be called with the lock."""
        self._disk.stand(rid, standing)
        self._kept[rid] = replace(self._kept[rid], standing=standing)

    def _work(self) -> None:
        """Do waiting requests, one after another."""
        while (rid := self._waiting.get()) and not self._closing.is_set():
            with self._lock:
                if rid not in self._kept or self._kept[rid].standing.state.ended:
                    continue
                one, stopping = self._kept[rid], threading.Event()
                self._stops[rid] = stopping
                self._stand(rid, replace(one.standing, state=State.running, done=0))
            try:
                ended = self._do(rid, one.request, stopping)
            finally:
                del self._stops[rid]
            with self._lock:
                kept = self._kept.get(rid)  # None: it was ended meanwhile, and deleted
                if kept and ended and not kept.standing.state.ended:
                    self._stand(rid, ended)
                standing = self._kept[rid].standing if kept else None
            if standing and standing.state.ended:
                self._disk.tidy(rid, standing)

    def _do(self, rid: str, request: StratusRequest, stopping: threading.Event) -> Standing | None:
        """Do one request, and return where it stands then; None where it was stopped, and may go on."""
        operations, work = len(request.operations), self._disk.work(rid)

        def told(results: Sequence[str]) -> None:
            with self._lock:
                now = self._kept[rid].standing
                if now.state is State.running:
                    self._stand(rid, replace(now, done=now.done + len(results)))

        if self._closing.is_set():
            return None
        try:
            given = self._files_of(request)
            inputs = {
                id: replace(one, uri=f"{GIVEN}{id}") if id in given else one for id, one in request.inputs.items()
            }
            files = self._node.run(replace(request, inputs=inputs), given, work, stopping, told)
            results = {name: str(path.relative_to(work)) for name, path in files.items()}
            return Standing(State.succeeded, operations, results)
        except HandedBack:
            return None
        except PileusError as exc:
            return Standing(done=self._kept[rid].standing.done).failed(exc)
        except Exception as exc:  # noqa: BLE001 - a defect of ours fails one request, and not the node
            failed = OperationFailed(f"{type(exc).__name__}: {exc}", where=rid, kind=type(exc).__name__)
            return Standing(done=self._kept[rid].standing.done).failed(failed)

    def _sweep(self) -> None:
        named = {one.uri for kept in [*self._kept.values()] for one in kept.request.inputs.values()}
        self._uploads.sweep(named)


def _progress(one: Kept) -> Progress:
    state, request = one.standing, one.request
    where = f"{state.where}: " if state.where else ""
    why = f"{where}{state.why}" if state.why else ""
    return Progress(request.rid, request.cid, state.state, one.outputs, state.done, len(request.operations), why)
