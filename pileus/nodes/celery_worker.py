"""A worker of Celery: it takes requests from a queue and does them with a node, until it is told to stop.

It says every few seconds that it lives, of itself and of each request that it does: who waits for the answer sees by
that whether to ask another. What it had not done when it was told to stop goes back to the queue.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

from celery import Celery
from celery.exceptions import Ignore, Reject
from celery.worker import WorkController, state

from pileus.errors import DocumentError, HandedBack, OperationFailed, PileusError
from pileus.nodes.celery_node import BROKEN, TRIES
from pileus.nodes.celery_queue import AT_WORK, GIVEN, MADE, RUN, SENT, Queue, brought, carry, now
from pileus.nodes.node import Node
from pileus.nodes.served import Served
from pileus.nodes.told_errors import error_value
from pileus.stratus.request import StratusRequest

AT_ONCE = 2
_LOOK = 0.1
KEPT = 2 * 86400
"""Seconds after which files that nobody took are deleted."""


def serve(served: Served) -> None:
    """Do requests of a queue, as the section `[stratus]` says, until it is told to stop."""
    this = served.settings.this
    queue = Queue.of(this)
    work(queue, served.node, served.stopping, this.number("at_once", AT_ONCE), served.say)


def work(queue: Queue, node: Node, stopping: threading.Event, at_once: int, say: Callable[[str], None]) -> None:
    """Do requests of a queue until `stopping` is set. Raises StoreError where the worker ended by itself."""
    app, ended = queue.app(), threading.Event()
    app.set_default()  # Celery's threads ask for it, and would take one without a backend
    worker = Worker(app, queue, node, stopping)

    @app.task(name=RUN, bind=True, shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
    def run(task: Any, request: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        return worker.run(str(task.request.id), request, given)

    hostname = f"pileus-{uuid.uuid4().hex[:12]}"
    options = {"without_mingle": True, "without_gossip": True, "without_heartbeat": True}
    control = WorkController(
        app=app, hostname=hostname, pool="threads", concurrency=at_once, queues=[queue.name], **options
    )
    state.should_stop = state.should_terminate = None
    consuming = threading.Thread(target=control.start, name="celery", daemon=True)
    living = threading.Thread(target=partial(worker.live, ended), name="sign of life", daemon=True)
    consuming.start()
    living.start()
    say(f"takes requests from {queue.where}, {at_once} at once")
    while consuming.is_alive() and not stopping.wait(0.2):
        pass
    state.should_stop = 0
    consuming.join(10)
    ended.set()
    living.join(10)
    if not stopping.is_set():
        raise OperationFailed(f"the worker of {queue.where} ended: see its log")


class Worker:
    """Does one task in each of its threads."""

    def __init__(self, app: Celery, queue: Queue, node: Node, stopping: threading.Event) -> None:
        self._app, self._queue, self._node, self._stopping = app, queue, node, stopping

    def run(self, id: str, request: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Do a request, and return its files, or what went wrong, as JSON.

        Raises Ignore for a task that is done already, or that another worker does; Reject when told to stop.
        """
        attempt = self._attempt(id)
        if attempt > TRIES:
            return error_value(OperationFailed(f"{TRIES} workers died over it"))
        try:
            with self._signs(id, attempt) as stop, TemporaryDirectory(prefix="pileus-celery-") as folder:
                return {"files": self._done(id, request, given, Path(folder), stop)}
        except HandedBack as error:
            if not self._stopping.is_set():
                return error_value(OperationFailed(f"took more than {self._queue.seconds:,} seconds"))
            self._app.backend.store_result(id, {"at": now(), "attempt": attempt - 1}, SENT)
            raise Reject("told to stop", requeue=True) from error
        except PileusError as error:
            return error_value(error)
        except OSError as error:
            return error_value(OperationFailed(f"the worker cannot keep it: {error.strerror}"))

    def live(self, ended: threading.Event) -> None:
        """Say that this worker lives and what its node can do, and delete what nobody took, until `ended`."""
        swept = 0.0
        while not ended.is_set():
            with suppress(*BROKEN, PileusError):  # who waits for a sign takes its absence for one
                told = [one.to_json() for one in self._node.capabilities()]
                self._app.backend.store_result(self._queue.standing, {"at": now(), "capabilities": told}, AT_WORK)
            if time.monotonic() - swept > 3600:
                self._sweep()
                swept = time.monotonic()
            ended.wait(self._queue.patience / 5)

    def _attempt(self, id: str) -> int:
        """Return how many workers have begun a task, this one too."""
        found = self._app.backend.get_task_meta(id, cache=False)
        if found["status"] == "SUCCESS":
            raise Ignore
        told = found["result"] if found["status"] in (SENT, AT_WORK) else {}
        if found["status"] == AT_WORK and now() - float(told["at"]) <= self._queue.patience:
            raise Ignore
        return int(told.get("attempt", 0)) + 1

    def _done(
        self, id: str, request: Mapping[str, Any], given: Any, folder: Path, stop: threading.Event
    ) -> dict[str, Any]:
        asked = StratusRequest.from_json(request)
        files = brought(given, self._queue.shared, folder, made=False)
        made = folder / "made"
        made.mkdir()
        found = self._node.run(asked, files, made, stop)
        names = {name: f"{MADE}/{id}/{name}.nc" for name in found}
        try:
            return carry(found, names, self._queue.shared)
        except DocumentError as error:
            raise OperationFailed(error.message) from error

    @contextmanager
    def _signs(self, id: str, attempt: int) -> Iterator[threading.Event]:
        """Say that a task is being done, at once and every few seconds, within the context.

        Yields what is set when the worker is told to stop, or the time of the task is up.
        """
        stop, ended, begun = threading.Event(), threading.Event(), time.monotonic()

        def say() -> None:
            self._app.backend.store_result(id, {"at": now(), "attempt": attempt}, AT_WORK)

        def go_on() -> None:
            said = begun
            while not ended.wait(_LOOK):
                if self._stopping.is_set() or time.monotonic() - begun > self._queue.seconds:
                    stop.set()
                if time.monotonic() - said > self._queue.patience / 5:
                    said = time.monotonic()
                    with suppress(*BROKEN):  # who waits for a sign takes its absence for one
                        say()

        say()
        thread = threading.Thread(target=go_on, name=f"signs of {id}", daemon=True)
        thread.start()
        try:
            yield stop
        finally:
            ended.set()
            thread.join()

    def _sweep(self) -> None:
        shared = self._queue.shared
        for path in [*shared.glob(f"{GIVEN}/*"), *shared.glob(f"{MADE}/*")] if shared else ():
            try:
                if time.time() - path.stat().st_mtime > KEPT:
                    rmtree(path) if path.is_dir() else path.unlink()
            except OSError:
                continue  # another worker was quicker
