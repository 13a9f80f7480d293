"""Workers of Celery as a node: a task for a request, and another when its worker has died."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copyfile, rmtree
from typing import Any

from celery.exceptions import CeleryError
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from pileus.errors import DamagedObject, HandedBack, StoreError
from pileus.nodes.celery_queue import AT_WORK, GIVEN, MADE, RUN, SENT, Queue, brought, carry, file_hash, now, task_id
from pileus.nodes.node import NodeLost
from pileus.nodes.passed import refuse_circle
from pileus.nodes.settings import Section
from pileus.nodes.told_errors import raise_told
from pileus.stratus.capability import Capability
from pileus.stratus.request import StratusRequest

TRIES = 3
"""Workers that may die over one request."""
QUICKEST, SLOWEST = 0.02, 0.5
"""Seconds between two looks at a task: at first, and after some time."""
BROKEN = (CeleryError, KombuError, OperationalError, RedisError, OSError)
"""What is raised when the broker, or what keeps its results, cannot be reached."""


def celery_node(section: Section) -> "CeleryNode":
    """Return the node of a section. Raises DocumentError."""
    return CeleryNode(section.name, Queue.of(section))


class CeleryNode:
    """Does parts of requests by workers of Celery. `pileus.nodes.node.Node` says what its methods return."""

    def __init__(self, name: str, queue: Queue) -> None:
        self.name, self._queue, self._app = name, queue, queue.app()

    def capabilities(self, via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """Return what the workers of the queue can do. Raises NodeLost where none lives."""
        told = self._alive()["capabilities"]
        return () if self._queue.id in via else tuple(Capability.from_json(one) for one in told)

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        """Have a request done. One that was begun before goes on, and one that was done is not done again."""
        refuse_circle(request, self._queue.id)
        document = request.to_json()
        hashes = {id: file_hash(path) for id, path in given.items()}
        id = task_id(document, hashes)
        names = {id: f"{GIVEN}/{one}.nc" for id, one in hashes.items()}
        message = {"request": document, "given": carry(given, names, self._queue.shared)}
        found = self._look(id)
        if found["status"] not in (SENT, AT_WORK, "SUCCESS"):
            self._send(id, message, 0)
        answer = self._wait(id, message, stopping)
        if "error" in answer:
            self._forget(id)
            raise_told(answer)
        return self._take(id, answer.get("files"), request, folder)

    def close(self) -> None:
        """Let its connections go."""
        self._app.close()

    def _alive(self) -> dict[str, Any]:
        """Return what the workers told last. Raises NodeLost where that is too long ago."""
        told = self._look(self._queue.standing)["result"]
        if not isinstance(told, dict) or now() - float(told.get("at", 0)) > self._queue.patience:
            raise NodeLost(f"no worker takes from {self._queue.where}", where=self.name)
        return told

    def _look(self, id: str) -> dict[str, Any]:
        """Return what is known of a task: `status` and `result`."""
        try:
            return dict(self._app.backend.get_task_meta(id, cache=False))
        except BROKEN as error:
            raise self._lost(error) from error

    def _send(self, id: str, message: Mapping[str, Any], died: int) -> None:
        try:
            self._app.backend.store_result(id, {"at": now(), "attempt": died}, SENT)
            self._app.send_task(RUN, kwargs=dict(message), task_id=id, queue=self._queue.name)
        except BROKEN as error:
            raise self._lost(error) from error

    def _wait(self, id: str, message: Mapping[str, Any], stopping: threading.Event) -> dict[str, Any]:
        """Return the answer of a worker. The task of one that died is sent again, and so is one that got lost."""
        pause, died = QUICKEST, 0
        while (found := self._look(id))["status"] != "SUCCESS":
            told = found["result"]
            if found["status"] in ("FAILURE", "REVOKED"):
                self._forget(id)
                raise StoreError(f"the task ended as {found['status']}: {str(told)[:300]}", where=self.name)
            if found["status"] != AT_WORK:
                self._alive()
            silent = found["status"] == AT_WORK and now() - float(told["at"]) > self._queue.patience
            if silent or found["status"] not in (AT_WORK, SENT):
                died += 1
                if died == TRIES:
                    raise NodeLost(f"{TRIES} workers died, or are out of reach", where=self.name)
                self._send(id, message, died)
            if stopping.wait(pause):
                raise HandedBack("told to stop")
            pause = min(pause * 1.5, SLOWEST)
        return dict(found["result"])

    def _take(self, id: str, files: Any, request: StratusRequest, folder: Path) -> dict[str, Path]:
        """Return the results, in `folder`; they are let go where they were."""
        shared = self._queue.shared
        try:
            found = brought(files, shared, folder, made=True)
        except DamagedObject:
            self._forget(id)
            raise
        made = {}
        for name in request.outputs or tuple(found):
            if name not in found:
                raise DamagedObject(f"the worker made no {name}", where=self.name)
            made[name] = folder / f"{name}.nc"
            if found[name].parent == folder:
                found[name].replace(made[name])
            else:
                copyfile(found[name], made[name])
        self._forget(id)
        if shared is not None:
            rmtree(shared / MADE / id, ignore_errors=True)
        return made

    def _forget(self, id: str) -> None:
        try:
            self._app.backend.forget(id)
        except BROKEN as error:
            raise self._lost(error) from error

    def _lost(self, error: BaseException) -> NodeLost:
        why = (str(error) or type(error).__name__).splitlines()[0][:200]
        return NodeLost(f"{self._queue.where} cannot be reached: {why}", where=self.name)
