"""A service for specs of faces: it does requests with a node in threads, and forgets all when it ends."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import BinaryIO

from pileus.errors import Conflict, HandedBack, NotFound, PileusError, UsageError
from pileus.models import State
from pileus.nodes.node import Node
from pileus.stratus.capability import Capability
from pileus.stratus.graph import graph_of
from pileus.stratus.request import StratusRequest
from pileus.stratus.service import NETCDF, Progress


@dataclass
class Kept:
    """One request."""

    request: StratusRequest
    progress: Progress
    stopping: threading.Event = field(default_factory=threading.Event)
    files: dict[str, Path] = field(default_factory=dict)
    error: PileusError | None = None


class Answering:
    """See `pileus.stratus.service.Service`."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node, self.folder, self.kept = node, folder, dict[str, Kept]()
        self.threads: list[threading.Thread] = []

    def capabilities(self, _via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        return self.node.capabilities()

    def start(self, request: StratusRequest) -> Progress:
        graph = graph_of(request)
        rid = request.rid or f"made{len(self.kept)}"
        if rid in self.kept:
            if self.kept[rid].request != request:
                raise Conflict(f"{rid}: is another request")
            return self.kept[rid].progress
        progress = Progress(rid, request.cid, State.running, graph.outputs, 0, len(graph.operations))
        self.kept[rid] = kept = Kept(request, progress)
        self.threads.append(threading.Thread(target=self._do, args=(kept,), daemon=True))
        self.threads[-1].start()
        return progress

    def _do(self, kept: Kept) -> None:
        folder = self.folder / kept.progress.rid
        folder.mkdir(parents=True, exist_ok=True)
        given = {
            id: self.folder / one.uri.removeprefix("value:")
            for id, one in kept.request.inputs.items()
            if one.uri.startswith("value:")
        }
        asked = changed(kept.request, outputs=kept.progress.outputs)
        try:
            kept.files = dict(self.node.run(asked, given, folder, kept.stopping))
            kept.progress = changed(kept.progress, state=State.succeeded, done=kept.progress.operations)
        except HandedBack:
            kept.progress = changed(kept.progress, state=State.cancelled, why="was stopped")
        except PileusError as error:
            kept.error = error
            kept.progress = changed(kept.progress, state=State.failed, why=str(error))

    def find(self, rid: str) -> Progress:
        return self._kept(rid).progress

    def list(self, cid: str = "", limit: int = 100) -> tuple[Progress, ...]:
        found = [one.progress for one in self.kept.values() if not cid or one.progress.cid == cid]
        return tuple(found[::-1][:limit])

    def result(self, rid: str, name: str, form: str) -> Iterator[bytes]:
        kept = self._kept(rid)
        if form != NETCDF:
            raise UsageError(f"{form}: there is {NETCDF}")
        if kept.error:
            raise kept.error
        if kept.progress.state is not State.succeeded:
            raise Conflict(f"{rid}: is {kept.progress.state.value}")
        if (name or kept.progress.outputs[0]) not in kept.files:
            raise NotFound(f"{rid}: has no result {name}")
        return iter([kept.files[name or kept.progress.outputs[0]].read_bytes()])

    def stop(self, rid: str) -> Progress:
        self._kept(rid).stopping.set()
        return self._kept(rid).progress

    def delete(self, rid: str) -> None:
        if not self._kept(rid).progress.state.ended:
            raise Conflict(f"{rid}: goes on")
        del self.kept[rid]

    def upload(self, content: BinaryIO) -> str:
        read = content.read()
        name = hashlib.sha256(read).hexdigest()
        (self.folder / name).write_bytes(read)
        return f"value:{name}"

    def _kept(self, rid: str) -> Kept:
        if rid not in self.kept:
            raise NotFound(f"{rid}: no such request")
        return self.kept[rid]


@contextmanager
def answering(node: Node, folder: Path) -> Iterator[Answering]:
    """A service that is stopped at the end."""
    service = Answering(node, folder)
    try:
        yield service
    finally:
        for kept in service.kept.values():
            kept.stopping.set()
        for thread in service.threads:
            thread.join(10)
