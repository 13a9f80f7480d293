"""Containers of somebody's image on ECS: a task of ECS for each payload, which has no rights of AWS at all.

Three containers share a volume. `bring` and `take` are ours; they get and put two objects by addresses that this worker
has signed, and know nothing else. The image's container runs between, and has the volume alone.

Signed addresses last no longer than the credentials that sign them, which may be minutes. So what the task is told is
the address of a ticket: an object with fresh addresses, which this worker writes anew every `RENEW` seconds. `take`
ends the task where nobody has done so for `LEASE` seconds: then the worker has died.
"""

import json
import logging
import threading
from uuid import uuid4

from pileus.documents.task import TaskDefinition
from pileus.edges.ecs_tasks import BRING, TAKE, THEIRS, EcsTasks, TaskState
from pileus.edges.store import Store
from pileus.errors import HandedBack, StoreError, Unavailable, UsageError
from pileus.pace import Pace, Threads
from pileus.worker.child_process import TaskFailed
from pileus.worker.container_payloads import failed, no_answer, too_hungry, too_long, took_too_long
from pileus.worker.payload_files import EXPIRED, NO_ANSWER, RENEW, TICKET, TOO_LONG

log = logging.getLogger("pileus.worker")
FOLDER = "cirrus/tmp/containers"
"""Where payloads and answers of containers lie; the bucket's rules remove them after days."""
SIGNED = 3600
"""Seconds that a signed address is good for, at most."""
POLL = 5.0
"""Seconds between two looks at a task."""
PATIENCE = 1800.0
"""Seconds that a task may take to start, on an instance that has to be started too."""
PAUSE = 15.0
"""Seconds between two tries where ECS has no room."""
LOST = frozenset(("SpotInterruption", "TerminationNotice"))
"""Why ECS stops a task whose machine is taken away."""
CANNOT = ("CannotPull", "CannotCreate", "CannotStart")
"""How ECS begins the reason of a container that it cannot run."""


class EcsContainers:
    """Runs the containers of a task. `memory`: MiB; `internal`: the bucket; `poll`, `patience`: seconds."""

    def __init__(
        self,
        name: str,
        definition: TaskDefinition,
        tasks: EcsTasks,
        store: Store,
        internal: str,
        *,
        memory: int,
        poll: float = POLL,
        patience: float = PATIENCE,
        pace: Pace | None = None,
    ) -> None:
        self._name, self._definition, self._memory = name, definition, memory
        self._tasks, self._store, self._folder = tasks, store, f"s3://{internal}/{FOLDER}"
        self._poll, self._patience, self._pace = poll, patience, pace or Threads()

    def run(self, payload: bytes, cancelled: threading.Event) -> bytes:
        """Do as Containers does."""
        room = f"{self._folder}/{uuid4().hex}"
        self._store.put(f"{room}/input.json", payload, "application/json")
        task, ended = self._ended(room, cancelled)
        if ended.of(BRING).status == EXPIRED:  # it took long to start; now a machine is there
            task, ended = self._ended(room, cancelled)
        self._check(task, ended)
        return self._store.get(f"{room}/output.json")

    def close(self) -> None:
        """Nothing is left: each task has ended with its payload."""

    def _ended(self, room: str, cancelled: threading.Event) -> tuple[str, TaskState]:
        """Run a task to its end, and return its ARN and how it has ended."""
        task = self._started(room, cancelled)
        log.info("started a container", extra={"task": self._name, "ecs_task": task})
        try:
            return task, self._followed(task, room, cancelled)
        except BaseException as error:
            self._stop(task, str(error))
            raise

    def _stop(self, task: str, why: str) -> None:
        try:
            self._tasks.stop(task, why[:200])
        except StoreError as error:  # it ends by itself when its ticket is not renewed
            log.warning("could not stop a container", extra={"task": self._name, "error": str(error)})

    def _started(self, room: str, cancelled: threading.Event) -> str:
        token, ends = uuid4().hex, self._pace.clock() + self._patience
        while True:
            try:
                return self._tasks.start({TICKET: self._renewed(room)}, token)
            except Unavailable as exc:
                if self._pace.clock() > ends:
                    raise
                log.warning("waiting for ECS", extra={"task": self._name, "error": str(exc)})
            token = uuid4().hex  # a token goes with one request, and the next has other addresses
            self._wait(PAUSE, cancelled)

    def _renewed(self, room: str) -> str:
        """Write a ticket with fresh addresses, and return that of the ticket."""
        ticket, found = f"{room}/ticket.json", dict[str, str]()
        for name, url in (("ticket", ticket), ("input", f"{room}/input.json"), ("output", f"{room}/output.json")):
            signed = self._store.signed(url, SIGNED, write=name == "output")
            if signed is None:
                raise UsageError("no address of it can be signed", where=url)
            found[name] = signed
        told = {**found, "number": uuid4().hex}
        self._store.put(ticket, json.dumps(told).encode(), "application/json")
        return found["ticket"]

    def _followed(self, task: str, room: str, cancelled: threading.Event) -> TaskState:
        """Return how the task has ended. Its time runs from when all of its containers have started."""
        asked = renewed = self._pace.clock()
        began: float | None = None
        while True:
            self._wait(self._poll, cancelled)
            now = self._pace.clock()
            try:
                if now - renewed > RENEW:
                    self._renewed(room)
                    renewed = now
                state = self._tasks.look(task)
            except Unavailable as exc:
                log.warning("waiting for the stack", extra={"task": self._name, "error": str(exc)})
                continue
            if state.stopped:
                return state
            if state.of(THEIRS).reason.startswith(CANNOT):  # ECS stops a task for a container of ours only
                self._stop(task, "its image's container cannot be started")
                return state
            if state.started and began is None:
                began = now
            if began is None and now - asked > self._patience:
                raise StoreError(f"ECS has not started it within {self._patience:g} s: {state.status}", where=task)
            if began is not None and now - began > self._definition.timeout:
                raise took_too_long(self._name, self._definition.timeout)

    def _wait(self, seconds: float, cancelled: threading.Event) -> None:
        if self._pace.wait(cancelled, seconds):
            raise HandedBack("told to stop", where=self._name)

    def _check(self, task: str, ended: TaskState) -> None:
        """Raise what has gone wrong in a task that has ended; nothing where the answer is there.

        1. Its machine was taken away: the payload is handed back. Somebody has stopped it: it has died.
        2. Our container that uploads the answer has failed: a StoreError.
        3. The image's container never ran: a UsageError where its image cannot be pulled, else a StoreError.
        4. It ended with another status than 0: memory, then a traceback that it has printed, then the status.
        5. It has written nothing that can be an answer.
        """
        theirs, take = ended.of(THEIRS), ended.of(TAKE)
        if ended.code in LOST:
            raise HandedBack(f"its machine was taken away: {ended.reason}", where=self._name)
        if ended.code == "UserInitiated":
            raise TaskFailed("TaskDied", f"its container was stopped: {ended.reason}", where=self._name)
        if take.status not in (None, 0, NO_ANSWER, TOO_LONG):
            raise StoreError(f"its answer was not taken (status {take.status}) {take.reason}".strip(), where=self._name)
        if theirs.status is None:
            raise self._not_run(ended)
        if theirs.status != 0 and theirs.reason.startswith("OutOfMemory"):
            raise too_hungry(self._name, self._memory)
        if theirs.status != 0:
            raise failed(self._name, theirs.status, self._printed(task))
        if take.status == 0:
            return
        raise too_long(self._name) if take.status == TOO_LONG else no_answer(self._name)

    def _not_run(self, ended: TaskState) -> UsageError | StoreError:
        """Return why the image's container never ran."""
        said = ended.of(THEIRS).reason or ended.reason
        if said.startswith("CannotPull"):
            why = f"the image {self._definition.image} cannot be pulled: {said[:300]}"
            return UsageError(why, where=self._name)
        bring = ended.of(BRING)
        if bring.status:
            return StoreError(f"its payload was not brought (status {bring.status})", where=self._name)
        return StoreError(f"ECS refused: {said[:300]}", where=self._name)

    def _printed(self, task: str) -> bytes:
        """Return the last that it has printed, for the class of an error. What comes to the log too late is not waited
        for, nor a log that cannot be read: the failure then has its status.
        """
        try:
            for _ in range(3):
                if found := self._tasks.printed(task):
                    return found
                self._pace.wait(threading.Event(), min(2.0, self._poll))
        except StoreError as error:
            log.warning("could not read what a container has printed", extra={"task": self._name, "error": str(error)})
        return b""
